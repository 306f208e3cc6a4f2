//! From the options to a running source and an engine.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::{Duration, Instant};

use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Subscribe};
use conntop_proto::text::sanitize;

use super::Common;
use crate::engine::{Engine, Notice, NoticeKind};
use crate::enrich::Enricher;
use crate::enrich::geo::{Geo, Search};
use crate::enrich::lookups::Lookups;
use crate::enrich::names::{Asking, Dns, Names, hosts};
use crate::enrich::services::Services;
use crate::flow::FlowKey;
use crate::here::{Machine, Wish};
use crate::mirror::Limits;
use crate::nodes::Nodes;
use crate::output::exit::{CONFIG, FAILURE, Failure, USAGE};
use crate::output::say;
use crate::platform::node_name;
use crate::source::replay::{self, Play, Recording, play};
use crate::source::ssh::{self, Questions};
use crate::source::tls::{Known, TokenSource};
use crate::source::{
    NodeId, RemoteConfig, Security, Source, SourceError, SourceErrorKind, SourceEvent, Sources, Speed,
    Target, Wire, remote, remote_by_ssh,
};

/// How long databases of places may be waited for: on a slow disk, reading the largest.
const PLACES_TIME: Duration = Duration::from_secs(20);

/// What a front end needs.
pub(crate) struct Session {
    pub(crate) sources: Sources,
    pub(crate) nodes: Nodes,
    /// This machine, kept until the end, if it is what is looked at.
    pub(crate) machine: Option<Machine>,
    /// Where the data comes from, for people.
    pub(crate) label: String,
    /// Those who find out what is not in the table.
    pub(crate) lookups: Lookups,
    /// Whether they look for processes.
    pub(crate) processes: bool,
    /// Whether it is a recording.
    pub(crate) recording: bool,
}

/// Opens what the options name for those who take everything as fast as they can.
pub(crate) async fn open(common: &Common) -> Result<Session, Failure> {
    match &common.replay {
        Some(file) => open_recording(common, file, Play::Through(common.at)),
        None => open_for(common, Subscribe::default()).await,
    }
}

/// Opens what the options name for somebody who looks on, at this speed if it is a recording.
pub(crate) async fn open_screen(common: &Common, speed: Speed) -> Result<Session, Failure> {
    let at = common.at.unwrap_or_default();
    match &common.replay {
        Some(file) => open_recording(common, file, Play::Paced { speed, at }),
        None => open_for(common, Subscribe::default()).await,
    }
}

/// Nothing of this machine is mixed with what was recorded elsewhere, but what its user has configured and
/// the places of addresses. Names are asked for only if he said how: what an address was called then is not
/// what it is called now.
fn open_recording(common: &Common, file: &Path, how: Play) -> Result<Session, Failure> {
    let recording = Recording::open(file)?;
    let validate = if common.validate { Validate::All } else { Validate::Control };
    let source = play(recording, validate, how);
    let name = file.file_name().map_or_else(|| "stdin".into(), |name| name.to_string_lossy());
    let label = match &*name {
        replay::STDIN => "recording".to_owned(),
        name => sanitize(name).into_owned(),
    };
    let known = Enricher::new(Geo::default(), Names::new(&common.alias), Services::default());
    let nodes = Nodes::one(Engine::new(limits(common)), label.clone());
    let nodes =
        nodes.with_local(&common.local).seen_from(common.shown.orientation.unwrap_or_default()).with(known);
    let common = Common { dns: common.dns.or(Some(Dns::Off)), ..common.clone() };
    Ok(Session {
        sources: Sources::new([source]),
        nodes,
        machine: None,
        label,
        lookups: lookups(&common),
        processes: false,
        recording: true,
    })
}

