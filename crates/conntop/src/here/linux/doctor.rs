//! What `conntop doctor` looks at on this machine, and mends when it is asked to.

pub mod checks;
pub mod facts;
mod look;
mod others;
pub mod repair;

pub use self::repair::Fix;
use super::netns;
use crate::doctor::Report;
use crate::output::exit::{CONFIG, Failure};

/// Looks at the kernel in a network namespace, or in that of the caller.
pub(crate) fn checkup(name: Option<&str>) -> Result<Report, Failure> {
    let place = match name.map(netns) {
        Some(netns) => format!("this machine, network namespace {netns}"),
        None => "this machine".to_owned(),
    };
    let kernel = look::kernel(name.map(netns)).map_err(|error| Failure::new(CONFIG, error.to_string()))?;
    Ok(checks::of_kernel(place, &kernel))
}

impl Fix {
    /// Does it in a network namespace, or in that of the caller.
    ///
    /// # Errors
    /// What the kernel said, for people.
    pub(crate) fn mend(self, name: Option<&str>) -> Result<(), String> {
        self.carry_out(name.map(netns))
    }
}
