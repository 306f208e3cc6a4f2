//! `conntop doctor`: is everything here as it has to be, and what mends it?
//!
//! Order: somebody looks ([`crate::here`], [`elsewhere`]) and finds [`facts`], which are data; one table of
//! [`checks`] judges them; a [`Report`] is printed, and a `Fix` does what conntop itself may mend, when it
//! is asked to.
//!
//! Looking changes nothing: no module is loaded, no sysctl written, no rule made. That is what
//! `--fix` is for, which asks before each of them.

pub mod checks;
pub mod elsewhere;
pub mod facts;
mod report;
#[cfg(test)]
mod tests;

pub use self::report::{Check, Report, Style, Word};
