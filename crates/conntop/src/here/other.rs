//! This machine is not Linux, so its connections are not seen: everything says so and what to do instead.

use std::convert::Infallible;
use std::net::SocketAddr;

use super::Wish;
use crate::doctor::{Check, Report, Word};
use crate::enrich::lookups::Finder;
use crate::output::exit::{Failure, USAGE};
use crate::source::Source;

const ONLY_LINUX: &str =
    "conntop shows this machine on Linux only; `conntop --connect HOST` shows another one";

/// Cannot be: there is nothing here to look at.
#[derive(Debug)]
pub struct Machine(Infallible);

impl Machine {
    pub(crate) fn open(_: Wish) -> Result<(Self, Source), Failure> {
        Err(Failure::new(USAGE, ONLY_LINUX))
    }

    pub(crate) fn activated(&self) -> Option<String> {
        match self.0 {}
    }

    pub(crate) fn leftover(&self) -> Option<String> {
        match self.0 {}
    }

    pub(crate) fn find_processes(&self, _: Finder) -> bool {
        match self.0 {}
    }

    pub(crate) fn activate(&mut self) -> Result<String, String> {
        match self.0 {}
    }

    pub(crate) fn remove_leftover(&self) -> Result<String, String> {
        match self.0 {}
    }

    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.0 {}
    }
}

/// Nothing here can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fix {}

impl Fix {
    pub(crate) fn offer(self) -> String {
        match self {}
    }

    pub(crate) fn mend(self, _: Option<&str>) -> Result<(), String> {
        match self {}
    }
}

/// There is nothing to look at.
pub(crate) fn checkup(_: Option<&str>) -> Result<Report, Failure> {
    let check = Check {
        name: "system",
        word: Word::Warn,
        found: "conntop shows this machine on Linux only".to_owned(),
        repair: vec!["conntop doctor --connect HOST".to_owned()],
        fix: None,
    };
    Ok(Report { place: "this machine".to_owned(), checks: vec![check] })
}

/// Which connections are this program's is not known.
pub(crate) fn connections() -> Vec<(SocketAddr, SocketAddr)> {
    Vec::new()
}

/// Nobody is anything here.
pub(crate) fn is_root() -> bool {
    false
}

/// The collector is of Linux.
pub(crate) mod server {
    use std::ffi::OsString;
    use std::process::ExitCode;

    use clap::Command;

    use crate::output::exit::FAILURE;
    use crate::output::say;

    /// The daemon's name.
    pub(crate) const NAME: &str = "conntopd";

    /// Says that there is none.
    pub(crate) fn run(_: impl Iterator<Item = OsString>) -> ExitCode {
        say(&"--server: conntopd runs on Linux only");
        ExitCode::from(FAILURE)
    }

    /// It has no options here.
    pub(crate) fn command() -> Option<Command> {
        None
    }
}
