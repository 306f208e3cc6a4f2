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

/// Columns and lines of the terminal that stdout is; `None` when it is none.
pub(crate) fn terminal_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}
