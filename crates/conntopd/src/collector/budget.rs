//! The share of a core that reading and what belongs to it may take, and the account that keeps to it.
//!
//! The account knows one moment: until when what was spent is paid for. Reading pushes it into the
//! future by cost / share, and nothing begins before it. Time that was not used is not saved up, so
//! over any stretch of time the share is exceeded by one slice at most.

use std::time::Duration;

pub use conntop_proto::budget::{BudgetError, CpuBudget};
use tokio::time::Instant;

/// What was spent against a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    budget: CpuBudget,
    paid: Instant,
}

impl Account {
    pub(super) fn new(budget: CpuBudget, now: Instant) -> Self {
        Self { budget, paid: now }
    }

    pub(super) fn budget(&self) -> CpuBudget {
        self.budget
    }

    /// Another budget from now on; what was read is paid for by the old one.
    pub(super) fn rebudget(&mut self, budget: CpuBudget) {
        self.budget = budget;
    }

    /// When reading may go on.
    pub(super) fn ready_at(&self) -> Instant {
        self.paid
    }

    /// Reading begins.
    pub(super) fn open(&mut self, now: Instant) {
        self.paid = self.paid.max(now);
    }

    /// So much CPU time was used for reading.
    pub(super) fn charge(&mut self, cost: Duration) {
        self.paid += self.budget.wall(cost);
    }

    /// Forgets what is not paid for.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.paid = now;
    }
}
