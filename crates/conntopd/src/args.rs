//! The command line. [`OPTIONS`] is the one table that parsing, `--help` and the manual come from;
//! a test compares the manual with it.

mod config;
mod help;
mod value;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use conntop_proto::DEFAULT_PORT;
use nfnetlink::netns::Netns;

pub use self::help::help;
use self::value::{duration, listen_address, netns, size};
use crate::auth::DEFAULT_DIR;
use crate::collector::{Acts, BudgetError, CpuBudget, Knowledge, NameFiles};
use crate::privilege::{Sandbox, SelfTest};

/// Shortest interval between two deltas: a dump of an ordinary table takes some 10 ms.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Longest interval: beyond it a client could not tell a quiet server from a dead one.
pub const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// Interval unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Smallest event buffer: below it a burst of a hundred flows is lost.
pub const MIN_EVENT_BUFFER: u64 = 128 << 10;
/// Largest event buffer; the kernel doubles it.
pub const MAX_EVENT_BUFFER: u64 = 1 << 30;
/// Connections at once unless told otherwise.
pub const DEFAULT_MAX_CLIENTS: usize = 128;
/// Most that `--max-clients` takes; each may cost a file descriptor and 256 KiB.
pub const MAX_MAX_CLIENTS: usize = 10_000;
/// Longest `--name`, as the protocol's other names.
pub const MAX_NAME: usize = 255;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon.
    Run(Box<Settings>),
    /// Make key, certificate and token in this folder.
    InitTls(PathBuf),
    /// Print [`help`].
    Help,
    /// Print the version.
    Version,
}

/// How the daemon is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whom to serve.
    pub serve: Serve,
    /// TCP addresses to listen on.
    pub listen: Vec<Listen>,
    /// Where key, certificate and digest of the token lie.
    pub tls_dir: PathBuf,
    /// Which addresses are listened on by TLS.
    pub tls: Tls,
    /// Nothing said so; sockets of a service manager replace it.
    pub listens_by_default: bool,
    /// Path of a unix socket to listen on.
    pub unix: Option<PathBuf>,
    /// Time between two deltas, and between two passes over the table.
    pub interval: Duration,
    /// Bytes to ask for the event socket's buffer; `None` leaves it to the collector.
    pub event_buffer: Option<u64>,
    /// Whether to subscribe to the kernel's events.
    pub events: Events,
    /// Namespace to watch; `None` is the one that the daemon was started in.
    pub netns: Option<Netns>,
    /// Share of a core for reading.
    pub cpu_budget: CpuBudget,
    /// Whether /proc/net/nf_conntrack may be read.
    pub proc: Proc,
    /// Whether clients may end flows.
    pub acts: Acts,
    /// What is told of hosts in the networks.
    pub knowledge: Knowledge,
    /// Name shown to clients; `None` is the host's.
    pub name: Option<String>,
    /// Connections at once.
    pub max_clients: usize,
    /// User to become, by name or number.
    pub user: Option<String>,
    /// How much of the confinement has to work.
    pub sandbox: Sandbox,
    /// Whether threads try forbidden acts.
    pub self_test: SelfTest,
    /// Where options came from besides the command line.
    pub config: Option<PathBuf>,
}

/// Whom to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// Everybody who connects to what is listened on.
    Connections,
    /// Whoever is at the other end of stdin and stdout; nothing is listened on.
    Stdio,
}

/// One TCP address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// Whether the daemon starts without it, when the machine lacks the address family.
    pub need: Need,
}

/// Which TCP addresses are for TLS and the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Those that other machines can reach.
    #[default]
    Exposed,
    /// Loopback ones as well.
    All,
}

impl Tls {
    /// Whether this address is.
    #[must_use]
    pub fn covers(self, address: SocketAddr) -> bool {
        self == Self::All || !address.ip().to_canonical().is_loopback()
    }
}

/// Whether a listening address may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It was asked for.
    Required,
    /// It is a default: `[::1]` is missing on a machine without IPv6.
    IfPossible,
}