/// Opens what the options name, before anything else uses the terminal: ssh may have to ask for a
/// password.
/// The same for somebody who wants only some of it.
pub(crate) async fn open_for(common: &Common, subscribe: Subscribe) -> Result<Session, Failure> {
    let subscribe = Subscribe { interval_ms: common.interval.map(millis), ..subscribe };
    let port = common.port.unwrap_or(conntop_proto::DEFAULT_PORT);
    let targets = common.connect.iter().map(|target| target.clone().with_default_port(port));
    let targets: Vec<Target> = targets.collect();
    let labels: Vec<String> = targets.iter().map(Target::to_string).collect();
    let Some(nodes) = Nodes::at(labels.iter().cloned(), limits(common)) else {
        return open_local(common, subscribe);
    };
    let nodes = nodes
        .with_local(&common.local)
        .seen_from(common.shown.orientation.unwrap_or_default())
        .with(enricher(common));
    if let Some(twice) =
        labels.iter().enumerate().find_map(|(n, label)| labels.get(..n)?.contains(label).then_some(label))
    {
        return Err(Failure::new(USAGE, format!("{twice} is given twice")));
    }
    if targets.len() > FlowKey::NODES {
        return Err(Failure::new(USAGE, format!("at most {} at once", FlowKey::NODES)));
    }
    check_pin(common, &targets)?;
    let mut sources = Vec::new();
    for target in targets {
        let config = config(common, target, subscribe.clone())?;
        let source = connect(config.clone()).await;
        sources.push(match source {
            Ok(source) => source,
            // One that cannot be had never touches the others.
            Err(error) if nodes.several() && error.kind == SourceErrorKind::Lost => remote(config),
            Err(error) if nodes.several() => Source::failed(error),
            Err(error) => return Err(error.into()),
        });
    }
    let label = labels.join(", ");
    let sources = Sources::new(sources);
    let lookups = lookups(common);
    Ok(Session { sources, nodes, machine: None, label, lookups, processes: false, recording: false })
}

fn config(common: &Common, target: Target, subscribe: Subscribe) -> Result<RemoteConfig, Failure> {
    Ok(RemoteConfig {
        name: name(common),
        subscribe,
        codec: Codec::Zstd,
        validate: if common.validate { Validate::All } else { Validate::Control },
        security: security(common, &target)?,
        target,
    })
}

/// A pin is the key of one server.
fn check_pin(common: &Common, targets: &[Target]) -> Result<(), Failure> {
    let by_tls = |target: &&Target| matches!(target, Target::Tcp { wire: Wire::Tls, .. });
    let secure: Vec<String> = targets.iter().filter(by_tls).map(Target::to_string).collect();
    if common.pin.is_none() || secure.len() < 2 {
        return Ok(());
    }
    let all = secure.join(", ");
    let text = format!(
        "--pin is the key of one server, and {all} speak TLS: connect to each of them alone once \
         (conntop list --connect HOST --pin sha256:...), then its key is known without --pin"
    );
    Err(Failure::new(USAGE, text))
}

