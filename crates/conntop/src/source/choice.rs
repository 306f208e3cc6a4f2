//! What this machine's flows are read from: the connection tracking table where there is one that we may
//! read, else the machine's own sockets. And how the first takes the place of the second once the kernel
//! tracks connections.

use std::path::Path;
use std::{fs, io, thread};

use clap::ValueEnum;
use conntop_proto::message::KernelFacts;
use nfnetlink::netns::Netns;
use nfnetlink::nft;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::local::{self, LocalConfig};
use super::sockets::sockets;
use super::{Request, Source, SourceError, SourceErrorKind, SourceEvent};

/// What to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// The connection tracking table if it may be read and anything is tracked, else the sockets
    #[default]
    Auto,
    /// The connection tracking table, or nothing
    Conntrack,
    /// The sockets of this machine, which everybody may see
    Sockets,
}

/// A source of this machine.
#[derive(Debug)]
pub struct Local {
    /// It runs.
    pub source: Source,
    /// For later, where sockets are read.
    pub switch: Option<Switch>,
}

/// Leads from the sockets over to connection tracking.
#[derive(Debug)]
pub struct Switch {
    config: LocalConfig,
    to: mpsc::Sender<Source>,
}

impl Switch {
    /// From now on the table is read: by the same stream, which begins anew. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// As [`local_collector`](super::local_collector); then the sockets go on.
    pub fn to_conntrack(self) -> Result<(), SourceError> {
        let source = local::local_collector(self.config)?;
        let _gone = self.to.try_send(source);
        Ok(())
    }
}

/// Starts what `kind` says. Must be called within a tokio runtime.
///
/// # Errors
/// When it cannot be read; for [`SourceKind::Auto`] when nothing can.
pub fn open_local(kind: SourceKind, config: LocalConfig) -> Result<Local, SourceError> {
    let tracking = match kind {
        // Only to say what else there would be.
        SourceKind::Sockets => {
            local::collector(&config).ok().map(|handle| is_worth_it(&handle.hello().kernel))
        }
        SourceKind::Conntrack | SourceKind::Auto => match local::collector(&config) {
            Ok(handle)
                if kind == SourceKind::Conntrack
                    || is_worth_it(&handle.hello().kernel) && !is_left_over(config.netns.clone()) =>
            {
                return Ok(Local { source: local::local(&handle, config.subscribe)?, switch: None });
            }
            Ok(_) => Some(false),
            Err(error) if kind == SourceKind::Auto && error.kind != SourceErrorKind::Config => {
                return with_switch(config.clone(), None).map_err(|_| error);
            }
            Err(error) => return Err(error),
        },
    };
    with_switch(config, tracking)
}

/// An empty table that nobody is known to fill is not.
fn is_worth_it(kernel: &KernelFacts) -> bool {
    kernel.tracking == Some(true)
}

/// Whether the entries of the table are only what is left of a time when something tracked: they stay for
/// days and nothing moves in them. Rules of nftables can be read. What else may track leaves a trace here.
fn is_left_over(netns: Option<Netns>) -> bool {
    const OTHERS: [&str; 3] = ["openvswitch", "act_ct", "ip_vs"];
    let look = move || {
        let entered = netns.map_or(Ok(()), |netns| netns.enter()).is_ok();
        let legacy = ["ip_tables_names", "ip6_tables_names"].iter().any(|file| {
            match fs::read(format!("/proc/thread-self/net/{file}")) {
                Ok(names) => !names.is_empty(),
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            }
        });
        let others = || OTHERS.iter().any(|module| Path::new("/sys/module").join(module).exists());
        entered && !legacy && !others() && nft::tracking_rules().ok() == Some(0)
    };
    let thread = thread::Builder::new().name("ct-rules".to_owned()).spawn(look);
    thread.is_ok_and(|thread| thread.join().unwrap_or(false))
}

fn with_switch(config: LocalConfig, tracking: Option<bool>) -> Result<Local, SourceError> {
    let first = sockets(config.clone(), tracking)?;
    let (source, events, requests) = Source::pair();
    let (to, others) = mpsc::channel(1);
    tokio::spawn(relay(first, others, events, requests));
    Ok(Local { source, switch: Some(Switch { config, to }) })
}

/// Hands on what the source tells, then what another tells that takes its place.
async fn relay(
    mut source: Source,
    mut others: mpsc::Receiver<Source>,
    events: mpsc::Sender<SourceEvent>,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut paused = false;
    loop {
        tokio::select! {
            Some(other) = others.recv() => {
                source = other;
                source.request(Request::Pause(paused));
            }
            event = source.next() => match event {
                Some(event) => if events.send(event).await.is_err() {
                    return;
                },
                None => return,
            },
            request = requests.recv() => match request {
                Some(request) => {
                    if let Request::Pause(on) = request {
                        paused = on;
                    }
                    source.request(request);
                }
                None => return,
            },
        }
    }
}
