//! The hub step by step, without a kernel and without threads.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod bench;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use conntop_proto::columns::Ids;
use conntop_proto::flow::{BootMillis, FlowId};
use conntop_proto::message::{Interfaces, Listeners, Sight};
use nfnetlink::ct::FlowRef;

use self::bench::{
    ASKING, ASSURED, ASSURED_BITS, Bench, DUMP, FRESH_BITS, LINES, TICK, entry, line, port_of,
};
use super::super::handle::Call;
use super::super::report::{Ask, Listen, Report};
use super::super::sights::Sights;
use super::super::source::Form;
use super::Ears;
use crate::table::Outcome;

const MILLI: Duration = Duration::from_millis(1);

/// A question in a word, and its flows.
fn word(ask: &Ask) -> &'static str {
    match ask {
        Ask::Begin { source: DUMP, .. } => "dump",
        Ask::Begin { source: ASSURED, .. } => "assured",
        Ask::Begin { source: LINES, .. } => "lines",
        Ask::Begin { source: ASKING, .. } => "asking",
        Ask::Begin { .. } => "what",
        Ask::More { .. } => "more",
        Ask::Abandon => "abandon",
        Ask::Rest => "rest",
        Ask::Flows { .. } => "flows",
        Ask::Numbers => "numbers",
        Ask::Host => "host",
        Ask::Terminate { .. } => "terminate",
        Ask::Look(_) => "look",
        Ask::Listen { .. } => "listen",
    }
}

fn words(asks: &[Ask]) -> Vec<&'static str> {
    asks.iter().map(word).filter(|word| *word != "numbers").collect()
}

fn flows(asks: Vec<Ask>) -> Vec<FlowRef> {
    asks.into_iter()
        .find_map(|ask| match ask {
            Ask::Flows { flows, .. } => Some(flows),
            _ => None,
        })
        .unwrap_or_default()
}

/// A bench with a long pass under way, at rest.
fn resting(budget: &str) -> (Bench, super::super::Subscriber) {
    let (mut bench, subscriber) = Bench::with_flows(budget, 1..101);
    bench.size(100_000, 262_144);
    bench.hub.picker.withdraw(ASSURED);
    assert_eq!(words(&bench.after(TICK)), ["dump"]);
    bench.slice(5 * MILLI, None);
    assert_eq!(words(&bench.at_once()), [] as [&str; 0]);
    (bench, subscriber)
}

#[test]
fn the_first_pass_is_not_held_back() {
    let mut bench = Bench::new("1");
    assert_eq!(bench.hub.deadline(bench.now), None, "asleep and empty");
    let _subscriber = bench.subscribe();
    assert_eq!(words(&bench.at_once()), [] as [&str; 0], "before it hears events");
    assert_eq!(bench.listens(), [Listen::Start]);
    bench.tell(Report::Listening(1));
    assert_eq!(words(&bench.at_once()), ["dump"]);
    for _ in 0..5 {
        bench.slice(50 * MILLI, None);
        assert_eq!(words(&bench.at_once()), ["more"], "without a rest");
    }
}

#[test]
fn a_long_pass_rests_and_everything_else_goes_on() {
    let (mut bench, mut subscriber) = resting("10");
    // 5 ms at 10 % are paid for after 50 ms.
    assert_eq!(words(&bench.after(44 * MILLI)), [] as [&str; 0]);
    assert!(bench.hub.deadline(bench.now).unwrap() <= bench.now + 6 * MILLI);
    assert_eq!(words(&bench.after(6 * MILLI)), ["more"]);
    bench.slice(5 * MILLI, None);
    subscriber.focus(Ids::new(bench.ids()));
    let asks = bench.after(2 * TICK);
    let all: Vec<_> = asks.iter().map(word).collect();
    assert_eq!(all, ["more", "flows", "numbers"]);
}

