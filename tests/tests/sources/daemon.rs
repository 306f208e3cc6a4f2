//! A daemon is right whichever source it takes: what it shows is what `conntrack -L` says, and flows
//! that came and went without an event are found.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use conntop::engine::Engine;
use conntop::mirror::Flow;
use conntop_proto::flow::{EndReason, FlowId};
use conntop_proto::message::{Coverage, Pass};
use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan};
use conntop_tests::judge::{self, Reading, Verdict, judge, uptime_ms};
use conntop_tests::lab::WAN_HOST;
use conntop_tests::stage::PATIENCE;
use conntop_tests::traffic::{Echo, Sprayer, connect, exchange, source};
use conntop_tests::{Lab, LabOptions, Stage, lab_or_skip};
use nfnetlink::RequestSocket;
use nfnetlink::ct::{FlowRef, L4, NewFlow, Requests, Status, Tuple};

/// In a flood whole passes are up to two minutes apart.
const LONG: Duration = Duration::from_secs(200);
const STORM: u64 = 100;
/// Flows of a storm at a time.
const ALIVE: u32 = 300;

/// The passes that a client was told of, each as it was told last.
#[derive(Default)]
struct Seen(BTreeMap<u64, Pass>);

impl Seen {
    fn look(&mut self, engine: &Engine) -> Pass {
        let pass = engine.mirror().position().pass;
        self.0.insert(pass.number, pass);
        pass
    }

    fn finished(&self, coverage: Coverage) -> usize {
        self.0.values().filter(|pass| pass.coverage == coverage && pass.finished.is_some()).count()
    }
}

/// Waits for so many finished passes of this coverage.
fn until_passes(stage: &mut Stage, seen: &mut Seen, coverage: Coverage, count: usize) {
    let wanted = seen.finished(coverage) + count;
    let what = format!("{count} passes that cover {coverage:?}");
    let enough = |engine: &Engine| {
        seen.look(engine);
        seen.finished(coverage) >= wanted
    };
    stage.client.until(&what, LONG, enough).unwrap();
}

/// Waits for a whole pass that began after now.
fn until_whole(stage: &mut Stage) {
    let now = uptime_ms().unwrap();
    let done = |engine: &Engine| {
        let pass = engine.mirror().position().pass;
        pass.coverage == Coverage::Whole && pass.started.0 > now && pass.finished.is_some()
    };
    stage.client.until("a whole pass begun after now", LONG, done).unwrap();
}

fn until_flows(stage: &mut Stage, count: usize) {
    let what = format!("{count} flows");
    stage.client.until(&what, LONG, |engine| engine.mirror().len() == count).unwrap();
}

/// Flows that nobody answered, which a flood is made of; none is like one of a plan.
fn flood(lab: &Lab, flows: Range<u32>) {
    let inside = lab.router.run(|| {
        let (mut socket, mut requests) = (RequestSocket::open()?, Requests::new());
        for number in flows.clone() {
            let src = IpAddr::from(Ipv4Addr::from(0x2c00_0000 + number));
            let dst = Ipv4Addr::new(198, 51, 100, 1).into();
            let l4 = L4::Ports { src: 40_000, dst: 443 };
            let orig = Tuple { src, dst, proto: 17, l4, zone: None };
            requests.create(&NewFlow { orig, reply: orig.inverse(), timeout: 3600, ..NewFlow::default() });
            if requests.len() == RequestSocket::BATCH || number + 1 == flows.end {
                let outcome = socket.run("creating flows", &mut requests)?;
                anyhow::ensure!(outcome.failed == 0, "{outcome:?}");
                requests.clear();
            }
        }
        Ok(())
    });
    inside.unwrap();
}

/// Assured flows of a plan, and their numbers.
fn assured(plan: &Plan, count: usize) -> Vec<u32> {
    let is_assured = |number: &u32| plan.flow(*number).status.contains(Status::ASSURED);
    (0..).filter(is_assured).take(count).collect()
}

