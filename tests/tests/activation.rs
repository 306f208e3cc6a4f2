//! `--activate` in a namespace of its own: what it changes, who restores it, and what is found after
//! a conntop that was killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use conntop::here::linux::activate::Leftovers;
use conntop_tests::netns::{Group, Namespace};
use conntop_tests::programs::program;
use conntop_tests::tools::run_within;
use conntop_tests::{Gate, gate};

const PATIENCE: Duration = Duration::from_secs(30);
const ACCT: &str = "netfilter/nf_conntrack_acct";

fn conntop(namespace: &Namespace, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("conntop").unwrap());
    command.args(arguments).args(["--netns", namespace.name()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

/// A conntop that keeps tracking active until it is ended.
fn watch(namespace: &Namespace) -> (Child, String) {
    // What it says later is not read; that must not end it.
    let mut child = conntop(namespace, &["watch", "--activate"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("activated: nft table inet conntop-"), "{said}");
    (child, said)
}

fn list(namespace: &Namespace, arguments: &[&str]) -> String {
    let child = conntop(namespace, &[&["list"], arguments].concat()).spawn().unwrap();
    let output = run_within(child, PATIENCE).unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// Of our tables, and of accounting.
fn state(namespace: &Namespace) -> (usize, String) {
    let ruleset = namespace.output(Command::new("nft").args(["list", "tables"])).unwrap();
    let tables = String::from_utf8(ruleset.stdout).unwrap().matches("conntop-").count();
    (tables, namespace.sysctl(ACCT).unwrap())
}

#[test]
fn the_last_one_restores_and_the_next_one_finds_what_a_crash_left() {
    if gate::check() == Gate::Skip {
        return;
    }
    let namespace = Namespace::create(Group::next(), "activation").unwrap();
    namespace.set_sysctl(ACCT, "0").unwrap();
    let untouched = (0, "0".to_owned());
    assert_eq!(state(&namespace), untouched);

    let said = list(&namespace, &[]);
    assert!(said.contains("connection tracking is not active"), "{said}");

    let said = list(&namespace, &["--activate"]);
    assert!(said.contains("flows that exist already get no counters"), "{said}");
    assert!(!said.contains("is not active"), "{said}");
    assert_eq!(state(&namespace), untouched, "a single one restores");

    let (mut other, said) = watch(&namespace);
    assert!(said.contains("nf_conntrack_acct"), "{said}");
    let (tables, acct) = state(&namespace);
    assert_eq!((tables, acct.as_str()), (3, "1"), "a table, and two records of what was switched on");
    let said = list(&namespace, &["--activate"]);
    assert!(!said.contains("has left"), "another one is alive: {said}");
    assert_eq!(state(&namespace), (3, "1".to_owned()), "the other one still needs it");

    let (mut third, _) = watch(&namespace);
    rustix::process::kill_process(rustix::process::Pid::from_child(&third), rustix::process::Signal::TERM)
        .unwrap();
    assert!(third.wait().unwrap().success(), "a signal is how one stops watching");
    assert_eq!(state(&namespace), (3, "1".to_owned()), "it took its own table with it");

    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(state(&namespace).1, "1", "killed, it could not restore");
    let said = list(&namespace, &[]);
    assert!(said.contains("has left") && said.contains("nf_conntrack_acct = 1"), "{said}");
    let netns = namespace.name().parse().unwrap();
    assert!(Leftovers::remove(Some(netns)).unwrap().contains("removed"));
    assert_eq!(state(&namespace), untouched);
}
