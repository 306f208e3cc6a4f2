//! What the header tells about the age of what is shown.

mod common;

use std::time::{Duration, Instant};

use common::{delta, delta_of, flow, hello, reset, synced, traffic};
use conntop::engine::Engine;
use conntop::source::{Messages, SourceEvent};
use conntop::tui::action::Action;
use conntop::tui::app::{App, Options};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, FlowRow};
use conntop_proto::message::{Coverage, KernelFacts, Pass, ResetReason};

/// A delta: when, the number of its pass, what that covers, when that began and ended, and the age
/// that the header tells then.
type Step = (u64, u64, Coverage, u64, Option<u64>, Option<&'static str>);

#[test]
fn the_age_of_a_pass_is_told_when_it_is_old() {
    use Coverage::{Assured, Known, Whole};
    let steps: &[Step] = &[
        // The first pass takes long, and rows come meanwhile.
        (1_000, 1, Whole, 1_000, None, None),
        (12_900, 1, Whole, 1_000, None, Some("pass 11s")),
        (26_000, 1, Whole, 1_000, Some(26_000), Some("pass 25s")),
        // The next one runs: what is shown is as old as the one before.
        (27_000, 2, Whole, 26_500, None, Some("pass 26s")),
        (50_000, 2, Whole, 26_500, None, Some("pass 49s")),
        (52_000, 2, Whole, 26_500, Some(51_500), Some("pass 25s")),
        // Passes are short again.
        (53_000, 3, Known, 52_500, Some(52_900), None),
        (54_000, 4, Known, 53_500, Some(53_900), None),
        (64_000, 4, Known, 53_500, Some(53_900), Some("pass 10s")),
        // Only assured flows are read.
        (65_000, 5, Assured, 64_500, Some(64_900), Some("pass 11s (assured 0s)")),
        (74_000, 6, Assured, 70_000, Some(71_000), Some("pass 20s (assured 3s)")),
        (75_000, 7, Whole, 74_500, Some(74_900), None),
    ];
    let mut app = App::new(Engine::default(), Options::default(), (120, 40));
    let now = Instant::now();
    let start = vec![reset(1, ResetReason::Start), synced()];
    app.apply(SourceEvent::Messages(Messages::new(start)), now).unwrap();
    for (cursor, (at, number, coverage, started, finished, wanted)) in (1..).zip(steps) {
        let pass = Pass {
            number: *number,
            coverage: *coverage,
            started: BootMillis(*started),
            finished: finished.map(BootMillis),
            ..Pass::default()
        };
        let delta = delta_of(cursor, *at, pass, DeltaRows::default());
        app.apply(SourceEvent::Messages(Messages::new([delta])), now).unwrap();
        app.refresh(now);
        let facts = app.screen().header.abnormal.iter().map(|span| span.text.as_str());
        let told: Vec<&str> = facts.filter(|text| text.starts_with("pass")).collect();
        assert_eq!(told.first().copied(), *wanted, "at {at}");
    }
}

#[test]
fn the_header_names_the_window_that_there_is() {
    // When passes end, how often `w` is pressed after that, and what is told then.
    let check = |steps: &[(u64, usize, &str)]| {
        let mut app = App::new(Engine::default(), Options::default(), (120, 40));
        let now = Instant::now();
        app.apply(hello(KernelFacts::default()), now).unwrap();
        app.apply(SourceEvent::Messages(Messages::new([reset(1, ResetReason::Start), synced()])), now)
            .unwrap();
        for (number, (at, presses, wanted)) in (1..).zip(steps) {
            let finished = BootMillis(*at);
            let pass = Pass { number, started: finished, finished: Some(finished), ..Pass::default() };
            let delta = delta_of(number, *at, pass, DeltaRows::default());
            app.apply(SourceEvent::Messages(Messages::new([delta])), now).unwrap();
            for _ in 0..*presses {
                let _nothing = app.update(Action::Window, now);
            }
            app.refresh(now);
            assert_eq!(app.screen().header.window, *wanted, "at {at}");
        }
    };
    check(&[
        (1_000, 0, "2s"),
        (2_000, 0, "1s of 2s"),
        (3_000, 0, "2s"),
        (4_000, 1, "3s of 10s"),
        (5_010, 0, "4s of 10s"),
        (9_000, 0, "8s of 10s"),
        (9_900, 0, "10s"),
        (12_000, 1, "11s of 40s"),
        (13_000, 1, "3s"),
    ]);
    // Passes take longer than the window that was wished for.
    check(&[(10_000, 0, "2s"), (17_000, 0, "7s"), (24_000, 1, "14s"), (31_000, 0, "14s")]);
}

/// The rows are not made again while nothing changes; what they show goes on.
#[test]
fn rows_in_view_age_and_fall_idle_while_nothing_is_told() {
    let mut app = App::new(Engine::default(), Options::default(), (200, 40));
    let begin = Instant::now();
    let mut shown = |number: u64, rows: DeltaRows| {
        let now = begin + Duration::from_secs(number);
        app.apply(SourceEvent::Messages(Messages::new([delta(number, rows)])), now).unwrap();
        app.refresh(now);
        let table = &app.screen().table;
        let cell = |key: &str| {
            let at = table.columns.iter().position(|column| column.key == key).expect("the column");
            table.rows[0].cells[at].text.trim().to_owned()
        };
        [cell("down"), cell("age")]
    };
    let found = FlowRow { traffic: traffic(1_000, 0, 0), ..flow(1) };
    shown(1, DeltaRows { new: vec![found], ..DeltaRows::default() });
    let moved = vec![(FlowId(1), traffic(2_000, 0, 125_000))];
    let wanted = [["1.00Mb", ">1s"], ["487kb", ">2s"], ["0b", ">3s"], ["0b", ">4s"], ["0b", ">5s"]];
    assert_eq!(shown(2, DeltaRows { traffic: moved, ..DeltaRows::default() }), wanted[0]);
    for (number, wanted) in (3..).zip(&wanted[1..]) {
        assert_eq!(shown(number, DeltaRows::default()), *wanted, "at {number} s");
    }
}
