//! Which process has which socket of this machine.

use conntop_proto::tuple::Tuple;

use super::Fact;

/// A process at one end of a flow. All texts are sanitized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub name: String,
    /// Name of the user whose it is, or his number.
    pub user: String,
    /// Number of the user.
    pub uid: u32,
    /// The unit or container in which it runs.
    pub unit: Option<String>,
    /// Command line.
    pub command: String,
}

/// What a scan has found.
#[derive(Debug, Default)]
pub struct Seen {}

/// Processes by sockets.
#[derive(Debug, Default)]
pub struct Processes {}

impl Processes {
    /// The process at this machine's end of a flow.
    #[must_use]
    pub fn of(&self, _orig: &Tuple, _reply: &Tuple) -> Fact<&Process> {
        Fact::Unknown
    }

    /// Takes in what a scan has found.
    pub fn learn(&mut self, _seen: Seen) {}
}
