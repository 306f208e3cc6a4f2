//! `conntopd --stdio`: one client on stdin and stdout, whatever those are, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::run_within;
use conntop_tests::{Lab, lab_or_skip};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::{Pid, Signal, kill_process};

const HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"test"}}"#;

fn command() -> Command {
    let mut command = Command::new(program("conntopd").unwrap());
    command.args(["--stdio", "--interval", "100ms"]);
    command.stderr(Stdio::piped());
    command
}

/// Reads lines until one is of this kind.
fn until(lines: &mut impl BufRead, kind: &str) -> String {
    let begin = format!("{{\"{kind}\":");
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the end came before {kind}");
        if line.starts_with(&begin) {
            return line;
        }
    }
}

/// What it says on stderr, so that it does not wait for us to read.
fn log(stderr: ChildStderr) -> thread::JoinHandle<String> {
    thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default())
}

/// Waits for its end and gives code and log.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let log = log(child.stderr.take().unwrap());
    let status = run_within(child, PATIENCE).unwrap().status;
    (status.code(), log.join().unwrap())
}

fn piped(lab: &Lab) -> Child {
    lab.router.spawn(command().stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap()
}

#[test]
fn pipes_and_the_end_of_stdin() {
    let lab = lab_or_skip!();
    let mut child = piped(&lab);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    until(&mut lines, "hello");
    writeln!(input, "{HELLO}").unwrap();
    until(&mut lines, "synced");
    drop(input);
    let (code, log) = ended(child);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("listening on 127"), "{log}");
}

#[test]
fn one_socket_for_both() {
    let lab = lab_or_skip!();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut both = command();
    both.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap())));
    both.stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap())));
    let child = lab.router.spawn(&mut both).unwrap();
    drop(both);
    let mut lines = BufReader::new(ours.try_clone().unwrap());
    until(&mut lines, "hello");
    writeln!(&ours, "{HELLO}").unwrap();
    until(&mut lines, "synced");
    ours.shutdown(Shutdown::Write).unwrap();
    let (code, log) = ended(child);
    assert_eq!(code, Some(0), "{log}");
    // Whoever shares the description finds it as it was.
    assert!(!fcntl_getfl(&theirs).unwrap().contains(OFlags::NONBLOCK));
}

#[test]
fn files() {
    let lab = lab_or_skip!();
    let mut out = tempfile::tempfile().unwrap();
    let mut command = command();
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap());
    let (code, log) = ended(lab.router.spawn(&mut command).unwrap());
    assert_eq!(code, Some(0), "{log}");
    let mut text = String::new();
    std::io::Seek::rewind(&mut out).unwrap();
    out.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("{\"hello\":"), "{text}");
}

/// Signals tell the client; a reader that has gone and a client that says nonsense end it as well.
#[test]
fn other_ends() {
    let lab = lab_or_skip!();
    for signal in [Signal::HUP, Signal::TERM, Signal::INT] {
        let mut child = piped(&lab);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut input = child.stdin.take().unwrap();
        until(&mut lines, "hello");
        writeln!(input, "{HELLO}").unwrap();
        until(&mut lines, "synced");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(until(&mut lines, "bye").contains("shutdown"), "{signal:?}");
        let (code, log) = ended(child);
        assert_eq!(code, Some(0), "{signal:?}: {log}");
    }
    let mut child = piped(&lab);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    until(&mut lines, "hello");
    writeln!(input, "{HELLO}").unwrap();
    drop(lines);
    assert_eq!(ended(child).0, Some(0), "after the reader has gone");
    drop(input);

    let mut child = piped(&lab);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    until(&mut lines, "hello");
    writeln!(input, "nonsense").unwrap();
    assert!(until(&mut lines, "bye").contains("protocol"));
    assert_eq!(ended(child).0, Some(0), "after nonsense");
}

#[test]
fn without_the_capability() {
    let _lab = lab_or_skip!();
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-all").arg(program("conntopd").unwrap()).arg("--stdio");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run_within(command.spawn().unwrap(), Duration::from_secs(30)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("CAP_NET_ADMIN") && output.stdout.is_empty(), "{said}");
}
