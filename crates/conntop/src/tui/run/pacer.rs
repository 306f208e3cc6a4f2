//! When to make a screen: at once for what a person does, seldom for data, never for nothing.

use std::time::{Duration, Instant};

/// Shortest time between two drawings because of data: ten a second look live.
pub const DATA_INTERVAL: Duration = Duration::from_millis(100);
/// Share of the time that making screens may take, as a divisor.
const SHARE: u32 = 4;

/// When to make a screen.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Something was done, or a moment has come.
    due: bool,
    /// What a person has done has not been drawn.
    input: bool,
    data: bool,
    earliest: Option<Instant>,
    /// Since when the rows are being brought up to date.
    busy: Option<Instant>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self { due: true, input: true, data: false, earliest: None, busy: None }
    }
}

impl Pacer {
    /// A person did something.
    pub(super) fn now(&mut self) {
        self.due = true;
        self.input = true;
    }

    /// Something was told.
    pub(super) fn data(&mut self) {
        self.data = true;
    }

    /// Whether the rows are to be brought up to date.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due || (self.data && self.earliest.is_none_or(|at| now >= at))
    }

    /// That has begun.
    pub(super) fn begun(&mut self, now: Instant) {
        self.due = false;
        self.data = false;
        self.busy.get_or_insert(now);
    }

    /// Whether it has begun and is not done.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether a screen is to be drawn before it is done.
    pub(super) fn is_awaited(&self) -> bool {
        self.input
    }

    /// A screen was drawn.
    pub(super) fn drawn(&mut self) {
        self.input = false;
    }

    /// The rows are up to date, and drawn.
    pub(super) fn done(&mut self, now: Instant) {
        let cost = self.busy.take().map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        self.earliest = Some(now + DATA_INTERVAL.max(cost * SHARE));
    }

    /// When it is due next, while nobody does anything.
    pub(super) fn next(&self, due: Option<Instant>) -> Option<Instant> {
        let data = self.earliest.filter(|_| self.data);
        [data, due].into_iter().flatten().min()
    }

    /// A moment has come.
    pub(super) fn time(&mut self, now: Instant, due: Option<Instant>) {
        if due.is_some_and(|at| now >= at) {
            self.due = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the first screen, at whose end the clock begins.
    fn pacer(begin: Instant) -> Pacer {
        let mut pacer = Pacer::default();
        assert!(pacer.is_due(begin) && pacer.is_awaited());
        pacer.begun(begin);
        pacer.drawn();
        pacer.done(begin);
        pacer
    }

    #[test]
    fn an_idle_program_waits_for_ever() {
        let begin = Instant::now();
        let pacer = pacer(begin);
        assert!(!pacer.is_due(begin + Duration::from_secs(3600)) && !pacer.is_busy() && !pacer.is_awaited());
        assert_eq!(pacer.next(None), None);
    }

    #[test]
    fn data_waits_and_input_does_not() {
        let begin = Instant::now();
        let mut pacer = pacer(begin);
        pacer.data();
        assert_eq!(pacer.next(None), Some(begin + DATA_INTERVAL));
        assert!(!pacer.is_due(begin) && pacer.is_due(begin + DATA_INTERVAL));
        pacer.now();
        assert!(pacer.is_due(begin) && pacer.is_awaited());
    }

    #[test]
    fn costly_screens_are_seldom() {
        let begin = Instant::now();
        let mut pacer = pacer(begin);
        pacer.begun(begin);
        // A key in between does not make it a new beginning.
        pacer.now();
        let later = begin + Duration::from_millis(50);
        pacer.begun(later);
        assert!(pacer.is_busy() && pacer.is_awaited());
        let end = begin + Duration::from_millis(80);
        pacer.drawn();
        pacer.done(end);
        pacer.data();
        assert_eq!(pacer.next(None), Some(end + Duration::from_millis(80) * SHARE));
    }

    #[test]
    fn a_moment_is_due_when_it_has_come() {
        let begin = Instant::now();
        let mut pacer = pacer(begin);
        let due = begin + Duration::from_secs(1);
        assert_eq!(pacer.next(Some(due)), Some(due));
        pacer.time(begin, Some(due));
        assert!(!pacer.is_due(begin));
        pacer.time(due, Some(due));
        assert!(pacer.is_due(due) && !pacer.is_awaited());
    }
}
