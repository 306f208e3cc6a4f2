//! Rates of flows that somebody looks at, where passes take long; and of flows that a pass leaves out.
//! A story is what happens second by second to flow 1 (looked at) and flow 2 (not).

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::time::Duration;

use common::{apply, delta_of, flow, reset, synced, traffic};
use conntop::mirror::{Class, Mirror};
use conntop_proto::columns::Ids;
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, FlowRow, Status, TrafficRow};
use conntop_proto::message::{Coverage, Pass, ResetReason};

/// A collector with long passes, and what the client makes of it.
struct Story {
    mirror: Mirror,
    cursor: u64,
    pass: Pass,
}

impl Story {
    fn new(window: u64) -> Self {
        let mut mirror = Mirror::default();
        mirror.set_window(Duration::from_secs(window));
        mirror.set_classify(Box::new(|_, _| Class::Out));
        apply(&mut mirror, &[reset(1, ResetReason::Start)]);
        Self { mirror, cursor: 0, pass: Pass::default() }
    }

    /// A pass of that coverage is complete at `at`, after `took` milliseconds.
    fn pass(&mut self, at: u64, took: u64, coverage: Coverage, rows: DeltaRows) {
        self.pass = Pass {
            number: self.pass.number + 1,
            coverage,
            started: BootMillis(at - took),
            finished: Some(BootMillis(at)),
            ..Pass::default()
        };
        self.delta(at + 100, rows);
        if self.pass.number == 1 {
            apply(&mut self.mirror, &[synced()]);
        }
    }

    fn delta(&mut self, at: u64, rows: DeltaRows) {
        self.cursor += 1;
        apply(&mut self.mirror, &[delta_of(self.cursor, at, self.pass, rows)]);
    }

    /// A flow that is looked at was read.
    fn read(&mut self, at: u64, id: u64, bytes: u64) {
        self.delta(at + 10, moved(&[(id, traffic(at, bytes, 0))]));
    }

    fn focus(&mut self, ids: &[u64]) {
        self.mirror.set_focus(&ids.iter().copied().map(FlowId).collect::<Ids>());
    }

    /// Bytes per second that a row shows, and those that the order goes by.
    fn rates(&self, id: u64) -> (Option<u64>, Option<u64>) {
        let flow = self.mirror.get(FlowId(id)).unwrap();
        (self.mirror.own_rates(flow).map(|r| r.orig), self.mirror.rates(flow).map(|r| r.orig))
    }
}

fn moved(rows: &[(u64, TrafficRow)]) -> DeltaRows {
    let traffic = rows.iter().map(|(id, row)| (FlowId(*id), *row)).collect();
    DeltaRows { traffic, ..DeltaRows::default() }
}

fn found(at: u64, flows: &[(u64, u64, Status)]) -> DeltaRows {
    let new = flows.iter().map(|(id, bytes, status)| {
        let mut row = FlowRow { traffic: traffic(at, *bytes, 0), ..flow(*id) };
        row.state.status = *status;
        row
    });
    DeltaRows { new: new.collect(), ..DeltaRows::default() }
}

const WHOLE: Coverage = Coverage::Whole;
const LOOSE: Status = Status(0xa);
const ASSURED: Status = Status(0xe);

/// Two passes of 25 s each; both flows carry 1,000 bytes a second.
fn two_passes() -> Story {
    let mut story = Story::new(2);
    story.pass(25_000, 25_000, WHOLE, found(10_000, &[(1, 10_000, ASSURED), (2, 10_000, ASSURED)]));
    let rows = moved(&[(1, traffic(40_000, 40_000, 0)), (2, traffic(40_000, 40_000, 0))]);
    story.pass(50_000, 25_000, WHOLE, rows);
    assert_eq!(story.rates(1), (Some(1_000), Some(1_000)));
    story
}

