//! The flow table: pure state, time as an argument.

mod filter;

pub use self::filter::{Filter, FilterError, Interest};

/// Most flows that a table holds unless configured otherwise: about 400 MB.
pub const MAX_FLOWS: usize = 2_000_000;
