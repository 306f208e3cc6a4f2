//! What [`Requests`] writes, [`messages`] reads; and the bytes that the kernel insists on.

#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::net::IpAddr;

use nfnetlink::ct::{
    CtEvent, CtMessage, DumpFilter, Family, FlowRef, L4, Nat, NewFlow, ProtoState, Requests, Status,
    StatusFilter, Tuple, TupleFilter,
};
use nfnetlink::{Item, messages};
use proptest::prelude::*;

fn address(v6: bool) -> BoxedStrategy<IpAddr> {
    if v6 {
        any::<[u8; 16]>().prop_map(IpAddr::from).boxed()
    } else {
        any::<[u8; 4]>().prop_map(IpAddr::from).boxed()
    }
}

fn l4() -> impl Strategy<Value = L4> {
    prop_oneof![
        Just(L4::None),
        any::<(u16, u16)>().prop_map(|(src, dst)| L4::Ports { src, dst }),
        any::<(u16, u8, u8)>().prop_map(|(id, ty, code)| L4::Icmp { id, ty, code }),
    ]
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let addresses = any::<bool>().prop_flat_map(|v6| (address(v6), address(v6)));
    (addresses, any::<u8>(), l4(), any::<Option<u16>>()).prop_map(|((src, dst), proto, l4, zone)| Tuple {
        src,
        dst,
        proto,
        l4,
        zone,
    })
}

fn state() -> impl Strategy<Value = Option<ProtoState>> {
    let kinds = [ProtoState::Tcp, ProtoState::Dccp, ProtoState::Sctp];
    proptest::option::of(
        (proptest::sample::select(kinds.to_vec()), any::<u8>()).prop_map(|(kind, state)| kind(state)),
    )
}

proptest! {
    #[test]
    fn a_created_flow_is_read_back(
        orig in tuple(),
        reply in tuple(),
        master in proptest::option::of(tuple()),
        state in state(),
        (timeout, status) in any::<(u32, u32)>(),
        (zone, mark) in any::<(Option<u16>, Option<u32>)>(),
        labels in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..=16)),
        helper in proptest::option::of("[a-z]{1,15}"),
        nat in proptest::option::of((address(false), any::<Option<u16>>())),
    ) {
        let (labels, helper) = (labels.as_deref(), helper.as_ref().map(|name| name.as_bytes()));
        let status = Status(status) | Status::CONFIRMED;
        let snat = nat.map(|(addr, port)| Nat { addr, port });
        let mut requests = Requests::new();
        for _ in 0..2 {
            requests.create(&NewFlow {
                orig, reply, zone, timeout, status, state, snat, dnat: snat, mark, labels, helper, master,
            });
        }
        let wanted = CtMessage {
            orig, reply, zone, mark, labels, helper, master, state,
            timeout: Some(timeout),
            status: Some(status),
            ..CtMessage::default()
        };
        let read: Vec<_> = messages(requests.as_bytes()).map(|message| message.map(|m| (m.header.seq, m.item))).collect();
        prop_assert_eq!(read, [1, 2].map(|seq| Ok((seq, Item::Event(CtEvent::New, wanted.clone())))));
    }

    #[test]
    fn inverting_twice_is_nothing(tuple in tuple()) {
        prop_assert_eq!(tuple.inverse().inverse(), tuple);
    }
}

/// Hex of the requests that `fill` makes, without the netlink headers' length and number.
fn hex(fill: impl FnOnce(&mut Requests) -> u32) -> String {
    let mut requests = Requests::new();
    assert_eq!(fill(&mut requests), 1);
    requests.ack_last();
    assert!(requests.asks_ack() && requests.len() == 1 && requests.last_seq() == 1);
    let bytes = requests.as_bytes();
    let word = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let attributes = &bytes[20..];
    let words: Vec<_> =
        [&bytes[4..8], &bytes[16..20]].into_iter().chain(attributes.chunks(4)).map(word).collect();
    words.join(" ")
}

/// Each was accepted by a real kernel (6.18), which did what the name says.
#[test]
#[cfg(target_endian = "little")]
fn requests_to_the_byte() {
    let flow = FlowRef {
        orig: Tuple { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), proto: 6, ..Tuple::default() },
        zone: 9,
        id: Some(0x0a0b_0c0d),
    };
    let orig = "24000180 14000180 08000100 0a000001 08000200 0a000002 0c000280 05000100 06000000";
    let assured = StatusFilter { bits: Status::ASSURED, mask: Status::ASSURED };
    let from = TupleFilter { src: Some([10, 0, 0, 1].into()), proto: Some(17), ..TupleFilter::default() };
    let cases = [
        ("dump", hex(|r| r.dump(&DumpFilter::default())), "01010503 00000000".into()),
        (
            "dump of assured flows",
            hex(|r| r.dump(&DumpFilter { status: Some(assured), ..DumpFilter::default() })),
            "01010503 00000000 08000300 00000004 08001a00 00000004".into(),
        ),
        (
            "dump by mark and zone",
            hex(|r| r.dump(&DumpFilter { mark: Some((5, 0xff)), zone: Some(9), ..DumpFilter::default() })),
            "01010503 00000000 08000800 00000005 08001500 000000ff 06001200 00090000".into(),
        ),
        (
            "dump by tuple, whose family is that of the address, and whose flags are not big-endian",
            hex(|r| r.dump(&DumpFilter { orig: from, ..DumpFilter::default() })),
            "01010503 02000000 1c000180 0c000180 08000100 0a000001 0c000280 05000100 11000000 \
             14001980 08000100 09000000 08000200 00000000"
                .into(),
        ),
        (
            "get",
            hex(|r| r.get(&flow)),
            format!("01010500 02000000 {orig} 06001200 00090000 08000c00 0a0b0c0d"),
        ),
        (
            "delete",
            hex(|r| r.delete(&flow)),
            format!("02010500 02000000 {orig} 06001200 00090000 08000c00 0a0b0c0d"),
        ),
        ("flush of everything", hex(|r| r.flush(Family::Any)), "02010500 00010000".into()),
        ("flush of IPv6, in version 1", hex(|r| r.flush(Family::Ipv6)), "02010500 0a010000".into()),
        ("stats", hex(Requests::stats), "05010500 00000000".into()),
        ("stats of CPUs", hex(Requests::stats_cpu), "04010503 00000000".into()),
    ];
    for (name, found, wanted) in cases {
        assert_eq!(found, wanted, "{name}");
    }
}
