//! THE table of filter fields. To add a field is to add one entry of [`FIELDS`]. Single-valued fields
//! read the column of the same name, so a test and the cell beside it never disagree.

use conntop_proto::flow::State;

use crate::columns::{FlowFlags, Offload, Value};
use crate::enrich::Fact;
use crate::flow::FlowView;
use crate::orient::End;

/// What kind of operands a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Protocol by name or number.
    Proto,
    /// State by short or long word.
    State,
    /// Letters, all of which are set.
    Flags,
    /// Direction.
    Dir,
    /// Address or network.
    Net,
    /// Address, network or name of a host.
    Host,
    /// Port by number, service name or range.
    Port,
    /// Rate with its unit.
    Rate,
    /// Bytes.
    Bytes,
    /// Number, perhaps with k, M, G.
    Count,
    /// Duration.
    Duration,
    /// Word of a status bit, which is set.
    Status,
    /// Who forwards.
    Offload,
    /// Mark, perhaps with a mask.
    Mark,
    /// Number of a label bit, which is set.
    Label,
    /// Number up to this.
    Number(u64),
    /// Number of an autonomous system, perhaps with AS before it.
    Asn,
    /// Text.
    Text,
    /// Yes or no.
    YesNo,
    /// The mark.
    Since,
}

impl Kind {
    /// Whether values of it are more or less.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        match self {
            Self::Port | Self::Rate | Self::Bytes | Self::Count | Self::Duration | Self::Number(_) => true,
            Self::Proto
            | Self::State
            | Self::Flags
            | Self::Dir
            | Self::Net
            | Self::Host
            | Self::Status
            | Self::Offload
            | Self::Mark
            | Self::Label
            | Self::Asn
            | Self::Text
            | Self::YesNo
            | Self::Since => false,
        }
    }

    pub(super) fn cost(self) -> usize {
        match self {
            Self::Rate => 20,
            Self::Flags | Self::Duration | Self::Net | Self::Host => 2,
            _ => 1,
        }
    }

    /// What an operand looks like.
    #[must_use]
    pub fn expects(self) -> &'static str {
        match self {
            Self::Proto => "a protocol: tcp, udp, icmp, ... or a number up to 255",
            Self::State => "a state: EST, SYN, TIMEW, UNREP, ASSUR, ... or established, ...",
            Self::Flags => "flags: letters of S, D, B, R, O, H, Q",
            Self::Dir => "in, out, internal or transit",
            Self::Net => "an address or network: 10.0.0.1, 10/8, 2001:db8::/32",
            Self::Host => "an address, network or name: 10.0.0.1, 10/8, 2001:db8::/32, example.com",
            Self::Port => "a port from 0 to 65535, a range 1000-2000, or a service such as https",
            Self::Rate => "a rate with its unit: 1Mbit, 500kbit, 2MB",
            Self::Bytes => "an amount of bytes: 1500, 10MiB, 2GB",
            Self::Count => "a number, perhaps with k, M or G",
            Self::Duration => "a duration: 500ms, 90s, 5m, 1h30m, 2d",
            Self::Status => "a status: assured, seen_reply, src_nat, dst_nat, dying, ...",
            Self::Offload => "no, sw or hw",
            Self::Mark => "a mark: 5, 0x10, or with a mask 0x10/0xff",
            Self::Label => "the number of a label from 0 to 127",
            Self::Number(_) => "a number",
            Self::Asn => "a number of a network: 13335 or AS13335",
            Self::Text => "a text",
            Self::YesNo => "yes or no",
            Self::Since => "mark",
        }
    }
}

/// How to get a field's values: a test holds if it holds for any of them.
#[derive(Clone, Copy)]
pub(super) enum Getter {
    /// One.
    One(for<'a> fn(&FlowView<'a>) -> Value<'a>),
    /// One of each side.
    Two(for<'a> fn(&FlowView<'a>) -> [Value<'a>; 2]),
    /// All of both tuples.
    Four(for<'a> fn(&FlowView<'a>) -> [Value<'a>; 4]),
}

/// A field.
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Kind of its operands.
    pub kind: Kind,
    /// Its values.
    pub(super) get: Getter,
    /// An example.
    pub example: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "field {}", self.name)
    }
}

