//! What clients look at besides flows is read with each tick while somebody looks, and at once when
//! somebody begins to.

use tokio::time::Instant;

use super::super::handle::Look;
use super::super::report::Ask;
use super::super::sights::Sights;
use super::Hub;

/// Rests after a reading, in times of what it cost: a machine with very many interfaces or sockets is
/// read less often.
const RESTS: u32 = 20;

/// Readings of it.
#[derive(Debug)]
pub(super) struct Sighting {
    /// What was looked at last.
    look: Look,
    /// An answer is to come.
    asked: bool,
    /// When it may be read again.
    not_before: Instant,
}

impl Sighting {
    pub(super) fn new(now: Instant) -> Self {
        Self { look: Look::default(), asked: false, not_before: now }
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.asked
    }
}

impl Hub {
    pub(super) fn look_around(&mut self, tick: bool, now: Instant) {
        let look = self.desk.look();
        let begins = self.sighting.look.and(look) != self.sighting.look;
        if look == Look::default() {
            self.sighting.look = look;
        } else if (tick || begins) && !self.sighting.asked && now >= self.sighting.not_before {
            self.sighting.look = look;
            self.sighting.asked = true;
            self.ask(Ask::Look(look));
        }
    }

    pub(super) fn sighted(&mut self, sights: Sights, now: Instant) {
        let Sights { interfaces, listeners, cost } = sights;
        self.sighting.asked = false;
        self.sighting.not_before = now + cost * RESTS;
        self.upkeep.add(cost);
        self.desk.sighted(interfaces, listeners);
    }
}
