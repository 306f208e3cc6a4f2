//! Asking a filter about a flow, without allocating in the usual cases: this runs once per flow and
//! refresh.

use std::fmt::{self, Write};
use std::net::IpAddr;

use conntop_proto::flow::State;
use conntop_proto::tuple::L4;

use super::Tri;
use super::expr::{Expr, Op, Test};
use super::fields::Getter;
use super::operand::Operand;
use crate::columns::{FlowFlags, Look, Value, state_long, state_short};
use crate::flow::FlowView;
use crate::units::Elapsed;

pub(super) fn matches(expr: &Expr, view: &FlowView<'_>) -> Tri {
    match expr {
        Expr::And(parts) => {
            let mut all = Tri::True;
            for part in parts {
                all = all.and(matches(part, view));
                if all == Tri::False {
                    break;
                }
            }
            all
        }
        Expr::Or(parts) => {
            let mut any = Tri::False;
            for part in parts {
                any = any.or(matches(part, view));
                if any == Tri::True {
                    break;
                }
            }
            any
        }
        Expr::Not(inner) => matches(inner, view).not(),
        Expr::Test(test) => holds(test, view),
        Expr::Word(word) => Tri::from(visible_text(view, word)),
    }
}

fn holds(test: &Test, view: &FlowView<'_>) -> Tri {
    match test.field.get {
        Getter::One(get) => any_of(&[get(view)], test, view),
        Getter::Two(get) => any_of(&get(view), test, view),
        Getter::Four(get) => any_of(&get(view), test, view),
    }
}

fn any_of(values: &[Value<'_>], test: &Test, view: &FlowView<'_>) -> Tri {
    let mut any = Tri::False;
    for operand in &test.operands {
        any = any.or(match operand {
            Operand::Unknown => Tri::from(values.iter().any(|v| is_unknown(*v))),
            Operand::Host(name) => values.iter().fold(Tri::False, |any, value| match any {
                Tri::True => Tri::True,
                _ => any.or(is_called(*value, name, view)),
            }),
            Operand::None => Tri::from(values.iter().all(|v| *v == Value::Absent)),
            _ => values.iter().fold(Tri::False, |any, value| match any {
                Tri::True => Tri::True,
                _ => any.or(compare(*value, test.op, operand)),
            }),
        });
        if any == Tri::True {
            break;
        }
    }
    any
}

/// Whether an address has this name, or one that ends with it.
fn is_called(value: Value<'_>, wanted: &str, view: &FlowView<'_>) -> Tri {
    let Value::Address(address) = value else { return Tri::False };
    let Some(name) = view.name(address) else { return Tri::Unknown };
    let begin = name.len().checked_sub(wanted.len());
    let parts = begin.and_then(|begin| name.split_at_checked(begin));
    let ends = |(before, end): (&str, &str)| {
        end.eq_ignore_ascii_case(wanted) && (before.is_empty() || before.ends_with('.'))
    };
    parts.is_some_and(ends).into()
}

fn is_unknown(value: Value<'_>) -> bool {
    matches!(value, Value::Unknown | Value::Time(Elapsed::AtLeast(_)))
}

fn compare(value: Value<'_>, op: Op, operand: &Operand) -> Tri {
    match (value, operand) {
        (Value::Unknown, _) => Tri::Unknown,
        (Value::Absent, _) => Tri::False,
        (value, Operand::Text(text)) if op == Op::Contains => contains(value, text).into(),
        (Value::Range(range), Operand::Text(text)) => (range.word() == text).into(),
        (Value::Text(value), Operand::Text(text)) => {
            let equal = value.chars().flat_map(char::to_lowercase).eq(text.chars());
            equal.into()
        }
        (Value::Proto(value), Operand::Proto(proto)) => (value == *proto).into(),
        (Value::State(value), Operand::State { word }) => is_state(value, word).into(),
        (Value::Flags(value), Operand::Flags(flags)) => has_flags(value, *flags).into(),
        (Value::Dir(value), Operand::Dir(dir)) => (value == *dir).into(),
        (Value::Address(value), Operand::Net(net)) => net.contains(value).into(),
        (Value::End(value), Operand::Net(net)) => net.contains(value.address).into(),
        (Value::Status(value), Operand::Status(bit)) => value.has(*bit).into(),
        (Value::Offload(value), Operand::Offload(offload)) => (value == *offload).into(),
        (Value::Mark(mark), Operand::Mark { value, mask }) => (mark & mask == *value).into(),
        (Value::Labels(labels), Operand::Label(bit)) => (labels >> bit & 1 == 1).into(),
        (Value::Time(elapsed), Operand::Range(from, to)) => time(elapsed, op, *from, *to),
        (value, Operand::Range(from, to)) => match number(value) {
            Some(number) => within(number, op, *from, *to).into(),
            None => Tri::False,
        },
        _ => Tri::False,
    }
}

fn is_state(state: State, word: &str) -> bool {
    state_short(state) == word || state_long(state) == Some(word)
}

fn has_flags(flags: FlowFlags, wanted: FlowFlags) -> bool {
    flags.has(wanted)
}

/// In the base unit of operands.
fn number(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Port(port) => Some(u64::from(port)),
        Value::Rate(bytes) => Some(bytes.saturating_mul(8)),
        Value::Bytes(n) | Value::Count(n) | Value::Left(n) | Value::Number(n) => Some(n),
        _ => None,
    }
}

