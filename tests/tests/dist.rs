//! The table of what is shipped (packaging/dist/targets) means something: its programs, profiles and features exist,
//! and the check of a built program can fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conntop_tests::programs::program;
use conntop_tests::tools::{find, tell};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn lines() -> Vec<Vec<String>> {
    let table = read("packaging/dist/targets");
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn each_line_names_what_there_is() {
    let profiles = read("Cargo.toml");
    let compile = read("packaging/dist/compile");
    let mut files = HashSet::new();
    for line in lines() {
        let [triple, arch, program, package, profile, features, at_most, how] = line.as_slice() else {
            panic!("eight fields: {line:?}");
        };
        assert!(files.insert(format!("{triple}/{program}")), "{triple}/{program} is built twice");
        assert!(
            triple.ends_with("-linux-musl") || triple.contains("-linux-musleabi"),
            "{triple} is not static"
        );
        assert!(!arch.is_empty() && program.starts_with(package.as_str()), "{line:?}");
        assert!(profiles.contains(&format!("[profile.{profile}]")), "no profile {profile}");
        let manifest = read(&format!("crates/{package}/Cargo.toml"));
        for feature in features.split(',').filter(|feature| *feature != "default") {
            assert!(manifest.contains(&format!("\n{feature} = [")), "{package} has no feature {feature}");
        }
        assert!(at_most == "-" || at_most.parse::<u64>().is_ok(), "{at_most} is no size");
        assert!(compile.contains(&format!("\n{how})\n")), "packaging/dist/compile does not know {how}");
    }
    assert!(files.len() > 1, "hardly anything is shipped");
}

#[test]
fn the_check_refuses_what_is_not_static() {
    if find("readelf").is_none() {
        tell("SKIPPED: no readelf here");
        return;
    }
    let dynamic = program("conntopd").unwrap();
    let check = root().join("packaging/dist/check");
    let output = Command::new(check)
        .args([std::env::consts::ARCH, "conntopd"])
        .arg(&dynamic)
        .args(["-", "conntop", "conntopd"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("FAILED: it is not static"), "{said}");
}
