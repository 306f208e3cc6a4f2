//! What conntop shows is what the kernel has: all fields of 10,000 mixed flows, and again after
//! everything that makes naive readers keep ghosts or miss flows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan};
use conntop_tests::lab::WAN_HOST;
use conntop_tests::stage::{PATIENCE, whole_or};
use conntop_tests::traffic::Sprayer;
use conntop_tests::{Stage, lab_or_skip};

/// Passes over the whole table in each tick; `sources` has the other ways to read.
const DUMPS: &[&str] = &["--no-proc"];
const STABLE: u32 = 10_000;
/// Flows of a storm never clash with those of the plan that stays.
const STORM: u64 = 100;

#[test]
fn every_field_of_ten_thousand_mixed_flows() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    stage.inject(&Plan::new(1), STABLE).unwrap();
    let verdict = stage.check("at rest").unwrap();
    assert_eq!(verdict.compared, STABLE as usize);

    // Their counters and timeouts move while both sides are read.
    let sprayer = Sprayer::new(&stage.lab.lan, &stage.lab.wan, WAN_HOST.v4).unwrap();
    sprayer.spray(0..500, 100).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let spraying = scope.spawn(|| {
            let began = Instant::now();
            while !stop.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                sprayer.spray(0..500, 100).unwrap();
            }
        });
        let checked = stage.check("under traffic");
        stop.store(true, Ordering::Relaxed);
        spraying.join().unwrap();
        assert_eq!(checked.unwrap().compared, STABLE as usize + 500);
    });
    stage.check("after traffic").unwrap();
}

#[test]
fn after_churn() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    stage.inject(&Plan::new(1), STABLE).unwrap();
    stage.check("before the storm").unwrap();
    let options = ChurnOptions { plan: Plan::new(STORM), alive: 5000, rate: 5000 };
    let churn = Churn::start(&stage.lab.router, options).unwrap();
    stage.client.drive(whole_or(Duration::from_secs(60), Duration::from_secs(6))).unwrap();
    let churned = churn.finish().unwrap();
    assert!(churned.created > 10_000, "{churned:?}");
    let verdict = stage.check("after the storm").unwrap();
    assert_eq!(verdict.compared, STABLE as usize);
}

#[test]
fn after_a_flush() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    for round in 0..3 {
        stage.inject(&Plan::new(round), STABLE).unwrap();
        stage.check("before the flush").unwrap();
        stage.lab.flush().unwrap();
        assert_eq!(stage.check("after the flush").unwrap().compared, 0);
    }
}

/// A dump that is flushed under ends early and looks complete. The first dump of a daemon is not
/// paced and begins when its first client comes, so that is the one to be hit.
#[test]
fn after_a_flush_in_the_middle_of_a_dump() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    let plan = Plan::new(1);
    let rounds = whole_or(100, 10);
    let mut hit = 0;
    for point in 0..rounds {
        stage.inject(&plan, 30_000).unwrap();
        stage.begin_anew(DUMPS).unwrap();
        // Multiples of the golden ratio spread the points over the dump and a little more.
        stage.client.drive(Duration::from_millis(point * 618 % 200)).unwrap();
        stage.lab.flush().unwrap();
        // What comes right after the flush is not swept away with it.
        stage.injector.create(&Plan::new(2), 0..1000).unwrap();
        let first = |engine: &Engine| engine.mirror().position().pass;
        stage.client.until("the first pass", PATIENCE, |engine| first(engine).finished.is_some()).unwrap();
        let read = first(stage.client.engine()).read;
        hit += u64::from(0 < read && read < 30_000);
        let verdict = stage.check(&format!("flush {point}")).unwrap();
        assert_eq!(verdict.compared, 1000, "flush {point}");
        stage.lab.flush().unwrap();
    }
    eprintln!("{hit} of {rounds} flushes cut a dump short");
}

#[test]
fn after_fifty_thousand_deletes_during_a_dump() {
    let lab = lab_or_skip!();
    let plan = Plan::new(1);
    Injector::new(&lab.router).unwrap().create(&plan, 0..100_000).unwrap();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    stage.client.until("the first rows", PATIENCE, |engine| !engine.mirror().is_empty()).unwrap();
    let pass = stage.client.engine().mirror().position().pass;
    let deleted = stage.injector.delete(&plan, 25_000..75_000).unwrap();
    assert_eq!(deleted.done, 50_000);
    let verdict = stage.check("after the deletes").unwrap();
    assert_eq!(verdict.compared, 50_000);
    eprintln!("the deletes began after {} entries of pass {}", pass.read, pass.number);
}

/// The default buffer of a socket holds 166 events.
#[test]
fn after_a_burst_into_a_small_event_buffer() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--no-proc", "--event-buffer", "212992"]).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    stage.inject(&Plan::new(1), 5000).unwrap();
    stage
        .client
        .until("the loss to be reported", PATIENCE, |engine| {
            engine.lost().is_some_and(|lost| lost.overruns > 0)
        })
        .unwrap();
    let verdict = stage.check("after the burst").unwrap();
    assert_eq!(verdict.compared, 5000);
    // The deletes are lost as well.
    let deleted = stage.injector.delete(&Plan::new(1), 0..4000).unwrap();
    assert_eq!(deleted.done, 4000);
    assert_eq!(stage.check("after the deletes").unwrap().compared, 1000);
}

/// More events than the buffer ever holds, all the time: every pass is overtaken by losses.
#[test]
fn after_a_storm_above_the_buffer() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--no-proc", "--event-buffer", "212992"]).unwrap();
    stage.inject(&Plan::new(1), STABLE).unwrap();
    let options = ChurnOptions { plan: Plan::new(STORM), alive: 2000, rate: 0 };
    let churn = Churn::start(&stage.lab.router, options).unwrap();
    stage.client.drive(whole_or(Duration::from_secs(60), Duration::from_secs(6))).unwrap();
    let lost = stage.client.engine().lost().map(|lost| lost.overruns);
    churn.finish().unwrap();
    assert!(lost > Some(0), "{lost:?}");
    assert!(stage.daemon.is_alive().unwrap(), "{:#?}", stage.daemon.log());
    assert_eq!(stage.check("after the storm").unwrap().compared, STABLE as usize);
}

/// The same key again, again and again: what is shown is the latest incarnation.
#[test]
fn after_flows_came_back() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, DUMPS).unwrap();
    let plan = Plan::new(1);
    let mut other = Injector::new(&stage.lab.router).unwrap();
    for round in 0..whole_or(20, 4) {
        stage.injector.create(&plan, 0..5000).unwrap();
        other.delete(&plan, 1000..4000).unwrap();
        stage.injector.create(&plan, 2000..3000).unwrap();
        let verdict = stage.check(&format!("round {round}")).unwrap();
        assert_eq!(verdict.compared, 3000, "round {round}");
        stage.lab.flush().unwrap();
    }
}
