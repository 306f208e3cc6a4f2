//! Decides whether a test gets its lab.

use crate::tools;

/// Set to `required` where a skipped test has to fail, as in a CI that has root.
pub const VARIABLE: &str = "CONNTOP_LAB";

/// Set to `1` for the long versions of the tests.
pub const FULL: &str = "CONNTOP_LAB_FULL";

/// The answer of [`check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The lab can be built.
    Open,
    /// The test has been told to be skipped.
    Skip,
}

/// Whether the calling test can have a lab; if not, says so where it is seen.
///
/// # Panics
/// When it cannot and `CONNTOP_LAB=required`.
#[must_use]
pub fn check() -> Gate {
    match tools::ready() {
        Ok(()) => Gate::Open,
        Err(why) => skip(why),
    }
}

/// Tells loudly that the calling test is skipped.
///
/// # Panics
/// When `CONNTOP_LAB=required`.
#[expect(clippy::panic, reason = "a skip that is forbidden has to fail the test")]
pub fn skip(why: &str) -> Gate {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") {
        panic!("{test} needs the lab ({VARIABLE}=required): {why}");
    }
    tools::tell(&format!("SKIPPED: {test}: {why}"));
    Gate::Skip
}

/// Builds a [`Lab`](crate::Lab) (with the given [`LabOptions`](crate::LabOptions), or the
/// default ones), or says that the test is skipped and returns from it.
#[macro_export]
macro_rules! lab_or_skip {
    () => {
        $crate::lab_or_skip!($crate::LabOptions::default())
    };
    ($options:expr) => {
        match $crate::gate::check() {
            $crate::Gate::Open => $crate::Lab::new($options).expect("the lab can be built here"),
            $crate::Gate::Skip => return,
        }
    };
}
