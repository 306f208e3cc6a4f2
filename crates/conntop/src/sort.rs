//! Order of rows: a key of 20 bytes for any value, so that sorting a million flows moves little.
//! What a flow does not have, and then what is unknown, stands at the end in both directions; equal
//! keys are ordered by flow id, so no order is left to chance.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::columns::{self, Column, Order, Value};
use crate::flow::FlowView;
use crate::orient::End;

/// By what rows are ordered.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// Column.
    pub column: &'static Column,
    /// Direction.
    pub order: Order,
}

impl PartialEq for Sort {
    fn eq(&self, other: &Self) -> bool {
        self.column.key == other.column.key && self.order == other.order
    }
}

/// What is wrong with the text of a sort order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SortError {
    /// No such column.
    #[error(transparent)]
    Column(#[from] columns::UnknownColumn),
    /// Not a direction.
    #[error("`{0}` is no direction; write asc or desc")]
    Order(String),
}

impl Sort {
    /// By that column in its usual direction.
    #[must_use]
    pub fn by(column: &'static Column) -> Self {
        Self { column, order: column.order }
    }

    /// Reads `COLUMN`, `COLUMN:asc` or `COLUMN:desc`.
    ///
    /// # Errors
    /// When there is no such column or direction.
    pub fn parse(text: &str) -> Result<Self, SortError> {
        let (key, order) = match text.split_once(':') {
            Some((key, order)) => (key, Some(order)),
            None => (text, None),
        };
        let column = columns::find(key)?;
        let order = match order {
            None => column.order,
            Some("asc") => Order::Ascending,
            Some("desc") => Order::Descending,
            Some(other) => return Err(SortError::Order(other.to_owned())),
        };
        Ok(Self { column, order })
    }

    /// The key of a flow: smaller keys stand first.
    #[must_use]
    pub fn key(&self, view: &FlowView<'_>) -> SortKey {
        let key = SortKey::of((self.column.value)(view));
        match self.order {
            Order::Ascending => key,
            Order::Descending => key.inverse(),
        }
    }
}

/// Place of a value in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(Rust, packed(4))] // A view keeps two for each flow.
pub struct SortKey {
    class: u16,
    high: u64,
    low: u64,
    last: u16,
}

impl Ord for SortKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Numbers, which most columns are, differ in their low half only.
        let head = |key: &Self| (key.class, key.high);
        let (own, others) = (head(self), head(other));
        match own == others {
            true => { self.low }.cmp(&{ other.low }).then_with(|| { self.last }.cmp(&{ other.last })),
            false => own.cmp(&others),
        }
    }
}

impl PartialOrd for SortKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const FIRST: u16 = 0;
const SECOND: u16 = 1;
const ABSENT: u16 = 2;
const UNKNOWN: u16 = 3;
const APPENDED: u16 = 4;

impl SortKey {
    /// The key of a value, ascending.
    #[must_use]
    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::Unknown => Self::class(UNKNOWN),
            Value::Absent => Self::class(ABSENT),
            Value::Proto(proto) => Self::number(u64::from(proto.0)),
            Value::State(state) => Self::number(columns::state_rank(state)),
            Value::Flags(flags) => Self::number(u64::from(flags.bits())),
            Value::Dir(dir) => Self::number(dir as u64),
            Value::Address(address) => Self::end(End { address, port: None }),
            Value::End(end) => Self::end(end),
            Value::Port(port) => Self::number(u64::from(port)),
            Value::Rate(n) | Value::Bytes(n) | Value::Count(n) | Value::Left(n) | Value::Number(n) => {
                Self::number(n)
            }
            Value::Time(elapsed) => Self::number(elapsed.certain()),
            Value::Status(status) => Self::number(u64::from(status.0)),
            Value::Offload(offload) => Self::number(offload as u64),
            Value::Mark(mark) => Self::number(u64::from(mark)),
            Value::Labels(labels) => Self::wide(FIRST, labels),
            Value::Text(text) => Self::text(text),
            Value::Range(range) => Self::text(range.word()),
            Value::EndReason(reason) => Self::number(reason as u64),
        }
    }

    /// A place behind everything else, in the order of `number`.
    #[must_use]
    pub fn appended(number: u64) -> Self {
        Self { class: APPENDED, high: 0, low: number, last: 0 }
    }

    fn class(class: u16) -> Self {
        Self { class, high: 0, low: 0, last: 0 }
    }

    fn number(number: u64) -> Self {
        Self { class: FIRST, high: 0, low: number, last: 0 }
    }

    fn wide(class: u16, number: u128) -> Self {
        let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self { class, high: u64::try_from(number >> 64).unwrap_or(u64::MAX), low, last: 0 }
    }

    fn end(end: End) -> Self {
        let key = match end.address {
            IpAddr::V4(address) => Self::number(u64::from(address.to_bits())),
            IpAddr::V6(address) => Self::wide(SECOND, address.to_bits()),
        };
        Self { last: end.port.unwrap_or(0), ..key }
    }

    /// By the first sixteen bytes; no name that the kernel gives is longer.
    fn text(text: &str) -> Self {
        let bytes = text.bytes().chain(std::iter::repeat(0)).take(16);
        Self::wide(FIRST, bytes.fold(0, |n, b| n << 8 | u128::from(b.to_ascii_lowercase())))
    }

    fn inverse(self) -> Self {
        if self.class > SECOND {
            return self;
        }
        Self { class: SECOND - self.class, high: !self.high, low: !self.low, last: !self.last }
    }
}