#[test]
fn a_pass_is_left_at_once_when_the_last_client_goes() {
    let (mut bench, subscriber) = resting("10");
    drop(subscriber);
    assert_eq!(words(&bench.at_once()), ["abandon"]);
    assert_eq!(words(&bench.after(TICK)), [] as [&str; 0]);
    assert!(bench.hub.deadline(bench.now).is_some(), "until the table is dropped");
    assert_eq!(words(&bench.after(super::LINGER)), ["rest"]);
    assert_eq!((bench.hub.deadline(bench.now), bench.flows()), (None, 0));

    // While a slice is read, it is left when that is done; what came is thrown away.
    let (mut bench, subscriber) = resting("10");
    assert_eq!(words(&bench.after(TICK)), ["more"]);
    drop(subscriber);
    assert_eq!(words(&bench.at_once()), [] as [&str; 0]);
    bench.entries(Form::Dump, entry(0, 500, ASSURED_BITS, 1));
    bench.slice(5 * MILLI, None);
    assert_eq!(words(&bench.at_once()), ["abandon"]);
    assert_eq!(bench.flows(), 100);
    let _subscriber = bench.subscribe();
    bench.at_once();
    bench.tell(Report::Listening(1));
    assert_eq!(words(&bench.at_once()), ["dump"], "and the next one begins anew");
}

#[test]
fn a_repair_outruns_a_resting_pass() {
    let (mut bench, _subscriber) = resting("1");
    bench.tell(Report::Listening(1));
    bench.heard();
    assert_eq!(words(&bench.after(TICK)), ["abandon", "dump"]);
    bench.slice(50 * MILLI, None);
    assert_eq!(words(&bench.at_once()), ["more"], "without a rest");
}

#[test]
fn a_pass_may_ask_for_each_known_flow() {
    let (mut bench, _subscriber) = Bench::with_all_offers("10").filled(1..11);
    let asks = bench.after(TICK);
    assert_eq!(words(&asks), ["asking"], "cheaper than /proc and its walk over the buckets");
    let asked = asks.into_iter().find_map(|ask| match ask {
        Ask::Begin { flows, .. } => Some(flows),
        _ => None,
    });
    let mut ports: Vec<u16> = asked.iter().flatten().map(port_of).collect();
    ports.sort_unstable();
    assert_eq!(ports, (1..11).collect::<Vec<_>>());
    // All but the last are there and have moved.
    bench.entries(Form::Asked, (1..10).flat_map(|port| entry(0, port, ASSURED_BITS, 7)).collect());
    bench.slice(MILLI, Some(Outcome::Complete));
    let asks = bench.at_once();
    let report = bench.hub.table.pass();
    assert_eq!((report.read, report.finished.is_some()), (9, true));
    assert_eq!(bench.packets(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 1]);
    let missed = flows(asks);
    assert_eq!(missed.iter().map(port_of).collect::<Vec<_>>(), [10], "asked once more, by itself");
    bench.answer(missed, &[10], 0);
    bench.at_once();
    assert_eq!(bench.flows(), 9);

    // Then nobody tells of new flows.
    bench.tell(Report::NotListening(nfnetlink::Error::Denied { operation: "listening" }));
    assert_eq!(words(&bench.after(TICK)), ["dump"], "something may have been missed");
    bench.entries(Form::Dump, (1..10).flat_map(|port| entry(0, port, ASSURED_BITS, 8)).collect());
    bench.slice(MILLI, Some(Outcome::Complete));
    bench.at_once();
    assert_eq!(words(&bench.after(TICK)), ["lines"]);
}

#[test]
fn entries_wait_for_the_events_before_them() {
    let (mut bench, _subscriber) = Bench::with_flows("10", 1..11);
    assert_eq!(words(&bench.after(TICK)), ["lines"]);
    bench.hub.ears = Ears::Open { buffer: 1, drained: BootMillis(0), asked: None };
    bench.listens();
    bench.entries(Form::Dump, entry(0, 500, ASSURED_BITS, 1));
    bench.at_once();
    assert_eq!((bench.flows(), bench.listens()), (10, vec![]), "more is being read");
    bench.slice(MILLI, None);
    bench.at_once();
    assert!(matches!(bench.listens()[..], [Listen::Drain(_)]));
    bench.at_once();
    assert_eq!(bench.listens(), [], "asked once");
    bench.heard();
    bench.at_once();
    assert_eq!(bench.flows(), 11);
}

