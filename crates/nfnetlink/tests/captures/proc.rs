//! Lines of `/proc/net/nf_conntrack`: captures of a real kernel against what the conntrack tool
//! printed of the same flows, generated lines, and broken ones.

use std::fmt::Write as _;
use std::net::IpAddr;

use nfnetlink::ct::{Counters, CtMessage, L4, ProtoState, Status, Tuple};
use nfnetlink::proc::{ProcError, lines, told};
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle::{print, state_name};

/// Oracle and line, in pairs.
fn captured() -> Vec<(&'static str, &'static str)> {
    let text = include_str!("../fixtures/proc.txt");
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let oracle = paragraph.lines().find_map(|line| line.strip_prefix("# oracle: "));
        (oracle, paragraph.lines().find(|line| !line.starts_with('#')))
    });
    paragraphs.filter_map(|(oracle, line)| oracle.zip(line)).collect()
}

fn parse(line: &str) -> Result<CtMessage<'static>, ProcError> {
    let mut flow = CtMessage::default();
    let mut all = lines(line.as_bytes());
    let read = all.next_into(&mut flow).unwrap();
    assert_eq!(all.next_into(&mut CtMessage::default()), None, "{line}");
    read.map(|()| flow)
}

/// Without what only one of the two tells: references that each reader holds, ages, contexts.
fn common(line: &str) -> String {
    let alone = ["use=", "delta-time=", "secctx=", "secmark=", "timeout=", "stream_timeout="];
    let words = line.split_whitespace().filter(|word| !alone.iter().any(|name| word.starts_with(name)));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn prints_what_the_conntrack_tool_printed_of_the_same_flow() {
    let captured = captured();
    for (oracle, line) in &captured {
        let flow = parse(&format!("{line}\n")).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(common(&print(None, &flow)), common(oracle), "{line}");
        assert!(flow.use_count.is_some(), "{line}");
    }
    assert!(captured.len() >= 30, "only {}", captured.len());
}

#[test]
fn a_chunk_of_all() {
    let chunk: String = captured().iter().map(|(_, line)| format!("{line}\nnonsense\n\n")).collect();
    let (mut all, mut flow) = (lines(chunk.as_bytes()), CtMessage::default());
    for (_, line) in captured() {
        assert_eq!(all.next_into(&mut flow), Some(Ok(())));
        assert_eq!(Ok(flow.clone()), parse(&format!("{line}\n")));
        for _ in 0..2 {
            assert_eq!(all.next_into(&mut flow), Some(Err(ProcError { field: "family", column: 0 })));
        }
    }
    assert_eq!(all.next_into(&mut flow), None);
}

#[test]
fn what_is_cut_is_one_error() {
    for (_, line) in captured() {
        for end in 1..line.len() {
            for cut in [line[..end].to_owned(), format!("{}\n", &line[..end])] {
                if let Ok(flow) = parse(&cut) {
                    // The last number has lost digits, which cannot be seen.
                    assert!(cut.ends_with('\n') && cut.contains("use="), "{cut}");
                    assert_eq!(
                        CtMessage { use_count: None, ..flow },
                        CtMessage { use_count: None, ..parse(&format!("{line}\n")).unwrap() }
                    );
                }
            }
        }
        // The end of the next line is not taken for that of this one.
        let joined = format!("{}\n{line}\n", line.split(" use=").next().unwrap());
        let mut all = lines(joined.as_bytes());
        let mut flow = CtMessage::default();
        assert!(all.next_into(&mut flow).unwrap().is_err(), "{joined}");
        assert_eq!(all.next_into(&mut flow), Some(Ok(())), "{joined}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    const GOOD: &str = "ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=6 packets=1 bytes=2 \
         src=10.0.0.2 dst=10.0.0.1 sport=6 dport=5 packets=3 bytes=4 mark=7 zone=0 use=2\n";
    parse(GOOD).unwrap();
    for (good, bad, field) in [
        ("ipv4     2", "ipx      4", "family"),
        (" 17 ", " 256 ", "protocol number"),
        (" 29 ", " 4294967296 ", "timeout"),
        ("src=10.0.0.1 ", "src=10.0.0.256 ", "src"),
        ("dst=10.0.0.2 ", "dst=10.0.0 ", "dst"),
        ("dst=10.0.0.1 ", "dst=10.0.0.1.1 ", "dst"),
        ("sport=5 ", "sport=65536 ", "sport"),
        ("dport=6 ", "dport= ", "dport"),
        ("dport=6 ", "dport=6x ", "dport"),
        ("packets=1 ", "packets=18446744073709551616 ", "packets"),
        ("bytes=4 ", "bytes=123456789012345678901 ", "bytes"),
        ("mark=7", "mark=4294967296", "mark"),
        ("zone=0", "zone=65536", "zone"),
        ("use=2", "us", "use"),
        ("sport=5 dport=6 ", "type=8 code=256 id=1 ", "code"),
        ("sport=5 dport=6 ", "type=8 code=0 ", "id"),
        ("sport=5 dport=6 ", "srckey=0x12345 dstkey=0x1 ", "srckey"),
        ("sport=5 dport=6 ", "srckey=0x1 dstkey=0x ", "dstkey"),
    ] {
        let line = GOOD.replacen(good, bad, 1);
        assert_ne!(line, GOOD, "{good}");
        assert_eq!(parse(&line).map_err(|error| error.field), Err(field), "{line}");
    }
    for digit in ["g", "/", ":", "@", "`", "A", "o", "\u{7f}"] {
        let v6 = format!("fd00:00c0:0001:0000:000{digit}:0000:0000:0001");
        let line = GOOD.replace("ipv4     2", "ipv6     10").replace("10.0.0.1", &v6);
        assert_eq!(parse(&line).map_err(|error| error.field), Err("src"), "{line}");
    }
}

#[test]
fn what_a_line_tells_of_the_status() {
    let always = Status::SEEN_REPLY | Status::OFFLOAD | Status::HW_OFFLOAD;
    for (status, bits) in [
        (Status(0), always | Status::ASSURED),
        (Status::ASSURED | Status::SEEN_REPLY, always | Status::ASSURED),
        (Status::OFFLOAD | Status::SEEN_REPLY, always),
        (Status::HW_OFFLOAD | Status::OFFLOAD, always),
    ] {
        assert_eq!(told(status), bits, "{status:?}");
    }
}

/// A flow in the kernel's format.
fn format(flow: &CtMessage<'_>, extra: &str) -> String {
    let proto = flow.orig.proto;
    let name = match proto {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    };
    let family = if flow.orig.src.is_ipv4() { "ipv4     2" } else { "ipv6     10" };
    let mut line = format!("{family} {name:<8} {proto} ");
    let mut add = |text: String| line.push_str(&text);
    if let Some(timeout) = flow.timeout {
        add(format!("{timeout} "));
    }
    if let Some(state) = flow.state {
        add(format!("{} ", state_name(state)));
    }
    if proto == 47 {
        add("timeout=30, stream_timeout=180 ".to_owned());
    }
    let status = flow.status.unwrap();
    add(direction(&flow.orig, "zone-orig", flow.counters_orig));
    if !status.contains(Status::SEEN_REPLY) {
        add("[UNREPLIED] ".to_owned());
    }
    add(direction(&flow.reply, "zone-reply", flow.counters_reply));
    if status.contains(Status::HW_OFFLOAD) {
        add("[HW_OFFLOAD] ".to_owned());
    } else if status.contains(Status::OFFLOAD) {
        add("[OFFLOAD] ".to_owned());
    } else if status.contains(Status::ASSURED) {
        add("[ASSURED] ".to_owned());
    }
    if let Some(mark) = flow.mark {
        add(format!("mark={mark} "));
    }
    add(extra.to_owned());
    add(flow.zone.map_or(String::new(), |zone| format!("zone={zone} ")));
    add(format!("use={}\n", flow.use_count.unwrap()));
    line
}

fn direction(tuple: &Tuple, zone: &str, counters: Option<Counters>) -> String {
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
    };
    let mut text = format!("src={} dst={} ", address(tuple.src), address(tuple.dst));
    let _ = match tuple.l4 {
        L4::None => Ok(()),
        L4::Ports { src, dst } if tuple.proto == 47 => write!(text, "srckey={src:#x} dstkey={dst:#x} "),
        L4::Ports { src, dst } => write!(text, "sport={src} dport={dst} "),
        L4::Icmp { id, ty, code } => write!(text, "type={ty} code={code} id={id} "),
    };
    if let Some(id) = tuple.zone {
        let _ = write!(text, "{zone}={id} ");
    }
    if let Some(Counters { packets, bytes }) = counters {
        let _ = write!(text, "packets={packets} bytes={bytes} ");
    }
    text
}

/// Numbers of every length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift)
}

fn narrow() -> impl Strategy<Value = u16> {
    (any::<u16>(), 0u32..16).prop_map(|(number, shift)| number >> shift)
}

fn word() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0u32..32).prop_map(|(number, shift)| number >> shift)
}

