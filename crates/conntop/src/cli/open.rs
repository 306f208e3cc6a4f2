//! From the options to a running source and an engine.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Subscribe};
use nfnetlink::netns::Netns;

use super::Common;
use crate::activate::{Active, Leftovers};
use crate::engine::{Engine, Notice, NoticeKind};
use crate::mirror::Limits;
use crate::output::exit::{CONFIG, FAILURE, Failure, USAGE};
use crate::output::say;
use crate::source::ssh::{self, Questions};
use crate::source::tls::{Known, TokenSource};
use crate::source::{
    LocalConfig, RemoteConfig, Security, Source, SourceError, SourceEvent, Target, Wire, local_collector,
    remote, remote_by_ssh,
};

/// What a front end needs.
pub(crate) struct Session {
    pub(crate) source: Source,
    pub(crate) engine: Engine,
    /// Kept until the end.
    pub(crate) active: Option<Active>,
    /// What a conntop that crashed has left on this machine.
    pub(crate) leftovers: Option<Leftovers>,
    /// Whether the collector is in this process.
    pub(crate) local: bool,
    /// Where the data comes from, for people.
    pub(crate) label: String,
}

/// Opens what the options name, before anything else uses the terminal: ssh may have to ask for a
/// password.
pub(crate) async fn open(common: &Common) -> Result<Session, Failure> {
    let subscribe = Subscribe { interval_ms: common.interval.map(millis), ..Subscribe::default() };
    match common.connect.as_slice() {
        [] => open_local(common, subscribe),
        [target] => {
            let target = target.clone().with_default_port(common.port);
            let label = target.to_string();
            let source = connect(common, target, subscribe).await?;
            let engine = engine(common);
            Ok(Session { source, engine, active: None, leftovers: None, local: false, label })
        }
        _ => Err(Failure::new(
            USAGE,
            "several --connect are not supported yet; start one conntop for each router",
        )),
    }
}

async fn connect(common: &Common, target: Target, subscribe: Subscribe) -> Result<Source, Failure> {
    let config = RemoteConfig {
        target: target.clone(),
        name: name(common),
        subscribe,
        codec: Codec::Zstd,
        validate: if common.validate { Validate::All } else { Validate::Control },
        security: security(common, &target)?,
    };
    let Target::Ssh(address) = target else { return Ok(remote(config)) };
    if io::stderr().is_terminal() {
        say(&format_args!("connecting to {address} (a security key may want to be touched)"));
    }
    let session = ssh::dial(&address, Questions::OnTerminal).await.map_err(SourceError::from)?;
    Ok(remote_by_ssh(config, session))
}

/// Looks for the token only where it is needed.
fn security(common: &Common, target: &Target) -> Result<Security, Failure> {
    if !matches!(target, Target::Tcp { wire: Wire::Tls, .. }) {
        return Ok(Security::default());
    }
    let token = common.token_file.clone().map_or(TokenSource::Usual, TokenSource::File);
    let token = token.read().map_err(|error| Failure::new(CONFIG, error.to_string()))?;
    Ok(Security { token, pin: common.pin, known: Known::of_user() })
}

/// The namespace that the options name.
pub(crate) fn netns(common: &Common) -> Option<Netns> {
    common.netns.as_deref().and_then(|name| name.parse().ok())
}

fn open_local(common: &Common, subscribe: Subscribe) -> Result<Session, Failure> {
    let netns = netns(common);
    let active = common.activate.then(|| Active::begin(netns.clone())).transpose()?;
    let config = LocalConfig {
        name: common.name.clone(),
        interval: common.interval,
        cpu_budget: common.cpu_budget,
        netns: netns.clone(),
        subscribe,
    };
    let source = local_collector(config)?;
    let leftovers = Leftovers::find(netns);
    let label = common.netns.as_ref().map_or_else(|| "conntrack".to_owned(), |n| format!("conntrack in {n}"));
    Ok(Session { source, engine: engine(common), active, leftovers, local: true, label })
}

fn engine(common: &Common) -> Engine {
    Engine::new(Limits { flows: common.max_flows, ..Limits::default() })
}

fn name(common: &Common) -> String {
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    common.name.clone().unwrap_or_else(host)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

impl Session {
    /// Says on stderr what was done and found before the start.
    pub(crate) fn announce(&self) {
        if let Some(active) = &self.active {
            say(&active.text());
        }
        if let Some(leftovers) = &self.leftovers {
            say(&format_args!("{}; `conntop` offers to remove it", leftovers.text()));
        }
    }

    /// What has to be known to read the rest right, without what `--activate` has repaired.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let mut notices = self.engine.notices();
        let repaired = |kind| matches!(kind, NoticeKind::TrackingOff | NoticeKind::AcctOff);
        notices.retain(|notice| self.active.is_none() || !repaired(notice.kind));
        notices
    }

    /// The next event that comes before `deadline`; `None` when none did.
    pub(crate) async fn peek(&mut self, deadline: Option<Instant>) -> Result<Option<SourceEvent>, Failure> {
        let next = self.source.next();
        let event = match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), next).await {
                Ok(event) => event,
                Err(_) => return Ok(None),
            },
            None => next.await,
        };
        let gone = || Failure::new(FAILURE, "the source of the data has stopped; the log says why");
        event.ok_or_else(gone).map(Some)
    }

    /// Takes an event in.
    pub(crate) fn apply(&mut self, event: SourceEvent) -> Result<(), Failure> {
        Ok(self.engine.apply(event, Instant::now())?)
    }

    /// Takes in the next event that comes before `deadline`.
    pub(crate) async fn step(&mut self, deadline: Option<Instant>) -> Result<Option<SourceEvent>, Failure> {
        let event = self.peek(deadline).await?;
        if let Some(event) = &event {
            self.apply(event.clone())?;
        }
        Ok(event)
    }

    /// Undoes what `--activate` did.
    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.active.map_or(Ok(()), Active::end)?)
    }
}
