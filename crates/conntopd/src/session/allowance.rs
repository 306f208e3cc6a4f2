//! How many messages a client may send: a bucket that refills with time. Spent, it only delays the
//! reading; the socket's buffer then holds the client back.

use std::time::{Duration, Instant};

/// Messages (and reads) at once: a person who scrolls and types stays far below.
const BURST: i32 = 128;
/// Time that earns one more.
const EARN: Duration = Duration::from_millis(25);

/// What a client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Negative when one read brought more than was left.
    left: i32,
    /// Up to when `left` was earned.
    at: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    pub(super) fn charge(&mut self, now: Instant, messages: i32) {
        self.refill(now);
        self.left = self.left.saturating_sub(messages);
    }

    pub(super) fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_millis();
        let earned = i32::try_from(passed / EARN.as_millis()).unwrap_or(i32::MAX);
        self.left = self.left.saturating_add(earned);
        if self.left >= BURST {
            self.left = BURST;
            self.at = now;
        } else {
            self.at += EARN * earned.unsigned_abs();
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left <= 0
    }

    /// When there will be something left again; `None` when there is.
    pub(super) fn until(&self) -> Option<Instant> {
        let missing = 1_i32.saturating_sub(self.left);
        self.is_spent().then(|| self.at + EARN * missing.unsigned_abs())
    }
}
