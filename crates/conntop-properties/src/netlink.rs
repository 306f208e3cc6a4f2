//! The netlink parsers: whatever the bytes, as many items (or sockets) as headers at most, the same in both
//! ways of reading; and what [`Requests`] writes is read back.

use std::net::IpAddr;

use nfnetlink::ct::{CtEvent, CtMessage, L4, NewFlow, ProtoState, Requests, Status, Tuple};
use nfnetlink::diag::sockets;
use nfnetlink::{Item, Read, messages};

/// Bytes of a netlink header.
const HEADER: usize = 16;

pub(crate) fn check(bytes: &[u8]) {
    // In an allocation of just their size, so that a sanitizer sees the first byte beyond.
    let exact: Box<[u8]> = bytes.into();
    assert!(messages(&exact).count() <= exact.len() / HEADER + 1);
    assert!(sockets(&exact).count() <= exact.len() / HEADER + 1);
    same_in_place(&exact);
    own_encoding(bytes);
}

fn same_in_place(bytes: &[u8]) {
    let (mut in_place, mut flow) = (messages(bytes), CtMessage::default());
    for message in messages(bytes) {
        let read = in_place.next_into(&mut flow).expect("as many in place");
        let message = match (message, read) {
            (Ok(message), Ok((header, read))) if message.header == header => (message.item, read),
            (Err(error), Err(same)) if error == same => continue,
            // In place nothing but flows is read, so broken statistics are not noticed.
            (Err(_), Ok((_, Read::Other))) => continue,
            (one, other) => panic!("{one:?} {other:?}"),
        };
        match message {
            (Item::Entry(entry), Read::Entry) => assert_eq!(entry, flow),
            (Item::Event(event, message), Read::Event(same)) => assert_eq!((event, &message), (same, &flow)),
            (Item::Done { error }, Read::Done { error: same }) => assert_eq!(error, same),
            (Item::Error { errno }, Read::Error { errno: same }) => assert_eq!(errno, same),
            (Item::Ack, Read::Ack) => {}
            (item, read) => assert_eq!(read, Read::Other, "{item:?}"),
        }
    }
    assert!(in_place.next_into(&mut flow).is_none());
}

fn own_encoding(bytes: &[u8]) {
    let mut rest = bytes;
    let some = |rest: &mut &[u8]| crate::take(rest, 2) == 1;
    let (labels, helper) = (bytes.get(..16), bytes.get(..8).filter(|name| !name.contains(&0)));
    let (orig, reply) = (tuple(&mut rest), tuple(&mut rest));
    let master = some(&mut rest).then(|| tuple(&mut rest));
    let number = |rest: &mut &[u8]| (crate::take(rest, 1 << 16) << 16 | crate::take(rest, 1 << 16)) as u32;
    let status = Status(number(&mut rest)) | Status::CONFIRMED;
    let timeout = number(&mut rest);
    let mark = some(&mut rest).then(|| number(&mut rest));
    let zone = some(&mut rest).then(|| number(&mut rest) as u16);
    let state = match crate::take(&mut rest, 4) {
        0 => None,
        1 => Some(ProtoState::Tcp(number(&mut rest) as u8)),
        2 => Some(ProtoState::Dccp(number(&mut rest) as u8)),
        _ => Some(ProtoState::Sctp(number(&mut rest) as u8)),
    };
    let flow = NewFlow {
        orig,
        reply,
        zone,
        timeout,
        status,
        state,
        snat: None,
        dnat: None,
        mark,
        labels,
        helper,
        master,
    };
    let mut requests = Requests::new();
    requests.create(&flow);
    let read: Vec<_> = messages(requests.as_bytes()).map(|message| message.map(|m| m.item)).collect();
    let timeout = Some(timeout);
    let status = Some(status);
    let wanted = CtMessage {
        orig,
        reply,
        zone,
        mark,
        labels,
        helper,
        master,
        state,
        timeout,
        status,
        ..CtMessage::default()
    };
    assert_eq!(read, [Ok(Item::Event(CtEvent::New, wanted))]);
}

fn tuple(rest: &mut &[u8]) -> Tuple {
    let kind = crate::take(rest, 1 << 16);
    let (v6, zoned, l4, proto) = (kind & 1 == 1, kind & 2 == 2, kind >> 2 & 3, (kind >> 8) as u8);
    let mut address = || {
        let mut bits = [0; 16];
        let n = rest.len().min(if v6 { 16 } else { 4 });
        let (taken, left) = rest.split_at(n);
        bits[..n].copy_from_slice(taken);
        *rest = left;
        if v6 { IpAddr::from(bits) } else { IpAddr::from([bits[0], bits[1], bits[2], bits[3]]) }
    };
    let (src, dst) = (address(), address());
    let mut word = || crate::take(rest, 1 << 16) as u16;
    let l4 = match l4 {
        0 => L4::None,
        1 => L4::Icmp { id: word(), ty: word() as u8, code: word() as u8 },
        _ => L4::Ports { src: word(), dst: word() },
    };
    Tuple { src, dst, proto, l4, zone: zoned.then(word) }
}
