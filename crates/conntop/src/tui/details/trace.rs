//! What a flow carried from moment to moment, while somebody looks at it.

use std::collections::VecDeque;

use conntop_proto::flow::BootMillis;

/// Moments that are kept: as many as the sparklines are wide, and the one before.
const MOST: usize = 31;

/// Totals of both directions at moments, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Trace(VecDeque<(BootMillis, u64, u64)>);

impl Trace {
    /// Notes the totals of both directions at a moment by the collector's clock; moments before the latest
    /// one say nothing new.
    pub fn note(&mut self, at: BootMillis, orig: u64, reply: u64) {
        match self.0.back_mut() {
            Some(last) if last.0 >= at => return,
            _ => self.0.push_back((at, orig, reply)),
        }
        while self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// Bytes per second of both directions between two moments each.
    #[must_use]
    pub fn rates(&self) -> [Vec<f64>; 2] {
        let pairs = || self.0.iter().zip(self.0.iter().skip(1));
        let rate = |from: u64, to: u64, millis: u64| {
            // Far below 2^53 per second, and only to be drawn.
            #[expect(clippy::cast_precision_loss, reason = "a height on the screen")]
            let (bytes, millis) = (to.saturating_sub(from) as f64, millis.max(1) as f64);
            bytes * 1000.0 / millis
        };
        [
            pairs().map(|(a, b)| rate(a.1, b.1, b.0.since(a.0))).collect(),
            pairs().map(|(a, b)| rate(a.2, b.2, b.0.since(a.0))).collect(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_rates() {
        let check = |moments: &[(u64, u64, u64)], wanted: [&[f64]; 2]| {
            let mut trace = Trace::default();
            for (at, orig, reply) in moments {
                trace.note(BootMillis(*at), *orig, *reply);
            }
            assert_eq!(trace.rates(), wanted.map(<[f64]>::to_vec), "{moments:?}");
        };
        check(&[], [&[], &[]]);
        check(&[(1000, 5, 5)], [&[], &[]]);
        check(&[(1000, 0, 0), (2000, 100, 50)], [&[100.0], &[50.0]]);
        check(&[(1000, 0, 0), (1500, 100, 0), (3500, 100, 0)], [&[200.0, 0.0], &[0.0, 0.0]]);
        // Time never goes back, and a counter that fell was zeroed.
        check(&[(2000, 0, 0), (1000, 9, 9), (2000, 9, 9)], [&[], &[]]);
        check(&[(1000, 9, 9), (2000, 1, 10)], [&[0.0], &[1.0]]);
        let many: Vec<(u64, u64, u64)> = (0..100).map(|n| (n * 1000, n, 0)).collect();
        let mut trace = Trace::default();
        many.iter().for_each(|(at, orig, reply)| trace.note(BootMillis(*at), *orig, *reply));
        assert_eq!(trace.rates(), [vec![1.0; 30], vec![0.0; 30]]);
    }
}
