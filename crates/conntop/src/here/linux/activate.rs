//! Making this machine's kernel track connections, because somebody asked for it: a table of our
//! own in nftables, accounting and timestamps. `nfnetlink::nft` says how that is undone: by the
//! last conntop that ends, and after a crash by whoever is asked to remove what was left.
//!
//! All of it happens in the network namespace that is watched, so each call has a thread of its own
//! that enters the namespace; the one that activates stays there until the end.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nfnetlink::Error;
use nfnetlink::facts::Switch;
use nfnetlink::netns::{Netns, NetnsError};
use nfnetlink::nft::{self, Activation, Survey};

use crate::output::exit::{FAILURE, Failure, PERMISSION};

/// What is switched on where it is off.
const SWITCHES: [Switch; 2] = [Switch::Acct, Switch::Timestamp];

/// What flows that exist already do not get, said whenever something was switched on.
pub const OLD_FLOWS: &str = "flows that exist already get no counters";

/// Why nothing was activated or removed.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// The namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Missing CAP_NET_ADMIN.
    #[error("{0}")]
    Permission(#[source] Error),
    /// Anything else.
    #[error("{0}")]
    Kernel(#[source] Error),
    /// No thread.
    #[error("start a thread to activate in: {0}")]
    Thread(#[source] std::io::Error),
    /// The thread is gone.
    #[error("the thread that activates has ended")]
    Gone,
}

impl ActivateError {
    /// Whether more permission would help.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission(_))
    }
}

impl From<Error> for ActivateError {
    fn from(error: Error) -> Self {
        let denied = matches!(error, Error::Denied { .. });
        if denied { Self::Permission(error) } else { Self::Kernel(error) }
    }
}

impl From<ActivateError> for Failure {
    fn from(error: ActivateError) -> Self {
        let code = if error.is_permission() { PERMISSION } else { FAILURE };
        Self::new(code, format!("--activate: {error}"))
    }
}

/// Tracking, kept active while this lives. Dropping it restores what was, if this is the last one.
#[derive(Debug)]
pub struct Active {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ActivateError>>>,
    switched: Vec<&'static str>,
    table: String,
}

impl Active {
    /// Activates in `netns`, or in the namespace of the caller.
    ///
    /// # Errors
    /// Not permitted, no nf_tables, no such namespace. Then nothing is left changed.
    pub fn begin(netns: Option<Netns>) -> Result<Self, ActivateError> {
        let (end, ended) = mpsc::channel::<()>();
        let (begun, answer) = mpsc::channel();
        let thread = spawn(move || {
            let activation = match enter(netns).and_then(|()| Ok(Activation::begin(&SWITCHES)?)) {
                Ok(activation) => activation,
                Err(error) => {
                    let _gone = begun.send(Err(error));
                    return Ok(());
                }
            };
            let switched = activation.switched().iter().map(|switch| switch.name()).collect();
            let _gone = begun.send(Ok((activation.table().to_owned(), switched)));
            let _dropped = ended.recv();
            Ok(activation.end()?)
        })?;
        let (table, switched) = answer.recv().map_err(|_| ActivateError::Gone)??;
        Ok(Self { end: Some(end), thread: Some(thread), switched, table })
    }

    /// What was done, one line.
    #[must_use]
    pub fn text(&self) -> String {
        let done = format!("activated: nft table inet {}", self.table);
        if self.switched.is_empty() {
            return done;
        }
        format!("{done}, {} = 1 ({OLD_FLOWS})", self.switched.join(" and "))
    }

    /// Ends it, and restores what was if no other conntop keeps tracking active here.
    ///
    /// # Errors
    /// When the kernel refuses; then there are leftovers.
    pub fn end(mut self) -> Result<(), ActivateError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), ActivateError> {
        self.end = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(ActivateError::Gone),
            None => Ok(()),
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!("restore what --activate changed: {error}");
        }
    }
}

/// Activation on demand: what the program holds while it runs, and does when a key asks for it.
#[derive(Debug)]
pub struct Repair {
    netns: Option<Netns>,
    active: Option<Active>,
}

impl Repair {
    /// For a namespace, with what was activated already.
    #[must_use]
    pub fn new(netns: Option<Netns>, active: Option<Active>) -> Self {
        Self { netns, active }
    }

    /// What was done, one line.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.active.as_ref().map(Active::text)
    }

    /// Activates, unless that is done already; gives one line that says so.
    ///
    /// # Errors
    /// As [`Active::begin`].
    pub fn activate(&mut self) -> Result<String, ActivateError> {
        if let Some(active) = &self.active {
            return Ok(format!("already {}", active.text()));
        }
        let active = Active::begin(self.netns.clone())?;
        let text = active.text();
        self.active = Some(active);
        Ok(text)
    }

    /// Removes what conntops that crashed have left; gives one line that says so.
    ///
    /// # Errors
    /// As [`Leftovers::remove`].
    pub fn remove_leftovers(&self) -> Result<String, ActivateError> {
        Leftovers::remove(self.netns.clone())
    }

    /// Ends the activation.
    ///
    /// # Errors
    /// As [`Active::end`].
    pub fn end(self) -> Result<(), ActivateError> {
        self.active.map_or(Ok(()), Active::end)
    }
}

/// What conntops that crashed have left in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftovers(Survey);

impl Leftovers {
    /// Looks for them; `None` when there are none, or when we may not look.
    #[must_use]
    pub fn find(netns: Option<Netns>) -> Option<Self> {
        let survey = within(netns, || Ok(nft::survey()?)).ok()?;
        survey.has_leftovers().then_some(Self(survey))
    }

    /// What they are, one line.
    #[must_use]
    pub fn text(&self) -> String {
        let tables = self.0.orphans.iter().map(|table| format!("nft table inet {table}"));
        let switches = self.0.switched.iter().map(|switch| format!("{} = 1", switch.name()));
        let parts: Vec<String> = tables.chain(switches).collect();
        format!("a conntop that did not end properly has left: {}", parts.join(", "))
    }

    /// Removes them; gives one line that says so.
    ///
    /// # Errors
    /// Not permitted, or the namespace is gone.
    pub fn remove(netns: Option<Netns>) -> Result<String, ActivateError> {
        let survey = within(netns, || Ok(nft::clean_up()?))?;
        Ok(match survey.has_leftovers() {
            true => format!("removed; {}", Self(survey).text()),
            false => "nothing was left".to_owned(),
        })
    }
}

/// Runs `work` in a namespace.
fn within<T: Send + 'static>(
    netns: Option<Netns>,
    work: impl FnOnce() -> Result<T, ActivateError> + Send + 'static,
) -> Result<T, ActivateError> {
    if netns.is_none() {
        return work();
    }
    let thread = spawn(move || {
        enter(netns)?;
        work()
    })?;
    thread.join().map_err(|_| ActivateError::Gone)?
}

fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ActivateError> + Send + 'static,
) -> Result<JoinHandle<Result<T, ActivateError>>, ActivateError> {
    thread::Builder::new().name("ct-activate".to_owned()).spawn(work).map_err(ActivateError::Thread)
}

fn enter(netns: Option<Netns>) -> Result<(), ActivateError> {
    Ok(netns.map_or(Ok(()), |netns| netns.enter())?)
}
