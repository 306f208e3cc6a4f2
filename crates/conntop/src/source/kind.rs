//! Which of this machine's sources somebody wants.

use clap::ValueEnum;
use serde::Deserialize;

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
