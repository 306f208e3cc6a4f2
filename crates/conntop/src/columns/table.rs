//! The entries. Groups of columns that are alike start from a common entry.

use conntop_proto::flow::State;

use super::value::{FlowFlags, Offload, Value};
use super::{Align, Column, Cut, Order, Width};
use crate::enrich::Fact;
use crate::enrich::processes::Process;
use crate::flow::FlowView;
use crate::orient::End;

const fn fixed(columns: u16) -> Width {
    Width { least: columns, ideal: columns, share: 0 }
}

const fn growing(least: u16, ideal: u16) -> Width {
    Width { least, ideal, share: 1 }
}

const TEXT: Column = Column {
    key: "",
    aliases: &[],
    json: None,
    header: "",
    by_initiator: "",
    width: fixed(5),
    priority: 10,
    align: Align::Left,
    cut: Cut::End,
    order: Order::Ascending,
    value: |_| Value::Absent,
    field: None,
    help: "",
};
const ADDRESS: Column = Column { width: growing(13, 20), cut: Cut::Middle, ..TEXT };
const PORT: Column = Column { align: Align::Right, ..TEXT };
const NUMBER: Column = Column { width: fixed(6), align: Align::Right, order: Order::Descending, ..TEXT };
const TIME: Column = Column { width: fixed(5), ..NUMBER };

fn port<'a>(end: End) -> Value<'a> {
    end.port.map_or(Value::Absent, Value::Port)
}

fn known<'a, T>(value: Option<T>, kind: impl Fn(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Unknown, kind)
}

/// What has ended has no rate; of what lives it may be unknown.
fn rate<'a>(f: &FlowView<'a>, of: impl Fn((u64, u64)) -> u64) -> Value<'a> {
    match f.ended {
        Some(_) => Value::Absent,
        None => known(f.down_up(), |both| Value::Rate(of(both))),
    }
}

fn present<'a, T>(value: Option<T>, kind: impl Fn(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Absent, kind)
}

fn process<'a>(f: &FlowView<'a>, kind: impl Fn(&'a Process) -> Value<'a>) -> Value<'a> {
    Value::of(f.process(), kind)
}

