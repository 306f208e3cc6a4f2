//! The program as a user starts it: exit codes and what it says, as far as no kernel table is needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn conntopd(line: &str) -> Ended {
    run(Command::new(env!("CARGO_BIN_EXE_conntopd")).args(line.split_whitespace()))
}

fn run(command: &mut Command) -> Ended {
    let mut spawned = command.stdin(Stdio::null()).output();
    // A program that was just written is busy as long as a child of another test inherits its file.
    while spawned.as_ref().is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy) {
        std::thread::yield_now();
        spawned = command.output();
    }
    let output = spawned.unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn check(line: &str, code: i32, out: &str, err: &str) {
    let ended = conntopd(line);
    let all = format!("{line}: {:?}\nstdout: {}\nstderr: {}", ended.code, ended.out, ended.err);
    assert_eq!(ended.code, Some(code), "{all}");
    assert!(ended.out.contains(out) && ended.err.contains(err), "{all}");
    assert!(ended.out.is_empty() || ended.err.is_empty(), "{all}");
}

#[test]
fn answers_and_refusals() {
    check("--help", 0, "Usage: conntopd [OPTIONS]", "");
    check("--version", 0, concat!("conntopd ", env!("CARGO_PKG_VERSION")), "");
    check("--colour", 2, "", "Try 'conntopd --help'");
    check("--interval never", 2, "", "--interval \"never\"");
    check("--listen-any --tls-dir /nowhere", 78, "", "conntopd --init-tls=/nowhere");
    check("--listen 192.0.2.1:4 --tls-dir /nowhere", 78, "", "refusing to listen on 192.0.2.1:4");
    check("--unix /nowhere/socket", 1, "", "cannot listen on /nowhere/socket");
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    check(&format!("--listen 127.0.0.1:{port}"), 1, "", &format!("127.0.0.1:{port} is taken"));
}

#[test]
fn a_missing_namespace_is_named() {
    let namespace = format!("conntopd-test-{}", std::process::id());
    check(&format!("--port 0 --netns {namespace}"), 1, "", &namespace);
}

/// As root it gives that up first; as an ordinary user there is nothing to give up.
#[test]
fn without_the_capability_it_says_what_is_missing() {
    // Where the test user cannot read the build directory.
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("conntopd");
    std::fs::copy(env!("CARGO_BIN_EXE_conntopd"), &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let mut command = Command::new(&copy);
    command.args(["--port", "0"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let ended = run(&mut command);
    assert_eq!(ended.code, Some(77), "{}", ended.err);
    for hint in ["CAP_NET_ADMIN", "setcap", "systemd"] {
        assert!(ended.err.contains(hint), "{hint}: {}", ended.err);
    }
}
