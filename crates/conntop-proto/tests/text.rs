//! The sanitizer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;

use conntop_proto::codec::{Validate, decode_line};
use conntop_proto::limits::MAX_TEXT;
use conntop_proto::message::ServerMessage;
use conntop_proto::text::{is_hostile, sanitize, sanitize_bytes};
use proptest::prelude::*;

#[test]
fn what_is_shown() {
    for (input, expected) in [
        ("eth0.100", "eth0.100"),
        ("", ""),
        ("Küche 漢字 🙂", "Küche 漢字 🙂"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\0b\tc\nd\re", r"a\x00b\x09c\x0ad\x0de"),
        ("\x7f\u{80}\u{9b}2J", r"\x7f\x80\x9b2J"),
        ("abc\u{202e}cba", r"abc\u{202e}cba"),
        ("\u{202a}\u{202b}\u{202c}\u{202d}", r"\u{202a}\u{202b}\u{202c}\u{202d}"),
        ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u{2066}\u{2067}\u{2068}\u{2069}"),
        ("a\u{200b}b\u{200d}c\u{feff}", r"a\u{200b}b\u{200d}c\u{feff}"),
        ("x\u{e0041}\u{e007f}", r"x\u{e0041}\u{e007f}"),
        ("line\u{2028}paragraph\u{2029}", r"line\u{2028}paragraph\u{2029}"),
        (r"back\slash stays", r"back\slash stays"),
    ] {
        assert_eq!(sanitize(input), expected, "{input:?}");
        assert_eq!(sanitize_bytes(input.as_bytes()), expected, "bytes of {input:?}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    for (input, expected) in [
        (&b"\xff\xfe"[..], r"\xff\xfe"),
        (b"caf\xe9", r"caf\xe9"),
        (b"\xe2\x80", r"\xe2\x80"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"ok\x1b\xc0\x80", r"ok\x1b\xc0\x80"),
    ] {
        assert_eq!(sanitize_bytes(input), expected, "{input:?}");
    }
}

#[test]
fn cut_between_characters() {
    for (input, expected) in [
        ("a".repeat(MAX_TEXT), "a".repeat(MAX_TEXT)),
        ("a".repeat(MAX_TEXT + 1), "a".repeat(MAX_TEXT)),
        ("漢".repeat(86), "漢".repeat(85)),
        ("a".to_owned() + &"漢".repeat(85), "a".to_owned() + &"漢".repeat(84)),
        ("a".repeat(MAX_TEXT - 3) + "\x1b", "a".repeat(MAX_TEXT - 3)),
        ("\x1b".repeat(100), r"\x1b".repeat(MAX_TEXT / 4)),
    ] {
        assert_eq!(sanitize(&input), expected, "{input:?}");
        assert_eq!(sanitize_bytes(input.as_bytes()), expected, "bytes of {input:?}");
    }
}

#[test]
fn decoders_sanitize() {
    let line = br#"{"bye":{"reason":"limit","text":"\u001b]0;owned\u0007\u202e"}}"#;
    let message: ServerMessage = decode_line(line, Validate::All).unwrap();
    let ServerMessage::Bye(bye) = message else { unreachable!("a bye was sent") };
    assert_eq!(bye.text, r"\x1b]0;owned\x07\u{202e}");
}

fn hostile_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        proptest::char::range('\0', '\u{a0}'),
        proptest::char::range('\u{2000}', '\u{2070}'),
        proptest::char::range('\u{e0000}', '\u{e01ff}'),
    ];
    proptest::collection::vec(character, 0..200).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_hostile_remains(text in hostile_text()) {
        let clean = sanitize(&text).into_owned();
        prop_assert!(!clean.chars().any(|c| c.is_control() || is_hostile(c)), "{clean:?}");
        prop_assert!(clean.len() <= MAX_TEXT);
        prop_assert!(matches!(sanitize(&clean), Cow::Borrowed(same) if same == clean), "{clean:?}");
        prop_assert_eq!(sanitize_bytes(text.as_bytes()), clean);
    }

    #[test]
    fn nothing_hostile_remains_of_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let clean = sanitize_bytes(&bytes);
        prop_assert!(!clean.chars().any(|c| c.is_control() || is_hostile(c)), "{clean:?}");
        prop_assert!(clean.len() <= MAX_TEXT);
        prop_assert_eq!(sanitize(&clean), clean.as_str());
    }
}
