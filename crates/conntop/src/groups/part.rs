//! What names a group: the value that its flows have in common.

use std::cmp::Ordering;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::net::IpAddr;

use conntop_proto::tuple::Proto;
use foldhash::fast::FixedState;

use crate::orient::{Dir, Net};

/// A value that flows can have in common. Texts are the same in any case, as they are for filters.
#[derive(Clone, Copy, Debug)]
pub enum Part<T> {
    /// Address.
    Address(IpAddr),
    /// Network.
    Net(Net),
    /// Protocol.
    Proto(Proto),
    /// Port.
    Port(u16),
    /// A port of a protocol whose service has no name.
    Nameless(Proto, u16),
    /// Direction.
    Dir(Dir),
    /// State, by its short word.
    State(&'static str),
    /// Number.
    Number(u64),
    /// Number of an autonomous system.
    Asn(u64),
    /// Mark.
    Mark(u32),
    /// Text from outside.
    Text(T),
    /// Any of the values that no group could be made for.
    Other,
    /// The flows have none.
    Absent,
    /// Nobody knows it.
    Unknown,
}

/// A value as a flow has it.
pub type Seen<'a> = Part<&'a str>;
/// A value as a group keeps it.
pub type Kept = Part<Box<str>>;

impl Kept {
    /// The same, borrowed.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        self.map(|text| &**text)
    }
}

impl Seen<'_> {
    /// The same for longer.
    #[must_use]
    pub fn keep(&self) -> Kept {
        self.map(|text| Box::from(*text))
    }
}

impl<T> Part<T> {
    fn map<'a, U>(&'a self, text: impl FnOnce(&'a T) -> U) -> Part<U> {
        match self {
            Self::Address(address) => Part::Address(*address),
            Self::Net(net) => Part::Net(*net),
            Self::Proto(proto) => Part::Proto(*proto),
            Self::Port(port) => Part::Port(*port),
            Self::Nameless(proto, port) => Part::Nameless(*proto, *port),
            Self::Dir(dir) => Part::Dir(*dir),
            Self::State(word) => Part::State(word),
            Self::Number(number) => Part::Number(*number),
            Self::Asn(number) => Part::Asn(*number),
            Self::Mark(mark) => Part::Mark(*mark),
            Self::Text(t) => Part::Text(text(t)),
            Self::Other => Part::Other,
            Self::Absent => Part::Absent,
            Self::Unknown => Part::Unknown,
        }
    }

    /// Whether it is a value at all, and none of the words that stand for the rest.
    #[must_use]
    pub fn is_value(&self) -> bool {
        !matches!(self, Self::Other | Self::Absent | Self::Unknown)
    }

    /// Kinds that mix in one key stand in this order; what is no value stands last.
    fn kind(&self) -> u8 {
        match self {
            Self::Address(_) => 0,
            Self::Net(_) => 1,
            Self::Proto(_) => 2,
            Self::Port(_) => 3,
            Self::Text(_) => 4,
            Self::Nameless(..) => 5,
            Self::Dir(_) => 6,
            Self::State(_) => 7,
            Self::Number(_) => 8,
            Self::Asn(_) => 9,
            Self::Mark(_) => 10,
            Self::Other => 11,
            Self::Absent => 12,
            Self::Unknown => 13,
        }
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn compare(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let lower = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
        return match a.eq_ignore_ascii_case(b) {
            true => Ordering::Equal,
            false => lower(a).cmp(&lower(b)),
        };
    }
    folded(a).cmp(folded(b))
}

impl Ord for Seen<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Address(a), Self::Address(b)) => a.cmp(b),
            (Self::Net(a), Self::Net(b)) => a.cmp(b),
            (Self::Proto(a), Self::Proto(b)) => a.0.cmp(&b.0),
            (Self::Port(a), Self::Port(b)) => a.cmp(b),
            (Self::Nameless(a, p), Self::Nameless(b, q)) => (a.0, p).cmp(&(b.0, q)),
            (Self::Dir(a), Self::Dir(b)) => a.cmp(b),
            (Self::State(a), Self::State(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) | (Self::Asn(a), Self::Asn(b)) => a.cmp(b),
            (Self::Mark(a), Self::Mark(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => compare(a, b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Seen<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Seen<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Seen<'_> {}

impl Hash for Seen<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.kind());
        match self {
            Self::Address(IpAddr::V4(address)) => state.write_u32(address.to_bits()),
            Self::Address(IpAddr::V6(address)) => state.write_u128(address.to_bits()),
            Self::Net(net) => net.hash(state),
            Self::Proto(proto) => state.write_u8(proto.0),
            Self::Port(port) => state.write_u16(*port),
            Self::Nameless(proto, port) => {
                state.write_u8(proto.0);
                state.write_u16(*port);
            }
            Self::Dir(dir) => dir.hash(state),
            Self::State(word) => word.hash(state),
            Self::Number(number) | Self::Asn(number) => state.write_u64(*number),
            Self::Mark(mark) => state.write_u32(*mark),
            Self::Text(text) if text.is_ascii() => {
                text.bytes().for_each(|byte| state.write_u32(u32::from(byte.to_ascii_lowercase())));
            }
            Self::Text(text) => folded(text).for_each(|letter| state.write_u32(u32::from(letter))),
            Self::Other | Self::Absent | Self::Unknown => {}
        }
    }
}

/// Both values of a group; the second is absent where flows are grouped by one key.
pub type Pair<'a> = [Seen<'a>; 2];

/// What names a group among those of one grouping, from one refresh to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub(super) u64);

impl GroupId {
    /// That of the group with these values.
    pub(super) fn of(parts: &Pair<'_>) -> Self {
        Self(FixedState::with_seed(0x67_726f_7570).hash_one(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_in_any_case() {
        let id = |text| GroupId::of(&[Seen::Text(text), Seen::Absent]);
        for (a, b, same) in
            [("Web", "wEB", true), ("Straße", "STRAßE", true), ("ÄB", "äb", true), ("a", "b", false)]
        {
            assert_eq!(Seen::Text(a) == Seen::Text(b), same, "{a} {b}");
            assert_eq!(id(a) == id(b), same, "{a} {b}");
        }
    }

    #[test]
    fn a_value_is_small() {
        assert_eq!(size_of::<Kept>(), 24);
    }
}
