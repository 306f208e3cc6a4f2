//! Pages tell of the version that this is.

use std::fs;

use crate::page::Page;
use crate::{none, root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The version of all crates.
fn version() -> String {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    line.expect("a version").trim_matches('"').to_owned()
}

/// `## [1.2.3] - 2026-01-31`, the newest first; what is not released yet stands before it.
#[test]
fn the_changelog_begins_with_it() {
    let changelog = read("CHANGELOG.md");
    let mut heads = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    assert_eq!(heads.next(), Some("Unreleased]"));
    let (version_told, date) = heads.next().and_then(|head| head.split_once("] - ")).expect("a release");
    assert_eq!(version_told, version());
    let parts: Vec<usize> = date.split('-').map(str::len).collect();
    assert_eq!(parts, [4, 2, 2], "{date} is no date");
}

/// Names of packages have the version in them.
#[test]
fn packages_are_named_by_it() {
    let (version, mut wrong, mut seen) = (version(), Vec::new(), 0);
    for page in Page::all() {
        let text = read(page.path.to_str().expect("a name of ours"));
        for (number, line) in (1..).zip(text.lines()) {
            for name in ["conntop_", "conntopd_"] {
                let told = line.match_indices(name).map(|(at, _)| &line[at + name.len()..]);
                for told in told.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                    seen += 1;
                    if told.split('_').next() != Some(version.as_str()) {
                        wrong.push(format!("{}:{number}: {line}", page.path.display()));
                    }
                }
            }
        }
    }
    assert!(seen > 2, "{seen} names of packages only");
    none(&wrong);
}