fn delete(stage: &mut Stage, plan: &Plan, number: u32) {
    let deleted = stage.injector.delete(plan, number..number + 1).unwrap();
    assert_eq!(deleted.done, 1, "flow {number}");
}

/// Whether this is a destination of the plan that storms are made of.
fn is_storm(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(v4) => u64::from(v4.octets()[1]) == STORM,
        IpAddr::V6(v6) => u64::from(v6.segments()[6]) == STORM,
    }
}

/// As [`Stage::check`] without what is not known yet, or no more: when a flow began that is newer than
/// the last whole pass, as only these tell it; flows of a storm that lived between the oracle's two
/// readings; and counters of those that are so new that no pass has read them yet.
fn check(stage: &mut Stage, when: &str) -> Verdict {
    let before = Reading::take(&stage.lab.router).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let is_unread = |flow: &judge::Seen| is_storm(flow.key.dst) && flow.orig.is_none() && flow.back.is_none();
    let (unread, shown): (Vec<_>, Vec<_>) = stage.client.flows().into_iter().partition(is_unread);
    assert!(unread.len() < ALIVE as usize / 2, "{when}: {} flows without counters", unread.len());
    let after = Reading::take(&stage.lab.router).unwrap();
    let mut verdict = judge(&before, &shown, &after);
    verdict.missing.retain(|key| !unread.iter().any(|flow| flow.key == *key));
    verdict.different.retain(|difference| !difference.starts_with("start: shown None"));
    verdict.ghosts.retain(|key| !is_storm(key.dst));
    assert!(verdict.is_clean(), "{when}: {verdict}");
    verdict
}

/// The live flow of the plan's number, by what never changes.
fn find(engine: &Engine, plan: &Plan, number: u32) -> Option<FlowId> {
    let wanted = plan.flow(number);
    let FlowRef { orig, zone, .. } =
        FlowRef { orig: wanted.orig, zone: wanted.zone.unwrap_or(0), ..FlowRef::default() };
    let same = |flow: &Flow| {
        (flow.orig().src, flow.orig().dst, flow.orig().proto.0, flow.zone())
            == (orig.src, orig.dst, orig.proto, zone)
    };
    engine.mirror().flows().map(|(_, flow)| flow).find(|flow| same(flow)).map(Flow::id)
}

/// Counters, states, births and ends of a small table, most of it read as text.
#[test]
fn a_small_table_is_read_from_proc() {
    let lab = lab_or_skip!();
    // On a busy machine the test takes longer than nobody's answer is waited for.
    lab.router.set_sysctl("netfilter/nf_conntrack_udp_timeout", "3600").unwrap();
    let mut stage = Stage::set(lab, &[]).unwrap();
    let mut seen = Seen::default();
    stage.inject(&Plan::new(1), 1000).unwrap();
    until_passes(&mut stage, &mut seen, Coverage::Known, 3);
    assert_eq!(check(&mut stage, "at rest").compared, 1000);

    let echo = Echo::start(&stage.lab.wan, SocketAddr::new(WAN_HOST.v4.into(), 0)).unwrap();
    let held = connect(&stage.lab.lan, echo.address()).unwrap();
    let sprayer = Sprayer::new(&stage.lab.lan, &stage.lab.wan, WAN_HOST.v4).unwrap();
    let options = ChurnOptions { plan: Plan::new(STORM), alive: ALIVE, rate: 300 };
    let churn = Churn::start(&stage.lab.router, options).unwrap();
    for round in 0..3 {
        sprayer.spray(0..200, 100).unwrap();
        exchange(&held, 5000).unwrap();
        until_passes(&mut stage, &mut seen, Coverage::Known, 2);
        let verdict = check(&mut stage, &format!("under churn, round {round}"));
        assert!(verdict.compared >= 1201, "{verdict}");
    }
    churn.finish().unwrap();
    // The connection ends, the entry does not.
    drop(held);
    sprayer.spray(100..200, 100).unwrap();
    let ends = stage.injector.delete(&Plan::new(1), 200..400).unwrap();
    assert_eq!(ends.done, 200);
    until_passes(&mut stage, &mut seen, Coverage::Known, 2);
    assert_eq!(check(&mut stage, "after churn").compared, 1001);
    assert_eq!(stage.check("after a whole pass").unwrap().compared, 1001);
}

