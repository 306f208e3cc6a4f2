//! How many flows begin and end per second, and the latest rates of all flows together.

use std::collections::VecDeque;

use conntop_proto::flow::BootMillis;

use crate::mirror::{Mirror, Rates};

/// Ticks that are kept: more than the widest sparkline shows.
const KEPT: usize = 120;
/// Milliseconds over which flows per second are averaged: long enough to read.
const SPAN: u64 = 5000;

#[derive(Clone, Copy, Debug)]
struct Tick {
    at: BootMillis,
    begun: u64,
    ended: u64,
}

#[derive(Default)]
pub(crate) struct Pace {
    ticks: VecDeque<Tick>,
    rates: VecDeque<f64>,
    pass: u64,
}

impl Pace {
    /// Looks at the mirror after something was applied.
    pub(crate) fn note(&mut self, mirror: &Mirror) {
        let position = mirror.position();
        if !position.synced {
            self.ticks.clear();
            return;
        }
        let newest = self.ticks.back().map(|tick| tick.at);
        if newest.is_none_or(|at| position.at > at) {
            let (begun, ended) = mirror.turnover();
            self.ticks.push_back(Tick { at: position.at, begun, ended });
        }
        while self.ticks.len() > KEPT
            || self.ticks.get(1).is_some_and(|next| position.at.since(next.at) >= SPAN)
        {
            self.ticks.pop_front();
        }
        if let Some(total) = mirror.total_rates().filter(|_| position.pass.number != self.pass) {
            self.pass = position.pass.number;
            let both = |rates: Rates| rates.orig.saturating_add(rates.reply);
            let parts = [total.down, total.up, both(total.internal), both(total.transit)];
            let sum = parts.into_iter().fold(0, u64::saturating_add);
            self.rates.push_back(float(sum));
            if self.rates.len() > KEPT {
                self.rates.pop_front();
            }
        }
    }

    /// Flows that began and that ended, per second.
    pub(crate) fn per_second(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.ticks.front()?, self.ticks.back()?);
        let span = last.at.since(first.at);
        if span == 0 {
            return None;
        }
        let rate = |from: u64, to: u64| float(to.saturating_sub(from)) * 1000.0 / float(span);
        Some((rate(first.begun, last.begun), rate(first.ended, last.ended)))
    }
}

/// Sums of all rates of several, oldest first; the newest ones stand together.
pub(crate) fn sum<'a>(paces: impl Iterator<Item = &'a Pace>) -> Vec<f64> {
    let mut newest_first: Vec<f64> = Vec::new();
    for pace in paces {
        newest_first.resize(newest_first.len().max(pace.rates.len()), 0.0);
        for (sum, rate) in newest_first.iter_mut().zip(pace.rates.iter().rev()) {
            *sum += rate;
        }
    }
    newest_first.reverse();
    newest_first
}

/// Exact below 2^53; what is shown has three digits.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn float(number: u64) -> f64 {
    number as f64
}
