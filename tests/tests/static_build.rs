//! The daemon as it is shipped to routers, without a dynamic loader: there some libraries find no
//! function of the C library by its name and do something else, which the sandbox has to permit.
//!
//! Building it takes minutes, so this runs with `CONNTOP_LAB_FULL=1` only. What CI always tries of it is
//! the self-test's part that has to be possible (`lab/privileges.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::path::{Path, PathBuf};
use std::process::Command;

use conntop_tests::lab::ROUTER_INSIDE;
use conntop_tests::netns::Namespace;
use conntop_tests::programs::{Daemon, program};
use conntop_tests::stage::{PATIENCE, whole_or};
use conntop_tests::tools::{self, tell};
use conntop_tests::{Lab, lab_or_skip};

/// Builds conntopd with these features for a target, all in one file.
fn statically(target: &str, features: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let directory = root.join("target/static");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--package=conntopd", "--target", target]).args(features);
    cargo.arg("--target-dir").arg(&directory).env("RUSTFLAGS", "-Ctarget-feature=+crt-static -Cdebuginfo=0");
    tools::run(cargo.current_dir(root)).unwrap();
    directory.join(target).join("debug/conntopd")
}

fn is_wanted() -> bool {
    let wanted = whole_or(true, false);
    if !wanted {
        tell("SKIPPED: static builds take minutes; CONNTOP_LAB_FULL=1 makes them");
    }
    wanted
}

fn list(state: &Path, namespace: &Namespace, arguments: &[&str]) -> String {
    let mut conntop = Command::new(program("conntop").unwrap());
    // Keys that it learns are forgotten with the lab.
    conntop.env("XDG_STATE_HOME", state).args(["list", "-o", "json"]).args(arguments);
    String::from_utf8(namespace.output(&mut conntop).unwrap().stdout).unwrap()
}

/// A client of each kind is served, and each thread can do what it must and no more.
fn serves(lab: &Lab, conntopd: &Path, tls: bool) {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("tls");
    let secrets = secrets.to_str().unwrap();
    let outside = format!("{}:0", ROUTER_INSIDE.v4);
    let mut arguments = vec!["--sandbox", "strict", "--self-test", "--listen", "127.0.0.1:0"];
    if tls {
        tools::run(Command::new(conntopd).arg("--init-tls").arg(secrets)).unwrap();
        arguments.extend(["--tls-dir", secrets, "--listen", &outside]);
    }
    let mut daemon = Daemon::start_program(conntopd, &lab.router, &arguments).unwrap();
    let port_of = |address: &str| {
        let line = daemon.wait_for_line(&format!("listening on {address}:"), PATIENCE).unwrap();
        let port = line.split(&format!("{address}:")).nth(1).unwrap();
        port.split(' ').next().unwrap().to_owned()
    };
    let plain = format!("tcp://127.0.0.1:{}", port_of("127.0.0.1"));
    assert!(list(folder.path(), &lab.router, &["--connect", &plain]).starts_with('['));
    assert!(list(folder.path(), &lab.router, &["--connect", &daemon.target()]).starts_with('['));
    if tls {
        let address = ROUTER_INSIDE.v4.to_string();
        let secure = format!("tls://{address}:{}", port_of(&address));
        let token = format!("{secrets}/token");
        assert!(
            list(folder.path(), &lab.lan, &["--connect", &secure, "--token-file", &token]).starts_with('[')
        );
    }
    assert_eq!(daemon.terminate().unwrap().code(), Some(0));
    let log = daemon.log().unwrap().join("\n");
    assert!(!log.contains("panicked") && !log.contains("os error 13"), "{log}");
}

#[test]
fn a_static_program_serves_with_and_without_tls() {
    let lab = lab_or_skip!();
    if is_wanted() {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        serves(&lab, &statically(&target, &[]), true);
    }
}

/// The small one, which needs no C compiler for another C library.
#[test]
fn a_program_with_musl_serves() {
    let lab = lab_or_skip!();
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut rustc = Command::new("rustc");
    let installed = rustc.args(["--print", "target-libdir", "--target", &target]).output();
    let library = installed.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if !library.is_ok_and(|path| Path::new(&path).is_dir()) {
        return tell(&format!("SKIPPED: rustup target add {target}"));
    }
    if is_wanted() {
        serves(&lab, &statically(&target, &["--no-default-features", "--features=sandbox"]), false);
    }
}
