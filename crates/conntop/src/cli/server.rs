//! `conntop --server`: the daemon in this program.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs conntopd with these arguments.
pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    conntopd::run("conntop --server", arguments)
}
