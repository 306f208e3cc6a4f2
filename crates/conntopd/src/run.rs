//! The daemon from its arguments to its exit code.
//!
//! Order: arguments, what must be refused, the listening sockets (so that a taken port is known
//! before the kernel is asked for anything), the collector, which confines its threads, the start-up
//! lines, this thread's confinement, serving.

mod inherit;
mod notify;
mod reload;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use conntop_proto::message::KernelFacts;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use self::inherit::{InheritError, Inherited};
use self::notify::Notify;
use self::reload::Reload;
use crate::args::{self, Command, Events, Listen, Need, Proc, Serve, Settings, UsageError};
use crate::collector::{Acts, Collector, CollectorConfig, CollectorError, CollectorHandle};
use crate::facts::{self, Weight};
use crate::privilege::{Files, Plan, PrivilegeError, Role, User, UserError, beside, is_of_its_own};
use crate::server::listen::{self, GROUP, ListenError};
use crate::server::{Server, stdio};

mod access;
use access::{AccessError, Secrets};

/// Ended by a signal, or with the client of `--stdio`.
pub const EXIT_OK: u8 = 0;
/// Anything that has no code of its own.
pub const EXIT_FAILURE: u8 = 1;
/// Wrong arguments.
pub const EXIT_USAGE: u8 = 2;
/// No permission (EX_NOPERM).
pub const EXIT_PERMISSION: u8 = 77;
/// A configuration that is refused (EX_CONFIG).
pub const EXIT_REFUSED: u8 = 78;

/// Why the daemon ended, other than by a signal.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Collector(#[from] CollectorError),
    #[error(transparent)]
    Inherit(#[from] InheritError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    #[error("the collector has ended; the lines above say why")]
    CollectorEnded,
    #[error("starting the runtime: {0}")]
    Runtime(std::io::Error),
    #[error("--stdio: using stdin and stdout: {0}")]
    Stdio(std::io::Error),
}

impl RunError {
    fn code(&self) -> u8 {
        match self {
            Self::Access(_) | Self::User(_) | Self::Inherit(_) => EXIT_REFUSED,
            Self::Privilege(error) | Self::Collector(CollectorError::Privilege(error)) => match error {
                PrivilegeError::Missing { .. } => EXIT_REFUSED,
                PrivilegeError::SelfTest(_) | PrivilegeError::Needed(_) => EXIT_FAILURE,
                PrivilegeError::Step { .. } => EXIT_PERMISSION,
            },
            Self::Listen(error) if error.is_permission() => EXIT_PERMISSION,
            Self::Collector(error) if error.is_permission() => EXIT_PERMISSION,
            _ => EXIT_FAILURE,
        }
    }
}

/// Runs the daemon with `arguments` (without the program's name) until a signal ends it, or the client
/// of `--stdio` leaves. `program` is
/// what the help calls it. Logs go to stderr.
pub fn run<I, S>(program: &str, arguments: I) -> ExitCode
where
    I: IntoIterator<Item = S>,
    S: Into<OsString>,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let settings = match args::parse(arguments.iter().cloned()) {
        Ok(Command::Run(settings)) => settings,
        Ok(Command::InitTls(dir)) => return init_tls(&dir),
        Ok(Command::Help) => {
            return print(&args::help(program));
        }
        Ok(Command::Version) => {
            return print(&format!("conntopd {}\n", env!("CARGO_PKG_VERSION")));
        }
        Err(error) => {
            let text = format!("conntopd: {error}\nTry '{program} --help'.\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            let in_file = matches!(error, UsageError::File { .. } | UsageError::Line { .. });
            return ExitCode::from(if in_file { EXIT_REFUSED } else { EXIT_USAGE });
        }
    };
    log_to_stderr();
    let code = match daemon(*settings, &arguments) {
        Ok(()) => EXIT_OK,
        Err(error) => {
            tracing::error!("{error}");
            if matches!(&error, RunError::Collector(error) if error.is_permission()) {
                tracing::error!("{PERMISSION_HINT}");
            }
            error.code()
        }
    };
    ExitCode::from(code)
}

const PERMISSION_HINT: &str = "reading connection tracking needs CAP_NET_ADMIN (and --netns CAP_SYS_ADMIN): \
     run as root, or setcap cap_net_admin+ep on the program, or in a systemd unit \
     AmbientCapabilities=CAP_NET_ADMIN with User= set, or in a container that root started --cap-add NET_ADMIN";

#[cfg(feature = "tls")]
fn init_tls(dir: &Path) -> ExitCode {
    match access::init_tls(dir) {
        Ok(text) => print(&text),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "conntopd: --init-tls: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

#[cfg(not(feature = "tls"))]
fn init_tls(_: &Path) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "conntopd: --init-tls: this program was built without TLS");
    ExitCode::from(EXIT_FAILURE)
}

/// Prints to stdout; a reader that has gone is none of our failures.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn log_to_stderr() {
    let level = std::env::var("CONNTOP_LOG").ok();
    let level = level.and_then(|level| level.parse::<LevelFilter>().ok());
    // A second call in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_target(false)
        // They would go to the same stderr that just failed, and end the daemon.
        .log_internal_errors(false)
        .try_init();
}

fn daemon(mut settings: Settings, arguments: &[OsString]) -> Result<(), RunError> {
    let inherited = Inherited::take()?;
    if !inherited.is_empty() {
        settings.listen.retain(|_| !settings.listens_by_default);
    }
    let required = |address| Listen { address, need: Need::Required };
    let given = inherited.tcp.iter().filter_map(|socket| socket.local_addr().ok()).map(required);
    let mut all = settings.clone();
    all.listen.extend(given);
    let secrets = Secrets::load(&all)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    runtime.block_on(serve(&settings, &secrets, arguments, inherited))
}

