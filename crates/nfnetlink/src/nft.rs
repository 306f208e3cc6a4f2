//! Activation: making the kernel track connections in this network namespace, and undoing it.
//!
//! Since Linux 4.14 a namespace tracks only while some rule needs it. The rule made here lies in
//! a chain that nothing jumps to, so no packet ever meets it; that it exists is enough.
//!
//! Each conntop has a table of its own, `conntop-PORT` in family inet, named by the port id of
//! the netlink socket that made it, which no other living socket of the namespace has. Where the
//! kernel knows owners (5.12) the table disappears with that socket, even at SIGKILL. Sysctls
//! cannot do that: before one is switched on, a table `conntop-restore-NAME` is made that says
//! so. The last conntop that ends switches it off again; after a crash the next start finds both
//! kinds of leftovers with [`survey`] and removes them with [`clean_up`].

mod batch;
mod flowtables;
mod rules;

use crate::error::{Error, Result};
use crate::facts::Switch;
pub use flowtables::{Flowtable, flowtables};
pub use rules::tracking_rules;

use batch::{Batch, NftSocket};

const ACTIVATE: &str = "activating connection tracking";
const DEACTIVATE: &str = "removing conntop's nftables table";
const SURVEY: &str = "looking for conntop's nftables tables";

/// The table of [`keep_tracking`], in family inet.
pub const KEPT: &str = "conntop-keep";

const PREFIX: &str = "conntop-";
const RESTORE: &str = "conntop-restore-";
const SWITCHES: [Switch; 2] = [Switch::Acct, Switch::Timestamp];

/// Connection tracking, kept active while this lives.
#[derive(Debug)]
pub struct Activation {
    socket: NftSocket,
    table: String,
    switched: Vec<Switch>,
    ended: bool,
}

/// What conntops left or keep in this namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Port ids of those that keep tracking active now.
    pub alive: Vec<u32>,
    /// Tables whose conntop is gone (only on kernels without owners).
    pub orphans: Vec<String>,
    /// Sysctls that conntop switched on and that have to be switched off when none is alive.
    pub switched: Vec<Switch>,
}

impl Survey {
    /// Somebody crashed: there is something to clean up, and nobody alive who will.
    #[must_use]
    pub fn has_leftovers(&self) -> bool {
        !self.orphans.is_empty() || (self.alive.is_empty() && !self.switched.is_empty())
    }
}

impl Activation {
    /// Switches on what is off of these sysctls, then tracking, in the calling thread's
    /// namespace. Stay in it: the end has to be there too.
    ///
    /// # Errors
    /// Not permitted, or no nf_tables. Then nothing is left changed.
    pub fn begin(switches: &[Switch]) -> Result<Self> {
        let mut socket = NftSocket::open(ACTIVATE)?;
        let table = format!("{PREFIX}{}", socket.port());
        claim(&mut socket, &table)?;
        let mut activation = Activation { socket, table, switched: Vec::new(), ended: false };
        // From here on a failure drops the activation, which undoes what was done.
        activation.switch_on(switches)?;
        let mut batch = Batch::new();
        batch.add_chain(&activation.table, "track");
        batch.add_tracking_rule(
            &activation.table,
            "track",
            "conntop: makes the kernel track; meets no packet",
        );
        activation.socket.commit(&mut batch, ACTIVATE)?;
        // Before, so that the first flow is counted; and again, because the sysctls may not have
        // been there before the rule made the kernel load the module.
        activation.switch_on(switches)?;
        Ok(activation)
    }

    /// The name of the table, in family inet.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The sysctls that were off.
    #[must_use]
    pub fn switched(&self) -> &[Switch] {
        &self.switched
    }

    /// Removes the table; if no other conntop is alive, switches off what conntop switched on.
    ///
    /// # Errors
    /// If the kernel refuses; then there are leftovers.
    pub fn end(mut self) -> Result<()> {
        self.undo()
    }

