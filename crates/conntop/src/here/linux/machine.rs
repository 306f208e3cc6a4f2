//! This machine as the program holds it while it looks: what it has activated, what others have left, and how the
//! sockets are left behind once the kernel tracks.

use tracing::warn;

use super::activate::{Active, Leftovers, Repair};
use super::choice::{Local, Switch, open_local};
use super::local::{Acts, LocalConfig};
use super::{netns, processes};
use crate::enrich::lookups::Finder;
use crate::here::Wish;
use crate::output::exit::Failure;
use crate::source::Source;

/// This machine, looked at. Dropping it restores what was activated.
#[derive(Debug)]
pub struct Machine {
    netns: Option<nfnetlink::netns::Netns>,
    repair: Repair,
    leftovers: Option<Leftovers>,
    switch: Option<Switch>,
}

impl Machine {
    /// Begins to look. Must be called within a tokio runtime.
    pub(crate) fn open(wish: Wish) -> Result<(Self, Source), Failure> {
        let Wish { netns: name, activate, kind, name: node, interval, cpu_budget, read_only, subscribe } =
            wish;
        let netns = name.as_deref().map(netns);
        let active = activate.then(|| Active::begin(netns.clone())).transpose()?;
        let acts = if read_only { Acts::None } else { Acts::Allowed };
        let config = LocalConfig { name: node, interval, cpu_budget, netns: netns.clone(), acts, subscribe };
        let Local { source, switch } = open_local(kind, config)?;
        let leftovers = Leftovers::find(netns.clone());
        let repair = Repair::new(netns.clone(), active);
        Ok((Self { netns, repair, leftovers, switch }, source))
    }

    /// What was activated, one line.
    pub(crate) fn activated(&self) -> Option<String> {
        self.repair.text()
    }

    /// What a conntop that crashed has left, one line.
    pub(crate) fn leftover(&self) -> Option<String> {
        self.leftovers.as_ref().map(Leftovers::text)
    }

    /// Begins to look for processes; whether it could.
    pub(crate) fn find_processes(&self, finder: Finder) -> bool {
        processes::worker::start(finder, self.netns.clone())
            .inspect_err(|error| warn!("processes are not shown: {error}"))
            .is_ok()
    }

    /// Makes the kernel track connections, and goes over to its table.
    pub(crate) fn activate(&mut self) -> Result<String, String> {
        let done = self.repair.activate().map_err(|error| error.to_string())?;
        match self.switch.take().map(Switch::to_conntrack) {
            Some(Err(error)) => Ok(format!("{done}; but the sockets go on being shown: {error}")),
            Some(Ok(())) | None => Ok(done),
        }
    }

    /// Removes what conntops that crashed have left.
    pub(crate) fn remove_leftover(&self) -> Result<String, String> {
        self.repair.remove_leftovers().map_err(|error| error.to_string())
    }

    /// Undoes what was activated.
    pub(crate) fn end(self) -> Result<(), Failure> {
        Ok(self.repair.end()?)
    }
}
