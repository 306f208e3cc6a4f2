//! What fields are compared with: reading and printing by the kind of the field.

use std::fmt;

use conntop_proto::flow::Status;
use conntop_proto::tuple::{self, Proto};

use super::expr::quote;
use super::fields::Kind;
use crate::columns::{FlowFlags, Offload, STATES, STATUSES, nearest};
use crate::enrich::services::Services;
use crate::orient::{Dir, Net, NetError};
use crate::units;

/// Something to compare a field with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// What nobody knows.
    Unknown,
    /// What is not there.
    None,
    /// IP protocol.
    Proto(Proto),
    /// Any state with that word: a place in [`STATES`] and whether its short word was meant.
    State {
        /// Word as it is printed.
        word: &'static str,
    },
    /// All of these flags.
    Flags(FlowFlags),
    /// Direction.
    Dir(Dir),
    /// Network or address.
    Net(Net),
    /// Name of a host or the end of one, in lower case.
    Host(String),
    /// Numbers from the first to the second, in the base unit of the field: bits per second, bytes,
    /// milliseconds.
    Range(u64, u64),
    /// Status bit.
    Status(Status),
    /// Who forwards.
    Offload(Offload),
    /// Mark, where these bits count.
    Mark {
        /// Value of the bits that count.
        value: u32,
        /// Bits that count.
        mask: u32,
    },
    /// Number of a label.
    Label(u8),
    /// Text in lower case.
    Text(String),
    /// Text in lower case in which `*` stands for any letters and `?` for one.
    Glob(String),
    /// Text in lower case that the value begins with, or a label of a name: what is being typed still. A
    /// filter that was read as a whole has none.
    Begun(String),
}

/// What was expected instead, and what may have been meant.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    fn new(kind: Kind) -> Self {
        let expected = match kind {
            Kind::Number(most) if most < u64::MAX => format!("a number from 0 to {most}"),
            _ => kind.expects().to_owned(),
        };
        Self { expected, hint: None }
    }

    fn meant<'a>(kind: Kind, word: &str, words: impl Iterator<Item = &'a str>) -> Self {
        let hint = nearest(word, words).map(|near| format!("did you mean `{near}`?"));
        Self { hint, ..Self::new(kind) }
    }
}

impl Operand {
    /// Reads the operand of a field.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, Wrong> {
        if text.eq_ignore_ascii_case("unknown") {
            return Ok(Self::Unknown);
        }
        let may_be_absent =
            matches!(kind, Kind::Text | Kind::Net | Kind::Host | Kind::Port | Kind::Label | Kind::Asn);
        if may_be_absent && text.eq_ignore_ascii_case("none") {
            return Ok(Self::None);
        }
        match kind {
            Kind::Proto => proto(text),
            Kind::State => state(text),
            Kind::Flags => flags(text),
            Kind::Dir => named(kind, text, &Dir::ALL, |dir| dir.word()).map(Self::Dir),
            Kind::Net => net(kind, text),
            Kind::Host if is_glob(text) && is_name(&text.replace(GLOB, "a")) => {
                Ok(Self::Glob(text.to_ascii_lowercase()))
            }
            Kind::Host if is_name(text) => Ok(Self::Host(text.trim_matches('.').to_ascii_lowercase())),
            Kind::Host => net(kind, text),
            Kind::Port | Kind::Rate | Kind::Bytes | Kind::Count | Kind::Duration | Kind::Number(_) => {
                range(kind, text)
            }
            Kind::Status => named(kind, text, STATUSES, |(_, word)| word).map(|(bit, _)| Self::Status(bit)),
            Kind::Offload => named(kind, text, &Offload::ALL, |o| o.word()).map(Self::Offload),
            Kind::Mark => mark(text).ok_or_else(|| Wrong::new(kind)),
            Kind::Label => match text.parse() {
                Ok(bit @ 0..=127) if is_digits(text) => Ok(Self::Label(bit)),
                _ => Err(Wrong::new(kind)),
            },
            Kind::Asn => {
                let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
                let number = digits.parse().ok().filter(|_| is_digits(digits));
                number.map(|n: u32| Self::Range(n.into(), n.into())).ok_or_else(|| Wrong::new(kind))
            }
            Kind::Text if is_glob(text) => Ok(Self::Glob(text.to_lowercase())),
            Kind::Text => Ok(Self::text(text)),
            Kind::Since => named(kind, text, &["mark"], |word| word).map(Self::text),
            Kind::YesNo => named(kind, text, &["yes", "no"], |word| word).map(Self::text),
        }
    }

    /// A text to be searched for.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_lowercase())
    }

    pub(super) fn print(&self, f: &mut fmt::Formatter<'_>, kind: Kind) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::None => f.write_str("none"),
            Self::Proto(proto) => match proto.name() {
                Some(name) => f.write_str(name),
                None => write!(f, "{}", proto.0),
            },
            Self::State { word } => f.write_str(word),
            Self::Flags(flags) => f.write_str(&flags.letters()),
            Self::Dir(dir) => f.write_str(dir.word()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Host(name) => quote(f, name),
            Self::Range(from, to) if from == to => f.write_str(&exact(kind, *from)),
            Self::Range(from, to) => write!(f, "{}-{}", exact(kind, *from), exact(kind, *to)),
            Self::Status(bit) => {
                let word = STATUSES.iter().find(|(status, _)| status == bit);
                f.write_str(word.map_or("unknown", |(_, word)| word))
            }
            Self::Offload(offload) => f.write_str(offload.word()),
            Self::Mark { value, mask: u32::MAX } => write!(f, "{value:#x}"),
            Self::Mark { value, mask } => write!(f, "{value:#x}/{mask:#x}"),
            Self::Label(bit) => write!(f, "{bit}"),
            Self::Text(text) | Self::Begun(text) => quote(f, text),
            Self::Glob(glob) => f.write_str(glob),
        }
    }
}

