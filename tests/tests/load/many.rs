//! Many clients at once: that all of them get the table, and what those cost that read nothing.

use std::os::unix::net::UnixStream;

use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan};
use conntop_tests::meter::Usage;
use conntop_tests::stage::whole_or;
use conntop_tests::{Daemon, lab_or_skip};

use crate::crowd::{Crowd, Member};
use crate::raw::{at_rest, greet, sockets, take_descriptors};
use crate::{BYTES_PER_CLIENT, options, report};

/// Most that the daemon had resident since then, for each of so many clients, is within bounds.
fn check_memory(daemon: &Daemon, before: Usage, clients: u64, who: &str) {
    let after = Usage::of(daemon.pid()).unwrap();
    let (each, peak) =
        (after.rss.saturating_sub(before.rss) / clients, after.peak.saturating_sub(before.rss) / clients);
    report(&format!(
        "{clients} clients {who}: {} KiB each now, {} KiB each at the most, of {} MiB in all",
        each >> 10,
        peak >> 10,
        after.peak >> 20
    ));
    assert!(peak <= BYTES_PER_CLIENT, "{peak} bytes for each: {before:?}, {after:?}");
}

/// They come all at once, and flows come and go meanwhile.
#[test]
fn a_thousand_clients_see_the_kernels_table() {
    let lab = lab_or_skip!(options());
    take_descriptors();
    let (clients, flows) = whole_or((1000, 20_000), (100, 2000));
    let made = Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..flows).unwrap();
    let daemon = Daemon::start(&lab.router, &["--max-clients", "2000"]).unwrap();
    let mut crowd = Crowd::new();
    crowd.join(&daemon.target());
    crowd.settle();
    let before = Usage::of(daemon.pid()).unwrap();

    // Each flow of it is told to each of them.
    let storm = ChurnOptions { plan: Plan::new(100), alive: 20, rate: 10 };
    let storm = Churn::start(&lab.router, storm).unwrap();
    for _ in 1..clients {
        crowd.join(&daemon.target());
    }
    crowd.until("all of them have the table", |members| members.iter().all(Member::is_synced));
    let known = crowd.members.iter().map(|member| member.mirror().len()).min();
    assert!(known >= Some(made.done), "somebody knows {known:?} flows");
    storm.finish().unwrap();
    assert_eq!(crowd.equal(&lab.router, "at rest"), made.done);
    check_memory(&daemon, before, clients, &format!("on {flows} flows"));
    let lost: Vec<_> = crowd.members.iter().flat_map(|member| &member.lost).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Their sockets are full after the first chunks of the table, so each holds what it may hold.
#[test]
fn those_who_never_read_harm_nobody_and_are_sent_away() {
    const FLOWS: u32 = 10_000;
    let lab = lab_or_skip!(options());
    take_descriptors();
    let clients = whole_or(200, 20);
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..FLOWS).unwrap();
    let daemon = Daemon::start(&lab.router, &["--max-clients", "2000"]).unwrap();
    let mut crowd = Crowd::new();
    crowd.join(&daemon.target());
    crowd.settle();
    let (before, open) = (Usage::of(daemon.pid()).unwrap(), at_rest(&mut crowd, &daemon));

    let stalled: Vec<UnixStream> = (0..clients).map(|_| greet(&daemon.socket())).collect();
    crowd.until("they are connected", |_| sockets(&daemon) >= open + stalled.len());
    let mut rounds = 0;
    let sent_away = "closed: nothing was read for 30 s";
    let gone = || daemon.log().unwrap().iter().filter(|line| line.contains(sent_away)).count();
    while gone() < stalled.len() {
        // The one who reads hears of each change meanwhile.
        let flows = FLOWS + rounds * 10..FLOWS + rounds * 10 + 10;
        injector.create(&Plan::new(1), flows.clone()).unwrap();
        let wanted = usize::try_from(flows.end).unwrap();
        crowd.until("the latest flows", |members| members.iter().all(|m| m.mirror().len() == wanted));
        rounds += 1;
    }
    assert_eq!(gone(), stalled.len());
    check_memory(&daemon, before, u64::try_from(clients).unwrap(), "that never read");
    crowd.until("their sockets are gone", |_| sockets(&daemon) <= open);
    assert_eq!(crowd.equal(&lab.router, "beside them"), usize::try_from(FLOWS + rounds * 10).unwrap());
    let member = &crowd.members[0];
    assert_eq!((member.resets, &member.lost), (1, &Vec::new()), "after {rounds} rounds");
}
