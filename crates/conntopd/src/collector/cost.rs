//! What a way of reading costs: a price per hash bucket, per flow that it delivers and per flow
//! that it passes over. It begins with what was measured elsewhere and learns from each pass.

use std::time::Duration;

use conntop_proto::message::Coverage;

/// How much of an error a pass corrects; the first ones more, as nobody has measured here yet.
const LEARN: f64 = 0.3;
/// A pass never counts for more or less than this times what was expected: one that was disturbed
/// must not spoil the price.
const STRANGE: f64 = 2.0;
/// The first one may.
const STRANGE_AT_FIRST: f64 = 10.0;

/// A price never falls below this part of what it was.
const LEAST: f64 = 0.1;

/// How far an unused price goes back with each pass of another source.
const RELAX: f64 = 0.005;

/// How large the kernel's table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Hash buckets, of all namespaces together.
    pub(super) buckets: u64,
    pub(super) flows: u64,
    /// Flows that are assured.
    pub(super) assured: u64,
}

/// Prices in nanoseconds of CPU time, of the kernel and the table together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) bucket: f64,
    /// Of a flow that is delivered.
    pub(super) flow: f64,
    /// Of a flow that the kernel leaves out.
    pub(super) passed: f64,
}

impl Cost {
    /// What a pass over a table of this size should cost.
    pub(super) fn of_pass(&self, coverage: Coverage, size: Size) -> Duration {
        let [buckets, flows, passed] = self.parts(coverage, size);
        nanos(buckets + flows + passed)
    }

    /// What it should cost to ask for so many flows.
    pub(super) fn of_flows(&self, flows: usize) -> Duration {
        nanos(self.flow * float(u64::try_from(flows).unwrap_or(u64::MAX)))
    }

    /// How many flows can be asked for at this price.
    pub(super) fn flows_for(&self, price: Duration) -> usize {
        let each = nanos(self.flow).max(Duration::from_nanos(1)).as_nanos();
        usize::try_from(price.as_nanos() / each).unwrap_or(usize::MAX)
    }

    /// Takes in what a pass cost. Each price answers for its part of it: small tables teach what
    /// buckets cost, large ones what flows cost. `known` is how many passes were taken in before.
    pub(super) fn learn_pass(&mut self, coverage: Coverage, size: Size, measured: Duration, known: u32) {
        let parts = self.parts(coverage, size);
        let expected: f64 = parts.iter().sum();
        if expected < 1.0 {
            return;
        }
        let strange = if known == 0 { STRANGE_AT_FIRST } else { STRANGE };
        let off = (measured.as_secs_f64() * 1e9 / expected).clamp(1.0 / strange, strange) - 1.0;
        let learn = LEARN.max(1.0 / (f64::from(known) + 1.0));
        // The first time the whole machine is slower or faster than another one.
        let shares = parts.map(|part| if known == 0 { 1.0 } else { part / expected });
        let all: f64 = shares.iter().zip(parts).map(|(share, part)| share * part / expected).sum();
        for (price, share) in [&mut self.bucket, &mut self.flow, &mut self.passed].into_iter().zip(shares) {
            *price *= (1.0 + learn * off * share / all).max(LEAST);
        }
    }

    /// Takes in what it cost to ask for so many flows.
    pub(super) fn learn_flows(&mut self, flows: usize, measured: Duration, known: u32) {
        let size = Size { flows: u64::try_from(flows).unwrap_or(u64::MAX), ..Size::default() };
        self.learn_pass(Coverage::Known, size, measured, known);
    }

    /// Drifts back to what was expected at first: a price that nobody pays is not learned, and one bad
    /// measurement must not rule a source out for ever.
    pub(super) fn relax(&mut self, start: Cost) {
        for (price, start) in
            [(&mut self.bucket, start.bucket), (&mut self.flow, start.flow), (&mut self.passed, start.passed)]
        {
            *price += RELAX * (start - *price);
        }
    }

    fn parts(&self, coverage: Coverage, size: Size) -> [f64; 3] {
        let delivered = match coverage {
            Coverage::Whole | Coverage::Known => size.flows,
            Coverage::Assured => size.assured.min(size.flows),
        };
        let passed = size.flows - delivered;
        [self.bucket * float(size.buckets), self.flow * float(delivered), self.passed * float(passed)]
    }
}

fn float(number: u64) -> f64 {
    // More than 2^32 flows or buckets there are not.
    u32::try_from(number).unwrap_or(u32::MAX).into()
}

fn nanos(nanos: f64) -> Duration {
    Duration::try_from_secs_f64(nanos / 1e9).unwrap_or(Duration::MAX)
}
