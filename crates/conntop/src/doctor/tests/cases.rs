//! What may happen to a sound machine, and what the doctor says then.

mod client;
mod kernel;
mod remote;

pub(super) use self::client::{CLIENT_CASES, a_client};
pub(super) use self::kernel::{KERNEL_CASES, a_kernel};
pub(super) use self::remote::{REMOTE_CASES, a_remote};
use super::Word;

/// Something that happens, and what the check says.
pub(super) struct Case<F> {
    pub(super) check: &'static str,
    pub(super) happens: fn(&mut F),
    pub(super) word: Word,
    pub(super) found: &'static str,
    pub(super) repair: &'static [&'static str],
    pub(super) fixable: bool,
}

const fn case<F>(
    check: &'static str,
    happens: fn(&mut F),
    word: Word,
    found: &'static str,
    repair: &'static [&'static str],
) -> Case<F> {
    Case { check, happens, word, found, repair, fixable: false }
}

/// The same of something that `--fix` mends.
const fn fixable<F>(
    check: &'static str,
    happens: fn(&mut F),
    word: Word,
    found: &'static str,
    repair: &'static [&'static str],
) -> Case<F> {
    Case { fixable: true, ..case(check, happens, word, found, repair) }
}

fn nothing<F>(_: &mut F) {}
