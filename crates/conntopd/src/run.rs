//! The daemon from its arguments to its exit code.
//!
//! Order: arguments, what must be refused, the listening sockets (so that a taken port is known
//! before the kernel is asked for anything), the collector, which confines its threads, the start-up
//! lines, this thread's confinement, serving.

use std::ffi::OsString;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::process::ExitCode;

use conntop_proto::message::KernelFacts;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::args::{self, Command, Events, Proc, Serve, Settings};
use crate::collector::{Collector, CollectorConfig, CollectorError, CollectorHandle};
use crate::facts::{self, Weight};
use crate::privilege::{Files, Plan, PrivilegeError, Role, User, UserError};
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
            Self::Access(_) | Self::User(_) => EXIT_REFUSED,
            Self::Privilege(error) | Self::Collector(CollectorError::Privilege(error)) => match error {
                PrivilegeError::Missing { .. } => EXIT_REFUSED,
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
    let settings = match args::parse(arguments) {
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
            return ExitCode::from(EXIT_USAGE);
        }
    };
    log_to_stderr();
    let code = match daemon(&settings) {
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
     AmbientCapabilities=CAP_NET_ADMIN with User= set";

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
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_target(false)
        // They would go to the same stderr that just failed, and end the daemon.
        .log_internal_errors(false)
        .try_init();
}

fn daemon(settings: &Settings) -> Result<(), RunError> {
    let secrets = Secrets::load(settings)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    runtime.block_on(serve(settings, &secrets))
}

async fn serve(settings: &Settings, secrets: &Secrets) -> Result<(), RunError> {
    let plan = plan(settings)?;
    // First of all, so that a signal during the start is not lost.
    let mut signals = Signals::new().map_err(RunError::Runtime)?;
    if settings.serve == Serve::Stdio {
        return serve_stdio(settings, &plan, &mut signals).await;
    }
    let unix = match &settings.unix {
        Some(path) => Some(listen::unix(path).await?),
        None => None,
    };
    let tcp = listen::tcp(&settings.listen)?;
    raise_descriptor_limit(settings.max_clients);
    let collector = Collector::spawn(config(settings, &plan))?;
    say_kernel(&collector.hello().kernel);
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
    let stop = async {
        tokio::select! {
            () = signals.stop(|| reload(settings, secrets)) => {}
            () = handle.ended() => ended = Err(RunError::CollectorEnded),
        }
    };
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

fn reload(settings: &Settings, secrets: &Secrets) {
    if let Err(error) = secrets.reload(settings) {
        tracing::error!("SIGHUP: the old key and token stay: {error}");
    }
}

/// SIGTERM and SIGINT end the daemon; SIGHUP makes it read key and token again.
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

    async fn stop(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => reload(),
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
    let socket = settings.unix.as_deref().map(|path| match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => ".".into(),
    });
    let read = vec![settings.tls_dir.clone(), "/etc/group".into(), "/etc/passwd".into()];
    let files = Files { read, remove: socket.into_iter().collect() };
    Ok(Plan { sandbox: settings.sandbox, user, files })
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
        netns: settings.netns.clone(),
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
