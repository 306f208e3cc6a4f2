//! Broken bytes: never a panic, one error per broken message, and the rest is read.

use nfnetlink::ct::{CtMessage, DumpFilter, Requests};
use nfnetlink::{Item, Problem, Read, messages};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture;

/// Reads all items, both ways; more than one per header cannot be.
fn count(bytes: &[u8]) -> usize {
    let items = messages(bytes).count();
    same_in_place(bytes);
    assert!(items <= bytes.len() / 16 + 1);
    items
}

fn same_in_place(bytes: &[u8]) {
    let (mut in_place, mut flow) = (messages(bytes), CtMessage::default());
    for message in messages(bytes) {
        let read = in_place.next_into(&mut flow).unwrap();
        match (message, read) {
            (Err(error), Err(same)) => assert_eq!(error, same),
            (Ok(message), Ok((header, read))) => {
                assert_eq!(message.header, header);
                match (message.item, read) {
                    (Item::Entry(entry), Read::Entry) => assert_eq!(entry, flow),
                    (Item::Event(event, message), Read::Event(same)) => {
                        assert_eq!((event, &message), (same, &flow));
                    }
                    (Item::Done { error }, Read::Done { error: same }) => assert_eq!(error, same),
                    (Item::Error { errno }, Read::Error { errno: same }) => assert_eq!(errno, same),
                    (Item::Ack, Read::Ack) => {}
                    (item, read) => assert_eq!(read, Read::Other, "{item:?}"),
                }
            }
            // In place nothing but flows is read, so broken statistics are not noticed.
            (Err(_), Ok((_, Read::Other))) => {}
            (one, other) => panic!("{one:?} {other:?}"),
        }
    }
    assert!(in_place.next_into(&mut flow).is_none());
}

fn good(bytes: &[u8]) -> usize {
    messages(bytes).filter(|message| message.is_ok()).count()
}

/// A message whose own length is set to what is there.
fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

#[test]
fn every_truncation_is_one_error() {
    for captured in fixture::all() {
        for length in 1..captured.bytes.len() {
            let cut = &captured.bytes[..length];
            assert_eq!((count(cut), good(cut)), (1, 0), "{} cut at {length}", captured.name);
        }
    }
}

/// The header tells the truth about the length, so that what follows can be found.
#[test]
fn after_a_cut_message_the_next_is_read() {
    let all = fixture::all();
    let next = &all[0].bytes;
    for captured in &all {
        for length in (16..captured.bytes.len()).step_by(4) {
            let mut buffer = with_length(captured.bytes[..length].to_vec());
            buffer.extend_from_slice(next);
            let items: Vec<_> = messages(&buffer).collect();
            assert_eq!(items.len(), 2, "{} cut at {length}", captured.name);
            assert!(items[1].is_ok(), "{} cut at {length}", captured.name);
        }
    }
}

#[test]
fn errors_name_the_attribute() {
    let tcp = fixture::all().into_iter().find(|captured| captured.name == "tcp").unwrap();
    // (bytes to find, what to replace them with, what the error says)
    let cases: [(&[u8], &[u8], &str); 6] = [
        (&[8, 0, 7, 0], &[6, 0, 7, 0], "conntrack: CTA_TIMEOUT has 2 bytes instead of 4"),
        (&[8, 0, 12, 0], &[9, 0, 12, 0], "conntrack: CTA_ID has 5 bytes instead of 4"),
        (&[0x34, 0, 1, 0x80], &[0x34, 0, 63, 0x80], "conntrack: CTA_TUPLE_ORIG is missing"),
        (&[6, 0, 3, 0], &[6, 0, 33, 0], "conntrack: CTA_PROTO_DST_PORT is missing"),
        (&[8, 0, 1, 0], &[0xff, 0xff, 1, 0], "conntrack: CTA_TUPLE_IP is cut off"),
        (&[8, 0, 2, 0], &[8, 0, 44, 0], "conntrack: CTA_IP_V4_DST is missing"),
    ];
    for (from, to, wanted) in cases {
        let mut bytes = tcp.bytes.clone();
        let at = bytes.windows(4).position(|window| window == from).unwrap();
        bytes[at..at + 4].copy_from_slice(to);
        let error = messages(&bytes).next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), wanted);
    }
}

#[test]
fn unknown_attributes_and_messages_are_skipped() {
    let udp = fixture::all().into_iter().find(|captured| captured.name == "udp").unwrap();
    let entry = |bytes: &[u8]| match messages(bytes).next().unwrap().unwrap().item {
        Item::Entry(entry) => format!("{entry:?}"),
        other => panic!("{other:?}"),
    };
    let mut longer = udp.bytes.clone();
    longer.extend_from_slice(&[7, 0, 0xff, 0x3f, 1, 2, 3, 0]);
    assert_eq!(entry(&with_length(longer)), entry(&udp.bytes));

    let mut expectation = udp.bytes.clone();
    expectation[5] = 2;
    assert_eq!(messages(&expectation).next().unwrap().unwrap().item, Item::Other(0x200));
}

