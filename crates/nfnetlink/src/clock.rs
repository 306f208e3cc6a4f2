//! Clocks of the kernel that the standard library does not read.
//!
//! `rustix` has them, too, but takes for granted that a C library's `timespec` is laid out as its own: on 32-bit
//! MIPS with musl it is not, and what it reads there is no time. Here the C library's own type is used.

use std::time::Duration;

use crate::sys;

/// CLOCK_BOOTTIME: since the machine started, times asleep included.
#[must_use]
pub fn boot() -> Duration {
    sys::clock(libc::CLOCK_BOOTTIME)
}

/// CLOCK_MONOTONIC: since the machine started, without the times that it slept.
#[must_use]
pub fn monotonic() -> Duration {
    sys::clock(libc::CLOCK_MONOTONIC)
}

/// CPU time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    sys::clock(libc::CLOCK_THREAD_CPUTIME_ID)
}
