//! Hostile texts through every entrance to every output: whatever the network, the kernel, files and
//! people call things, nothing of it moves a cursor, forges a line or a formula, and nothing panics.
//!
//! The texts are lines of `matrix/strings.txt`. Each goes in where text of that kind goes in
//! (`matrix/entrances.rs`), and everything that then comes out is read as its readers read it
//! (`matrix/outputs.rs`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod common;
#[path = "matrix/entrances.rs"]
mod entrances;
#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;
#[path = "matrix/outputs.rs"]
mod outputs;

use std::panic::{AssertUnwindSafe, catch_unwind};

use entrances::ENTRANCES;

const STRINGS: &str = include_str!("matrix/strings.txt");

/// The texts as bytes, which need not be UTF-8.
fn strings() -> Vec<Vec<u8>> {
    let lines = STRINGS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(unescaped).collect()
}

fn unescaped(line: &str) -> Vec<u8> {
    let times = line.split_once('*').and_then(|(times, text)| Some((times.parse().ok()?, text)));
    let (times, mut rest) = times.unwrap_or((1, line));
    let mut out = Vec::new();
    while let Some(ch) = rest.chars().next() {
        rest = &rest[ch.len_utf8()..];
        if ch != '\\' {
            out.extend(ch.to_string().into_bytes());
            continue;
        }
        let sign = rest.chars().next().unwrap_or_else(|| panic!("{line}"));
        rest = &rest[1..];
        match sign {
            'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            'u' => {
                let (code, after) = rest[1..].split_once('}').unwrap();
                let ch = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
                out.extend(ch.to_string().into_bytes());
                rest = after;
            }
            'e' => out.push(0x1b),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            '\\' => out.push(b'\\'),
            other => panic!("\\{other} in {line}"),
        }
    }
    out.repeat(times)
}

#[test]
fn nothing_hostile_comes_out() {
    comes_out(0);
}

/// The other half, beside the first.
#[test]
fn nothing_hostile_comes_out_either() {
    comes_out(1);
}

fn comes_out(part: usize) {
    let strings = strings();
    assert!(strings.len() >= 120, "only {} texts", strings.len());
    let mut failures = Vec::new();
    for (name, enter) in ENTRANCES.iter().skip(part).step_by(2) {
        for text in &strings {
            let tried = catch_unwind(AssertUnwindSafe(|| outputs::check(&enter(text))));
            if let Err(panic) = tried {
                let why = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
                let text: Vec<u8> = text.iter().copied().take(60).collect();
                failures.push(format!("{name}, `{}`: {why}", text.escape_ascii()));
            }
        }
    }
    failures.truncate(20);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What is harmless comes out as it went in, through each entrance: they do lead somewhere.
#[test]
fn every_entrance_leads_somewhere() {
    for (name, enter) in ENTRANCES {
        let scene = enter(b"harmless-1");
        assert!(scene.texts.iter().any(|text| text.contains("harmless-1")), "{name}: {:?}", scene.texts);
        outputs::check(&scene);
    }
}

/// Screens that are made of it show it.
#[test]
fn what_is_known_is_shown() {
    for (name, enter) in ENTRANCES {
        let shown = outputs::everything(&enter(b"harmless-1"));
        assert!(shown.contains("harmless-1") || HIDDEN.contains(name), "{name}:\n{}", shown.trim_end());
    }
}

/// What is taken in and shown nowhere yet.
const HIDDEN: &[&str] =
    &["interface", "server's program", "server notice", "configured setting", "type of a database"];
