//! Lines of `/proc/net/nf_conntrack`: one result for each line, which its neighbours do not change; and
//! a line written as the kernel writes it is read back.

use std::net::IpAddr;

use nfnetlink::ct::{Counters, CtMessage, L4, ProtoState, Status, Tuple};
use nfnetlink::proc::lines;

pub(crate) fn check(bytes: &[u8]) {
    let exact: Box<[u8]> = bytes.into();
    let whole = read(&exact);
    let alone: Vec<_> = exact.split_inclusive(|&byte| byte == b'\n').map(read).collect();
    assert_eq!(whole.len(), alone.len(), "one result for each line");
    for (one, same) in whole.iter().zip(&alone) {
        assert_eq!(std::slice::from_ref(one), same, "a line reads otherwise alone");
    }
    own_encoding(bytes);
}

/// The flows, or which field cannot be read: where in a cut address it is noticed depends on how much
/// follows.
fn read(chunk: &[u8]) -> Vec<Result<CtMessage<'static>, &'static str>> {
    let (mut lines, mut flow) = (lines(chunk), CtMessage::default());
    let mut next = || Some(lines.next_into(&mut flow)?.map(|()| flow.clone()).map_err(|error| error.field));
    std::iter::from_fn(&mut next).collect()
}

/// A flow as the kernel prints it, between two others.
fn own_encoding(mut bytes: &[u8]) {
    let mut word = || crate::take(&mut bytes, 1 << 16);
    let v6 = word() % 2 == 1;
    let mut address = || {
        if v6 {
            IpAddr::from(std::array::from_fn::<u16, 8, _>(|_| word() as u16))
        } else {
            IpAddr::from((((word() << 16) | word()) as u32).to_be_bytes())
        }
    };
    let (src, dst) = (address(), address());
    let (proto, name) =
        [(6, "tcp"), (17, "udp"), (132, "sctp"), (47, "gre"), (1, "icmp"), (99, "unknown")][word() % 6];
    let l4 = match proto {
        1 => L4::Icmp { id: word() as u16, ty: word() as u8, code: word() as u8 },
        99 => L4::None,
        _ => L4::Ports { src: word() as u16, dst: word() as u16 },
    };
    let orig = Tuple { src, dst, proto, l4, zone: None };
    let reply = orig.inverse();
    let counted = word() % 2 == 1;
    let mut counters =
        || counted.then(|| Counters { packets: word() as u64, bytes: (word() * word()) as u64 });
    let (counters_orig, counters_reply) = (counters(), counters());
    let (timeout, mark, zone) = (word() as u32, word() as u32, word() as u16 % 3);
    let (answered, assured) = (word() % 2 == 1, word() % 2 == 1);
    let state = [("SYN_SENT", 1), ("ESTABLISHED", 3), ("CLOSE", 8)][word() % 3];
    let wanted = CtMessage {
        orig,
        reply,
        counters_orig,
        counters_reply,
        timeout: Some(timeout),
        mark: Some(mark),
        use_count: Some(2),
        zone: (zone != 0).then_some(zone),
        state: (proto == 6).then_some(ProtoState::Tcp(state.1)),
        status: Some(
            (if answered { Status::SEEN_REPLY } else { Status::default() })
                | (if assured { Status::ASSURED } else { Status::default() }),
        ),
        ..CtMessage::default()
    };
    let line = format!(
        "ipv{family}     {number} {name:<8} {proto} {timeout} {state}{}{}{}{}{}{}mark={mark} zone={zone} use=2\n",
        addresses(&orig),
        count(counters_orig),
        if answered { "" } else { "[UNREPLIED] " },
        addresses(&reply),
        count(counters_reply),
        if assured { "[ASSURED] " } else { "" },
        family = if v6 { 6 } else { 4 },
        number = if v6 { 10 } else { 2 },
        state = if proto == 6 { format!("{} ", state.0) } else { String::new() },
    );
    let read = read(format!("x\n{line}{line}").as_bytes());
    assert!(read[0].is_err());
    assert_eq!(read[1..], [Ok(wanted.clone()), Ok(wanted)], "{line}");
}

fn addresses(tuple: &Tuple) -> String {
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:04x}")).join(":"),
    };
    let l4 = match tuple.l4 {
        L4::None => String::new(),
        L4::Ports { src, dst } if tuple.proto == 47 => format!("srckey=0x{src:x} dstkey=0x{dst:x} "),
        L4::Ports { src, dst } => format!("sport={src} dport={dst} "),
        L4::Icmp { id, ty, code } => format!("type={ty} code={code} id={id} "),
    };
    format!("src={} dst={} {l4}", address(tuple.src), address(tuple.dst))
}

fn count(counters: Option<Counters>) -> String {
    counters.map_or_else(String::new, |c| format!("packets={} bytes={} ", c.packets, c.bytes))
}
