//! Captures of a real kernel against two other readers of the same bytes: the conntrack tool,
//! whose output was recorded with the capture, and the crate netlink-bindings.

use std::net::IpAddr;

use netlink_bindings::conntrack as nb;
use nfnetlink::ct::{Counters, CtEvent, CtMessage, L4, ProtoState, Status, Tuple};
use nfnetlink::{Item, messages};

use crate::fixture;

/// The one message of a capture, and which event it is.
fn parse(captured: &fixture::Captured) -> (Option<CtEvent>, CtMessage<'_>) {
    let mut all = messages(&captured.bytes);
    let first = all.next().unwrap().unwrap_or_else(|error| panic!("{}: {error}", captured.name));
    assert_eq!(all.next(), None, "{}", captured.name);
    match first.item {
        Item::Entry(entry) => (None, entry),
        Item::Event(event, message) => (Some(event), message),
        other => panic!("{}: {other:?}", captured.name),
    }
}

/// A message in the words of `conntrack -o extended,id`.
pub(crate) fn print(event: Option<CtEvent>, message: &CtMessage<'_>) -> String {
    let mut words = Vec::new();
    words.extend(event.map(|event| format!("[{}]", format!("{event:?}").to_uppercase())));
    words.push(if message.orig.src.is_ipv4() { "ipv4 2".into() } else { "ipv6 10".into() });
    let proto = message.orig.proto;
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
    words.push(format!("{name} {proto}"));
    words.extend(message.timeout.map(|timeout| timeout.to_string()));
    words.extend(message.state.map(|state| state_name(state).to_owned()));
    print_tuple(&mut words, &message.orig, "zone-orig", message.counters_orig);
    if message.status.is_some() && !message.has(Status::SEEN_REPLY) {
        words.push("[UNREPLIED]".into());
    }
    print_tuple(&mut words, &message.reply, "zone-reply", message.counters_reply);
    let shown = [
        (Status::HW_OFFLOAD, "[HW_OFFLOAD]"),
        (Status::OFFLOAD, "[OFFLOAD]"),
        (Status::ASSURED, "[ASSURED]"),
    ];
    words.extend(shown.into_iter().find(|(bit, _)| message.has(*bit)).map(|(_, word)| word.into()));
    words.extend(message.mark.map(|mark| format!("mark={mark}")));
    words.extend(message.zone.map(|zone| format!("zone={zone}")));
    words.extend(message.helper.map(|name| format!("helper={}", String::from_utf8_lossy(name))));
    words.extend(message.use_count.map(|count| format!("use={count}")));
    words.extend(message.id.map(|id| format!("id={id}")));
    words.join(" ")
}

fn print_tuple(words: &mut Vec<String>, tuple: &Tuple, zone: &str, counters: Option<Counters>) {
    words.push(format!("src={} dst={}", tuple.src, tuple.dst));
    words.extend(match (tuple.l4, tuple.proto) {
        (L4::Ports { src, dst }, 47) => Some(format!("srckey={src:#x} dstkey={dst:#x}")),
        (L4::Ports { src, dst }, _) => Some(format!("sport={src} dport={dst}")),
        (L4::Icmp { id, ty, code }, _) => Some(format!("type={ty} code={code} id={id}")),
        // The tool knows DCCP and prints ports where the kernel told none.
        (L4::None, 33) => Some("sport=0 dport=0".into()),
        (L4::None, _) => None,
    });
    words.extend(tuple.zone.map(|id| format!("{zone}={id}")));
    words.extend(counters.map(|Counters { packets, bytes }| format!("packets={packets} bytes={bytes}")));
}

pub(crate) fn state_name(state: ProtoState) -> &'static str {
    const TCP: [&str; 10] = [
        "NONE",
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "SYN_SENT2",
    ];
    const SCTP: [&str; 9] = [
        "NONE",
        "CLOSED",
        "COOKIE_WAIT",
        "COOKIE_ECHOED",
        "ESTABLISHED",
        "SHUTDOWN_SENT",
        "SHUTDOWN_RECD",
        "SHUTDOWN_ACK_SENT",
        "HEARTBEAT_SENT",
    ];
    const DCCP: [&str; 10] = [
        "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
        "INVALID",
    ];
    match state {
        ProtoState::Tcp(state) => TCP[usize::from(state)],
        ProtoState::Sctp(state) => SCTP[usize::from(state)],
        ProtoState::Dccp(state) => DCCP[usize::from(state)],
    }
}

