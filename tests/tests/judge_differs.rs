//! The judge of the end-to-end tests would notice: every single wrong field, a missing flow, a
//! ghost, a flow shown twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use conntop_tests::judge::{Reading, Seen, judge};
use conntop_tests::oracle::{L4, Record, parse};

const LINES: [&str; 2] = [
    "ipv4     2 tcp      6 99 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 packets=7 bytes=60 src=2.2.2.2 dst=1.1.1.9 sport=2 dport=1 packets=1 bytes=40 [ASSURED] mark=5 delta-time=4 [start=Sat Nov 21 05:09:15 2026] use=1 id=7",
    "ipv6     10 udp      17 20 src=fd00::1 dst=fd00::2 sport=5 dport=6 packets=1 bytes=9 [UNREPLIED] src=fd00::2 dst=fd00::1 sport=6 dport=5 packets=0 bytes=0 mark=0 zone=7 delta-time=0 use=1 id=8",
];
const READ_AT: u64 = 1_000_000;

fn reading() -> Reading {
    let records = LINES.map(|line| parse(line).unwrap());
    Reading { table: records.into_iter().map(|r| (r.key(), r)).collect(), read: (READ_AT, READ_AT + 10) }
}

fn seen(r: &Record) -> Seen {
    let expires = READ_AT + u64::from(r.timeout.unwrap()) * 1000 + 300;
    Seen {
        key: r.key(),
        reply: (r.reply.src, r.reply.dst, r.reply.l4),
        reply_zone: r.zone.unwrap_or(0),
        id: r.id,
        mark: r.mark.unwrap_or(0),
        state: r.state.clone().unwrap_or("UNREPLIED".to_owned()),
        unreplied: r.has("UNREPLIED"),
        assured: r.has("ASSURED"),
        orig: r.orig.packets.zip(r.orig.bytes),
        back: r.reply.packets.zip(r.reply.bytes),
        expires: Some((expires, expires)),
        start: r.start,
        helper: r.helper.clone(),
    }
}

#[test]
fn equal_sides_are_clean() {
    let reading = reading();
    let shown: Vec<Seen> = reading.table.values().map(seen).collect();
    let verdict = judge(&reading, &shown, &reading);
    assert!(verdict.is_clean() && verdict.compared == 2, "{verdict}");
}

#[test]
fn every_wrong_field_is_noticed() {
    let reading = reading();
    type Break = fn(&mut Seen);
    let breaks: [(&str, Break); 15] = [
        ("reply", |s| s.reply.1 = s.reply.0),
        ("reply", |s| s.reply.2 = L4::None),
        ("reply zone", |s| s.reply_zone += 1),
        ("id", |s| s.id = None),
        ("mark", |s| s.mark += 1),
        ("start", |s| s.start = Some(1)),
        ("helper", |s| s.helper = Some("ftp".to_owned())),
        ("state", |s| s.state = "CLOSE".to_owned()),
        ("unreplied", |s| s.unreplied = !s.unreplied),
        ("assured", |s| s.assured = !s.assured),
        ("original counters", |s| s.orig = None),
        ("original counters", |s| s.orig = s.orig.map(|(p, b)| (p, b + 1))),
        ("reply counters", |s| s.back = s.back.map(|(p, b)| (p + 1, b))),
        ("expiry", |s| s.expires = None),
        ("expiry", |s| s.expires = s.expires.map(|(from, to)| (from + 4000, to + 4000))),
    ];
    for (what, wrong) in breaks {
        for broken in 0..2 {
            let mut shown: Vec<Seen> = reading.table.values().map(seen).collect();
            wrong(&mut shown[broken]);
            let verdict = judge(&reading, &shown, &reading);
            let [only] = verdict.different.as_slice() else { panic!("{what} of flow {broken}: {verdict}") };
            assert!(only.starts_with(what), "{what} of flow {broken}: {verdict}");
        }
    }
}

#[test]
fn counters_may_lie_between_two_readings() {
    let (before, mut after) = (reading(), reading());
    for record in after.table.values_mut() {
        record.orig.bytes = record.orig.bytes.map(|bytes| bytes + 10);
    }
    for (more, clean) in [(0, true), (5, true), (10, true), (11, false)] {
        let mut shown: Vec<Seen> = before.table.values().map(seen).collect();
        for flow in &mut shown {
            flow.orig = flow.orig.map(|(packets, bytes)| (packets, bytes + more));
        }
        let verdict = judge(&before, &shown, &after);
        assert_eq!(verdict.is_clean(), clean, "{more} more: {verdict}");
    }
}

#[test]
fn missing_flows_ghosts_and_doubles_are_noticed() {
    let reading = reading();
    let mut shown: Vec<Seen> = reading.table.values().map(seen).collect();
    let mut ghost = shown[0].clone();
    ghost.key.zone = 9;
    shown[0] = shown[1].clone();
    shown.push(ghost);
    let verdict = judge(&reading, &shown, &reading);
    assert_eq!((verdict.missing.len(), verdict.ghosts.len(), verdict.doubles.len()), (1, 1, 1), "{verdict}");
}
