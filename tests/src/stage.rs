//! A lab with a daemon on its router and a client that looks on: where most end-to-end tests begin.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::gate::FULL;
use crate::inject::{Injector, Plan};
use crate::judge::{Reading, Verdict, judge};
use crate::lab::Lab;
use crate::programs::Daemon;

/// The longest wait for anything: a hundred times what it takes on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything set up.
pub struct Stage {
    /// Looks on from the beginning.
    pub client: Client,
    /// On the router.
    pub daemon: Daemon,
    /// Makes flows on the router.
    pub injector: Injector,
    /// Around them.
    pub lab: Lab,
}

impl Stage {
    /// Starts a daemon with these arguments on the router, and a client.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn set(lab: Lab, arguments: &[&str]) -> Result<Self> {
        let injector = Injector::new(&lab.router)?;
        let (daemon, client) = begin(&lab, arguments)?;
        Ok(Stage { client, daemon, injector, lab })
    }

    /// Ends the daemon and starts another one, whose first dump begins at once, with a new client.
    ///
    /// # Errors
    /// As [`Stage::set`].
    pub fn begin_anew(&mut self, arguments: &[&str]) -> Result<()> {
        self.daemon.terminate()?;
        (self.daemon, self.client) = begin(&self.lab, arguments)?;
        Ok(())
    }

    /// Makes the first flows of a plan.
    ///
    /// # Errors
    /// When one of them is not made.
    pub fn inject(&mut self, plan: &Plan, count: u32) -> Result<()> {
        let tally = self.injector.create(plan, 0..count)?;
        ensure!(tally.moot == 0, "{} flows were there already", tally.moot);
        Ok(())
    }

    /// Waits for the client to be up to date (for the next pass over the whole table, which is a few
    /// seconds away where other passes come between), and holds it and `conntop list` against the oracle.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&mut self, when: &str) -> Result<Verdict> {
        let before = Reading::take(&self.lab.router)?;
        self.client.settle_whole(PATIENCE)?;
        let mirrored = self.client.flows();
        let listed = self.daemon.list()?;
        let after = Reading::take(&self.lab.router)?;
        let verdict = judge(&before, &mirrored, &after);
        ensure!(verdict.is_clean(), "{when}, a client: {verdict}");
        let verdict = judge(&before, &listed, &after);
        ensure!(verdict.is_clean(), "{when}, `conntop list`: {verdict}");
        Ok(verdict)
    }
}

fn begin(lab: &Lab, arguments: &[&str]) -> Result<(Daemon, Client)> {
    let mut all = vec!["--interval", "100ms"];
    all.extend(arguments);
    let daemon = Daemon::start(&lab.router, &all)?;
    let client = Client::connect(daemon.socket())?;
    Ok((daemon, client))
}

/// The number for CI, or the whole of it with `CONNTOP_LAB_FULL=1`.
#[must_use]
pub fn whole_or<T>(whole: T, part: T) -> T {
    if std::env::var_os(FULL).is_some_and(|value| value == "1") { whole } else { part }
}