/// Fields whose values are found out while flows are looked at.
const LEARNED: &[&str] = &[
    "flags",
    "own",
    "name",
    "remote_name",
    "src_name",
    "dst_name",
    "country",
    "cc",
    "src_cc",
    "dst_cc",
    "city",
    "src_city",
    "dst_city",
    "asn",
    "remote_asn",
    "org",
    "remote_org",
    "process",
    "pid",
    "user",
    "unit",
    "command",
];

impl Field {
    /// Whether its values may change although the flow does not.
    #[must_use]
    pub fn is_learned(&self) -> bool {
        LEARNED.contains(&self.name)
    }
}

/// The field of that name, in any case.
#[must_use]
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| {
        field.name.eq_ignore_ascii_case(name)
            || field.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

fn address<'a>(end: End) -> Value<'a> {
    Value::Address(end.address)
}

fn port<'a>(end: End) -> Value<'a> {
    end.port.map_or(Value::Absent, Value::Port)
}

fn known<'a, T>(value: Option<T>, kind: impl Fn(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Unknown, kind)
}

fn present<'a, T>(value: Option<T>, kind: impl Fn(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Absent, kind)
}

fn sum((down, up): (u64, u64)) -> u64 {
    down.saturating_add(up)
}

macro_rules! fields {
    ($($name:literal $(| $alias:literal)* : $kind:expr, $get:ident($getter:expr), $example:literal, $help:literal;)*) => {
        /// Every field there is.
        pub static FIELDS: &[Field] = &[$(Field {
            name: $name,
            aliases: &[$($alias),*],
            kind: $kind,
            get: Getter::$get($getter),
            example: $example,
            help: $help,
        }),*];
    };
}

