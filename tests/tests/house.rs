//! The invariants of docs/architecture.md that can be read off the sources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("source");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {}", dir.display());
    found
}

/// Every line of code below `dir` that contains one of `words`, as `file: line`; comments are no code,
/// and files for which `allowed` holds are passed over.
fn uses(dir: &Path, words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(dir) {
        let rel = path.strip_prefix(dir).expect("below").to_string_lossy().into_owned();
        if allowed(&rel) {
            continue;
        }
        let code = text.lines().map(str::trim_start).filter(|l| !l.starts_with("//"));
        found.extend(code.filter(|l| words.iter().any(|w| l.contains(w))).map(|l| format!("{rel}: {l}")));
    }
    found
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_lives_in_nfnetlink_only() {
    for name in ["conntop-proto", "conntopd", "conntop"] {
        let src = root().join("crates").join(name).join("src");
        for file in ["lib.rs", "main.rs"] {
            let Ok(text) = fs::read_to_string(src.join(file)) else { continue };
            assert!(text.contains("#![forbid(unsafe_code)]"), "{name}/{file} does not forbid unsafe code");
        }
    }
}

#[test]
fn only_the_screen_knows_ratatui_and_crossterm() {
    let src = root().join("crates/conntop/src");
    none(&uses(&src, &["ratatui"], |rel| rel.starts_with("tui")));
    none(&uses(&src, &["crossterm"], |rel| rel.starts_with("tui") || rel.starts_with("platform")));
}

/// Tests run on Linux alone.
fn of_tests(rel: &str) -> bool {
    rel.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn only_one_place_of_conntop_knows_linux() {
    let src = root().join("crates/conntop/src");
    let linux = |rel: &str| rel.starts_with("here/linux") || of_tests(rel);
    none(&uses(&src, &["conntopd::", "nfnetlink::", "\"/proc", "\"/sys/", "os::linux"], linux));
}

#[test]
fn only_two_places_of_conntop_ask_which_system_it_is() {
    let src = root().join("crates/conntop/src");
    let seams = |rel: &str| rel.starts_with("here") || rel.starts_with("platform") || of_tests(rel);
    let words = [
        "rustix",
        "os::unix",
        "os::windows",
        "os::fd",
        "net::Unix",
        "signal::unix",
        "etcetera::base_strategy",
    ];
    none(&uses(&src, &words, seams));
    let asks = ["target_os", "cfg(unix", "cfg(windows", "cfg(not(unix", "cfg(not(windows", "target_family"];
    none(&uses(&src, &asks, |rel| ["here.rs", "platform.rs"].contains(&rel)));
}

#[test]
fn dependencies_of_linux_are_asked_for_on_linux_only() {
    let manifest = fs::read_to_string(root().join("crates/conntop/Cargo.toml")).expect("manifest");
    let everywhere = manifest.split("\n[dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let everywhere = everywhere.expect("dependencies");
    for name in ["conntopd", "nfnetlink", "rustix", "libc"] {
        assert!(
            !everywhere
                .lines()
                .any(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}."))),
            "{name}"
        );
    }
}

#[test]
fn the_model_is_not_shared_behind_locks() {
    for name in ["conntopd", "conntop"] {
        none(&uses(&root().join("crates").join(name).join("src"), &["Arc<Mutex<", "Arc<RwLock<"], |_| false));
    }
}

#[test]
fn the_daemon_stays_small() {
    let manifest = fs::read_to_string(root().join("crates/conntopd/Cargo.toml")).expect("manifest");
    for heavy in ["ratatui", "crossterm", "clap", "maxminddb", "hickory", "reqwest", "rusqlite", "axum"] {
        assert!(!manifest.contains(heavy), "conntopd depends on {heavy}");
    }
}
