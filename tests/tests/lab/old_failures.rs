//! What the old conntop got wrong, one test each.

use std::collections::BTreeSet;
use std::time::Duration;

use conntop::engine::NoticeKind;
use conntop_tests::inject::{Mix, Plan};
use conntop_tests::judge::Seen;
use conntop_tests::lab::WAN_HOST;
use conntop_tests::oracle;
use conntop_tests::stage::PATIENCE;
use conntop_tests::traffic::{Echo, udp};
use conntop_tests::{LabOptions, Stage, lab_or_skip};

#[test]
fn it_died_of_a_burst_of_three_hundred_flows() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--event-buffer", "212992"]).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    for (n, burst) in [300, 600, 3000, 20_000].into_iter().enumerate() {
        stage.inject(&Plan::new(n as u64), burst).unwrap();
        assert!(stage.daemon.is_alive().unwrap(), "{:#?}", stage.daemon.log());
    }
    let verdict = stage.check("after the bursts").unwrap();
    assert_eq!(verdict.compared, 23_900);
}

/// Flows without the event extension, as those are that were there before anybody listened, end
/// without an event.
#[test]
fn it_kept_ghosts_of_flows_from_before_it_listened() {
    let lab = lab_or_skip!(LabOptions { events: 0, ..LabOptions::default() });
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.inject(&Plan::new(1), 2000).unwrap();
    stage.check("at first").unwrap();
    stage.injector.delete(&Plan::new(1), 0..1500).unwrap();
    assert_eq!(stage.check("after the deletes").unwrap().compared, 500);
}

#[test]
fn it_never_showed_flows_between_two_ticks() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let plan = Plan::new(1);
    stage.injector.create(&plan, 0..100).unwrap();
    let made: BTreeSet<_> = oracle::read(&stage.lab.router).unwrap().into_keys().collect();
    stage.injector.delete(&plan, 0..100).unwrap();
    // These two live for less than a system call of their maker.
    for n in 100..102 {
        stage.injector.create(&plan, n..n + 1).unwrap();
        stage.injector.delete(&plan, n..n + 1).unwrap();
    }
    stage.client.until("102 ended flows", PATIENCE, |engine| engine.mirror().ended().count() >= 102).unwrap();
    let ended = stage.client.engine().mirror().ended().map(|ended| Seen::from_mirror(&ended.flow).key);
    let ended: BTreeSet<_> = ended.collect();
    assert_eq!((made.len(), ended.len()), (100, 102));
    assert!(made.is_subset(&ended), "{:?}", made.difference(&ended).next());
}

/// The last totals of a flow come with its end: they are not those of the last pass.
#[test]
fn it_forgot_the_bytes_after_the_last_tick() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--interval", "10s"]).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let echo = Echo::start(&stage.lab.wan, (WAN_HOST.v4, 0).into()).unwrap();
    let source = udp(&stage.lab.lan, echo.address(), 1000).unwrap();
    let told = oracle::read(&stage.lab.router).unwrap();
    let told = told.values().find(|r| r.orig.dst == echo.address().ip()).unwrap();
    stage.lab.flush().unwrap();
    let port = source.port();
    let is_it = |seen: &Seen| seen.key.l4 == oracle::L4::Ports(port, echo.address().port());
    let find = |engine: &conntop::engine::Engine| {
        engine.mirror().ended().map(|ended| Seen::from_mirror(&ended.flow)).find(is_it)
    };
    stage.client.until("its end", PATIENCE, |engine| find(engine).is_some()).unwrap();
    let seen = find(stage.client.engine()).unwrap();
    assert_eq!(seen.orig, told.orig.packets.zip(told.orig.bytes), "{seen:?}");
    assert_eq!(seen.back, told.reply.packets.zip(told.reply.bytes), "{seen:?}");
    assert_eq!(seen.orig, Some((1, 1028)), "{seen:?}");
}

#[test]
fn it_dropped_everything_but_tcp_and_udp() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.inject(&Plan::new(1), 2000).unwrap();
    stage.check("of all protocols").unwrap();
    let shown: BTreeSet<u8> = stage.client.flows().iter().map(|flow| flow.key.proto).collect();
    assert_eq!(shown, BTreeSet::from([1, 6, 17, 47, 58, 99, 132, 136]));
}

#[test]
fn it_repeated_the_whole_table_for_ever() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    let plan = Plan { seed: 1, mix: Mix::PlainTcp };
    stage.inject(&plan, 100_000).unwrap();
    stage.client.until("all of them", PATIENCE, |engine| engine.mirror().len() == 100_000).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let before = stage.client.told();
    stage.client.drive(Duration::from_secs(3)).unwrap();
    let after = stage.client.told();
    assert_eq!((after.new, after.ended), (before.new, before.ended));
    let again = after.traffic + after.state - before.traffic - before.state;
    assert!(again < 100, "{again} flows were told again while nothing changed: {before:?}, {after:?}");
}

#[test]
fn it_said_nothing_when_tracking_was_off() {
    let lab = lab_or_skip!(LabOptions { tracking: false, ..LabOptions::default() });
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.daemon.wait_for_line("rule or NAT uses", PATIENCE).unwrap();
    stage.client.until("the first pass", PATIENCE, |engine| engine.mirror().position().synced).unwrap();
    let notices = stage.client.engine().notices();
    assert!(notices.iter().any(|notice| notice.kind == NoticeKind::TrackingOff), "{notices:?}");
    let output = stage.daemon.conntop(&["list"]).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("connection tracking is not active"), "{stderr:?}");
}