#[test]
fn what_a_pass_missed_is_asked_for() {
    let (mut bench, _subscriber) = Bench::with_flows("10", 1..101);
    assert_eq!(words(&bench.after(TICK)), ["lines"]);
    bench.slice(MILLI, Some(Outcome::Complete));
    let asked = flows(bench.at_once());
    assert_eq!(asked.len(), 100, "no line came");
    bench.answer(asked, &[7, 8], 1);
    bench.at_once();
    assert_eq!(bench.flows(), 98);

    // More than a whole pass is worth: here of an empty table.
    bench.size(0, 0);
    assert_eq!(words(&bench.after(TICK)), ["dump"]);
}

#[test]
fn what_a_pass_found_beyond_is_asked_for() {
    let (mut bench, _subscriber) = Bench::with_flows("10", 1..11);
    let pass = |bench: &mut Bench, ports: std::ops::Range<u16>| {
        assert_eq!(words(&bench.after(TICK)), ["lines"]);
        bench.entries(Form::Lines, ports.flat_map(line).collect());
        bench.slice(MILLI / 20, Some(Outcome::Complete));
        flows(bench.at_once())
    };
    let asked = pass(&mut bench, 1..14);
    assert_eq!(asked.iter().map(port_of).collect::<Vec<_>>(), [11, 12, 13]);
    assert_eq!(bench.flows(), 10, "a line begins nothing");
    bench.answer(asked, &[12], 1);
    bench.at_once();
    assert_eq!(bench.flows(), 12);
    // No whole pass for it.
    let asked = pass(&mut bench, 1..15);
    assert_eq!(asked.iter().map(port_of).collect::<Vec<_>>(), [12, 14]);
}

#[test]
fn a_filter_that_the_kernel_ignores_is_not_used_again() {
    for (bits, then) in [(ASSURED_BITS, "assured"), (FRESH_BITS, "dump")] {
        let (mut bench, _subscriber) = Bench::with_flows("10", 1..11);
        bench.size(1_000_000, 262_144);
        assert_eq!(words(&bench.after(TICK)), ["assured"]);
        bench.entries(Form::Dump, entry(0, 5, bits, 1));
        bench.slice(MILLI, Some(Outcome::Complete));
        let asked = flows(bench.at_once());
        bench.answer(asked, &[], 1);
        bench.size(1_000_000, 262_144);
        assert_eq!(words(&bench.after(TICK)), [then]);
    }
}

#[test]
fn flows_on_screens_are_asked_for_fairly() {
    // 1 % pays for 5 ms per tick, about 1,100 flows; two clients look at 1,000 each, one at three.
    let (mut bench, mut one) = resting("1");
    let ports: Vec<Vec<u16>> = vec![(1..41).collect(), (41..101).collect(), vec![5, 41, 42]];
    let ids = bench.ids();
    let of = |ports: &[u16]| Ids::new(ports.iter().map(|port| ids[usize::from(*port) - 1]).collect());
    let mut others = [bench.subscribe(), bench.subscribe()];
    one.focus(of(&ports[0]));
    others[0].focus(of(&ports[1]));
    others[1].focus(of(&ports[2]));
    bench.hub.focus.resolve(&bench.hub.table);
    bench.at_once();
    bench.hub.focus.resolve(&bench.hub.table);
    let mut counts: BTreeMap<FlowId, u32> = BTreeMap::new();
    for _ in 0..40 {
        let mut picked = Vec::new();
        bench.hub.focus.pick(10, |handle| picked.push(handle.id()));
        assert_eq!(picked.len(), 10, "all turns are used");
        for id in &picked {
            *counts.entry(*id).or_default() += 1;
        }
        picked.sort();
        picked.dedup();
        assert_eq!(picked.len(), 10, "nobody is asked for twice");
    }
    assert_eq!(counts.len(), 100, "everyone gets its turn");
    // The one who looks at three flows sees each of them in every tick.
    for port in &ports[2] {
        assert_eq!(counts[&ids[usize::from(*port) - 1]], 40, "port {port}");
    }
    let shares = [0..40, 40..100].map(|flows| ids[flows].iter().map(|id| counts[id]).sum::<u32>());
    assert!(shares.iter().all(|share| (100..=300).contains(share)), "{shares:?}");

    // With fewer turns than clients, each client gets as many.
    let (mut all, mut firsts) = (0, 0);
    for _ in 0..30 {
        bench.hub.focus.pick(2, |handle| {
            all += 1;
            firsts += u32::from(ids[..40].contains(&handle.id()) && handle.id() != ids[4]);
        });
    }
    assert_eq!(all, 60);
    assert!((18..=20).contains(&firsts), "{firsts}");
}

