//! THE table of what flows can be grouped by. Menu, options, manual and the filter of each group come
//! from it; to add a key is to add one entry of [`KEYS`].

use std::net::IpAddr;

use super::part::{Kept, Part, Seen};
use crate::columns::{Cut, Value, nearest, state_short};
use crate::enrich::Fact;
use crate::filter::{Expr, Field, Op, Operand, Test, field};
use crate::flow::FlowView;
use crate::orient::{End, Net};

/// How to get the values of a flow.
#[derive(Clone, Copy)]
pub(super) enum Getter {
    /// One.
    One(for<'a> fn(&FlowView<'a>) -> Seen<'a>),
    /// One of each side: the flow belongs to both groups.
    Two(for<'a> fn(&FlowView<'a>) -> [Seen<'a>; 2]),
}

/// Something to group flows by.
pub struct GroupKey {
    /// Name in options and JSON.
    pub key: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Heading.
    pub header: &'static str,
    /// Columns of the screen below which it says nothing, and those that it wants.
    pub width: (u16, u16),
    /// What a long text loses.
    pub cut: Cut,
    /// The filter field that tells its groups apart.
    pub(super) field: &'static str,
    pub(super) get: Getter,
    /// What it is, in a line.
    pub help: &'static str,
}

impl std::fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "group key {}", self.key)
    }
}

impl GroupKey {
    /// Whether a flow may be in two of its groups.
    #[must_use]
    pub fn overlaps(&self) -> bool {
        matches!(self.get, Getter::Two(_))
    }

    /// The values of a flow: one, or two that differ.
    #[inline]
    pub(crate) fn values<'a>(&self, view: &FlowView<'a>) -> (Seen<'a>, Option<Seen<'a>>) {
        match self.get {
            Getter::One(get) => (get(view), None),
            Getter::Two(get) => match get(view) {
                [one, Part::Absent] | [Part::Absent, one] => (one, None),
                [one, other] if one == other => (one, None),
                [one, other] => (one, Some(other)),
            },
        }
    }

    /// Whether flows that differ in nothing but the port of who opened them are in the same group, even
    /// when they have ended.
    pub(super) fn is_common(&self) -> bool {
        !matches!(self.key, "port" | "state" | "process" | "user" | "unit")
    }

    /// Whether its values may change although a flow does not.
    pub(super) fn is_learned(&self) -> bool {
        field(self.field).is_some_and(Field::is_learned)
    }

    /// What exactly the flows of its group with this value satisfy; `None` for what is no value.
    #[must_use]
    pub fn only(&self, value: &Kept) -> Option<Expr> {
        let equal = |name: &str, operand: Operand| {
            Some(Expr::Test(Test { field: field(name)?, op: Op::Equal, operands: vec![operand] }))
        };
        let number = |number: u64| Operand::Range(number, number);
        let operand = match value {
            Part::Other => return None,
            Part::Nameless(proto, port) => {
                let parts =
                    [equal("proto", Operand::Proto(*proto)), equal("dport", number(u64::from(*port)))];
                return Some(Expr::all(parts.into_iter().flatten().collect()));
            }
            // A flow without ports has no service, and neither has a port without a name.
            Part::Absent if self.field == "service" => return equal("dport", Operand::None),
            Part::Absent => Operand::None,
            Part::Unknown => Operand::Unknown,
            Part::Address(address) => Operand::Net(Net::host(*address)),
            Part::Net(net) => Operand::Net(*net),
            Part::Proto(proto) => Operand::Proto(*proto),
            Part::Port(port) => number(u64::from(*port)),
            Part::Dir(dir) => Operand::Dir(*dir),
            Part::State(word) => Operand::State { word },
            Part::Number(n) | Part::Asn(n) => number(*n),
            Part::Mark(mark) => Operand::Mark { value: *mark, mask: u32::MAX },
            Part::Text(text) => Operand::Text(text.to_lowercase()),
        };
        equal(self.field, operand)
    }
}

/// There is no such key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flows cannot be grouped by `{key}`; {hint}")]
pub struct UnknownKey {
    /// What was asked for.
    pub key: String,
    hint: String,
}

/// The key of that name or alias.
///
/// # Errors
/// When there is none; the error says what may have been meant.
pub fn find(key: &str) -> Result<&'static GroupKey, UnknownKey> {
    let named = |k: &&GroupKey| {
        k.key.eq_ignore_ascii_case(key) || k.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(key))
    };
    KEYS.iter().find(named).ok_or_else(|| {
        let names = || KEYS.iter().flat_map(|k| k.aliases.iter().chain([&k.key]).copied());
        let hint = match nearest(key, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("by {}", KEYS.iter().map(|k| k.key).collect::<Vec<_>>().join(", ")),
        };
        UnknownKey { key: key.to_owned(), hint }
    })
}

const fn address<'a>(end: End) -> Seen<'a> {
    Part::Address(end.address)
}

fn end<'a>(end: Option<End>) -> Seen<'a> {
    end.map_or(Part::Absent, address)
}

fn port<'a>(end: End) -> Seen<'a> {
    end.port.map_or(Part::Absent, Part::Port)
}

/// As many neighbours as usually belong together: a /24, of IPv6 a /64.
fn net<'a>(address: IpAddr) -> Seen<'a> {
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    Net::new(address, prefix).map_or(Part::Address(address), Part::Net)
}

fn value<'a>(value: Value<'a>) -> Seen<'a> {
    match value {
        Value::Text(text) => Part::Text(text),
        Value::Range(range) => Part::Text(range.word()),
        Value::Number(number) => Part::Asn(number),
        Value::Absent => Part::Absent,
        _ => Part::Unknown,
    }
}

