//! What the program prints for other programs, and how it ends.

pub mod csv;
pub mod exit;
pub mod groups;
pub mod json;
pub mod rows;

use std::io::Write as _;

/// Says a line on stderr. That nobody reads it is no reason to stop, as it is for `eprintln!`.
pub(crate) fn say(line: &dyn std::fmt::Display) {
    let _nobody_reads = writeln!(std::io::stderr(), "conntop: {line}");
}