fields! {
    "proto" | "protocol": Kind::Proto, One(|f| Value::Proto(f.orig().proto)),
        "proto udp", "transport protocol";
    "state": Kind::State, One(|f| match f.flow.state() {
            State::Unknown => Value::Unknown,
            state => Value::State(state),
        }),
        "state {SYN, EST}", "state; a short word may stand for several states";
    "flags": Kind::Flags, One(|f| Value::Flags(FlowFlags::of(f))),
        "flags S", "all of these are set: S source NAT, D destination NAT, B both, R reset, O offloaded, H helper, Q conntop's own question";
    "dir": Kind::Dir, One(|f| Value::Dir(f.dir)),
        "dir out", "who opened it, seen from the local end";
    "src" | "source" | "saddr": Kind::Net, One(|f| Value::Address(f.orig().src)),
        "src 192.168.1.13", "address of who opened the connection";
    "dst" | "destination" | "daddr": Kind::Net, One(|f| Value::Address(f.orig().dst)),
        "dst in 151.101.0.0/16", "address that the connection was opened to";
    "sport": Kind::Port, One(|f| port(f.src())),
        "sport 40000-45000", "port of who opened the connection";
    "dport": Kind::Port, One(|f| port(f.dst())),
        "dport {80, https}", "port that the connection was opened to";
    "port": Kind::Port, Two(|f| [port(f.src()), port(f.dst())]),
        "port {53, 123}", "port of either end";
    "host": Kind::Host, Two(|f| [Value::Address(f.orig().src), Value::Address(f.orig().dst)]),
        "host example.com", "address of either end, or its name or the end of that, as far as names are known";
    "net": Kind::Net, Two(|f| [Value::Address(f.orig().src), Value::Address(f.orig().dst)]),
        "net 2001:db8::/32", "network of either end";
    "addr" | "ip": Kind::Net, Four(|f| {
            let (orig, reply) = (f.orig(), f.reply());
            [orig.src, orig.dst, reply.src, reply.dst].map(Value::Address)
        }),
        "addr 203.0.113.7", "any address of both tuples, translated ones too";
    "nataddr": Kind::Net, Two(|f| [
            present(f.translated_source(), address),
            present(f.translated_destination(), address),
        ]),
        "nataddr 203.0.113.7", "address that source or destination is translated to; `none` without NAT";
    "natport": Kind::Port, Two(|f| [
            f.translated_source().map_or(Value::Absent, port),
            f.translated_destination().map_or(Value::Absent, port),
        ]),
        "natport != none", "port that source or destination is translated to";
    "backend": Kind::Net, One(|f| present(f.translated_destination(), address)),
        "backend 192.168.1.5", "real destination behind a translated one; `none` without";
    "backend_port": Kind::Port, One(|f| f.translated_destination().map_or(Value::Absent, port)),
        "backend_port 443", "port of the real destination behind a translated one";
    "local": Kind::Net, One(|f| address(f.local())),
        "local in 192.168.1.0/28", "address of the local end";
    "remote": Kind::Net, One(|f| address(f.remote())),
        "remote != 9.9.9.9", "address of the other end";
    "lport": Kind::Port, One(|f| port(f.local())),
        "lport https", "port of the local end";
    "rport": Kind::Port, One(|f| port(f.remote())),
        "rport 443", "port of the other end";
    "mark": Kind::Mark, One(|f| Value::Mark(f.flow.mark())),
        "mark 0x10/0xf0", "connection mark, with a mask of the bits that count";
    "zone": Kind::Number(65_535), One(|f| Value::Number(u64::from(f.flow.zone()))),
        "zone 0", "zone of the original direction, 0 when none";
    "helper": Kind::Text, One(|f| present(f.flow.helper(), Value::Text)),
        "helper ftp", "helper that follows the connection; `none` without";
    "status": Kind::Status, One(|f| Value::Status(f.flow.status())),
        "status assured", "this status bit is set";
    "offload": Kind::Offload, One(|f| Value::Offload(Offload::of(f.flow.status()))),
        "offload != no", "who forwards its packets: no (the network stack), sw (a flowtable), hw";
    "age": Kind::Duration, One(|f| Value::Time(f.age())),
        "age > 1h", "time since it began";
    "idle": Kind::Duration, One(|f| known(f.idle(), Value::Time)),
        "idle > 5s", "time since its counters last moved";
    "timeout": Kind::Duration, One(|f| match f.ended {
            Some(_) => Value::Absent,
            None => known(f.timeout(), Value::Left),
        }),
        "timeout < 1m", "time until the kernel forgets it";
    "bytes" | "total": Kind::Bytes, One(|f| known(f.bytes_down_up().map(sum), Value::Bytes)),
        "bytes >= 10MiB", "IP bytes of both directions since the flow began";
    "bytes_down": Kind::Bytes, One(|f| known(f.bytes_down_up(), |(down, _)| Value::Bytes(down))),
        "bytes_down > 500MB", "the same towards the local end";
    "bytes_up": Kind::Bytes, One(|f| known(f.bytes_down_up(), |(_, up)| Value::Bytes(up))),
        "bytes_up > 100MB", "the same from the local end";
    "since": Kind::Since, One(|f| if f.begun { Value::Text("mark") } else { Value::Absent }),
        "since mark", "whether it began since the mark, or else since conntop did";
    "seen": Kind::Bytes, One(|f| known(f.seen().map(sum), Value::Bytes)),
        "seen > 10MiB", "IP bytes of both directions since conntop began or since the mark";
    "seen_down": Kind::Bytes, One(|f| known(f.seen(), |(down, _)| Value::Bytes(down))),
        "seen_down > 1MB", "the same towards the local end";
    "seen_up": Kind::Bytes, One(|f| known(f.seen(), |(_, up)| Value::Bytes(up))),
        "seen_up > 1MB", "the same from the local end";
    "packets": Kind::Count, One(|f| known(f.packets_down_up().map(sum), Value::Count)),
        "packets < 3", "packets of both directions since the flow began";
    "packets_down": Kind::Count, One(|f| known(f.packets_down_up(), |(down, _)| Value::Count(down))),
        "packets_down 0", "the same towards the local end";
    "packets_up": Kind::Count, One(|f| known(f.packets_down_up(), |(_, up)| Value::Count(up))),
        "packets_up > 10k", "the same from the local end";
    "rate": Kind::Rate, One(|f| known(f.down_up().map(sum), Value::Rate)),
        "rate > 1Mbit", "rate of both directions";
    "down": Kind::Rate, One(|f| known(f.down_up(), |(down, _)| Value::Rate(down))),
        "down > 500kB", "rate towards the local end";
    "up": Kind::Rate, One(|f| known(f.down_up(), |(_, up)| Value::Rate(up))),
        "up 1Mbit-10Mbit", "rate from the local end";
    "id": Kind::Number(u64::MAX), One(|f| Value::Number(f.flow.id().0)),
        "id < 10", "number of the flow";
    "node": Kind::Text, One(|f| match f.node_name {
            "" => Value::Unknown,
            name => Value::Text(name),
        }),
        "node router1", "machine whose table it is in, where there are several";
    "own": Kind::YesNo, One(|f| Value::Text(if f.is_own() { "yes" } else { "no" })),
        "own no", "whether it is one of conntop's own questions for names";
    "end": Kind::Text, One(|f| present(f.ended.map(|end| end.reason), Value::EndReason)),
        "end none", "why it ended: destroyed, missing or replaced; `none` of live flows";
    "service": Kind::Text, One(|f| match f.service() {
            Fact::Known(name) => Value::Text(name),
            Fact::Unknown | Fact::Absent => Value::Absent,
        }),
        "service https", "usual name of what the destination port serves; `none` without";
    "name": Kind::Text, Two(|f| [
            known(f.name(f.orig().src), Value::Text),
            known(f.name(f.orig().dst), Value::Text),
        ]),
        "name ~ example", "name of either end, as far as it is known";
    "remote_name": Kind::Text, One(|f| known(f.name(f.remote().address), Value::Text)),
        "remote_name *.github.com", "name of the other end";
    "src_name": Kind::Text, One(|f| known(f.name(f.orig().src), Value::Text)),
        "src_name unknown", "name of who opened the connection";
    "dst_name": Kind::Text, One(|f| known(f.name(f.orig().dst), Value::Text)),
        "dst_name ~ example.com", "name of whom the connection was opened to";
    "country": Kind::Text, Two(|f| [Value::country(f, f.orig().src), Value::country(f, f.orig().dst)]),
        "country != DE", "country of either end, two letters";
    "cc": Kind::Text, One(|f| Value::country(f, f.remote().address)),
        "cc {DE, NL}", "country of the other end";
    "src_cc": Kind::Text, One(|f| Value::country(f, f.orig().src)),
        "src_cc none", "country of who opened the connection; `none` of private addresses";
    "dst_cc": Kind::Text, One(|f| Value::country(f, f.orig().dst)),
        "dst_cc US", "country of whom the connection was opened to";
    "city": Kind::Text, Two(|f| [Value::city(f, f.orig().src), Value::city(f, f.orig().dst)]),
        "city ~ frank", "city of either end";
    "src_city": Kind::Text, One(|f| Value::city(f, f.orig().src)),
        "src_city none", "city of who opened the connection";
    "dst_city": Kind::Text, One(|f| Value::city(f, f.orig().dst)),
        "dst_city Frankfurt", "city of whom the connection was opened to";
    "asn": Kind::Asn, Two(|f| [Value::asn(f, f.orig().src), Value::asn(f, f.orig().dst)]),
        "asn AS13335", "number of the network (autonomous system) of either end";
    "remote_asn": Kind::Asn, One(|f| Value::asn(f, f.remote().address)),
        "remote_asn 714", "the same of the other end";
    "org": Kind::Text, Two(|f| [Value::org(f, f.orig().src), Value::org(f, f.orig().dst)]),
        "org ~ cloudflare", "who runs the network of either end; private, loopback, multicast, ...";
    "remote_org": Kind::Text, One(|f| Value::org(f, f.remote().address)),
        "remote_org ~ inc", "the same of the other end";
    "process": Kind::Text, One(|f| Value::of(f.process(), |p| known(p.name.as_deref(), Value::Text))),
        "process ~ fire", "process at this machine's end";
    "pid": Kind::Number(u64::MAX), One(|f| Value::of(f.process(), |p| known(p.pid, |pid| Value::Number(u64::from(pid))))),
        "pid 4711", "number of the process";
    "user": Kind::Text, One(|f| Value::of(f.process(), |p| Value::Text(&p.user))),
        "user alice", "user whose process it is";
    "unit": Kind::Text, One(|f| Value::of(f.process(), |p| Value::of(p.unit.as_ref(), |unit| Value::Text(unit)))),
        "unit app-*.scope", "unit or container of the process; `none` without";
    "command": Kind::Text, One(|f| Value::of(f.process(), |p| known(p.command.as_deref(), Value::Text))),
        "command ~ new-window", "command line of the process";
    "labels" | "label": Kind::Label, One(|f| present(f.flow.labels(), Value::Labels)),
        "labels 5", "this label bit is set; `none` without any";
}
