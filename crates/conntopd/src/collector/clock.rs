//! The clocks: boot time for everything that is measured, wall time to name it, and the CPU time of
//! a thread for the budget.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Clock;
use nfnetlink::clock;

/// CLOCK_BOOTTIME now.
#[must_use]
pub fn now() -> BootMillis {
    BootMillis(millis(clock::boot()))
}

/// Both clocks at one moment.
#[must_use]
pub fn both() -> Clock {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { boot: now(), wall_ms: millis(wall) }
}

/// CPU time that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    clock::thread_cpu()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
