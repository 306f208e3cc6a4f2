//! How long to wait before the next attempt: doubling from 0.2 s to 10 s, each with jitter so that
//! the clients of a server that restarted do not come back all at once.
//!
//! They begin anew only after a connection that lasted: one that fails as soon as it stands is no
//! success, and a loop of such is what costs the server most.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// First pause.
pub const FIRST: Duration = Duration::from_millis(200);
/// Longest pause.
pub const LONGEST: Duration = Duration::from_secs(10);
/// A connection that delivered for this long was a success.
pub const STABLE: Duration = Duration::from_secs(10);

/// The pauses between attempts.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// A connection delivered for this long and is over.
    pub fn lasted(&mut self, time: Duration) {
        if time >= STABLE {
            self.attempts = 0;
        }
    }

    /// The next pause.
    #[must_use]
    pub fn pause(&mut self) -> Duration {
        // A hasher with a fresh key is the standard library's only randomness; quality is no matter.
        let random = RandomState::new().build_hasher().finish();
        self.next_with(random % 1000)
    }

    /// The next pause, with a jitter of 0 to 999 per mille of its half.
    fn next_with(&mut self, jitter: u64) -> Duration {
        let full = FIRST.saturating_mul(1 << self.attempts.min(6)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(f64::from(u32::try_from(jitter).unwrap_or(0)) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds_and_begin_anew() {
        let mut backoff = Backoff::default();
        let full: Vec<u128> = (0..9).map(|_| backoff.next_with(1000).as_millis()).collect();
        assert_eq!(full, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        backoff.lasted(STABLE - Duration::from_millis(1));
        assert_eq!(backoff.next_with(1000), LONGEST, "no success");
        backoff.lasted(STABLE);
        assert_eq!(backoff.next_with(0), FIRST / 2);
        let next = backoff.pause();
        assert!(next >= FIRST && next <= FIRST * 2, "{next:?}");
    }
}