async fn serve(
    settings: &Settings,
    secrets: &Secrets,
    arguments: &[OsString],
    inherited: Inherited,
) -> Result<(), RunError> {
    let plan = plan(settings)?;
    // First of all, so that a signal during the start is not lost.
    let mut signals = Signals::new().map_err(RunError::Runtime)?;
    if settings.serve == Serve::Stdio {
        return serve_stdio(settings, &plan, &mut signals).await;
    }
    let unix = match (&settings.unix, inherited.unix) {
        (Some(path), None) => Some(listen::unix(path).await?),
        (None, Some(socket)) => Some(listen::adopt_unix(socket)?),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(InheritError::Twice.into()),
    };
    let mut tcp = listen::tcp(&settings.listen)?;
    for socket in inherited.tcp {
        tcp.push(TcpListener::from_std(socket).map_err(RunError::Runtime)?);
    }
    raise_descriptor_limit(settings.max_clients);
    let notify = Notify::from_env();
    let collector = Collector::spawn(config(settings, &plan))?;
    say_kernel(&collector.hello().kernel);
    if settings.acts == Acts::Allowed {
        tracing::info!("clients who are root, this user, or know the token may end flows");
    }
    if let Some(unix) = &unix {
        match unix.group() {
            Some(_) => {
                tracing::info!("listening on {} for root, this user and group {GROUP}", unix.path().display())
            }
            None => tracing::info!(
                "listening on {} for root and this user's group (there is no group {GROUP})",
                unix.path().display()
            ),
        }
    }
    let listeners = access::listeners(settings, secrets, unix, tcp);
    let collector = lock(&plan, collector)?;
    let handle = collector.clone();
    let server = Server::new(collector, listeners, settings.max_clients);
    let mut ended = Ok(());
    let reload =
        Reload { arguments, settings: settings.clone().into(), secrets, plan: &plan, notify: &notify };
    let stop = async {
        tokio::select! {
            () = signals.stop(|| reload.again(&handle)) => {}
            () = handle.ended() => ended = Err(RunError::CollectorEnded),
            () = notify.watch(&handle) => {}
        }
        notify.stopping();
    };
    notify.ready();
    server.run(stop).await;
    tracing::info!("stopped");
    ended
}

/// Serves the one client on stdin and stdout.
async fn serve_stdio(settings: &Settings, plan: &Plan, signals: &mut Signals) -> Result<(), RunError> {
    let collector = Collector::spawn(config(settings, plan))?;
    say_kernel(&collector.hello().kernel);
    let collector = lock(plan, collector)?;
    let handle = collector.clone();
    let mut ended = Ok(());
    let stop = async {
        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
            _ = signals.hangup.recv() => {}
            () = handle.ended() => ended = Err(RunError::CollectorEnded),
        }
    };
    stdio::run(collector, stop).await.map_err(RunError::Stdio)?;
    ended
}

/// SIGTERM and SIGINT end the daemon; SIGHUP makes it read again what it was started with.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self, mut hangup: impl FnMut()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => hangup(),
            }
        }
    }
}

/// Descriptors beside those of clients: listeners, netlink, the runtime, logs.
const OWN_DESCRIPTORS: u64 = 64;

/// Allows as many descriptors as `clients` need, as far as the hard limit goes.
fn raise_descriptor_limit(clients: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let need = OWN_DESCRIPTORS.saturating_add(clients as u64);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= need);
    if enough(limit.current) {
        return;
    }
    limit.current = if enough(limit.maximum) { Some(need) } else { limit.maximum };
    if setrlimit(Resource::Nofile, limit).is_err() || !enough(limit.current) {
        tracing::warn!("the limit of open files allows fewer than {clients} clients; see ulimit -n");
    }
}

fn plan(settings: &Settings) -> Result<Plan, UserError> {
    let user = settings.user.as_deref().map(User::find).transpose()?;
    let directory = settings.unix.as_deref().and_then(Path::parent);
    let remove = directory.filter(|directory| is_of_its_own(directory)).map(Path::to_owned);
    let mut read = vec![settings.tls_dir.clone(), "/etc/group".into(), "/etc/passwd".into()];
    read.extend(settings.config.as_deref().map(beside));
    let files = Files { read, remove: remove.into_iter().collect(), ..Files::default() };
    Ok(Plan { sandbox: settings.sandbox, user, files, test: settings.self_test })
}

/// Confines this thread, the last one; what it serves then tells how.
fn lock(plan: &Plan, collector: CollectorHandle) -> Result<CollectorHandle, PrivilegeError> {
    let collector = collector.served_by(&plan.confine(Role::Serve)?);
    let confined = collector.confined();
    if confined.is_whole() {
        tracing::info!("sandbox {confined}");
    } else {
        tracing::warn!("sandbox {confined}");
    }
    Ok(collector)
}

fn config(settings: &Settings, plan: &Plan) -> CollectorConfig {
    CollectorConfig {
        name: settings.name.clone(),
        interval: settings.interval,
        events: settings.events == Events::Listen,
        event_buffer: settings.event_buffer.and_then(|bytes| bytes.try_into().ok()),
        cpu_budget: settings.cpu_budget,
        proc: settings.proc == Proc::IfCheaper,
        acts: settings.acts,
        netns: settings.netns.clone(),
        knowledge: settings.knowledge.clone(),
        privilege: plan.clone(),
        ..CollectorConfig::default()
    }
}

fn say_kernel(kernel: &KernelFacts) {
    for (weight, line) in facts::lines(kernel) {
        match weight {
            Weight::Info => tracing::info!("{line}"),
            Weight::Warning => tracing::warn!("{line}"),
        }
    }
}