fn text<'a>(fact: Fact<&'a str>) -> Seen<'a> {
    match fact {
        Fact::Known(text) => Part::Text(text),
        Fact::Unknown => Part::Unknown,
        Fact::Absent => Part::Absent,
    }
}

fn service<'a>(view: &FlowView<'a>) -> Seen<'a> {
    match (view.service(), view.dst().port) {
        (Fact::Known(name), _) => Part::Text(name),
        (_, Some(port)) => Part::Nameless(view.orig().proto, port),
        (_, None) => Part::Absent,
    }
}

fn process<'a>(view: &FlowView<'a>) -> Seen<'a> {
    match view.process() {
        Fact::Known(process) => process.name.as_deref().map_or(Part::Unknown, Part::Text),
        Fact::Unknown => Part::Unknown,
        Fact::Absent => Part::Absent,
    }
}

fn unit<'a>(view: &FlowView<'a>) -> Seen<'a> {
    match view.process() {
        Fact::Known(process) => text(process.unit.as_ref().map(|unit| &**unit)),
        Fact::Unknown => Part::Unknown,
        Fact::Absent => Part::Absent,
    }
}

fn state<'a>(view: &FlowView<'a>) -> Seen<'a> {
    match view.flow.state() {
        conntop_proto::flow::State::Unknown => Part::Unknown,
        state => Part::State(state_short(state)),
    }
}

const ADDRESS: (u16, u16) = (15, 39);
const WORD: (u16, u16) = (8, 12);
const NAME: (u16, u16) = (12, 24);

macro_rules! keys {
    ($($key:literal $(| $alias:literal)* : $header:literal, $width:expr, $cut:ident, $field:literal,
       $get:ident($getter:expr), $help:literal;)*) => {
        /// Everything that flows can be grouped by.
        pub static KEYS: &[GroupKey] = &[$(GroupKey {
            key: $key,
            aliases: &[$($alias),*],
            header: $header,
            width: $width,
            cut: Cut::$cut,
            field: $field,
            get: Getter::$get($getter),
            help: $help,
        }),*];
    };
}

keys! {
    "local": "LOCAL", ADDRESS, Middle, "local", One(|f| address(f.local())),
        "host at the local end";
    "remote": "REMOTE", ADDRESS, Middle, "remote", One(|f| address(f.remote())),
        "host at the other end";
    "src" | "source": "SOURCE", ADDRESS, Middle, "src", One(|f| Part::Address(f.orig().src)),
        "host that opened the connection";
    "dst" | "destination": "DESTINATION", ADDRESS, Middle, "dst", One(|f| Part::Address(f.orig().dst)),
        "host that the connection was opened to, before any translation";
    "host": "HOST", ADDRESS, Middle, "host",
        Two(|f| [Part::Address(f.orig().src), Part::Address(f.orig().dst)]),
        "host at either end; each flow is in the groups of both";
    "net24" | "net64" | "net": "NET", (18, 24), Middle, "remote", One(|f| net(f.remote().address)),
        "network of the other end: its /24, of IPv6 its /64";
    "localnet" | "local_net": "LOCAL NET", (18, 24), Middle, "local", One(|f| net(f.local().address)),
        "network of the local end: its /24, of IPv6 its /64";
    "port": "PORT", (6, 8), End, "port", Two(|f| [port(f.src()), port(f.dst())]),
        "port of either end; each flow is in the groups of both";
    "dport": "DPORT", (6, 8), End, "dport", One(|f| port(f.dst())),
        "port that the connection was opened to";
    "service": "SERVICE", WORD, End, "service", One(service),
        "usual name of what the destination port serves, else protocol and port";
    "country" | "cc": "CC", (7, 7), End, "cc", One(|f| value(Value::country(f, f.remote().address))),
        "country of the other end";
    "asn": "ASN", (9, 10), End, "remote_asn", One(|f| value(Value::asn(f, f.remote().address))),
        "number of the network (autonomous system) of the other end";
    "org": "ORG", (12, 32), End, "remote_org", One(|f| value(Value::org(f, f.remote().address))),
        "who runs the network of the other end";
    "proto" | "protocol": "PROTO", (7, 8), End, "proto", One(|f| Part::Proto(f.orig().proto)),
        "transport protocol";
    "state": "STATE", (7, 8), End, "state", One(state),
        "state of the connection";
    "process": "PROCESS", NAME, End, "process", One(process),
        "process at this machine's end";
    "user": "USER", WORD, End, "user", One(|f| text(f.process().map(|process| &*process.user))),
        "user whose process it is";
    "unit": "UNIT", NAME, End, "unit", One(unit),
        "unit or container of the process";
    "mark": "MARK", (10, 10), End, "mark", One(|f| Part::Mark(f.flow.mark())),
        "connection mark";
    "zone": "ZONE", (6, 6), End, "zone", One(|f| Part::Number(u64::from(f.flow.zone()))),
        "zone of the original direction, 0 when none";
    "nataddr" | "nat": "NAT ADDRESS", ADDRESS, Middle, "nataddr",
        Two(|f| [end(f.translated_source()), end(f.translated_destination())]),
        "address that source or destination is translated to; a flow with both is in two groups";
    "backend": "BACKEND", ADDRESS, Middle, "backend", One(|f| end(f.translated_destination())),
        "real destination behind a translated one";
    "node" | "router": "NODE", (9, 16), Middle, "node",
        One(|f| if f.node_name.is_empty() { Part::Unknown } else { Part::Text(f.node_name) }),
        "machine whose table it is in";
    "dir": "DIRECTION", (9, 9), End, "dir", One(|f| Part::Dir(f.dir)),
        "who opened it: in the other end, out the local end, internal, transit";
}
