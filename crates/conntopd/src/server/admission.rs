//! Who may connect: slots for all, a reserve for unix peers, few unauthenticated connections per
//! source, early random drop of those when many wait, and pauses for those who show wrong tokens.
//! Pure, except for the dice.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use super::failures::Failures;

/// Connections of one source that have not said `hello` yet, be it for want of TLS or a proof.
pub const GREETING_PER_SOURCE: usize = 8;
/// Connections of all sources that have not said `hello` yet, unix peers not counted.
pub const GREETING_MAX: usize = 64;
/// From this many on they are dropped at random, the more the nearer to [`GREETING_MAX`], so that a
/// flood cannot shut everybody else out with certainty.
pub const GREETING_EARLY: usize = GREETING_MAX / 2;
/// Clients with a filter, columns or an interval of their own: each costs an encoding of its own.
pub const OWN_SUBSCRIPTIONS: usize = 64;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// By TCP from this address; see [`Source::tcp`].
    Tcp(IpAddr),
    /// By the unix socket: the kernel vouches for the user, the file's mode let it in.
    Unix,
}

impl Source {
    /// By TCP from this address. Of IPv6 the first 64 bits count, for everybody has 2^64 of them.
    #[must_use]
    pub fn tcp(address: IpAddr) -> Self {
        Self::Tcp(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Why a connection is refused; the text is for the person at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All slots are taken.
    #[error("all {0} slots are taken; see --max-clients")]
    Full(usize),
    /// Too many of one source that have not said hello.
    #[error("{GREETING_PER_SOURCE} connections from this address have not said hello yet")]
    Source,
    /// Too many that have not said hello.
    #[error("too many connections have not said hello yet; try again")]
    Flood,
    /// Too many subscriptions that differ from the default.
    #[error("{OWN_SUBSCRIPTIONS} clients have filters, columns or intervals of their own already")]
    Subscriptions,
    /// Too many wrong tokens.
    #[error("too many wrong tokens from this address: try again in {0} s, with the right one")]
    Tokens(u64),
}

/// Counts connections.
#[derive(Debug)]
pub struct Admission {
    most: usize,
    reserved: usize,
    connected: usize,
    own: usize,
    greeting: HashMap<IpAddr, usize>,
    greeting_sum: usize,
    failures: Failures,
    dice: RandomState,
    rolls: u64,
}

impl Admission {
    /// For at most `most` connections; `reserved` of them only for unix peers.
    #[must_use]
    pub fn new(most: usize, reserved: usize) -> Self {
        Self {
            most,
            reserved: reserved.min(most.saturating_sub(1)),
            connected: 0,
            own: 0,
            greeting: HashMap::new(),
            greeting_sum: 0,
            failures: Failures::default(),
            dice: RandomState::new(),
            rolls: 0,
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Says which limit it would break; it is not counted then.
    pub fn connect(&mut self, source: Source, now: Instant) -> Result<(), Refusal> {
        let Source::Tcp(address) = source else {
            if self.connected >= self.most {
                return Err(Refusal::Full(self.most));
            }
            self.connected += 1;
            return Ok(());
        };
        if let Some(wait) = self.failures.wait(address, now) {
            return Err(Refusal::Tokens(wait.as_secs() + 1));
        }
        let slots = self.most - self.reserved;
        if self.connected >= slots {
            return Err(Refusal::Full(slots));
        }
        let same = self.greeting.get(&address).copied().unwrap_or(0);
        if same >= GREETING_PER_SOURCE {
            return Err(Refusal::Source);
        }
        if self.unlucky() {
            return Err(Refusal::Flood);
        }
        self.greeting.insert(address, same + 1);
        self.greeting_sum += 1;
        self.connected += 1;
        Ok(())
    }

    /// A connection proved that it knows the token.
    pub fn proven(&mut self, source: Source) {
        if let Source::Tcp(address) = source {
            self.failures.proven(address);
        }
    }

    /// A connection proved that it does not.
    pub fn failed(&mut self, source: Source, now: Instant) {
        if let Source::Tcp(address) = source {
            self.failures.failed(address, now);
        }
    }

    /// A connection said `hello`, or ended before it did.
    pub fn greeted(&mut self, source: Source) {
        if let Source::Tcp(address) = source
            && let Some(same) = self.greeting.get_mut(&address)
        {
            *same = same.saturating_sub(1);
            self.greeting_sum = self.greeting_sum.saturating_sub(1);
            if *same == 0 {
                self.greeting.remove(&address);
            }
        }
    }

    /// A connection ended; [`Admission::greeted`] was called for it before.
    pub fn disconnected(&mut self) {
        self.connected = self.connected.saturating_sub(1);
    }

    /// A client begins a subscription of its own.
    ///
    /// # Errors
    /// There are too many.
    pub fn begin_own(&mut self) -> Result<(), Refusal> {
        if self.own >= OWN_SUBSCRIPTIONS {
            return Err(Refusal::Subscriptions);
        }
        self.own += 1;
        Ok(())
    }

    /// A client has no subscription of its own any more.
    pub fn end_own(&mut self) {
        self.own = self.own.saturating_sub(1);
    }

    /// Connections now.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connected
    }

    fn unlucky(&mut self) -> bool {
        let above = self.greeting_sum.saturating_sub(GREETING_EARLY);
        if above == 0 {
            return false;
        }
        self.rolls = self.rolls.wrapping_add(1);
        let sides = (GREETING_MAX - GREETING_EARLY) as u64;
        self.dice.hash_one(self.rolls) % sides < above as u64
    }
}
