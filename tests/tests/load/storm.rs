//! More events than the kernel can keep for us.

use std::time::Instant;

use conntop::mirror::{Flow, Mirror};
use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan, TableLimit};
use conntop_tests::judge::{Reading, Seen, judge};
use conntop_tests::stage::whole_or;
use conntop_tests::{Daemon, lab_or_skip};
use std::net::IpAddr;

use crate::crowd::{Crowd, Member};
use crate::{options, report};

const STORM: u64 = 100;

/// Whether this is a flow of the plan that the storm is made of.
fn is_storm(flow: &Flow) -> bool {
    match flow.orig().dst {
        IpAddr::V4(v4) => u64::from(v4.octets()[1]) == STORM,
        IpAddr::V6(v6) => u64::from(v6.segments()[6]) == STORM,
    }
}

fn is_over(mirror: &Mirror, rest: usize) -> bool {
    mirror.len() == rest && !mirror.flows().any(|(_, flow)| is_storm(flow))
}

/// What is promised is a second, and one for each 250,000 flows; it is measured and told here, and
/// asserted is that the table is right when the client believes so.
#[test]
fn after_a_storm_with_losses_the_table_is_the_kernels() {
    let lab = lab_or_skip!(options());
    let rest = whole_or(200_000, 20_000);
    let overruns = whole_or(50, 5);
    let _room = TableLimit::at_least(&lab.router, 2 * rest + 100_000).unwrap();
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..rest).unwrap();
    let rest = usize::try_from(rest).unwrap();
    let daemon = Daemon::start(&lab.router, &["--event-buffer", "212992"]).unwrap();
    let mut crowd = Crowd::new();
    crowd.join(&daemon.target());
    crowd.settle();
    assert_eq!(crowd.members[0].mirror().len(), rest);

    let storm = ChurnOptions { plan: Plan::new(STORM), alive: whole_or(100_000, 10_000), rate: 0 };
    let storm = Churn::start(&lab.router, storm).unwrap();
    crowd.until("events are lost", |members| {
        members[0].engine.lost().is_some_and(|lost| lost.overruns >= overruns)
    });
    let churned = storm.finish().unwrap();
    let ended = Instant::now();
    assert_eq!(churned.created, churned.deleted);
    crowd.until("the rest", |members| members.iter().all(|m| m.is_whole() && is_over(m.mirror(), rest)));
    let took = ended.elapsed();
    let lost = crowd.members[0].engine.lost().copied();
    report(&format!(
        "a storm of {} flows over {rest}, {lost:?}: right again after {took:?}",
        churned.created
    ));
    let mirror = crowd.members[0].mirror();
    let seen: Vec<Seen> = mirror.flows().map(|(_, flow)| Seen::from_mirror(flow)).collect();
    let reading = Reading::take(&lab.router).unwrap();
    let verdict = judge(&reading, &seen, &reading);
    assert!(verdict.is_clean() && verdict.compared == rest, "after {took:?}: {verdict}");
    assert!(crowd.members.iter().all(Member::is_live));
}