#[test]
fn sample_times_go_out_while_they_say_something() {
    let (mut bench, mut subscriber) = resting("1");
    let first = super::clock::now();
    subscriber.focus(Ids::new(bench.ids()[..2].to_vec()));
    // (second, counters then, samples that go out in the ten seconds from then on)
    for (from, packets, samples) in [
        // Never seen to move: one says that it stands still, more would say nothing.
        (1, 1, 1),
        (11, 1, 0),
        (21, 2, 10),
        (31, 2, 10),
        (41, 2, 10),
        (51, 2, 10),
        // 45 s after it moved silence says it.
        (61, 2, 6),
        (71, 2, 0),
        (81, 3, 10),
    ] {
        let mut heads = 0;
        for second in from..from + 10 {
            let asked = flows(bench.after(TICK));
            assert_eq!(asked.iter().map(port_of).collect::<Vec<_>>(), [1, 2], "second {second}");
            let before = bench.hub.table.head();
            bench.answer_at(BootMillis(first.0 + second * 1000), asked, &[], packets);
            bench.at_once();
            heads += bench.hub.table.head() - before;
        }
        assert_eq!(heads, 2 * samples, "from second {from}");
    }
    let asked = flows(bench.after(TICK));
    subscriber.pause(true);
    bench.answer(asked, &[2], 5);
    assert_eq!(flows(bench.after(TICK)), [], "nothing for a client that takes nothing");
    assert_eq!(bench.flows(), 99);
}

#[test]
fn a_hello_gets_fresh_facts_even_while_nothing_is_read() {
    let mut bench = Bench::new("10");
    let ask = |bench: &mut Bench| {
        let (tell, told) = sync_channel(1);
        bench.hub.call(Call::Facts(tell));
        told
    };
    let answered = |told: &Receiver<()>| told.try_recv() == Err(TryRecvError::Disconnected);
    assert!(answered(&ask(&mut bench)), "they have just been read");
    bench.hub.facts -= Duration::from_secs(3);
    let told = [ask(&mut bench), ask(&mut bench)];
    let asks = bench.at_once();
    assert_eq!(asks.iter().map(word).collect::<Vec<_>>(), ["numbers"], "once for both");
    assert!(!told.iter().any(answered));
    bench.size(3, 4);
    assert!(told.iter().all(answered));
    assert_eq!(bench.hub.wires.hello.borrow().kernel.buckets, Some(4));
}

#[test]
fn what_nobody_looks_at_is_not_read() {
    let (mut bench, mut subscriber) = resting("10");
    let mut other = bench.subscribe();
    bench.after(TICK);
    subscriber.look(&[Sight::Interfaces]);
    assert_eq!(looks(&bench.at_once()), [(true, false)], "at once");
    assert_eq!(looks(&bench.after(TICK)), [], "one after the other");
    bench.tell(sights(1, None));
    assert_eq!(looks(&bench.after(TICK)), [(true, false)]);
    bench.tell(sights(2, None));
    other.look(&[Sight::Listeners]);
    assert_eq!(looks(&bench.at_once()), [(true, true)]);
    bench.tell(sights(3, Some(1)));
    subscriber.pause(true);
    assert_eq!(looks(&bench.after(TICK)), [(false, true)], "a pause looks at nothing");
    bench.tell(sights(4, Some(1)));
    drop(other);
    assert_eq!(looks(&bench.after(TICK)), []);
}

/// Which of the two is read.
fn looks(asks: &[Ask]) -> Vec<(bool, bool)> {
    let look = |ask: &Ask| match ask {
        Ask::Look(look) => Some((look.interfaces, look.listeners)),
        _ => None,
    };
    asks.iter().filter_map(look).collect()
}

fn sights(at: u64, listeners: Option<u64>) -> Report {
    let at = BootMillis(at);
    let listeners = listeners.map(|at| Listeners { at: BootMillis(at), ..Listeners::default() });
    let interfaces = Some(Interfaces { at, ..Interfaces::default() });
    Report::Sights(Box::new(Sights { interfaces, listeners, cost: Duration::ZERO }))
}
