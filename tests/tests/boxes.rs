//! The recipes for OpenWrt and for containers fit the program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use conntopd::args::{self, OPTIONS};

const INIT: &str = "openwrt/conntopd/files/conntopd.init";
const CONF: &str = "openwrt/conntopd/files/conntopd.conf";
const RECIPE: &str = "openwrt/conntopd/Makefile";
const CONTAINERFILE: &str = "container/Containerfile";
const COMPOSE: &str = "container/compose.yaml";

/// What procd's functions are told, one call a line, its words between bars.
const PROCD: &str = r#"
said() { local word; for word; do printf '%s|' "$word"; done; echo; }
for call in procd_open_instance procd_set_param procd_close_instance procd_send_signal; do
    eval "$call() { said $call \"\$@\"; }"
done
"#;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(packaging(name)).unwrap()
}

/// The lines that a function of the init script has for procd.
fn told(function: &str) -> Vec<String> {
    let script = format!("set -eu\n{PROCD}\n{}\n{function}\n", read(INIT));
    let mut shell = Command::new("sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{function}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn settings(arguments: &[&str]) -> args::Settings {
    match args::parse(arguments) {
        Ok(args::Command::Run(settings)) => *settings,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn the_daemon_takes_what_procd_starts() {
    let told = told("start_service");
    let has = |line: &str| assert!(told.iter().any(|said| said == line), "{line}: {told:#?}");
    has("procd_open_instance|");
    has("procd_set_param|respawn|");
    has("procd_set_param|stderr|1|");
    has("procd_close_instance|");
    let command =
        told.iter().find_map(|line| line.strip_prefix("procd_set_param|command|/usr/sbin/conntopd|"));
    let command = command.unwrap_or_else(|| panic!("{told:#?}"));
    let config = packaging(CONF);
    let command =
        command.trim_end_matches('|').replace("/etc/conntop/conntopd.conf", config.to_str().unwrap());
    let settings = settings(&command.split('|').collect::<Vec<_>>());
    // The recipe makes it; procd's own `user` would take the capability away.
    assert_eq!(settings.user.as_deref(), Some("conntop"));
    assert!(read(RECIPE).contains("\n  USERID:=conntop:conntop\n"));
    assert!(settings.listen.iter().all(|listen| listen.address.ip().is_loopback()), "{settings:?}");
    assert_eq!(settings.config, Some(config));
}

/// SIGHUP is procd's default; procd.sh before 2022 takes no names of signals.
#[test]
fn a_reload_is_a_signal() {
    assert_eq!(told("reload_service"), ["procd_send_signal|conntopd|"]);
}

/// What is off in the configuration would be taken if it were on.
#[test]
fn options_that_are_off_exist() {
    let off = read(CONF);
    let off = off.lines().filter_map(|line| line.strip_prefix("# "));
    let off: Vec<&str> = off.filter(|line| !line.contains([':', ';', ',']) && !line.ends_with('.')).collect();
    assert!(off.len() >= 5, "{off:?}");
    for line in off {
        let (name, value) = line.split_once(' ').map_or((line, None), |(name, value)| (name, Some(value)));
        assert!(OPTIONS.iter().any(|option| option.long == name), "{line}");
        let option = format!("--{name}");
        settings(&std::iter::once(option.as_str()).chain(value).collect::<Vec<_>>());
    }
}

#[test]
fn the_recipe_builds_what_there_is() {
    let recipe = read(RECIPE);
    assert!(recipe.contains(concat!("\nPKG_VERSION:=", env!("CARGO_PKG_VERSION"), "\n")));
    let member = recipe.lines().find_map(|line| line.strip_prefix("MAKE_PATH:=")).unwrap();
    let manifest = fs::read_to_string(packaging("..").join(member).join("Cargo.toml")).unwrap();
    let features = recipe.lines().find_map(|line| line.strip_prefix("RUST_PKG_FEATURES:=")).unwrap();
    for feature in features.split(',') {
        assert!(manifest.contains(&format!("\n{feature} = [")), "{feature}");
    }
    for file in recipe.split_whitespace().filter_map(|word| word.strip_prefix("./files/")) {
        assert!(packaging("openwrt/conntopd/files").join(file).exists(), "{file}");
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(recipe.contains(licence) && packaging("..").join(licence).exists(), "{licence}");
    }
}

/// The same privileges in the image, in compose.yaml and in the manual.
#[test]
fn containers_get_one_capability() {
    let image = read(CONTAINERFILE);
    // Docker's old builder makes every stage before the wanted one, and there may be no client to copy.
    let daemon = image.split("\nFROM ").nth(1).unwrap();
    assert!(daemon.starts_with("scratch AS conntopd\n"), "{image}");
    assert!(daemon.contains("\nUSER 0:0\n") && daemon.contains("\nENTRYPOINT [\"/conntopd\"]"), "{image}");
    let compose = read(COMPOSE);
    for line in ["network_mode: host", "cap_drop: [ALL]", "cap_add: [NET_ADMIN]", "read_only: true"] {
        assert!(compose.lines().any(|said| said.trim() == line), "{line}");
    }
    assert!(!compose.contains("privileged: true"));
    let manual = fs::read_to_string(packaging("../docs/manual/container.md")).unwrap();
    for option in ["--network host", "--cap-drop all", "--cap-add NET_ADMIN", "--read-only"] {
        assert!(manual.contains(option), "{option}");
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let mut command = Command::new("shellcheck");
    command.arg(packaging(INIT)).args(["container/build", "container/check"].map(packaging));
    match command.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => eprintln!("skipped: shellcheck: {error} (apt install shellcheck)"),
    }
}