/// Whether to listen to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// New and ended flows are known at once.
    Listen,
    /// Passes only: cheaper for a router with very many short flows, which are then missed.
    Off,
}

/// Whether to read the table as text from /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proc {
    /// Where it is permitted and cheaper.
    IfCheaper,
    /// Never.
    Off,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// No such option.
    #[error("unknown option {0}")]
    Unknown(String),
    /// A word that belongs to no option.
    #[error("unexpected argument {0:?}")]
    Unexpected(String),
    /// The configuration file cannot be read.
    #[error("--config {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// A line of the configuration file is wrong.
    #[error("{}, line {line}: {error}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<UsageError>,
    },
    /// An option without its value, or with one too many.
    #[error("{0}")]
    Syntax(String),
    /// A value that does not fit.
    #[error("--{option} {value:?}: {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        expected: String,
    },
}

/// One option.
#[derive(Debug)]
pub struct OptionHelp {
    id: Id,
    /// Name without dashes.
    pub long: &'static str,
    /// Letter without dash.
    pub short: Option<char>,
    /// Placeholder of its value; empty when it takes none.
    pub value: &'static str,
    /// What it does, in lines that fit into 80 columns beside the names.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Id {
    Listen,
    ListenAny,
    InitTls,
    TlsDir,
    TlsLoopback,
    Unix,
    Stdio,
    Port,
    Interval,
    EventBuffer,
    NoEvents,
    CpuBudget,
    NoProc,
    AllowTerminate,
    Hosts,
    Leases,
    NoNames,
    NetNs,
    Name,
    MaxClients,
    User,
    Sandbox,
    SelfTest,
    Config,
    Help,
    Version,
}

macro_rules! options {
    ($($id:ident $long:literal $short:expr, $value:literal, $help:literal;)*) => {
        &[$(OptionHelp { id: Id::$id, long: $long, short: $short, value: $value, help: $help },)*]
    };
}

/// Every option, in the order of the help.
pub const OPTIONS: &[OptionHelp] = options! {
    Listen "listen" None, "ADDR[:PORT]",
        "Listen on this address; may be repeated. IPv6 as ::1 or [::1]:PORT. On loopback for root, this user and group conntop; on any other address by TLS, with the token of --init-tls";
    ListenAny "listen-any" None, "",
        "Listen on all addresses, by TLS, with the token of --init-tls";
    InitTls "init-tls" None, "[DIR]",
        "Make key, certificate and token in DIR (default /etc/conntop), print what clients need, and end";
    TlsDir "tls-dir" None, "DIR",
        "Where --init-tls made them (default /etc/conntop)";
    TlsLoopback "tls-loopback" None, "",
        "TLS and token on loopback addresses, too: for tests, and for a proxy or tunnel that ends there";
    Unix "unix" None, "PATH",
        "Listen on a unix socket (mode 0660, group conntop if there is one). Without --listen or --port, on nothing else";
    Stdio "stdio" None, "",
        "Serve one client on stdin and stdout and end with it; listen on nothing. For ssh: conntop ssh://USER@THIS-MACHINE";
    Port "port" Some('p'), "PORT",
        "TCP port of 127.0.0.1 and [::1], and of --listen addresses without one (default 55555)";
    Interval "interval" Some('i'), "TIME",
        "Time between two updates, such as 500ms or 2s (default 1s, from 100ms to 60s)";
    EventBuffer "event-buffer" None, "SIZE",
        "Bytes to queue events in, such as 64M (128K to 1G); about 1,280 are needed per event. Default: by the machine's memory";
    NoEvents "no-events" None, "",
        "Do not listen to events: saves about 2 us per new flow, misses flows that begin and end between two passes";
    CpuBudget "cpu-budget" None, "PERCENT",
        "Share of one core that reading the table may take on average (default 10, from 0.1 to 100). The first pass and repairs after a loss are not held back";
    NoProc "no-proc" None, "",
        "Never read /proc/net/nf_conntrack, which root may and which is cheaper than ctnetlink while the table is small";
    AllowTerminate "allow-terminate" None, "",
        "Let clients end single flows: root and this user on this machine, by --stdio, and with the token. Each order is logged";
    NetNs "netns" None, "NAME|PID",
        "Watch this network namespace: a name of ip-netns(8) or a process id. The daemon listens where it was started";
    Hosts "hosts" None, "FILE",
        "Hosts file with names of hosts in the networks, or a folder of such; may be repeated. Default: /etc/hosts (on OpenWrt also /tmp/hosts)";
    Leases "leases" None, "FILE",
        "Leases of dnsmasq, odhcpd, ISC dhcpd or Kea with names; may be repeated. Default: where they usually lie";
    NoNames "no-names" None, "",
        "Tell clients no names and neighbours of this machine's networks";
    Name "name" None, "NAME",
        "Name shown to clients (default: the host name)";
    MaxClients "max-clients" None, "N",
        "Connections at once (default 128); a sixteenth of them is kept for the unix socket if there is one";
    User "user" None, "NAME|UID",
        "Become this user, as in /etc/passwd, once sockets are open; one thread keeps CAP_NET_ADMIN";
    Sandbox "sandbox" None, "strict|best|off",
        "How much of the confinement has to work: all of it, or what this kernel has (default best); off only drops capabilities";
    SelfTest "self-test" None, "",
        "Try in each thread, once it is confined, what it must not be able to do; serve only if all of that is refused. SIGHUP tries again";
    Config "config" None, "FILE",
        "Options from a file, one a line without its dashes (interval 2s); the command line overrides them. SIGHUP reads it again";
    Help "help" Some('h'), "", "Print this help";
    Version "version" Some('V'), "", "Print the version";
};

