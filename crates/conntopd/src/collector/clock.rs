//! The clocks: boot time for everything that is measured, wall time to name it, and the CPU time of
//! a thread for the budget.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Clock;
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_BOOTTIME now.
#[must_use]
pub fn now() -> BootMillis {
    BootMillis(millis(read(ClockId::Boottime)))
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
    read(ClockId::ThreadCPUTime)
}

fn read(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
