//! What this machine's flows are read from: the connection tracking table where there is one that we may
//! read, else the machine's own sockets. And how the first takes the place of the second once the kernel
//! tracks connections.

use conntop_proto::message::KernelFacts;
use tokio::sync::mpsc;

use super::local::{self, LocalConfig};
use super::sockets::sockets;
use crate::source::{Request, Source, SourceError, SourceErrorKind, SourceEvent, SourceKind};

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
            Ok(handle) if kind == SourceKind::Conntrack || is_worth_it(&handle.hello().kernel) => {
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

/// A table that nobody is known to fill is not, be it empty or full of what is left of a time when somebody
/// did.
fn is_worth_it(kernel: &KernelFacts) -> bool {
    kernel.tracking == Some(true)
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
    let mut look = Vec::new();
    loop {
        tokio::select! {
            Some(other) = others.recv() => {
                source = other;
                source.request(Request::Pause(paused));
                source.request(Request::Look(look.clone()));
            }
            event = source.next() => match event {
                Some(event) => if events.send(event).await.is_err() {
                    return;
                },
                None => return,
            },
            request = requests.recv() => match request {
                Some(request) => {
                    match &request {
                        Request::Pause(on) => paused = *on,
                        Request::Look(at) => look.clone_from(at),
                        _ => {}
                    }
                    source.request(request);
                }
                None => return,
            },
        }
    }
}