/// The tool's line with single spaces, and without who caused the event.
fn normal(line: &str) -> String {
    let line = line.split(" [USERSPACE]").next().unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn prints_what_the_conntrack_tool_printed() {
    let with_oracle = fixture::all().into_iter().filter(|captured| captured.oracle.is_some());
    let mut count = 0;
    for captured in with_oracle {
        let (event, message) = parse(&captured);
        assert_eq!(print(event, &message), normal(captured.oracle.as_ref().unwrap()), "{}", captured.name);
        count += 1;
    }
    assert!(count >= 34, "only {count} captures have an oracle");
}

#[test]
fn reads_what_the_conntrack_tool_cannot_print() {
    let mut count = 0;
    for captured in fixture::all() {
        let Some(also) = &captured.also else { continue };
        let (_, message) = parse(&captured);
        for (key, value) in also.split(' ').map(|word| word.split_once('=').unwrap()) {
            let found = match key {
                "labels" => message.labels.unwrap().iter().map(|b| format!("{b:02x}")).collect(),
                "status" => format!("{:#x}", message.status.unwrap().0),
                "timeout" => message.timeout.map_or("none".into(), |timeout| timeout.to_string()),
                "state" => message.state.map_or("none".into(), |state| format!("{state:?}")),
                "dccp" => match message.state {
                    Some(ProtoState::Dccp(state)) => state.to_string(),
                    other => format!("{other:?}"),
                },
                "ports" => match message.orig.l4 {
                    L4::Ports { src, dst } => format!("{src}>{dst}"),
                    other => format!("{other:?}"),
                },
                "master" => {
                    let master = message.master.unwrap();
                    let L4::Ports { src, dst } = master.l4 else { panic!("{master:?}") };
                    format!("{}:{src}>{}:{dst}/{}", master.src, master.dst, master.proto)
                }
                other => panic!("{}: unknown key {other}", captured.name),
            };
            assert_eq!(found, value, "{} {key}", captured.name);
            count += 1;
        }
    }
    assert!(count >= 7, "only {count} values");
}

#[test]
fn timestamps_are_in_order() {
    let mut stops = 0;
    for captured in fixture::all() {
        let (event, message) = parse(&captured);
        let year_2026 = 1_767_225_600_000_000_000..1_798_761_600_000_000_000;
        if event.is_none() {
            assert!(year_2026.contains(&message.start.unwrap()), "{}", captured.name);
            assert_eq!(message.stop, None, "{}", captured.name);
        } else {
            assert!(year_2026.contains(&message.event_time.unwrap()), "{}", captured.name);
        }
        if event == Some(CtEvent::Destroy) {
            assert!(message.start.unwrap() < message.stop.unwrap(), "{}", captured.name);
            assert!(message.stop <= message.event_time, "{}", captured.name);
            stops += 1;
        }
    }
    assert_eq!(stops, 2);
}

/// All but the timestamps, which netlink-bindings takes for one integer, and labels.
fn from_bindings(bytes: &[u8]) -> CtMessage<'_> {
    let mut message = CtMessage::default();
    for attr in nb::ConntrackAttrs::new(&bytes[20..]) {
        use nb::ConntrackAttrs as A;
        match attr {
            Ok(A::TupleOrig(tuple)) => message.orig = bindings_tuple(tuple),
            Ok(A::TupleReply(tuple)) => message.reply = bindings_tuple(tuple),
            Ok(A::TupleMaster(tuple)) => message.master = Some(bindings_tuple(tuple)),
            Ok(A::Status(value)) => message.status = Some(Status(value)),
            Ok(A::Timeout(value)) => message.timeout = Some(value),
            Ok(A::Mark(value)) => message.mark = Some(value),
            Ok(A::Use(value)) => message.use_count = Some(value),
            Ok(A::Id(value)) => message.id = Some(value),
            Ok(A::Zone(value)) => message.zone = Some(value),
            Ok(A::Help(help)) => message.helper = Some(help.get_help_name().unwrap().to_bytes()),
            Ok(A::TimestampEvent(value)) => message.event_time = Some(value),
            _ => {}
        }
    }
    message
}

fn bindings_tuple(attrs: nb::IterableTupleAttrs<'_>) -> Tuple {
    let ip = attrs.get_tuple_ip().unwrap();
    let v4 = |get: Result<std::net::Ipv4Addr, _>| get.map(IpAddr::V4);
    let v6 = |get: Result<std::net::Ipv6Addr, _>| get.map(IpAddr::V6);
    let proto = attrs.get_tuple_proto().unwrap();
    let icmp = |id: u16, ty, code| L4::Icmp { id, ty, code };
    let l4 = if let (Ok(src), Ok(dst)) = (proto.get_proto_src_port(), proto.get_proto_dst_port()) {
        L4::Ports { src, dst }
    } else if let Ok(id) = proto.get_proto_icmp_id() {
        icmp(id, proto.get_proto_icmp_type().unwrap(), proto.get_proto_icmp_code().unwrap())
    } else if let Ok(id) = proto.get_proto_icmpv6_id() {
        icmp(id, proto.get_proto_icmpv6_type().unwrap(), proto.get_proto_icmpv6_code().unwrap())
    } else {
        L4::None
    };
    Tuple {
        src: v4(ip.get_ip_v4_src()).or(v6(ip.get_ip_v6_src())).unwrap(),
        dst: v4(ip.get_ip_v4_dst()).or(v6(ip.get_ip_v6_dst())).unwrap(),
        proto: proto.get_proto_num().unwrap(),
        l4,
        zone: attrs.get_tuple_zone().ok(),
    }
}

#[test]
fn agrees_with_netlink_bindings() {
    for captured in fixture::all() {
        let (_, message) = parse(&captured);
        let compared = CtMessage {
            counters_orig: None,
            counters_reply: None,
            state: None,
            labels: None,
            start: None,
            stop: None,
            ..message
        };
        assert_eq!(compared, from_bindings(&captured.bytes), "{}", captured.name);
    }
}