/// Every column there is.
pub static COLUMNS: &[Column] = &[
    Column {
        key: "proto",
        header: "PROT",
        width: fixed(4),
        priority: 75,
        value: |f| Value::Proto(f.orig().proto),
        field: Some("proto"),
        help: "transport protocol, a number where it has no usual name",
        ..TEXT
    },
    Column {
        key: "state",
        header: "STATE",
        priority: 60,
        value: |f| match f.flow.state() {
            State::Unknown => Value::Unknown,
            state => Value::State(state),
        },
        field: Some("state"),
        help: "state of the connection; UDP and others: UNREP no answer yet, REPL answered, ASSUR assured",
        ..TEXT
    },
    Column {
        key: "flags",
        header: "FL",
        width: Width { least: 2, ideal: 4, share: 0 },
        priority: 35,
        value: |f| Value::Flags(FlowFlags::of(f)),
        field: Some("flags"),
        help: "NAT of S source, D destination, B both; R counters were zeroed; O offloaded; H helper; Q conntop's own question for names",
        ..TEXT
    },
    Column {
        key: "dir",
        header: "D",
        width: fixed(1),
        priority: 70,
        value: |f| Value::Dir(f.dir),
        field: Some("dir"),
        help: "who opened it: > out, we did; < in, the other side; = internal; - transit",
        ..TEXT
    },
    Column {
        key: "src",
        aliases: &["source"],
        header: "SOURCE",
        width: growing(15, 20),
        priority: 80,
        value: |f| Value::Address(f.orig().src),
        field: Some("src"),
        help: "address of who opened the connection",
        ..ADDRESS
    },
    Column {
        key: "sport",
        header: "SPORT",
        priority: 40,
        value: |f| port(f.src()),
        field: Some("sport"),
        help: "port of who opened the connection",
        ..PORT
    },
    Column {
        key: "dst",
        aliases: &["destination"],
        header: "DESTINATION",
        priority: 100,
        value: |f| Value::Address(f.orig().dst),
        field: Some("dst"),
        help: "address that the connection was opened to, before any translation",
        ..ADDRESS
    },
    Column {
        key: "dport",
        header: "DPORT",
        priority: 85,
        value: |f| port(f.dst()),
        field: Some("dport"),
        help: "port that the connection was opened to, before any translation",
        ..PORT
    },
    Column {
        key: "local",
        header: "LOCAL",
        priority: 50,
        value: |f| Value::Address(f.local().address),
        field: Some("local"),
        help: "address of the local end; of internal and transit flows, who opened them",
        ..ADDRESS
    },
    Column {
        key: "lport",
        header: "LPORT",
        priority: 40,
        value: |f| port(f.local()),
        field: Some("lport"),
        help: "port of the local end",
        ..PORT
    },
    Column {
        key: "remote",
        header: "REMOTE",
        priority: 100,
        value: |f| Value::Address(f.remote().address),
        field: Some("remote"),
        help: "address of the other end",
        ..ADDRESS
    },
    Column {
        key: "rport",
        header: "RPORT",
        priority: 85,
        value: |f| port(f.remote()),
        field: Some("rport"),
        help: "port of the other end",
        ..PORT
    },
    Column {
        key: "nat",
        header: "NAT",
        width: growing(15, 21),
        priority: 30,
        value: |f| present(f.translated_source().or(f.translated_destination()), Value::End),
        field: Some("nataddr"),
        help: "what the source (else the destination) is translated to",
        ..ADDRESS
    },
    Column {
        key: "backend",
        header: "BACKEND",
        width: growing(15, 21),
        priority: 25,
        value: |f| present(f.translated_destination(), Value::End),
        field: Some("backend"),
        help: "the real destination of a connection whose destination is translated",
        ..ADDRESS
    },
    Column {
        key: "down",
        json: Some("down_Bps"),
        header: "DOWN",
        by_initiator: "REPLY",
        priority: 95,
        value: |f| rate(f, |(down, _)| down),
        field: Some("down"),
        help: "rate towards the local end; of internal and transit flows, towards who opened them",
        ..NUMBER
    },
    Column {
        key: "up",
        json: Some("up_Bps"),
        header: "UP",
        by_initiator: "ORIG",
        priority: 90,
        value: |f| rate(f, |(_, up)| up),
        field: Some("up"),
        help: "rate from the local end; of internal and transit flows, from who opened them",
        ..NUMBER
    },
    Column {
        key: "rate",
        json: Some("rate_Bps"),
        header: "RATE",
        priority: 45,
        value: |f| rate(f, |(down, up)| down.saturating_add(up)),
        field: Some("rate"),
        help: "rate of both directions",
        ..NUMBER
    },
    Column {
        key: "bytes",
        aliases: &["total"],
        header: "TOTAL",
        priority: 55,
        value: |f| known(f.bytes_down_up(), |(down, up)| Value::Bytes(down.saturating_add(up))),
        field: Some("bytes"),
        help: "IP bytes of both directions since the flow began, as the kernel counts them",
        ..NUMBER
    },
    Column {
        key: "bytes_down",
        header: "B-DOWN",
        by_initiator: "B-REPL",
        value: |f| known(f.bytes_down_up(), |(down, _)| Value::Bytes(down)),
        field: Some("bytes_down"),
        help: "IP bytes towards the local end since the flow began",
        ..NUMBER
    },
    Column {
        key: "bytes_up",
        header: "B-UP",
        by_initiator: "B-ORIG",
        value: |f| known(f.bytes_down_up(), |(_, up)| Value::Bytes(up)),
        field: Some("bytes_up"),
        help: "IP bytes from the local end since the flow began",
        ..NUMBER
    },
    Column {
        key: "seen",
        header: "SEEN",
        priority: 22,
        value: |f| known(f.seen(), |(down, up)| Value::Bytes(down.saturating_add(up))),
        field: Some("seen"),
        help: "IP bytes of both directions since conntop began or since the mark (z)",
        ..NUMBER
    },
    Column {
        key: "seen_down",
        header: "S-DOWN",
        by_initiator: "S-REPL",
        value: |f| known(f.seen(), |(down, _)| Value::Bytes(down)),
        field: Some("seen_down"),
        help: "IP bytes towards the local end since conntop began or since the mark",
        ..NUMBER
    },
    Column {
        key: "seen_up",
        header: "S-UP",
        by_initiator: "S-ORIG",
        value: |f| known(f.seen(), |(_, up)| Value::Bytes(up)),
        field: Some("seen_up"),
        help: "IP bytes from the local end since conntop began or since the mark",
        ..NUMBER
    },
    Column {
        key: "packets",
        header: "PACKET",
        priority: 20,
        value: |f| known(f.packets_down_up(), |(down, up)| Value::Count(down.saturating_add(up))),
        field: Some("packets"),
        help: "packets of both directions since the flow began",
        ..NUMBER
    },
    Column {
        key: "packets_down",
        header: "P-DOWN",
        by_initiator: "P-REPL",
        value: |f| known(f.packets_down_up(), |(down, _)| Value::Count(down)),
        field: Some("packets_down"),
        help: "packets towards the local end since the flow began",
        ..NUMBER
    },
    Column {
        key: "packets_up",
        header: "P-UP",
        by_initiator: "P-ORIG",
        value: |f| known(f.packets_down_up(), |(_, up)| Value::Count(up)),
        field: Some("packets_up"),
        help: "packets from the local end since the flow began",
        ..NUMBER
    },
    Column {
        key: "age",
        json: Some("age_s"),
        header: "AGE",
        priority: 32,
        value: |f| Value::Time(f.age()),
        field: Some("age"),
        help: "time since it began; >12m when only that much of it was observed",
        ..TIME
    },
    Column {
        key: "idle",
        json: Some("idle_s"),
        header: "IDLE",
        value: |f| known(f.idle(), Value::Time),
        field: Some("idle"),
        help: "time since its counters last moved",
        ..TIME
    },
    Column {
        key: "timeout",
        json: Some("timeout_s"),
        header: "EXPIRE",
        priority: 15,
        order: Order::Ascending,
        value: |f| match f.ended {
            Some(_) => Value::Absent,
            None => known(f.timeout(), Value::Left),
        },
        field: Some("timeout"),
        help: "time until the kernel forgets it if nothing more is seen",
        ..NUMBER
    },
    Column {
        key: "service",
        header: "SERVICE",
        width: fixed(8),
        priority: 28,
        value: |f| match f.service() {
            Fact::Known(name) => Value::Text(name),
            // Most ports have no name.
            Fact::Unknown | Fact::Absent => Value::Absent,
        },
        field: Some("service"),
        help: "usual name of what the destination port serves",
        ..TEXT
    },
    Column {
        key: "name",
        header: "NAME",
        width: growing(13, 29),
        cut: Cut::Start,
        value: |f| known(f.name(f.remote().address), Value::Text),
        field: Some("remote_name"),
        help: "name of the other end",
        ..TEXT
    },
    Column {
        key: "src_name",
        header: "SOURCE NAME",
        width: growing(13, 29),
        cut: Cut::Start,
        value: |f| known(f.name(f.orig().src), Value::Text),
        field: Some("src_name"),
        help: "name of who opened the connection",
        ..TEXT
    },
    Column {
        key: "dst_name",
        header: "DEST NAME",
        width: growing(13, 29),
        cut: Cut::Start,
        value: |f| known(f.name(f.orig().dst), Value::Text),
        field: Some("dst_name"),
        help: "name of whom the connection was opened to",
        ..TEXT
    },
    Column {
        key: "cc",
        header: "CC",
        width: fixed(2),
        priority: 46,
        value: |f| Value::country(f, f.remote().address),
        field: Some("cc"),
        help: "country of the other end, two letters",
        ..TEXT
    },
    Column {
        key: "src_cc",
        header: "SC",
        width: fixed(2),
        value: |f| Value::country(f, f.orig().src),
        field: Some("src_cc"),
        help: "country of who opened the connection",
        ..TEXT
    },
    Column {
        key: "dst_cc",
        header: "DC",
        width: fixed(2),
        value: |f| Value::country(f, f.orig().dst),
        field: Some("dst_cc"),
        help: "country of whom the connection was opened to",
        ..TEXT
    },
    Column {
        key: "src_city",
        header: "SRC CITY",
        width: growing(8, 16),
        value: |f| Value::city(f, f.orig().src),
        field: Some("src_city"),
        help: "city of who opened the connection",
        ..TEXT
    },
    Column {
        key: "dst_city",
        header: "DST CITY",
        width: growing(8, 16),
        value: |f| Value::city(f, f.orig().dst),
        field: Some("dst_city"),
        help: "city of whom the connection was opened to",
        ..TEXT
    },
    Column {
        key: "asn",
        header: "ASN",
        width: fixed(8),
        order: Order::Ascending,
        value: |f| Value::asn(f, f.remote().address),
        field: Some("remote_asn"),
        help: "number of the network (autonomous system) of the other end",
        ..NUMBER
    },
    Column {
        key: "org",
        header: "ORG",
        width: growing(8, 19),
        priority: 33,
        value: |f| Value::org(f, f.remote().address),
        field: Some("remote_org"),
        help: "who runs the network of the other end; private, loopback, ... where it is none of the world",
        ..TEXT
    },
    Column {
        key: "process",
        header: "PROCESS",
        width: growing(8, 16),
        priority: 78,
        value: |f| process(f, |p| known(p.name.as_deref(), Value::Text)),
        field: Some("process"),
        help: "process at this machine's end",
        ..TEXT
    },
    Column {
        key: "pid",
        header: "PID",
        width: fixed(7),
        priority: 31,
        order: Order::Ascending,
        value: |f| process(f, |p| known(p.pid, |pid| Value::Number(u64::from(pid)))),
        field: Some("pid"),
        help: "number of the process",
        ..NUMBER
    },
    Column {
        key: "user",
        header: "USER",
        width: growing(6, 10),
        priority: 29,
        value: |f| process(f, |p| Value::Text(&p.user)),
        field: Some("user"),
        help: "user whose process it is",
        ..TEXT
    },
    Column {
        key: "unit",
        header: "UNIT",
        width: growing(8, 22),
        priority: 27,
        value: |f| process(f, |p| Value::of(p.unit.as_ref(), |unit| Value::Text(unit))),
        field: Some("unit"),
        help: "unit or container in which the process runs",
        ..TEXT
    },
    Column {
        key: "command",
        header: "COMMAND",
        width: growing(16, 40),
        value: |f| process(f, |p| known(p.command.as_deref(), Value::Text)),
        field: Some("command"),
        help: "command line of the process",
        ..TEXT
    },
    Column {
        key: "status",
        header: "STATUS",
        width: growing(8, 36),
        value: |f| Value::Status(f.flow.status()),
        field: Some("status"),
        help: "status bits of the kernel as words",
        ..TEXT
    },
    Column {
        key: "offload",
        header: "OFF",
        width: fixed(3),
        value: |f| Value::Offload(Offload::of(f.flow.status())),
        field: Some("offload"),
        help: "who forwards its packets: no (the network stack), sw (a flowtable), hw (hardware)",
        ..TEXT
    },
    Column {
        key: "mark",
        header: "MARK",
        width: fixed(10),
        value: |f| Value::Mark(f.flow.mark()),
        field: Some("mark"),
        help: "connection mark, hexadecimal",
        ..NUMBER
    },
    Column {
        key: "zone",
        header: "ZONE",
        width: fixed(5),
        order: Order::Ascending,
        value: |f| Value::Number(u64::from(f.flow.zone())),
        field: Some("zone"),
        help: "zone of the original direction, 0 when none",
        ..NUMBER
    },
    Column {
        key: "labels",
        header: "LABELS",
        width: growing(6, 8),
        value: |f| present(f.flow.labels(), Value::Labels),
        field: Some("labels"),
        help: "numbers of the label bits that are set",
        ..TEXT
    },
    Column {
        key: "helper",
        header: "HELPER",
        width: fixed(8),
        value: |f| present(f.flow.helper(), Value::Text),
        field: Some("helper"),
        help: "helper that follows the connection (ftp, sip)",
        ..TEXT
    },
    Column {
        key: "id",
        header: "ID",
        width: fixed(8),
        value: |f| Value::Number(f.flow.id().0),
        field: Some("id"),
        help: "number of the flow, never used again by the same collector",
        ..NUMBER
    },
    Column {
        key: "node",
        aliases: &["router"],
        header: "NODE",
        width: growing(9, 13),
        cut: Cut::Middle,
        priority: 72,
        value: |f| match f.node_name {
            "" => Value::Unknown,
            name => Value::Text(name),
        },
        field: Some("node"),
        help: "machine whose table it is in; shown by default when there are several",
        ..TEXT
    },
    Column {
        key: "end",
        header: "ENDED",
        width: fixed(9),
        value: |f| present(f.ended.map(|e| e.reason), Value::EndReason),
        field: Some("end"),
        help: "why it ended: destroyed (the kernel said so), missing from a pass, replaced by another",
        ..TEXT
    },
];