/// Older kernels do not flag nested attributes; and so every usual layout is read the other way.
#[test]
fn nested_flags_do_not_matter() {
    fn unflag(attributes: &mut [u8]) {
        let mut rest = attributes;
        while rest.len() >= 4 {
            let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
            let kind = u16::from_ne_bytes([rest[2], rest[3]]);
            if kind & 0x8000 != 0 {
                rest[2..4].copy_from_slice(&(kind & 0x7fff).to_ne_bytes());
                unflag(&mut rest[4..length]);
            }
            rest = &mut rest[length.next_multiple_of(4)..];
        }
    }
    for captured in fixture::all() {
        let mut bytes = captured.bytes.clone();
        unflag(&mut bytes[20..]);
        assert_ne!(bytes, captured.bytes, "{}", captured.name);
        assert!(messages(&bytes).eq(messages(&captured.bytes)), "{}", captured.name);
    }
}

#[test]
fn control_messages() {
    let message = |kind: u16, payload: &[u8]| {
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[8] = 7;
        bytes.extend_from_slice(payload);
        with_length(bytes)
    };
    let cases = [
        (message(2, &0i32.to_ne_bytes()), Item::Ack),
        (message(2, &(-2i32).to_ne_bytes()), Item::Error { errno: 2 }),
        (message(2, &i32::MIN.to_ne_bytes()), Item::Error { errno: i32::MAX }),
        (message(3, &0i32.to_ne_bytes()), Item::Done { error: 0 }),
        (message(3, &(-4i32).to_ne_bytes()), Item::Done { error: 4 }),
        (message(3, &[]), Item::Done { error: 0 }),
        (message(4, &[]), Item::Overrun),
        (message(0x999, &[]), Item::Other(0x999)),
    ];
    for (bytes, wanted) in cases {
        let found = messages(&bytes).next().unwrap().unwrap();
        assert_eq!((found.header.seq, found.item), (7, wanted));
    }
    let error = messages(&message(2, &[])).next().unwrap().unwrap_err();
    assert_eq!(error.problem, Problem::Truncated);
}

#[test]
fn a_lying_header_ends_the_buffer() {
    for length in [0u32, 1, 15, 17, 1000, u32::MAX] {
        let mut bytes = vec![0; 16];
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!((count(&bytes), good(&bytes)), (1, 0), "length {length}");
    }
    assert_eq!(count(&[]), 0);
}

#[test]
fn requests_are_whole_messages() {
    let mut requests = Requests::new();
    let seqs = [requests.dump(&DumpFilter::default()), requests.stats(), requests.stats_cpu()];
    requests.ack_last();
    let headers: Vec<_> =
        messages(requests.as_bytes()).map(|message| message.map(|m| m.header.seq)).collect();
    assert_eq!(headers, seqs.map(Ok));
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..2000)) {
        count(&bytes);
    }

    #[test]
    fn flipped_bits(which in any::<Index>(), flips in vec((any::<Index>(), 0u8..8), 1..20)) {
        let all = fixture::all();
        let mut bytes = which.get(&all).bytes.clone();
        for (at, bit) in flips {
            *at.get_mut(&mut bytes) ^= 1 << bit;
        }
        count(&bytes);
    }

    /// Attributes in another order mean the same.
    #[test]
    fn order_does_not_matter(which in any::<Index>(), keys in vec(any::<u32>(), 40)) {
        let all = fixture::all();
        let bytes = &which.get(&all).bytes;
        let mut attributes: Vec<(u32, &[u8])> = Vec::new();
        let mut rest = &bytes[20..];
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]])).next_multiple_of(4);
            attributes.push((keys[attributes.len()], &rest[..length]));
            rest = &rest[length..];
        }
        attributes.sort_by_key(|attribute| attribute.0);
        let mut mixed = bytes[..20].to_vec();
        attributes.iter().for_each(|attribute| mixed.extend_from_slice(attribute.1));
        let first: Vec<_> = messages(bytes).collect();
        prop_assert_eq!(first, messages(&mixed).collect::<Vec<_>>());
    }
}

/// Tests elsewhere build messages by hand.
#[test]
fn messages_have_defaults() {
    let message = CtMessage { timeout: Some(3), ..CtMessage::default() };
    assert_eq!((message.orig_zone(), message.reply_zone()), (0, 0));
}
