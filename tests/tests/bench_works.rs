//! conntop-bench: a small run prints its tables, and an interrupted one leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use conntop_tests::netns::owned;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::run_within;
use conntop_tests::{Gate, gate};
use rustix::process::{Pid, Signal, kill_process};

const MAXIMUM: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntop-bench"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What a process says on its stderr, until it ends.
fn lines(child: &mut Child) -> Receiver<String> {
    let (say, said) = channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
    said
}

/// The namespaces that a process made.
fn namespaces(pid: u32) -> Vec<String> {
    owned().into_iter().filter(|(_, owner)| *owner == pid).map(|(name, _)| name).collect()
}

#[test]
fn a_small_run_fills_a_document() {
    if gate::check() == Gate::Skip {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let document = directory.path().join("performance.md");
    fs::write(&document, "before\n<!-- bench: dumps -->\nold\n<!-- /bench -->\nafter\n").unwrap();
    let path = document.to_str().unwrap();
    let bench = start(&["--sizes", "200", "--window", "1", "--into", path, "dumps"]);
    let pid = bench.id();
    let output = run_within(bench, PATIENCE).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("### Targets") && !printed.contains("Not measured"), "{printed}");
    let written = fs::read_to_string(&document).unwrap();
    assert!(
        written.starts_with("before\n<!--") && written.ends_with("<!-- /bench -->\nafter\n"),
        "{written}"
    );
    assert!(written.contains("| 200 | ") && !written.contains("old"), "{written}");
    assert_eq!(namespaces(pid), Vec::<String>::new());
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    if gate::check() == Gate::Skip {
        return;
    }
    let before = fs::read_to_string(MAXIMUM).unwrap();
    // More than the usual limit, so that it has to be raised; it is interrupted long before.
    let mut bench = start(&["--sizes", "400k", "dumps"]);
    let pid = bench.id();
    let lines = lines(&mut bench);
    while !lines.recv_timeout(PATIENCE).expect("it did not begin").contains("making") {}
    assert_eq!(namespaces(pid).len(), 3);
    assert_ne!(fs::read_to_string(MAXIMUM).unwrap(), before);
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::INT).unwrap();
    let output = run_within(bench, PATIENCE).unwrap();
    assert!(!output.status.success());
    let said: Vec<String> = lines.iter().collect();
    assert!(said.iter().any(|line| line.contains("interrupted")), "{said:#?}");
    assert_eq!(namespaces(pid), Vec::<String>::new());
    assert_eq!(fs::read_to_string(MAXIMUM).unwrap(), before);
}
