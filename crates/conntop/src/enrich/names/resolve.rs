//! Asking for the name of an address: reverse DNS, or this machine's name services.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, system_conf};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::Dns;
use super::cache::Outcome;
use super::label::{host_name, host_name_of};
use super::own::{Query, Telling};

/// How long one question takes at most, with all that belongs to it.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long a server has for one answer.
const SERVER_TIME: Duration = Duration::from_secs(2);
/// Names of one address that are looked at.
const MOST_NAMES: usize = 8;
/// What `getent` may say about one address.
const MAX_SAID: u64 = 4_096;
/// How long a name of the system is believed, which tells no time to live.
const SYSTEM_TIME: Duration = Duration::from_secs(600);
/// Processes that may ask the system at once.
const MOST_PROCESSES: usize = 4;

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Servers {
    /// Those of /etc/resolv.conf.
    #[default]
    System,
    /// These.
    These(Vec<SocketAddr>),
}

/// How names are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// By what.
    pub dns: Dns,
    /// Whether only names are believed that lead back to their address.
    pub confirm: bool,
    /// Whom.
    pub servers: Servers,
    /// The program that asks the system.
    pub getent: PathBuf,
}

impl Default for Asking {
    fn default() -> Self {
        Self { dns: Dns::default(), confirm: false, servers: Servers::default(), getent: "getent".into() }
    }
}

/// What keeps names from being found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Nobody answers.
    Silent,
    /// No server is configured.
    NoServer,
    /// There is no `getent`.
    NoProgram,
}

impl Trouble {
    /// What is wrong, in two words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Silent => "dns slow",
            Self::NoServer => "no dns server",
            Self::NoProgram => "no getent",
        }
    }
}

/// Somebody who can be asked.
#[derive(Clone)]
pub enum Oracle {
    /// Nobody.
    Nobody,
    /// Servers.
    Servers(Box<Resolver<Telling>>),
    /// The system by that program.
    Program(PathBuf),
}

impl Oracle {
    /// Whom `asking` means; tells of each socket that is used for it.
    ///
    /// # Errors
    /// Nobody can be asked.
    pub fn new(asking: &Asking, told: mpsc::Sender<Query>) -> Result<Self, Trouble> {
        match asking.dns {
            Dns::Off => Ok(Self::Nobody),
            Dns::System => Ok(Self::Program(asking.getent.clone())),
            Dns::Ptr => {
                let (config, mut options) = match &asking.servers {
                    Servers::System => system_conf::read_system_conf().map_err(|_| Trouble::NoServer)?,
                    Servers::These(servers) => (these(servers), ResolverOpts::default()),
                };
                options.timeout = SERVER_TIME;
                options.attempts = 1;
                options.use_hosts_file = ResolveHosts::Never;
                // What is known is remembered elsewhere.
                options.cache_size = 0;
                let mut builder = Resolver::builder_with_config(config, Telling::new(told));
                *builder.options_mut() = options;
                builder
                    .build()
                    .map(|resolver| Self::Servers(Box::new(resolver)))
                    .map_err(|_| Trouble::NoServer)
            }
        }
    }

    /// How many may be asked at once.
    #[must_use]
    pub fn most(&self) -> usize {
        match self {
            Self::Nobody => 0,
            Self::Servers(_) => super::cache::MOST_IN_FLIGHT,
            Self::Program(_) => MOST_PROCESSES,
        }
    }

    /// Asks for the name of a host.
    pub async fn ask(&self, host: IpAddr, confirm: bool) -> Outcome {
        let asked = async {
            match self {
                Self::Nobody => Outcome::Failed,
                Self::Servers(resolver) => reverse(resolver, host, confirm).await,
                Self::Program(path) => by_system(path, host, confirm).await,
            }
        };
        tokio::time::timeout(DEADLINE, asked).await.unwrap_or(Outcome::Silent)
    }
}

fn these(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |server: &SocketAddr| {
        let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        ways.iter_mut().for_each(|way| way.port = server.port());
        NameServerConfig::new(server.ip(), true, ways)
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

async fn reverse(resolver: &Resolver<Telling>, host: IpAddr, confirm: bool) -> Outcome {
    let found = match resolver.reverse_lookup(host).await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let seconds = found.answers().iter().map(|record| record.ttl).min();
    let time = Duration::from_secs(seconds.unwrap_or(0).into());
    let pointed = found.answers().iter().take(MOST_NAMES).filter_map(|record| match &record.data {
        RData::PTR(name) => Some((host_name(name.0.iter())?, name.0.clone())),
        _ => None,
    });
    let mut names: Vec<(Box<str>, Name)> = pointed.collect();
    // Servers tell several in turns; on the screen it is always the same one.
    names.sort_unstable_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    for (text, name) in names {
        if !confirm {
            return Outcome::Named(text, time);
        }
        match leads_to(resolver, name, host).await {
            Ok(true) => return Outcome::Named(text, time),
            Ok(false) => {}
            Err(outcome) => return outcome,
        }
    }
    Outcome::Nameless(Some(time))
}

/// Whether a name is that of the address.
async fn leads_to(resolver: &Resolver<Telling>, mut name: Name, host: IpAddr) -> Result<bool, Outcome> {
    name.set_fqdn(true);
    let kind = if host.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    match resolver.lookup(name, kind).await {
        Ok(found) => Ok(found.answers().iter().any(|record| record.data.ip_addr() == Some(host))),
        Err(error) => match failed(&error) {
            Outcome::Silent => Err(Outcome::Silent),
            _ => Ok(false),
        },
    }
}

/// What an error says: that there is nothing, that a server could not tell, or that none answered.
fn failed(error: &NetError) -> Outcome {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            Outcome::Nameless(none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into())))
        }
        NetError::Timeout | NetError::Io(_) | NetError::NoConnections | NetError::Busy => Outcome::Silent,
        _ => Outcome::Failed,
    }
}

/// Asks by `getent`, which knows all services of nsswitch.conf, also from a static program, and can be
/// left alone when it hangs.
async fn by_system(program: &PathBuf, host: IpAddr, confirm: bool) -> Outcome {
    let name = match getent(program, "hosts", &host.to_string()).await {
        Ok(Some(said)) => {
            said.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1).and_then(host_name_of)
        }
        Ok(None) => None,
        Err(_) => return Outcome::Failed,
    };
    let Some(name) = name else { return Outcome::Nameless(None) };
    if confirm {
        let Ok(said) = getent(program, "ahosts", &name).await else { return Outcome::Failed };
        let address = |line: &[u8]| {
            let word = line.split(u8::is_ascii_whitespace).next()?;
            std::str::from_utf8(word).ok()?.parse::<IpAddr>().ok()
        };
        if !said.unwrap_or_default().split(|b| *b == b'\n').any(|line| address(line) == Some(host)) {
            return Outcome::Nameless(None);
        }
    }
    Outcome::Named(name, SYSTEM_TIME)
}

/// What the program says; `None` when it finds nothing.
async fn getent(program: &PathBuf, database: &str, key: &str) -> io::Result<Option<Vec<u8>>> {
    let mut child = Command::new(program)
        .args([database, key])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = Vec::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_SAID).read_to_end(&mut said).await?;
    }
    Ok(child.wait().await?.success().then_some(said))
}