/// Reads the arguments that follow the program's name, and the configuration file that they name.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse<I, S>(arguments: I) -> Result<Command, UsageError>
where
    I: IntoIterator<Item = S>,
    S: Into<OsString>,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut given = Given::default();
    if let Some(other) = given.read(&arguments)? {
        return Ok(other);
    }
    if let Some(path) = &given.config {
        let mut file = config::read(path)?;
        // An option of the command line replaces that of the file, so its addresses do all of theirs.
        if !given.listen.is_empty() {
            file.listen.clear();
        }
        file.read(&arguments)?;
        given = file;
    }
    given.check()?;
    Ok(Command::Run(Box::new(given.settle())))
}

/// The folder may follow as an argument of its own, and nothing may follow that.
fn init_tls(parser: &mut lexopt::Parser) -> Result<Command, UsageError> {
    let syntax = |error: lexopt::Error| UsageError::Syntax(error.to_string());
    let mut dir = parser.optional_value();
    while let Some(argument) = parser.next().map_err(syntax)? {
        match argument {
            lexopt::Arg::Value(value) if dir.is_none() => dir = Some(value),
            _ => return Err(UsageError::Syntax("--init-tls takes a folder and no other option".into())),
        }
    }
    match dir {
        Some(dir) if dir.is_empty() => Err(UsageError::Syntax("--init-tls: expected a folder".into())),
        Some(dir) => Ok(Command::InitTls(dir.into())),
        None => Ok(Command::InitTls(DEFAULT_DIR.into())),
    }
}

/// The options as they were given, before defaults that depend on each other.
#[derive(Debug, Default)]
struct Given {
    listen: Vec<(IpAddr, Option<u16>)>,
    tls_dir: Option<PathBuf>,
    tls: Tls,
    unix: Option<PathBuf>,
    stdio: bool,
    port: Option<u16>,
    interval: Option<Duration>,
    event_buffer: Option<u64>,
    no_events: bool,
    cpu_budget: CpuBudget,
    no_proc: bool,
    acts: Acts,
    netns: Option<Netns>,
    hosts: Vec<PathBuf>,
    leases: Vec<PathBuf>,
    no_names: bool,
    name: Option<String>,
    max_clients: Option<usize>,
    user: Option<String>,
    sandbox: Sandbox,
    self_test: SelfTest,
    config: Option<PathBuf>,
}