#[test]
fn a_small_table_is_asked_for_flow_by_flow_where_proc_is_forbidden() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--no-proc"]).unwrap();
    let mut seen = Seen::default();
    stage.inject(&Plan::new(1), 1000).unwrap();
    until_flows(&mut stage, 1000);
    until_passes(&mut stage, &mut seen, Coverage::Known, 5);
    assert_eq!(check(&mut stage, "at rest").compared, 1000);
}

/// Without events nobody would tell of flows that are not known yet.
#[test]
fn a_small_table_is_dumped_where_proc_is_forbidden_and_nobody_listens() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--no-proc", "--no-events"]).unwrap();
    let mut seen = Seen::default();
    stage.inject(&Plan::new(1), 1000).unwrap();
    until_passes(&mut stage, &mut seen, Coverage::Whole, 5);
    assert_eq!(seen.0.values().find(|pass| pass.coverage == Coverage::Known), None);
    assert_eq!(check(&mut stage, "at rest").compared, 1000);
}

/// Mostly flows that nobody answered, and a budget in which whole passes are rare: an assured flow
/// that ended without an event is missed by a pass over the assured ones, and asked for.
#[test]
fn a_flood_hides_no_end_and_ends_nobody_else() {
    let lab = lab_or_skip!(LabOptions { events: 0, ..LabOptions::default() });
    let plan = Plan::new(1);
    Injector::new(&lab.router).unwrap().create(&plan, 0..2000).unwrap();
    flood(&lab, 0..50_000);
    let mut stage = Stage::set(lab, &["--cpu-budget", "2"]).unwrap();
    let mut seen = Seen::default();
    until_flows(&mut stage, 52_000);
    until_passes(&mut stage, &mut seen, Coverage::Assured, 2);

    let mut by_asking = 0;
    let gone = assured(&plan, 6);
    for (round, number) in gone.iter().enumerate() {
        let id = find(stage.client.engine(), &plan, *number).expect("a live flow");
        let now = uptime_ms().unwrap();
        delete(&mut stage, &plan, *number);
        let mut whole = false;
        let ended = |engine: &Engine| {
            let pass = seen.look(engine);
            whole |= pass.coverage == Coverage::Whole && pass.finished.is_none_or(|at| at.0 > now);
            engine.mirror().get(id).is_none()
        };
        stage.client.until(&format!("the end of flow {number}"), LONG, ended).unwrap();
        let mirror = stage.client.engine().mirror();
        assert_eq!(mirror.len(), 52_000 - round - 1, "flow {number} alone has ended");
        let last = mirror.ended().next_back().expect("an ended flow");
        assert_eq!((last.flow.id(), last.reason), (id, EndReason::Missing));
        by_asking += usize::from(!whole);
    }
    assert!(by_asking > 0, "all of {} ends were found by whole passes", gone.len());
    until_passes(&mut stage, &mut seen, Coverage::Assured, 3);
    assert_eq!(stage.client.told().ended, gone.len());
    // The whole pass finds those that are not assured, and nothing else to end.
    until_whole(&mut stage);
    assert_eq!(stage.client.engine().mirror().len(), 52_000 - gone.len());
    assert_eq!(stage.client.told().ended, gone.len());
}