    fn switch_on(&mut self, switches: &[Switch]) -> Result<()> {
        const SWITCH: &str = "switching a sysctl on";
        for &switch in switches.iter().filter(|switch| switch.get() == Some(false)) {
            let mut batch = Batch::new();
            batch.add_table(
                &marker(switch),
                false,
                "conntop switched this sysctl on, and will switch it off",
            );
            match self.socket.commit(&mut batch, ACTIVATE) {
                // Another conntop has just done the same.
                Err(error) if error.errno() == Some(libc::EEXIST) => {}
                result => result?,
            }
            switch.set(true).map_err(|source| Error::Kernel { operation: SWITCH, source })?;
            self.switched.push(switch);
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        remove(&mut self.socket, &self.table)?;
        // What was switched is known here too, in case somebody removed the record.
        clean_up_with(&mut self.socket, &self.switched).map(|_| ())
    }
}

impl Drop for Activation {
    fn drop(&mut self) {
        // Nobody is left to tell; the next start finds what stayed.
        let _ = self.undo();
    }
}

/// Looks for conntop's tables in the calling thread's namespace.
///
/// # Errors
/// Not permitted, or no nf_tables.
pub fn survey() -> Result<Survey> {
    survey_with(&mut NftSocket::open(SURVEY)?)
}

/// Removes the tables of conntops that are gone and, if none is alive, switches off the sysctls
/// that conntop switched on. Returns what it found.
///
/// # Errors
/// Not permitted, or no nf_tables.
pub fn clean_up() -> Result<Survey> {
    clean_up_with(&mut NftSocket::open(DEACTIVATE)?, &[])
}

/// Makes the kernel track from now on: a table [`KEPT`] without an owner, which stays until somebody
/// deletes it or the namespace ends. Only for those who were asked.
///
/// # Errors
/// Not permitted, or no nf_tables. That it is there already is none.
pub fn keep_tracking() -> Result<()> {
    const COMMENT: &str = "made by conntop doctor --fix, stays until it is deleted";
    let mut batch = Batch::new();
    batch.add_table(KEPT, false, COMMENT);
    batch.add_chain(KEPT, "track");
    batch.add_tracking_rule(KEPT, "track", "conntop: makes the kernel track; meets no packet");
    match NftSocket::open(ACTIVATE)?.commit(&mut batch, ACTIVATE) {
        Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
        result => result,
    }
}

fn survey_with(socket: &mut NftSocket) -> Result<Survey> {
    let tables = socket.tables(SURVEY)?;
    let ports = batch::living_ports();
    let mut survey = Survey::default();
    for table in tables {
        if let Some(switch) = SWITCHES.into_iter().find(|switch| marker(*switch) == table.name) {
            survey.switched.push(switch);
        } else if let Some(port) = table.name.strip_prefix(PREFIX).and_then(|port| port.parse().ok()) {
            // A table with an owner is alive by itself.
            if table.owner == Some(port) || ports.contains(&port) {
                survey.alive.push(port);
            } else {
                survey.orphans.push(table.name);
            }
        }
    }
    Ok(survey)
}

fn clean_up_with(socket: &mut NftSocket, switched: &[Switch]) -> Result<Survey> {
    let survey = survey_with(socket)?;
    for table in &survey.orphans {
        remove(socket, table)?;
    }
    if survey.alive.is_empty() {
        let recorded = |switch: &Switch| survey.switched.contains(switch) || switched.contains(switch);
        for switch in SWITCHES.into_iter().filter(recorded) {
            switch
                .set(false)
                .map_err(|source| Error::Kernel { operation: "switching a sysctl off", source })?;
            remove(socket, &marker(switch))?;
        }
    }
    Ok(survey)
}

/// Makes the empty table, with an owner where the kernel knows that.
fn claim(socket: &mut NftSocket, table: &str) -> Result<()> {
    const COMMENT: &str = "made by conntop --activate, removed when it ends";
    let mut attempt = |owned| {
        let mut batch = Batch::new();
        batch.add_table(table, owned, COMMENT);
        socket.commit(&mut batch, ACTIVATE)
    };
    match attempt(true) {
        Err(error) if matches!(error.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {}
        result => return result,
    }
    match attempt(false) {
        // The port is ours, so whoever made that table is dead.
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            remove(socket, table)?;
            let mut batch = Batch::new();
            batch.add_table(table, false, COMMENT);
            socket.commit(&mut batch, ACTIVATE)
        }
        result => result,
    }
}

/// Removes a table with all that is in it; that it is gone already is no error.
fn remove(socket: &mut NftSocket, table: &str) -> Result<()> {
    let mut batch = Batch::new();
    batch.delete_table(table);
    match socket.commit(&mut batch, DEACTIVATE) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

fn marker(switch: Switch) -> String {
    format!("{RESTORE}{}", switch.name())
}
