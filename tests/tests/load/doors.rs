//! In front of the hello: who only occupies places, or dawdles, is sent away, and others get in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use conntop_proto::message::{Bye, ByeReason};
use conntop_tests::lab::LAN_HOST;
use conntop_tests::meter::Usage;
use conntop_tests::stage::whole_or;
use conntop_tests::{Namespace, lab_or_skip};
use conntopd::server::admission::{GREETING_MAX, GREETING_PER_SOURCE};

use crate::crowd::{Crowd, Member};
use crate::raw::{HELLO, at_rest, bye, from_addresses, last_words, sockets, take_descriptors, trickle};
use crate::tls::Reachable;
use crate::{options, patience, report};

/// Sockets that are open for a moment only: of who is being refused, and for the daemon's own questions.
const PASSING: usize = 4;

/// Where a flood comes from, and where not.
struct Flood<'a> {
    /// Here are those who say nothing.
    idle: &'a Namespace,
    source: fn(usize) -> IpAddr,
    door: SocketAddr,
    /// So many of them may wait at a time.
    places: usize,
    /// What those hear who waited.
    waited: ByeReason,
    /// From here another address gets in.
    other: &'a Namespace,
    target: String,
}

/// They are held for a moment, few at a time, and a client of another address, and one by the unix
/// socket, get in meanwhile.
fn check(reachable: &Reachable, flood: &Flood<'_>) {
    take_descriptors();
    let count = whole_or(1500, 150);
    let daemon = &reachable.daemon;
    let mut crowd = Crowd::with(reachable.security.clone());
    crowd.join(&daemon.target());
    crowd.until("a client before them", |members| members.iter().all(Member::is_whole));
    let (open, before) = (at_rest(&mut crowd, daemon), Usage::of(daemon.pid()).unwrap());

    let mut idle: Vec<TcpStream> = Vec::new();
    let mut most = 0;
    for tens in 0..count / 10 {
        let sources = (0..10).map(|n| (flood.source)(tens * 10 + n));
        idle.extend(from_addresses(flood.idle, sources, flood.door));
        most = most.max(sockets(daemon));
    }
    assert!(most <= open + flood.places + PASSING, "{most} sockets, {open} of them before");
    let inside = flood.other.run(|| {
        crowd.join(&daemon.target());
        crowd.until("a client by the unix socket", |members| members.iter().all(Member::is_synced));
        crowd.join(&flood.target);
        crowd.until("a client of another address", |members| members.iter().all(Member::is_synced));
        crowd.until("those without a hello are gone", |_| sockets(daemon) <= open + 2 + PASSING);
        Ok(())
    });
    inside.unwrap();
    let words: Vec<Bye> = idle.into_iter().map(|idle| last_words(idle).expect("a bye")).collect();
    let waited = words.iter().filter(|bye| bye.reason == flood.waited).count();
    let refused = words.iter().filter(|bye| bye.reason == ByeReason::Limit).count();
    assert_eq!((waited + refused, words.len()), (count, count), "{words:?}");
    assert!(waited >= GREETING_PER_SOURCE && refused > 0, "{waited} waited, {refused} refused");
    let after = Usage::of(daemon.pid()).unwrap();
    report(&format!(
        "{count} idle connections: {waited} waited, {refused} refused, at most {} at a time, {} KiB more at the most",
        most - open,
        after.peak.saturating_sub(before.rss) >> 10
    ));
    for member in &crowd.members[..2] {
        assert!(member.lost.is_empty(), "{:?}", member.lost);
    }
}

#[test]
fn idle_connections_of_one_address_leave_room_for_others() {
    let lab = lab_or_skip!(options());
    let reachable = Reachable::start(&lab);
    check(
        &reachable,
        &Flood {
            idle: &lab.router,
            source: |_| Ipv4Addr::new(127, 0, 0, 2).into(),
            door: reachable.loopback,
            places: GREETING_PER_SOURCE,
            waited: ByeReason::Timeout,
            other: &lab.router,
            // Its own address is 127.0.0.1.
            target: reachable.loopback.to_string(),
        },
    );
}

#[test]
fn idle_connections_of_many_addresses_leave_room_for_others() {
    let lab = lab_or_skip!(options());
    let reachable = Reachable::start(&lab);
    check(
        &reachable,
        &Flood {
            idle: &lab.router,
            source: |number| Ipv4Addr::new(127, 0, 1, u8::try_from(number % 250).unwrap() + 1).into(),
            door: reachable.loopback,
            places: GREETING_MAX,
            waited: ByeReason::Timeout,
            other: &lab.router,
            target: reachable.loopback.to_string(),
        },
    );
}

#[test]
fn idle_connections_before_the_handshake_leave_room_for_others() {
    let lab = lab_or_skip!(options());
    let reachable = Reachable::start(&lab);
    check(
        &reachable,
        &Flood {
            idle: &lab.lan,
            source: |_| LAN_HOST.v4.into(),
            door: reachable.inside,
            places: GREETING_PER_SOURCE,
            waited: ByeReason::Auth,
            other: &lab.wan,
            target: reachable.outside.to_string(),
        },
    );
}

/// A byte a second is heard, but not for longer than silence.
#[test]
fn a_byte_a_second_is_too_slow() {
    let lab = lab_or_skip!(options());
    let Reachable { daemon, loopback, inside, .. } = &Reachable::start(&lab);
    let mut crowd = Crowd::new();
    crowd.join(&daemon.target());
    crowd.until("a client before them", |members| members.iter().all(Member::is_whole));
    let open = at_rest(&mut crowd, daemon);
    let slow = from_addresses(&lab.router, [loopback.ip()].into_iter(), *loopback).remove(0);
    let by_tls = from_addresses(&lab.lan, [LAN_HOST.v4.into()].into_iter(), *inside).remove(0);
    // A handshake of TLS 1.3 that is 512 bytes long.
    let handshake = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].into_iter().chain(std::iter::repeat(7));
    let slow = std::thread::spawn(move || trickle(slow, HELLO.bytes()));
    let by_tls = std::thread::spawn(move || trickle(by_tls, handshake.take(600)));
    crowd.until("they are gone", |_| slow.is_finished() && by_tls.is_finished());
    let (bytes, said) = slow.join().unwrap();
    assert!(bytes < HELLO.len(), "the whole hello was taken: {said}");
    let last = bye(&said).expect("a bye");
    assert_eq!((last.reason, last.text.as_str()), (ByeReason::Timeout, "no hello within 5 s"), "{said}");
    let (by_tls, said) = by_tls.join().unwrap();
    assert_eq!(said, "", "words that are not encrypted");
    daemon.wait_for_line("no proof within 5 s", patience()).unwrap();
    report(&format!("one byte a second: closed after {bytes} bytes, by TLS after {by_tls}"));
    crowd.until("their sockets are gone", |_| sockets(daemon) <= open);
    assert!(crowd.members[0].lost.is_empty(), "{:?}", crowd.members[0].lost);
}
