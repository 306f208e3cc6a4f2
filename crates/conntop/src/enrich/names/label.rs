//! Names of hosts as resolvers tell them: whoever runs the reverse zone of an address writes what he
//! likes there, so nothing but letters, digits, `-` and `_` is let in.

/// Longest name, as RFC 1035 has it.
const MAX_NAME: usize = 253;
/// Longest label, as RFC 1035 has it.
const MAX_LABEL: usize = 63;

/// The name of these labels in lower case; `None` if any is not one of a host.
#[must_use]
pub fn host_name<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Option<Box<str>> {
    let mut name = String::new();
    for label in labels {
        let sound = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if label.is_empty() || label.len() > MAX_LABEL || !label.iter().all(sound) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
        if name.len() > MAX_NAME {
            return None;
        }
    }
    (!name.is_empty()).then(|| name.into_boxed_str())
}

/// The same of a text with dots; one at its end is left out.
#[must_use]
pub fn host_name_of(text: &[u8]) -> Option<Box<str>> {
    host_name(text.strip_suffix(b".").unwrap_or(text).split(|b| *b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |text: &[u8], wanted: Option<&str>| {
            assert_eq!(host_name_of(text).as_deref(), wanted, "{}", text.escape_ascii());
        };
        check(b"WWW.Example.com.", Some("www.example.com"));
        check(b"_dmarc.a-b.xn--bcher-kva.example", Some("_dmarc.a-b.xn--bcher-kva.example"));
        check(b"nas", Some("nas"));
        let hostile: [&[u8]; 14] = [
            b"",
            b".",
            b"a..b",
            b".a",
            b"\x1b[2J.example.com",
            b"a b",
            b"a\nb",
            b"a\0b",
            b"r\xc3\xa4t.example",
            b"\xff",
            "\u{202e}moc.elpmaxe".as_bytes(),
            b"=cmd|' /C calc'!A0",
            b"<script>.example",
            b"a/../b",
        ];
        for text in hostile {
            check(text, None);
        }
        check(&[b'a'; 63], Some(&"a".repeat(63)));
        check(&[b'a'; 64], None);
        check(
            &b"a.".repeat(126),
            Some(&b"a.".repeat(126).iter().map(|b| char::from(*b)).collect::<String>()[..251]),
        );
        check(&b"a.".repeat(128), None);
        // A dot within a label is no border between two.
        assert_eq!(host_name([b"www.evil".as_slice(), b"com"]), None);
    }
}
