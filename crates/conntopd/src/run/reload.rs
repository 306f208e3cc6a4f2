//! SIGHUP: configuration, key and token are read again. All of it has to be right before any of it
//! holds; what is wrong is named with its line, and everything stays as it was.

use std::cell::RefCell;
use std::ffi::OsString;

use super::access::Secrets;
use super::notify::Notify;
use crate::args::{self, Command, Settings};
use crate::collector::CollectorHandle;
use crate::privilege::Plan;

/// What it takes to read everything again.
pub(super) struct Reload<'a> {
    pub(super) arguments: &'a [OsString],
    /// Those that hold.
    pub(super) settings: RefCell<Settings>,
    pub(super) secrets: &'a Secrets,
    pub(super) plan: &'a Plan,
    pub(super) notify: &'a Notify,
}

impl Reload<'_> {
    /// Reads everything again.
    pub(super) fn again(&self, collector: &CollectorHandle) {
        self.notify.reloading();
        let secrets = || self.secrets.reload(&self.settings.borrow()).map_err(|error| error.to_string());
        match self.read().and_then(|settings| secrets().map(|()| settings)) {
            Ok(settings) => self.take(settings, collector),
            Err(error) => tracing::error!("SIGHUP: everything stays as it was: {error}"),
        }
        if let Err(error) = self.plan.try_forbidden_acts() {
            tracing::error!("{error}");
        }
        self.notify.ready();
    }

    fn read(&self) -> Result<Settings, String> {
        match args::parse(self.arguments.iter().cloned()) {
            Ok(Command::Run(settings)) => Ok(*settings),
            // The same arguments asked to run before.
            Ok(_) => Err("the command line does not ask to run".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn take(&self, new: Settings, collector: &CollectorHandle) {
        let mut settings = self.settings.borrow_mut();
        let restart = need_restart(&settings, &new);
        if let Some(name) = new.name.as_ref().filter(|name| settings.name.as_ref() != Some(name)) {
            tracing::info!("SIGHUP: name {name}");
            settings.name = Some(name.clone());
        }
        if settings.cpu_budget != new.cpu_budget {
            tracing::info!("SIGHUP: another cpu-budget");
            settings.cpu_budget = new.cpu_budget;
        }
        collector.configure(settings.name.clone(), settings.cpu_budget);
        if restart.is_empty() {
            tracing::info!("SIGHUP: configuration read again");
        } else {
            tracing::warn!("SIGHUP: changed, and held back until a restart: {}", restart.join(", "));
        }
    }
}

/// Options that differ and cannot change while the daemon runs.
fn need_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let changed = [
        ("listen", old.listen != new.listen && !new.listens_by_default),
        ("tls-dir", old.tls_dir != new.tls_dir),
        ("tls-loopback", old.tls != new.tls),
        ("unix", old.unix != new.unix),
        ("interval", old.interval != new.interval),
        ("event-buffer", old.event_buffer != new.event_buffer),
        ("no-events", old.events != new.events),
        ("netns", old.netns != new.netns),
        ("no-proc", old.proc != new.proc),
        ("allow-terminate", old.acts != new.acts),
        ("hosts, leases, no-names", old.knowledge != new.knowledge),
        ("name", new.name.is_none() && old.name.is_some()),
        ("max-clients", old.max_clients != new.max_clients),
        ("user", old.user != new.user),
        ("sandbox", old.sandbox != new.sandbox),
    ];
    changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
}