async fn connect(config: RemoteConfig) -> Result<Source, SourceError> {
    let Target::Ssh(address) = &config.target else { return Ok(remote(config)) };
    if io::stderr().is_terminal() {
        say(&format_args!("connecting to {address} (a security key may want to be touched)"));
    }
    let session = ssh::dial(address, Questions::OnTerminal).await?;
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

fn open_local(common: &Common, subscribe: Subscribe) -> Result<Session, Failure> {
    let wish = Wish {
        netns: common.netns.clone(),
        activate: common.activate,
        kind: common.source.unwrap_or_default(),
        name: common.name.clone(),
        interval: common.interval,
        cpu_budget: common.cpu_budget,
        read_only: common.read_only == Some(true),
        subscribe,
    };
    let (machine, source) = Machine::open(wish)?;
    let label = common.netns.as_ref().map_or_else(|| "conntrack".to_owned(), |n| format!("conntrack in {n}"));
    let nodes = Nodes::one(Engine::new(limits(common)), label.clone());
    let nodes = nodes
        .with_local(&common.local)
        .seen_from(common.shown.orientation.unwrap_or_default())
        .with(enricher(common));
    let lookups = lookups(common);
    let processes = common.no_processes != Some(true) && machine.find_processes(lookups.finder());
    Ok(Session {
        sources: Sources::new([source]),
        nodes,
        machine: Some(machine),
        label,
        lookups,
        processes,
        recording: false,
    })
}

/// What is known from the beginning.
fn enricher(common: &Common) -> Enricher {
    let hosts = hosts::read(Path::new(hosts::HOSTS)).unwrap_or_default();
    Enricher::new(Geo::default(), Names::new(&common.alias).with_hosts(hosts), Services::of_machine().clone())
}

/// How names are asked for, when somebody looks at hosts.
pub(super) fn asking(common: &Common) -> Asking {
    Asking {
        dns: common.dns.unwrap_or_default(),
        confirm: common.dns_confirm == Some(true),
        ..Asking::default()
    }
}

/// Those who find out what is not in the table; they begin at once.
fn lookups(common: &Common) -> Lookups {
    let mut lookups = Lookups::default().with_names(asking(common));
    if common.no_geoip != Some(true) {
        lookups.watch_places(Search::new(&common.geoip_paths));
    }
    lookups
}

fn limits(common: &Common) -> Limits {
    let usual = Limits::default();
    let ghost = common.shown.ghost.unwrap_or(usual.ghost).max(usual.ghost);
    Limits { flows: common.max_flows.unwrap_or(usual.flows), ghost, ..usual }
}

fn name(common: &Common) -> String {
    common.name.clone().unwrap_or_else(node_name)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Session {
    /// Says on stderr what was done and found before the start.
    pub(crate) fn announce(&self) {
        let Some(machine) = &self.machine else { return };
        if let Some(activated) = machine.activated() {
            say(&activated);
        }
        if let Some(leftover) = machine.leftover() {
            say(&format_args!("{leftover}; `conntop` offers to remove it"));
        }
    }

    /// Waits until the databases of places are there, for those who tell of a flow only once; says what
    /// is wrong with them.
    pub(crate) async fn know_places(&mut self) {
        if !self.lookups.has_places() {
            return;
        }
        let known = async {
            while !self.nodes.enricher().geo().is_settled() {
                let learned = self.lookups.next().await;
                self.nodes.learn(learned);
            }
        };
        let in_time = tokio::time::timeout(PLACES_TIME, known).await.is_ok();
        if !in_time {
            say(&"reading the databases of places takes too long; going on without");
        }
        self.nodes.enricher().geo().problems().for_each(|problem| say(&format_args!("geoip: {problem}")));
    }

    /// What has to be known to read the rest right, without what `--activate` has repaired.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.nodes.iter().flat_map(|(id, _)| self.notices_of(id)).collect()
    }

    /// The same about one node; where there are several each names its own.
    pub(crate) fn notices_of(&self, id: NodeId) -> Vec<Notice> {
        let Some(node) = self.nodes.get(id) else { return Vec::new() };
        let mut notices = node.engine().notices();
        let repaired = |kind| matches!(kind, NoticeKind::TrackingOff | NoticeKind::AcctOff);
        let activated = self.machine.as_ref().is_some_and(|machine| machine.activated().is_some());
        notices.retain(|notice| !activated || !repaired(notice.kind));
        if self.nodes.several() {
            notices.iter_mut().for_each(|notice| notice.text = format!("{}: {}", node.name(), notice.text));
        }
        notices
    }

    /// The next event that comes before `deadline`; `None` when none did.
    pub(crate) async fn peek(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<(NodeId, SourceEvent)>, Failure> {
        let deadline = deadline.map(tokio::time::Instant::from_std);
        let event = loop {
            tokio::select! {
                event = self.sources.next() => break event,
                learned = self.lookups.next() => self.nodes.learn(learned),
                () = until(deadline) => return Ok(None),
            }
        };
        let gone = || Failure::new(FAILURE, "the source of the data has stopped; the log says why");
        event.ok_or_else(gone).map(Some)
    }

    /// Whether the first look at the processes is still under way.
    pub(crate) fn looks_for_processes(&self) -> bool {
        self.processes && self.nodes.enricher().processes().is_none()
    }

    /// Takes an event in.
    pub(crate) fn apply(&mut self, node: NodeId, event: SourceEvent) -> Result<(), Failure> {
        Ok(self.nodes.apply(node, event, Instant::now())?)
    }

    /// Undoes what `--activate` did.
    pub(crate) fn close(self) -> Result<(), Failure> {
        self.machine.map_or(Ok(()), Machine::end)
    }
}
