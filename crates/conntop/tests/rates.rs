//! Rates: one window for all rows, real elapsed time of the samples, unknown where unknown.

mod common;

use std::time::Duration;

use common::{apply, delta, ended, flow, reset, synced, traffic};
use conntop::mirror::{Class, Mirror, Rates};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, FlowRow, TrafficRow};
use conntop_proto::message::ResetReason;

/// What pass `0` brings of flow 1 (a new row), and the later passes.
enum Row {
    /// Found in the table with these counters.
    Found(TrafficRow),
    /// Seen to begin at this time, without counters.
    Born(u64),
    /// Seen to begin at this time, with counters.
    BornWith(u64, TrafficRow),
    /// These counters.
    Traffic(TrafficRow),
    /// Nothing about it.
    Nothing,
}
use Row::{Born, BornWith, Found, Nothing, Traffic};

/// What it is about, the window in seconds, passes, (original, reply) rate.
type Case<'a> = (&'a str, u64, &'a [Row], Option<(u64, u64)>);

fn play(window: u64, passes: &[Row]) -> Mirror {
    let mut mirror = Mirror::default();
    mirror.set_window(Duration::from_secs(window));
    mirror.set_classify(Box::new(|_, _| Class::Out));
    apply(&mut mirror, &[reset(1, ResetReason::Start), synced()]);
    for (number, row) in (1..).zip(passes) {
        let new = |row: FlowRow| DeltaRows { new: vec![row], ..DeltaRows::default() };
        let born = |at, traffic| {
            let mut row = flow(1);
            row.identity.born = true;
            row.identity.first_seen = BootMillis(at);
            row.traffic = traffic;
            new(row)
        };
        let rows = match row {
            Found(traffic) => new(FlowRow { traffic: *traffic, ..flow(1) }),
            Born(at) => born(*at, TrafficRow::default()),
            BornWith(at, traffic) => born(*at, *traffic),
            Traffic(traffic) => DeltaRows { traffic: vec![(FlowId(1), *traffic)], ..DeltaRows::default() },
            Nothing => DeltaRows::default(),
        };
        apply(&mut mirror, &[delta(number, rows)]);
    }
    mirror
}

#[test]
fn rates_of_one_flow() {
    // Pass n runs from n*1000 to n*1000+100.
    let cases: &[Case<'_>] = &[
        ("one pass is no window", 2, &[Found(traffic(1_010, 100, 0))], None),
        (
            "real time between the samples",
            2,
            &[
                Found(traffic(1_000, 0, 0)),
                Traffic(traffic(2_000, 1_000, 10)),
                Traffic(traffic(3_100, 4_200, 2_100)),
            ],
            Some((2_000, 1_000)),
        ),
        (
            "the window, not the whole life",
            2,
            &[
                Found(traffic(1_000, 0, 0)),
                Traffic(traffic(2_000, 900_000, 0)),
                Traffic(traffic(3_000, 900_000, 0)),
                Traffic(traffic(4_000, 900_400, 0)),
            ],
            Some((200, 0)),
        ),
        (
            "no change in complete passes is zero",
            2,
            &[Found(traffic(1_000, 777, 5)), Nothing, Nothing],
            Some((0, 0)),
        ),
        (
            "zero again two passes after the last change",
            2,
            &[Found(traffic(1_000, 0, 0)), Traffic(traffic(2_000, 500, 0)), Nothing, Nothing],
            Some((0, 0)),
        ),
        (
            "half of the window",
            2,
            &[Found(traffic(1_050, 0, 0)), Traffic(traffic(2_050, 500, 0)), Nothing],
            Some((250, 0)),
        ),
        ("found in the latest pass only", 2, &[Nothing, Nothing, Found(traffic(3_050, 900, 0))], None),
        ("never accounted", 2, &[Found(TrafficRow::default()), Nothing, Nothing], None),
        ("just born, no counters", 2, &[Nothing, Nothing, Born(2_900)], None),
        (
            "born with 0 at its birth",
            2,
            &[Nothing, Born(1_550), Traffic(traffic(3_050, 3_000, 1_500))],
            Some((1_500, 750)),
        ),
        (
            "born a moment ago is divided by the window",
            2,
            &[Nothing, Nothing, BornWith(3_000, traffic(3_010, 3_000, 0))],
            Some((1_500, 0)),
        ),
        (
            "first counters of a flow that was found",
            10,
            &[Found(traffic(1_000, 5_000, 0)), Traffic(traffic(2_000, 6_000, 0))],
            Some((1_000, 0)),
        ),
        (
            "totals that fall against the protocol give no negative rate",
            2,
            &[Found(traffic(1_000, 5_000, 0)), Traffic(traffic(2_000, 10, 0)), Nothing],
            Some((0, 0)),
        ),
    ];
    for (name, window, passes, expected) in cases {
        let mirror = play(*window, passes);
        let rates = mirror.rates(mirror.get(FlowId(1)).unwrap());
        assert_eq!(rates, expected.map(|(orig, reply)| Rates { orig, reply }), "{name}");
    }
}

#[test]
fn a_long_window_survives_the_thinning_of_passes() {
    // 1,000 bytes a second for two minutes.
    let passes: Vec<Row> = (1..=120_u64)
        .map(|n| {
            let traffic = traffic(n * 1000 + 50, n * 1000, 0);
            if n == 1 { Found(traffic) } else { Traffic(traffic) }
        })
        .collect();
    for seconds in [2, 10, 40] {
        let mirror = play(seconds, &passes);
        let length = mirror.window().unwrap().length().as_secs();
        assert!(length >= seconds * 85 / 100 && length <= seconds * 3 / 2 + 1, "window {seconds}: {length}");
        let rates = mirror.rates(mirror.get(FlowId(1)).unwrap());
        assert_eq!(rates, Some(Rates { orig: 1_000, reply: 0 }), "window {seconds}");
        assert_eq!(mirror.total_rates().unwrap().up, 1_000, "window {seconds}");
    }
}

#[test]
fn the_header_counts_the_last_bytes_of_ended_flows() {
    let mut mirror = play(2, &[Found(traffic(1_000, 1_000, 0)), Nothing]);
    let mut short = ended(2, 3_000, traffic(3_000, 400, 100));
    let mut row = flow(2);
    row.identity.born = true;
    row.identity.first_seen = BootMillis(2_500);
    short.short = Some(Box::new(row));
    let gone =
        DeltaRows { ended: vec![ended(1, 3_000, traffic(3_000, 3_000, 500)), short], ..DeltaRows::default() };
    apply(&mut mirror, &[delta(3, gone)]);
    let total = mirror.total_rates().unwrap();
    assert_eq!((total.up, total.down), (1_200, 300));
    assert_eq!((mirror.ledger().up, mirror.ledger().down), (2_400, 600));
    // And never again.
    apply(&mut mirror, &[delta(4, DeltaRows::default()), delta(5, DeltaRows::default())]);
    assert_eq!(mirror.total_rates().unwrap().up, 0);
}
