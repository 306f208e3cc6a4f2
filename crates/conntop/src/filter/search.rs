//! Looking for texts in what flows are, without allocating in the usual cases.

use std::fmt::{self, Write};
use std::net::IpAddr;

use conntop_proto::flow::State;
use conntop_proto::tuple::L4;

use crate::columns::{Look, Value, end_reason, state_long, state_short};
use crate::enrich::Fact;
use crate::flow::FlowView;

/// Whether the text of a value contains one that is in lower case.
pub(super) fn contains(value: Value<'_>, text: &str) -> bool {
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
        Value::EndReason(reason) => found(end_reason(reason), text),
        other => found(&other.text(Look::default()), text),
    }
}

/// Whether `text` (in lower case) stands in `hay` in any case.
pub(super) fn found(hay: &str, text: &str) -> bool {
    if hay.is_ascii() {
        let (hay, text) = (hay.as_bytes(), text.as_bytes());
        return text.is_empty() || hay.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    }
    hay.to_lowercase().contains(text)
}

/// Whether `hay` begins with `text` (in lower case) in any case.
pub(super) fn begins(hay: &str, text: &str) -> bool {
    let mut letters = hay.chars().flat_map(char::to_lowercase);
    text.chars().all(|c| letters.next() == Some(c))
}

/// Whether a text is such as a glob (in lower case) says: `*` any letters, `?` one.
pub(super) fn globs(text: &str, glob: &str) -> bool {
    let mut rest = text.chars().flat_map(char::to_lowercase);
    let mut wanted = glob.chars();
    // Where to go on when it does not fit: behind the last star, one letter later.
    let mut retry: Option<(std::str::Chars<'_>, _)> = None;
    loop {
        let before = rest.clone();
        match (wanted.next(), rest.next()) {
            (Some('*'), _) => {
                rest = before;
                retry = Some((wanted.clone(), rest.clone()));
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (Some(_), None) => return false,
            _ => match &mut retry {
                Some((behind, from)) => {
                    if from.next().is_none() {
                        return false;
                    }
                    (wanted, rest) = (behind.clone(), from.clone());
                }
                None => return false,
            },
        }
    }
}

/// The same of an address as it is written.
pub(super) fn shown_globs(address: IpAddr, glob: &str) -> bool {
    let mut shown = Shown::default();
    let written = write!(shown, "{address}").is_ok();
    let text = shown.bytes.get(..shown.len).and_then(|bytes| std::str::from_utf8(bytes).ok());
    written && text.is_some_and(|text| globs(text, glob))
}

/// Whether a text (in any case) stands in anything that can be seen of a flow.
pub(super) fn visible_text(view: &FlowView<'_>, word: &str) -> bool {
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
        return told(view, text);
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
        || told(view, text)
}

/// Whether it stands in what is known beside the flow, names of hosts apart.
fn told(view: &FlowView<'_>, text: &str) -> bool {
    let known = |name: &str| found(name, text);
    if view.service().known().is_some_and(known) {
        return true;
    }
    if let Fact::Known(process) = view.process() {
        let unit = process.unit.as_ref().known().map(String::as_str);
        let words = [process.name.as_deref(), Some(process.user.as_str()), unit, process.command.as_deref()];
        if words.into_iter().flatten().any(known) {
            return true;
        }
    }
    if view.known.geo().is_empty() {
        return false;
    }
    // Longer texts stand in no country: it is two letters.
    let short = text.len() <= 2;
    let places = |address| {
        short && contains(Value::country(view, address), text)
            || contains(Value::org(view, address), text)
            || contains(Value::city(view, address), text)
    };
    let orig = view.orig();
    places(orig.src) || places(orig.dst)
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