/// Signs of a glob.
const GLOB: [char; 2] = ['*', '?'];

fn is_glob(text: &str) -> bool {
    text.contains(GLOB)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn named<T: Copy>(kind: Kind, text: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, Wrong> {
    let found = all.iter().copied().find(|one| word(*one).eq_ignore_ascii_case(text));
    found.ok_or_else(|| Wrong::meant(kind, text, all.iter().map(|one| word(*one))))
}

fn proto(text: &str) -> Result<Operand, Wrong> {
    let by_number = || text.parse().ok().filter(|_| is_digits(text)).map(Proto);
    let found = Proto::from_name(text).or_else(by_number);
    let names = tuple::NAMES.iter().map(|(_, name)| *name);
    found.map(Operand::Proto).ok_or_else(|| Wrong::meant(Kind::Proto, text, names))
}

fn state(text: &str) -> Result<Operand, Wrong> {
    let long = STATES.iter().map(|w| w.long);
    let words = STATES.iter().map(|w| w.short).chain(long);
    let found = words.clone().find(|word| word.eq_ignore_ascii_case(text));
    found.map(|word| Operand::State { word }).ok_or_else(|| Wrong::meant(Kind::State, text, words))
}

fn flags(text: &str) -> Result<Operand, Wrong> {
    let mut flags = FlowFlags::default();
    for letter in text.chars() {
        let found = FlowFlags::LETTERS.iter().find(|(c, _)| c.eq_ignore_ascii_case(&letter));
        let (_, flag) = found.ok_or_else(|| Wrong::new(Kind::Flags))?;
        flags = flags.with(*flag);
    }
    if text.is_empty() { Err(Wrong::new(Kind::Flags)) } else { Ok(Operand::Flags(flags)) }
}

/// Whether a text can only be a name: of letters, digits, `-` and `_`, with a letter, and no address.
fn is_name(text: &str) -> bool {
    let sound = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    sound && text.bytes().any(|b| b.is_ascii_alphabetic())
}

fn net(kind: Kind, text: &str) -> Result<Operand, Wrong> {
    text.parse().map(Operand::Net).map_err(|error| match error {
        NetError::Address => {
            let hint = is_name(text) && text.contains('.');
            Wrong {
                hint: hint.then(|| format!("names are asked for by `host {text}` and `dst_name {text}`")),
                ..Wrong::new(kind)
            }
        }
        NetError::Prefix { most } => {
            Wrong { expected: format!("a prefix length from 0 to {most}"), hint: None }
        }
    })
}

/// One number of an ordered kind.
fn number(kind: Kind, text: &str) -> Result<u64, Wrong> {
    let unit = |result: Result<u64, units::UnitError>| {
        result.map_err(|error| match error {
            units::UnitError::Number => Wrong::new(kind),
            other => Wrong { expected: other.to_string(), hint: None },
        })
    };
    let plain = |most: u64| {
        let number = text.parse().ok().filter(|number| is_digits(text) && *number <= most);
        number.ok_or_else(|| Wrong::new(kind))
    };
    match kind {
        Kind::Rate => unit(units::bits_per_second(text)),
        Kind::Bytes => unit(units::bytes(text)),
        Kind::Count => unit(units::count(text)),
        Kind::Duration => unit(units::millis(text)),
        Kind::Number(most) => plain(most),
        Kind::Port => {
            let number = plain(u64::from(u16::MAX));
            match number.is_err().then(|| Services::of_machine().port(text)).flatten() {
                Some(port) => Ok(u64::from(port)),
                None => number.map_err(|wrong| {
                    let near = nearest(text, Services::usual_names().map(|(name, _)| name));
                    Wrong { hint: near.map(|near| format!("did you mean `{near}`?")), ..wrong }
                }),
            }
        }
        _ => Err(Wrong::new(kind)),
    }
}

fn range(kind: Kind, text: &str) -> Result<Operand, Wrong> {
    // Services have hyphens in their names, too.
    let named = kind == Kind::Port && Services::of_machine().port(text).is_some();
    let Some((from, to)) = text.split_once('-').filter(|_| !named) else {
        let number = number(kind, text)?;
        return Ok(Operand::Range(number, number));
    };
    let (from, to) = (number(kind, from)?, number(kind, to)?);
    if from <= to {
        return Ok(Operand::Range(from, to));
    }
    Err(Wrong { expected: "a range from less to more".to_owned(), hint: None })
}

fn mark(text: &str) -> Option<Operand> {
    let read = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')),
        None => text.parse().ok().filter(|_| is_digits(text)),
    };
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (read(value)?, read(mask)?),
        None => (read(text)?, u32::MAX),
    };
    Some(Operand::Mark { value: value & mask, mask })
}

fn exact(kind: Kind, value: u64) -> String {
    match kind {
        Kind::Rate => units::exact_bits_per_second(value),
        Kind::Bytes => units::exact_bytes(value),
        Kind::Count => units::exact_count(value),
        Kind::Duration => units::exact_millis(value),
        _ => value.to_string(),
    }
}