fn tuple(v6: bool, proto: u8) -> impl Strategy<Value = Tuple> {
    let address = move || {
        any::<[u8; 16]>().prop_map(move |bytes| match bytes {
            [a, b, c, d, ..] if !v6 => IpAddr::from([a, b, c, d]),
            bytes => IpAddr::from(bytes),
        })
    };
    let l4 = (narrow(), narrow(), any::<(u8, u8)>()).prop_map(move |(src, dst, (ty, code))| match proto {
        1 | 58 => L4::Icmp { id: src, ty, code },
        6 | 17 | 33 | 47 | 132 | 136 => L4::Ports { src, dst },
        _ => L4::None,
    });
    let zone = proptest::option::weighted(0.1, narrow());
    (address(), address(), l4, zone).prop_map(move |(src, dst, l4, zone)| Tuple { src, dst, proto, l4, zone })
}

fn state(proto: u8) -> BoxedStrategy<Option<ProtoState>> {
    match proto {
        6 => (0..10u8).prop_map(|state| Some(ProtoState::Tcp(state))).boxed(),
        132 => (0..9u8).prop_map(|state| Some(ProtoState::Sctp(state))).boxed(),
        _ => Just(None).boxed(),
    }
}

fn flow() -> impl Strategy<Value = CtMessage<'static>> {
    let known = select(vec![1, 6, 17, 33, 47, 58, 132, 136]);
    let proto = prop_oneof![4 => known, 1 => any::<u8>()];
    (any::<bool>(), proto).prop_flat_map(|(v6, proto)| {
        let counters = || (number(), number()).prop_map(|(packets, bytes)| Counters { packets, bytes });
        let counters = proptest::option::of((counters(), counters()));
        let rest = (word(), word(), proptest::option::of(word()), proptest::option::of(1..=u16::MAX));
        (tuple(v6, proto), tuple(v6, proto), counters, state(proto), 0..8u32, rest).prop_map(
            |(orig, reply, counters, state, bits, (timeout, uses, mark, zone))| {
                let seen = Status((bits & 1) * Status::SEEN_REPLY.0);
                let (status, timeout, state) = match bits >> 1 {
                    0 => (seen, Some(timeout), state),
                    1 => (seen | Status::ASSURED, Some(timeout), state),
                    2 => (seen | Status::OFFLOAD, None, None),
                    _ => (seen | Status::OFFLOAD | Status::HW_OFFLOAD, None, None),
                };
                CtMessage {
                    orig,
                    reply,
                    zone,
                    status: Some(status),
                    timeout,
                    counters_orig: counters.map(|(orig, _)| orig),
                    counters_reply: counters.map(|(_, reply)| reply),
                    state,
                    mark,
                    use_count: Some(uses),
                    ..CtMessage::default()
                }
            },
        )
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        flows in proptest::collection::vec((flow(), "(secctx=[a-z_:0-9]{1,40} |secmark=0 |new=1 word )?"), 1..4),
    ) {
        let chunk: String = flows.iter().map(|(flow, extra)| format(flow, extra)).collect();
        let mut all = lines(chunk.as_bytes());
        for (wanted, _) in &flows {
            let mut read = CtMessage { id: Some(1), master: Some(Tuple::default()), ..CtMessage::default() };
            prop_assert_eq!(all.next_into(&mut read), Some(Ok(())), "{}", chunk);
            prop_assert_eq!(&read, wanted, "{}", chunk);
        }
        prop_assert_eq!(all.next_into(&mut CtMessage::default()), None);
    }

    #[test]
    fn broken_lines_never_panic_and_end_at_their_newline(
        (flow, bytes) in (flow(), proptest::collection::vec(any::<u8>(), 1..6)),
        at in any::<proptest::sample::Index>(),
    ) {
        let good = format(&flow, "");
        let mut broken = good.clone().into_bytes();
        let at = at.index(broken.len() - 1);
        let end = (at + bytes.len()).min(broken.len() - 1);
        broken.splice(at..end, bytes.iter().copied().filter(|byte| *byte != b'\n'));
        broken.extend_from_slice(good.as_bytes());
        let (mut all, mut read) = (lines(&broken), CtMessage::default());
        let _ = all.next_into(&mut read);
        prop_assert_eq!(all.next_into(&mut read), Some(Ok(())));
        prop_assert_eq!(&read, &flow);
        prop_assert_eq!(all.next_into(&mut read), None);
    }

    #[test]
    fn anything_is_read_to_its_end(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let (mut all, mut flow, mut count) = (lines(&bytes), CtMessage::default(), 0);
        while all.next_into(&mut flow).is_some() {
            count += 1;
        }
        prop_assert_eq!(count, bytes.split_inclusive(|byte| *byte == b'\n').count());
    }
}