/// A pass over this table takes half a minute of this budget; who looks at a flow need not wait for it.
#[test]
fn flows_that_are_looked_at_move_while_the_pass_is_far_away() {
    let lab = lab_or_skip!();
    let sprayer = Sprayer::new(&lab.lan, &lab.wan, WAN_HOST.v4).unwrap();
    sprayer.spray(0..3, 100).unwrap();
    flood(&lab, 0..80_000);
    let mut stage = Stage::set(lab, &["--cpu-budget", "1"]).unwrap();
    until_flows(&mut stage, 80_003);
    let looked_at = |engine: &Engine, number: u32| {
        let (src, port) = source(number);
        let same = |flow: &&Flow| {
            flow.orig().src == IpAddr::from(src)
                && flow.orig().l4
                    == conntop_proto::tuple::L4::Ports { src: port, dst: sprayer.target().port() }
        };
        engine.mirror().flows().map(|(_, flow)| flow).find(same).map(Flow::id).expect("a sprayed flow")
    };
    let ids: Vec<FlowId> = (0..2).map(|number| looked_at(stage.client.engine(), number)).collect();
    stage.client.look_at(ids.iter().copied().collect());

    let mut far_away = 0;
    let before = stage.client.engine().mirror().position().pass;
    let mut last = before;
    for packets in 2..=6 {
        sprayer.spray(0..3, 100).unwrap();
        let begun = stage.client.engine().mirror().position().pass;
        let moved = |engine: &Engine| {
            let flows = ids.iter().filter_map(|id| engine.mirror().get(*id));
            flows.filter(|flow| flow.orig_counters().is_some_and(|c| c.packets == packets)).count()
                == ids.len()
        };
        stage.client.until(&format!("{packets} packets in both flows"), LONG, moved).unwrap();
        last = stage.client.engine().mirror().position().pass;
        far_away += usize::from(last.number == begun.number && last.finished == begun.finished);
    }
    assert!(far_away >= 3, "{far_away} of 5 times no pass ended meanwhile: {before:?} {last:?}");
}

/// Without events every birth and every end is found by reading, whatever is read.
fn found_without_events(arguments: &[&str], coverage: Coverage, floods: u32) {
    let lab = lab_or_skip!();
    let plan = Plan::new(1);
    flood(&lab, 0..floods);
    let arguments: Vec<&str> = ["--no-events"].iter().chain(arguments).copied().collect();
    let mut stage = Stage::set(lab, &arguments).unwrap();
    let mut seen = Seen::default();
    let rest = usize::try_from(floods).unwrap();
    until_flows(&mut stage, rest);
    stage.inject(&plan, 2000).unwrap();
    until_flows(&mut stage, rest + 2000);
    until_passes(&mut stage, &mut seen, coverage, 2);
    let deleted = stage.injector.delete(&plan, 500..1500).unwrap();
    assert_eq!(deleted.done, 1000);
    until_flows(&mut stage, rest + 1000);
    if floods == 0 {
        // The same number, but other flows.
        stage.injector.create(&plan, 500..600).unwrap();
        stage.injector.delete(&plan, 0..100).unwrap();
        until_whole(&mut stage);
        assert_eq!(stage.check("without events").unwrap().compared, 1000);
    }
    let lost = stage.client.engine().lost().is_some_and(|lost| lost.overruns > 0);
    assert!(!lost);
}

#[test]
fn without_events_and_with_proc() {
    found_without_events(&[], Coverage::Known, 0);
}

#[test]
fn without_events_and_proc() {
    found_without_events(&["--no-proc"], Coverage::Whole, 0);
}

#[test]
fn without_events_in_a_flood() {
    found_without_events(&["--cpu-budget", "2"], Coverage::Assured, 40_000);
}

/// Not so few that all of them are asked for at once.
#[test]
fn assured_flows_that_vanish_all_at_once() {
    let lab = lab_or_skip!(LabOptions { events: 0, ..LabOptions::default() });
    let plan = Plan::new(1);
    Injector::new(&lab.router).unwrap().create(&plan, 0..5000).unwrap();
    flood(&lab, 0..40_000);
    let mut stage = Stage::set(lab, &["--cpu-budget", "5"]).unwrap();
    let mut seen = Seen::default();
    until_flows(&mut stage, 45_000);
    until_passes(&mut stage, &mut seen, Coverage::Assured, 1);
    let deleted = stage.injector.delete(&plan, 0..4000).unwrap();
    assert_eq!(deleted.done, 4000);
    until_flows(&mut stage, 41_000);
    stage.client.settle(PATIENCE).unwrap();
    assert_eq!(stage.client.told().ended, 4000);
}
