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
    none(&uses(&src, &["ratatui", "crossterm"], |rel| rel.starts_with("tui")));
}

#[test]
fn only_the_local_source_and_the_server_entry_know_the_daemon() {
    let src = root().join("crates/conntop/src");
    let allowed = ["source/local.rs", "cli.rs", "cli/server.rs", "main.rs"];
    none(&uses(&src, &["conntopd::"], |rel| allowed.contains(&rel)));
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