#[test]
fn a_focused_flow_shows_its_own_samples_and_is_sorted_by_the_common_ones() {
    let mut story = two_passes();
    story.focus(&[1]);
    assert_eq!(story.rates(1).0, Some(1_000), "nothing newer is known");
    // From 51 s on it carries 5,000 bytes a second: the first sample covers the time since 40 s.
    for (at, bytes, shown) in
        [(51_000, 51_000, 1_000), (52_000, 56_000, 1_333), (53_000, 61_000, 5_000), (54_000, 66_000, 5_000)]
    {
        story.read(at, 1, bytes);
        assert_eq!(story.rates(1), (Some(shown), Some(1_000)), "at {at}");
        assert_eq!(story.rates(2), (Some(1_000), Some(1_000)), "at {at}");
    }
    let sums = story.mirror.total_rates().unwrap();
    story.read(55_000, 1, 71_000);
    assert_eq!(story.mirror.total_rates().unwrap(), sums, "sums keep the common window");
    // It leaves the focus, and comes back to it.
    story.focus(&[2]);
    assert_eq!(story.rates(1), (Some(1_000), Some(1_000)));
    story.focus(&[1, 2]);
    story.read(58_000, 1, 86_000);
    assert_eq!(story.rates(1), (Some(5_000), Some(1_000)));
}

#[test]
fn a_focused_flow_that_stops_falls_to_zero_and_stays_there() {
    let check = |pass_took: u64, passes: u64| {
        let mut story = two_passes();
        story.focus(&[1]);
        // It stops at 53 s; its collector goes on reading it for 45 s.
        let stop = 53_000;
        let mut next_pass = 50_000 + pass_took;
        for at in (51_000..50_000 + pass_took * passes).step_by(1_000) {
            let bytes = at.min(stop);
            if at <= stop + 45_000 {
                story.read(at, 1, bytes);
            }
            if at == next_pass {
                // The pass read it within its time, and found nothing new when it had stopped before.
                story.pass(at, pass_took, WHOLE, DeltaRows::default());
                next_pass += pass_took;
            }
            let shown = story.rates(1).0.unwrap();
            let wanted = if at <= stop {
                900..=1_100
            } else if at < stop + 2_000 {
                0..=1_000
            } else {
                0..=0
            };
            assert!(wanted.contains(&shown), "{shown} at {at} with passes of {pass_took}");
        }
    };
    check(25_000, 4);
    check(60_000, 3);
}

#[test]
fn idle_time_counts_from_the_last_change_however_often_a_flow_is_read() {
    let mut story = two_passes();
    story.focus(&[1]);
    for at in [51_000, 52_000, 53_000] {
        story.read(at, 1, 40_000);
    }
    assert_eq!(story.mirror.get(FlowId(1)).unwrap().sampled(), BootMillis(40_000));
}

#[test]
fn where_passes_are_short_rows_show_what_they_are_sorted_by() {
    let mut story = Story::new(2);
    let rows = found(1_050, &[(1, 0, ASSURED)]);
    story.pass(1_100, 100, WHOLE, rows);
    story.focus(&[1]);
    // Passes jitter, and so do the rates of the flow.
    for (number, jitter) in (2..40).zip([0, 170, 330, 60, 250].into_iter().cycle()) {
        let at = number * 1_000 + jitter;
        story.pass(at + 50, 100, WHOLE, moved(&[(1, traffic(at, number * number * 997, 0))]));
        let (shown, sorted) = story.rates(1);
        assert_eq!(shown, sorted, "after pass {number}");
        assert!(shown.is_some());
    }
}

#[test]
fn a_flow_that_was_just_born_is_divided_by_the_window() {
    let mut story = two_passes();
    let mut row = flow(3);
    (row.identity.born, row.identity.first_seen) = (true, BootMillis(55_000));
    story.delta(55_100, DeltaRows { new: vec![row], ..DeltaRows::default() });
    story.focus(&[3]);
    assert_eq!(story.rates(3), (None, None));
    for (at, bytes, shown) in [(55_500, 500, 294), (56_500, 1_500, 882), (58_000, 6_000, 2_200)] {
        story.read(at, 3, bytes);
        assert_eq!(story.rates(3).0, Some(shown), "at {at}");
    }
}