/// A [`SortKey`] of a value with less than 2^60 possibilities, in the same order among keys of one
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NarrowKey(u64);

/// Bits of the value of a narrow key; above them whether it is inverted, then the class.
const NARROW: u32 = 60;
const INVERTED: u64 = 1 << NARROW;

impl SortKey {
    /// The same in eight bytes, if it fits.
    #[inline]
    pub(crate) fn narrow(self) -> Option<NarrowKey> {
        let Self { class, high, low, last } = self;
        let class = u64::from(class) << (NARROW + 1);
        match (high, last) {
            (0, 0) if low < INVERTED => Some(NarrowKey(class | low)),
            (u64::MAX, u16::MAX) if !low < INVERTED => {
                Some(NarrowKey(class | INVERTED | (low & (INVERTED - 1))))
            }
            _ => None,
        }
    }
}

impl From<NarrowKey> for SortKey {
    #[inline]
    fn from(NarrowKey(key): NarrowKey) -> Self {
        let class = u16::try_from(key >> (NARROW + 1)).unwrap_or(UNKNOWN);
        let value = key & (INVERTED - 1);
        if key & INVERTED == 0 {
            Self { class, high: 0, low: value, last: 0 }
        } else {
            Self { class, high: u64::MAX, low: value | !(INVERTED - 1), last: u16::MAX }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_ordered() {
        let address = |text: &str| Value::Address(text.parse().unwrap());
        let check = |values: &[Value<'_>]| {
            for pair in values.windows(2) {
                let (a, b) = (SortKey::of(pair[0]), SortKey::of(pair[1]));
                assert!(a < b, "{pair:?}");
                assert!(b.class > SECOND || b.inverse() < a.inverse(), "{pair:?}");
            }
        };
        check(&[Value::Rate(0), Value::Rate(9), Value::Rate(u64::MAX), Value::Absent, Value::Unknown]);
        check(&[address("9.0.0.1"), address("10.0.0.1"), address("::"), address("fe80::1")]);
        check(&[Value::Text("amanda"), Value::Text("FTP"), Value::Text("ftp-20"), Value::Absent]);
        check(&[Value::Labels(1), Value::Labels(1 << 70), Value::Absent]);
        let end = |text: &str, port| Value::End(End { address: text.parse().unwrap(), port: Some(port) });
        check(&[end("10.0.0.1", 1), end("10.0.0.1", 2), end("10.0.0.2", 1), end("::1", 1), end("::1", 2)]);
        assert!(SortKey::of(Value::Unknown) < SortKey::appended(0));
        assert!(SortKey::appended(0) < SortKey::appended(1));
    }

    #[test]
    fn narrow_keys_are_the_same_keys() {
        let check = |values: &[Value<'_>], narrow: bool| {
            for inverse in [false, true] {
                let key = |key: SortKey| if inverse { key.inverse() } else { key };
                let mut keys: Vec<SortKey> = values.iter().map(|value| key(SortKey::of(*value))).collect();
                keys.sort();
                let small: Vec<_> = keys.iter().filter_map(|key| key.narrow()).collect();
                assert!(small.is_sorted());
                assert_eq!(small.len(), if narrow { keys.len() } else { 0 }, "{values:?}");
                let back: Vec<SortKey> = small.iter().map(|key| (*key).into()).collect();
                assert!(!narrow || back == keys, "{values:?}");
            }
        };
        let address = |text: &str| Value::Address(text.parse().unwrap());
        let numbers = [0, 1, 7, 1 << 32, (1 << 60) - 1].map(Value::Rate);
        check(&[&numbers[..], &[Value::Absent, Value::Unknown]].concat(), true);
        check(&[address("0.0.0.0"), address("10.0.0.1"), address("255.255.255.255")], true);
        check(
            &[address("fe80::1"), Value::Number(1 << 60), Value::Text("sip"), Value::Labels(1 << 90)],
            false,
        );
    }

    #[test]
    fn texts_name_column_and_direction() {
        let check = |text: &str, wanted: Result<(&str, Order), &str>| {
            let parsed = Sort::parse(text).map(|s| (s.column.key, s.order)).map_err(|e| e.to_string());
            assert_eq!(parsed, wanted.map_err(str::to_owned), "{text}");
        };
        check("bytes", Ok(("bytes", Order::Descending)));
        check("total:asc", Ok(("bytes", Order::Ascending)));
        check("src", Ok(("src", Order::Ascending)));
        check("src:desc", Ok(("src", Order::Descending)));
        check("src:up", Err("`up` is no direction; write asc or desc"));
        check("dprt", Err("no column `dprt`; did you mean `dport`?"));
        check("", Err("no column ``; `conntop --help` lists them"));
    }
}
