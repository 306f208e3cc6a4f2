//! Times of life, bounds and silence, by made-up clocks.

use std::net::Ipv4Addr;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn host(n: usize) -> IpAddr {
    Ipv4Addr::from_bits((10 << 24) + u32::try_from(n).unwrap()).into()
}

fn named(name: &str, time: Duration) -> Outcome {
    Outcome::Named(name.into(), time)
}

/// All that may be asked now.
fn ask(cache: &mut Cache, now: Instant) -> Vec<IpAddr> {
    std::iter::from_fn(|| cache.ask(now)).collect()
}

/// Seconds after which a host is asked for again, when its question ended so.
fn asked_again(outcome: &Outcome) -> u64 {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.want([host(1)]);
    assert_eq!(cache.ask(now), Some(host(1)));
    assert_eq!(cache.ask(now), None, "it is asked for once");
    cache.answered(host(1), outcome.clone(), now);
    let due = cache.due().unwrap();
    assert_eq!(cache.ask(due - Duration::from_millis(1)), None, "{outcome:?}: too early");
    assert_eq!(cache.ask(due), Some(host(1)), "{outcome:?}");
    (due - now).as_secs()
}

#[test]
fn answers_live_as_long_as_they_say_within_bounds() {
    let check = |outcome: Outcome, wanted: u64| {
        assert_eq!(asked_again(&outcome), wanted, "{outcome:?}");
    };
    check(named("a", 300 * SECOND), 300);
    check(named("a", Duration::ZERO), 60);
    check(named("a", Duration::from_secs(u32::MAX.into())), 24 * 3600);
    check(Outcome::Nameless(Some(300 * SECOND)), 300);
    check(Outcome::Nameless(Some(Duration::MAX)), 3600);
    check(Outcome::Nameless(None), 60);
    check(Outcome::Failed, 30);
    check(Outcome::Silent, 30);
}

#[test]
fn failures_are_asked_for_more_and_more_seldom() {
    let (mut cache, mut now) = (Cache::default(), Instant::now());
    cache.want([host(1)]);
    let mut pauses = Vec::new();
    for _ in 0..70 {
        assert_eq!(cache.ask(now), Some(host(1)));
        cache.answered(host(1), Outcome::Silent, now);
        let due = cache.due().unwrap();
        pauses.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(pauses[..7], [30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(pauses.last(), Some(&900));
    cache.ask(now);
    cache.answered(host(1), named("back", MINUTE), now);
    assert!(!cache.is_silent());
    cache.ask(now + MINUTE);
    cache.answered(host(1), Outcome::Failed, now);
    assert_eq!(cache.due(), Some(now + 30 * SECOND), "an answer ends the row of failures");
}

#[test]
fn only_what_is_looked_at_is_asked_for() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.want([host(1), host(2)]);
    assert_eq!(ask(&mut cache, now), [host(1), host(2)]);
    cache.answered(host(1), named("one", MINUTE), now);
    cache.answered(host(2), named("two", MINUTE), now);
    cache.want([host(2), host(3)]);
    assert_eq!(ask(&mut cache, now), [host(3)]);
    let later = now + 2 * MINUTE;
    assert_eq!(ask(&mut cache, later), [host(2)], "nobody looks at the first any more");
    cache.want([]);
    assert_eq!((ask(&mut cache, later), cache.due()), (vec![], None));
}

#[test]
fn addresses_that_name_nobody_are_not_asked_for() {
    let check = |address: &str, wanted: bool| {
        let mut cache = Cache::default();
        cache.want([address.parse().unwrap()]);
        assert_eq!(cache.ask(Instant::now()).is_some(), wanted, "{address}");
    };
    for address in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1", "100.64.0.1"] {
        check(address, true);
    }
    let nobody = ["127.0.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.251", "255.255.255.255", "169.254.1.1"];
    for address in nobody.into_iter().chain(["::", "::1", "fe80::1", "ff02::fb", "::ffff:192.0.2.1"]) {
        check(address, false);
    }
}

#[test]
fn a_name_stays_while_nobody_answers_and_goes_when_it_is_gone() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    let ask = |cache: &mut Cache, outcome: Outcome, now: Instant| {
        assert_eq!(cache.ask(now), Some(host(1)));
        cache.answered(host(1), outcome, now);
        cache.take_changes().into_iter().map(|(_, change)| change).collect::<Vec<_>>()
    };
    cache.want([host(1)]);
    assert_eq!(ask(&mut cache, named("one", MINUTE), now), [Change::Named("one".into(), now)]);
    let later = now + MINUTE;
    assert_eq!(ask(&mut cache, Outcome::Silent, later), [], "as before");
    let later = later + MINUTE;
    assert_eq!(ask(&mut cache, Outcome::Failed, later), [], "as before");
    let later = later + 2 * MINUTE;
    assert_eq!(ask(&mut cache, Outcome::Nameless(None), later), [Change::Nameless]);
    let later = later + MINUTE;
    assert_eq!(ask(&mut cache, Outcome::Silent, later), [Change::Nameless]);
}

#[test]
fn few_are_asked_at_once_and_fewer_while_nobody_answers() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.want((0..2 * MOST_WANTED).map(host));
    assert_eq!(cache.wanted.len(), MOST_WANTED);
    let first = ask(&mut cache, now);
    assert_eq!(first.len(), MOST_IN_FLIGHT);
    assert_eq!(cache.due(), None, "nothing is due while nothing may be asked");
    for host in &first {
        cache.answered(*host, Outcome::Silent, now);
    }
    assert!(cache.is_silent());
    let probes = ask(&mut cache, now);
    assert_eq!(probes.len(), IN_FLIGHT_WHILE_SILENT);
    cache.answered(probes[0], Outcome::Failed, now);
    assert!(!cache.is_silent(), "a server that cannot tell answers, too");
    assert_eq!(ask(&mut cache, now).len(), MOST_IN_FLIGHT - 1);
}

#[test]
fn other_servers_are_asked_at_once() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.want([host(1), host(2)]);
    ask(&mut cache, now);
    cache.answered(host(1), Outcome::Silent, now);
    cache.answered(host(2), named("two", MINUTE), now);
    assert!(ask(&mut cache, now).is_empty());
    cache.begin_anew();
    assert_eq!(ask(&mut cache, now), [host(1)]);
}

#[test]
fn very_many_hosts_are_forgotten_by_those_who_apply_the_changes_as_well() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    let mut model = std::collections::HashSet::new();
    let mut most = 0;
    for page in 0..300 {
        cache.want((0..100).map(|n| host(page * 100 + n)));
        while let Some(host) = cache.ask(now) {
            cache.answered(host, named("x", MINUTE), now);
        }
        for (host, change) in cache.take_changes() {
            match change {
                Change::Forgotten => assert!(model.remove(&host)),
                _ => assert!(model.insert(host)),
            }
        }
        assert!(model.iter().all(|host| cache.hosts.contains_key(host)));
        most = most.max(cache.hosts.len());
    }
    assert!(most <= MOST_HOSTS + MOST_WANTED, "{most}");
    assert!((0..100).all(|n| model.contains(&host(299 * 100 + n))), "what is on the screen stays");
}