impl Given {
    /// Takes options; gives what is to be done if that is not to run.
    fn read(&mut self, arguments: &[OsString]) -> Result<Option<Command>, UsageError> {
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|e| UsageError::Syntax(e.to_string()))? {
            let option = match argument {
                lexopt::Arg::Long(name) => OPTIONS.iter().find(|o| o.long == name),
                lexopt::Arg::Short(letter) => OPTIONS.iter().find(|o| o.short == Some(letter)),
                lexopt::Arg::Value(value) => {
                    return Err(UsageError::Unexpected(value.to_string_lossy().into_owned()));
                }
            };
            let Some(option) = option else {
                return Err(UsageError::Unknown(match argument {
                    lexopt::Arg::Long(name) => format!("--{name}"),
                    lexopt::Arg::Short(letter) => format!("-{letter}"),
                    lexopt::Arg::Value(_) => String::new(),
                }));
            };
            let value = if option.value.is_empty() || option.value.starts_with('[') {
                OsString::new()
            } else {
                parser.value().map_err(|e| UsageError::Syntax(e.to_string()))?
            };
            match option.id {
                Id::InitTls => return init_tls(&mut parser).map(Some),
                Id::Help => return Ok(Some(Command::Help)),
                Id::Version => return Ok(Some(Command::Version)),
                id => self.take(id, option.long, &value)?,
            }
        }
        Ok(None)
    }

    fn take(&mut self, id: Id, option: &'static str, value: &OsStr) -> Result<(), UsageError> {
        let text = value.to_str();
        let bad = |expected: &str| UsageError::Value {
            option,
            value: value.to_string_lossy().into_owned(),
            expected: expected.to_owned(),
        };
        match id {
            Id::Listen => {
                let address = text.and_then(listen_address).ok_or_else(|| {
                    bad("expected an address with an optional port, such as 127.0.0.1 or [::1]:55555")
                })?;
                self.listen.push(address);
            }
            Id::ListenAny => self.listen.extend([
                (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None),
                (IpAddr::V6(Ipv6Addr::UNSPECIFIED), None),
            ]),
            Id::TlsDir => {
                if value.is_empty() {
                    return Err(bad("expected a folder, such as /etc/conntop"));
                }
                self.tls_dir = Some(PathBuf::from(value));
            }
            Id::TlsLoopback => self.tls = Tls::All,
            Id::Unix => {
                if value.is_empty() {
                    return Err(bad("expected a path, such as /run/conntop.sock"));
                }
                self.unix = Some(PathBuf::from(value));
            }
            Id::Stdio => self.stdio = true,
            Id::Port => {
                let port = text.and_then(|t| t.parse().ok());
                self.port = Some(port.ok_or_else(|| bad("expected a number from 0 to 65535"))?);
            }
            Id::Interval => {
                let interval = text
                    .and_then(duration)
                    .filter(|interval| (MIN_INTERVAL..=MAX_INTERVAL).contains(interval));
                self.interval = Some(
                    interval.ok_or_else(|| bad("expected a time from 100ms to 60s, such as 500ms or 2s"))?,
                );
            }
            Id::EventBuffer => {
                let size =
                    text.and_then(size).filter(|size| (MIN_EVENT_BUFFER..=MAX_EVENT_BUFFER).contains(size));
                self.event_buffer =
                    Some(size.ok_or_else(|| bad("expected a number of bytes from 128K to 1G, such as 16M"))?);
            }
            Id::NoEvents => self.no_events = true,
            Id::CpuBudget => {
                let budget = text.unwrap_or_default().parse();
                self.cpu_budget = budget.map_err(|error: BudgetError| bad(&error.to_string()))?;
            }
            Id::NoProc => self.no_proc = true,
            Id::AllowTerminate => self.acts = Acts::Allowed,
            Id::NetNs => {
                let netns = text.and_then(netns);
                self.netns =
                    Some(netns.ok_or_else(|| bad("expected a name shown by `ip netns` or a process id"))?);
            }
            Id::Hosts | Id::Leases => {
                if value.is_empty() {
                    return Err(bad("expected a path, such as /etc/hosts"));
                }
                let files = if matches!(id, Id::Hosts) { &mut self.hosts } else { &mut self.leases };
                files.push(PathBuf::from(value));
            }
            Id::NoNames => self.no_names = true,
            Id::Name => {
                let name = text.filter(|t| !t.is_empty() && t.len() <= MAX_NAME);
                let name = name.ok_or_else(|| bad("expected 1 to 255 bytes of UTF-8"))?;
                self.name = Some(name.to_owned());
            }
            Id::MaxClients => {
                let most = text.and_then(|t| t.parse().ok());
                let most = most.filter(|most| (1..=MAX_MAX_CLIENTS).contains(most));
                self.max_clients = Some(most.ok_or_else(|| bad("expected a number from 1 to 10000"))?);
            }
            Id::User => {
                let user = text.filter(|user| !user.is_empty());
                self.user = Some(user.ok_or_else(|| bad("expected a name or a number"))?.to_owned());
            }
            Id::Sandbox => {
                let sandbox = text.and_then(|text| text.parse().ok());
                self.sandbox = sandbox.ok_or_else(|| bad("expected strict, best or off"))?;
            }
            Id::Config => self.config = Some(PathBuf::from(value)),
            Id::SelfTest => self.self_test = SelfTest::Try,
            Id::InitTls | Id::Help | Id::Version => {}
        }
        Ok(())
    }

    /// What does not go together.
    fn check(&self) -> Result<(), UsageError> {
        let listens = !self.listen.is_empty() || self.unix.is_some() || self.port.is_some();
        if self.stdio && listens {
            let text = "--stdio listens on nothing: leave out --listen, --listen-any, --unix and --port";
            return Err(UsageError::Syntax(text.to_owned()));
        }
        Ok(())
    }

    fn settle(self) -> Settings {
        let port = self.port.unwrap_or(DEFAULT_PORT);
        let loopback_by_default =
            !self.stdio && self.listen.is_empty() && (self.unix.is_none() || self.port.is_some());
        let listen = if loopback_by_default {
            vec![
                Listen { address: (Ipv4Addr::LOCALHOST, port).into(), need: Need::Required },
                Listen { address: (Ipv6Addr::LOCALHOST, port).into(), need: Need::IfPossible },
            ]
        } else {
            let required = |(address, own)| Listen {
                address: SocketAddr::new(address, Option::unwrap_or(own, port)),
                need: Need::Required,
            };
            self.listen.into_iter().map(required).collect()
        };
        Settings {
            serve: if self.stdio { Serve::Stdio } else { Serve::Connections },
            listen,
            tls_dir: self.tls_dir.unwrap_or_else(|| DEFAULT_DIR.into()),
            tls: self.tls,
            listens_by_default: loopback_by_default && self.port.is_none(),
            unix: self.unix,
            interval: self.interval.unwrap_or(DEFAULT_INTERVAL),
            event_buffer: self.event_buffer,
            events: if self.no_events { Events::Off } else { Events::Listen },
            cpu_budget: self.cpu_budget,
            proc: if self.no_proc { Proc::Off } else { Proc::IfCheaper },
            acts: self.acts,
            netns: self.netns,
            knowledge: if self.no_names {
                Knowledge::Kept
            } else {
                Knowledge::Told(NameFiles::or_usual(self.hosts, self.leases))
            },
            name: self.name,
            max_clients: self.max_clients.unwrap_or(DEFAULT_MAX_CLIENTS),
            user: self.user,
            sandbox: self.sandbox,
            self_test: self.self_test,
            config: self.config,
        }
    }
}