#[test]
fn a_window_of_forty_seconds_is_forty_seconds() {
    let mut story = two_passes();
    story.focus(&[1]);
    story.mirror.set_window(Duration::from_secs(40));
    for at in (51_000..=200_000).step_by(1_000) {
        // 1,000 bytes a second until 100 s, and 5,000 from then on.
        story.read(at, 1, if at <= 100_000 { at } else { 100_000 + (at - 100_000) * 5 });
        let wanted = match at {
            ..=90_000 => continue,
            90_001..=100_000 => 1_000..=1_000,
            100_001..140_000 => 1_000..=5_000,
            _ => 5_000..=5_000,
        };
        let shown = story.rates(1).0.unwrap();
        assert!(wanted.contains(&shown), "{shown} at {at}");
    }
}

#[test]
fn a_pass_over_assured_flows_says_nothing_of_the_others() {
    let flows = [(1, 10_000, ASSURED), (2, 10_000, LOOSE)];
    for (coverage, loose, up) in [(Coverage::Assured, 1_000, 3_000), (Coverage::Known, 0, 2_000)] {
        let mut story = Story::new(2);
        story.pass(10_000, 100, WHOLE, found(10_000, &flows));
        let rows = moved(&[(1, traffic(20_000, 20_000, 0)), (2, traffic(20_000, 20_000, 0))]);
        story.pass(20_000, 100, WHOLE, rows);
        assert_eq!((story.rates(1).0, story.rates(2).0), (Some(1_000), Some(1_000)));
        // From here on the assured one carries 2,000 bytes a second, and the other is not heard of.
        for second in 1..200 {
            let (at, bytes) = (20_000 + second * 1_000, 20_000 + second * 2_000);
            story.pass(at, 100, coverage, moved(&[(1, traffic(at, bytes, 0))]));
        }
        assert_eq!(story.rates(1).0, Some(2_000), "{coverage:?}");
        assert_eq!(story.rates(2).0, Some(loose), "{coverage:?}");
        assert_eq!(story.mirror.total_rates().unwrap().up, up, "{coverage:?}");
        let since = story.mirror.covered_since().unwrap().0;
        assert_eq!(since, if coverage == Coverage::Assured { 19_900 } else { 218_900 });
        // A whole pass finds what it carried in 200 s, and does not divide that by two.
        let rows = moved(&[(1, traffic(220_000, 420_000, 0)), (2, traffic(220_000, 120_000, 0))]);
        story.pass(220_000, 100, WHOLE, rows);
        let (shown, _) = story.rates(2);
        if coverage == Coverage::Assured {
            assert_eq!(shown, Some(500), "100,000 bytes in 200 s");
            assert_eq!(story.mirror.total_rates().unwrap().up, 2_500);
        }
    }
}

#[test]
fn a_pass_whose_end_was_not_seen_covers_no_more_than_is_certain() {
    let flows = [(1, 10_000, ASSURED), (2, 10_000, LOOSE)];
    let mut story = Story::new(2);
    story.pass(10_000, 100, WHOLE, found(10_000, &flows));
    let rows = moved(&[(1, traffic(20_000, 20_000, 0)), (2, traffic(20_000, 20_000, 0))]);
    story.pass(20_000, 100, WHOLE, rows);
    for number in 4..10 {
        let started = BootMillis(20_000 + number * 1_000);
        story.pass = Pass { number, coverage: Coverage::Assured, started, ..Pass::default() };
        story.delta(started.0 + 10, DeltaRows::default());
    }
    assert_eq!((story.rates(1).0, story.rates(2).0), (Some(0), Some(1_000)));
}