fn within(number: u64, op: Op, from: u64, to: u64) -> bool {
    match op {
        Op::Equal => from <= number && number <= to,
        Op::Less => number < from,
        Op::AtMost => number <= to,
        Op::More => number > to,
        Op::AtLeast => number >= from,
        Op::Contains => false,
    }
}

/// A time that is only known to be at least so long can decide some tests and not others.
fn time(elapsed: Elapsed, op: Op, from: u64, to: u64) -> Tri {
    let least = match elapsed {
        Elapsed::Exact(millis) => return within(millis, op, from, to).into(),
        Elapsed::AtLeast(millis) => millis,
    };
    match op {
        Op::More if least > to => Tri::True,
        Op::AtLeast if least >= from => Tri::True,
        Op::Less if least >= from => Tri::False,
        Op::AtMost | Op::Equal if least > to => Tri::False,
        _ => Tri::Unknown,
    }
}

/// Whether the text of a value contains one that is in lower case.
fn contains(value: Value<'_>, text: &str) -> bool {
    match value {
        Value::Unknown | Value::Absent => false,
        Value::Address(address) => has_address(address, text),
        Value::Port(port) => shown_contains(&port, text),
        Value::Proto(proto) => match proto.name() {
            Some(name) => name.contains(text),
            None => shown_contains(&proto.0, text),
        },
        Value::State(state) => {
            found(state_short(state), text) || state_long(state).is_some_and(|word| word.contains(text))
        }
        Value::Dir(dir) => dir.word().contains(text),
        Value::Text(value) => found(value, text),
        Value::Range(range) => found(range.word(), text),
        other => found(&other.text(Look::default()), text),
    }
}

/// Whether `text` (in lower case) stands in `hay` in any case.
fn found(hay: &str, text: &str) -> bool {
    if hay.is_ascii() {
        let (hay, text) = (hay.as_bytes(), text.as_bytes());
        return text.is_empty() || hay.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    }
    hay.to_lowercase().contains(text)
}

fn visible_text(view: &FlowView<'_>, word: &str) -> bool {
    let lower: String;
    let text = if word.chars().any(char::is_uppercase) {
        lower = word.to_lowercase();
        &lower
    } else {
        word
    };
    let (orig, reply) = (view.orig(), view.reply());
    let has = |value| contains(value, text);
    if has(Value::Proto(orig.proto))
        || has(Value::State(view.flow.state())) && view.flow.state() != State::Unknown
        || view.flow.helper().is_some_and(|helper| found(helper, text))
    {
        return true;
    }
    let called = |address| view.name(address).is_some_and(|name| found(name, text));
    if called(orig.src) || called(orig.dst) {
        return true;
    }
    // Most words cannot stand in an address or a port at all.
    if !text.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.') {
        return false;
    }
    let ports = |l4: L4| match l4 {
        L4::Ports { src, dst } => shown_contains(&src, text) || shown_contains(&dst, text),
        L4::None | L4::Icmp { .. } => false,
    };
    has_address(orig.src, text)
        || has_address(orig.dst, text)
        || ports(orig.l4)
        || (reply.src != orig.dst && has_address(reply.src, text))
        || (reply.dst != orig.src && has_address(reply.dst, text))
        || (reply != orig.inverse() && ports(reply.l4))
}

fn has_address(address: IpAddr, text: &str) -> bool {
    match address {
        IpAddr::V4(address) => {
            let mut shown = Shown::default();
            shown.dotted(address.octets());
            shown.contains(text)
        }
        IpAddr::V6(address) => shown_contains(&address, text),
    }
}

fn shown_contains(value: &dyn fmt::Display, text: &str) -> bool {
    let mut shown = Shown::default();
    write!(shown, "{value}").is_ok() && shown.contains(text)
}

/// Room for the text of an address or number, without allocation.
struct Shown {
    bytes: [u8; 48],
    len: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self { bytes: [0; 48], len: 0 }
    }
}

impl Shown {
    /// Looks at every place: these texts are too short for anything cleverer.
    fn contains(&self, text: &str) -> bool {
        let (hay, text) = (self.bytes.get(..self.len).unwrap_or(&[]), text.as_bytes());
        text.is_empty() || hay.windows(text.len()).any(|part| part == text)
    }

    /// An IPv4 address, several times faster than its `Display`.
    fn dotted(&mut self, octets: [u8; 4]) {
        for (at, octet) in octets.into_iter().enumerate() {
            if at > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

impl Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_of_addresses_are_searched(address: IpAddr, from in 0_usize..40, len in 0_usize..10) {
            let shown = address.to_string();
            let part: String = shown.chars().skip(from).take(len).collect();
            prop_assert!(has_address(address, &part));
            let longer = shown.clone() + "0";
            prop_assert!(!has_address(address, &longer));
            let mut v4 = Shown::default();
            if let IpAddr::V4(address) = address {
                v4.dotted(address.octets());
                prop_assert_eq!(v4.bytes.get(..v4.len), Some(shown.as_bytes()));
            }
        }
    }
}
