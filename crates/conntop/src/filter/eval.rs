//! Asking a filter about a flow, without allocating in the usual cases: this runs once per flow and
//! refresh.

use conntop_proto::flow::State;

use super::Tri;
use super::expr::{Expr, Op, Test};
use super::fields::{Getter, Kind};
use super::operand::Operand;
use super::search::{begins, contains, globs, shown_globs, visible_text};
use crate::columns::{FlowFlags, Value, end_reason, state_long, state_short};
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
            Operand::Host(_) | Operand::Glob(_) | Operand::Begun(_) if test.field.kind == Kind::Host => {
                values.iter().fold(Tri::False, |any, value| match any {
                    Tri::True => Tri::True,
                    _ => any.or(is_called(*value, operand, view)),
                })
            }
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
fn is_called(value: Value<'_>, wanted: &Operand, view: &FlowView<'_>) -> Tri {
    let Value::Address(address) = value else { return Tri::False };
    if let Operand::Glob(glob) = wanted {
        if shown_globs(address, glob) {
            return Tri::True;
        }
        if !glob.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            return Tri::False;
        }
    }
    let Some(name) = view.name(address) else { return Tri::Unknown };
    Tri::from(match wanted {
        Operand::Host(end) => ends(name, end),
        Operand::Glob(glob) => globs(name, glob),
        Operand::Begun(text) => {
            let labels = name.match_indices('.').map(|(dot, _)| dot + 1);
            labels.chain([0]).any(|at| name.get(at..).is_some_and(|rest| begins(rest, text)))
        }
        _ => false,
    })
}

/// Whether a name is this one or within this domain.
fn ends(name: &str, wanted: &str) -> bool {
    let begin = name.len().checked_sub(wanted.len());
    let parts = begin.and_then(|begin| name.split_at_checked(begin));
    parts.is_some_and(|(before, end)| {
        end.eq_ignore_ascii_case(wanted) && (before.is_empty() || before.ends_with('.'))
    })
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
        (Value::EndReason(reason), Operand::Text(text)) => (end_reason(reason) == text).into(),
        (value, Operand::Glob(_) | Operand::Begun(_)) => {
            let word = match value {
                Value::Text(text) => text,
                Value::Range(range) => range.word(),
                Value::EndReason(reason) => end_reason(reason),
                _ => return Tri::False,
            };
            Tri::from(match operand {
                Operand::Glob(glob) => globs(word, glob),
                Operand::Begun(text) => begins(word, text),
                _ => false,
            })
        }
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
