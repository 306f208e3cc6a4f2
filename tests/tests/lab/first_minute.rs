//! What a person sees at the first start, in the environments that a kernel makes: each row of those sections
//! of docs/manual/first-minute.md.

#[path = "../../../crates/conntop/tests/first_minute/page.rs"]
mod page;

use std::process::Command;
use std::time::{Duration, Instant};

use conntop_tests::lab::LabOptions;
use conntop_tests::lab::WAN_HOST;
use conntop_tests::stage::PATIENCE;
use conntop_tests::terminal::Terminal;
use conntop_tests::tools::{command, run_within};
use conntop_tests::traffic::{Echo, connect, exchange};
use conntop_tests::{Lab, Namespace, lab_or_skip};

use crate::copy::Program;

const SECTION: &[&str] = &["The kernel"];

/// Starts it there and waits for the texts of the row.
#[track_caller]
fn shows(inside: &Namespace, row: &str, mut command: Command) -> Terminal {
    let rows = page::rows(SECTION);
    let texts = rows.get(row).unwrap_or_else(|| panic!("no row {row}"));
    let mut terminal = Terminal::start(inside, command.env("CONNTOP_DNS", "off")).unwrap();
    terminal.wait(row, PATIENCE, |screen| texts.iter().all(|text| screen.contains(text))).unwrap();
    terminal
}

/// Connections across the router that stay.
fn traffic(lab: &Lab) -> (Echo, std::net::TcpStream) {
    let echo = Echo::start(&lab.wan, (WAN_HOST.v4, 0).into()).unwrap();
    let stream = connect(&lab.lan, echo.address()).unwrap();
    exchange(&stream, 1000).unwrap();
    (echo, stream)
}

#[test]
fn where_rules_track() {
    let lab: Lab = lab_or_skip!();
    let conntop = Program::copy();
    let (_echo, _stream) = traffic(&lab);
    shows(&lab.router, "all is well", conntop.as_root(&[]));
    shows(&lab.router, "sockets wanted", conntop.as_root(&["--source", "sockets"]));
    shows(&lab.router, "no root", conntop.as_nobody(&[]));
    shows(&lab.router, "container", conntop.as_contained(&[]));
    // The entries stay, and nobody makes more.
    lab.router.output(command("nft").args(["flush", "ruleset"])).unwrap();
    assert!(lab.router.tracked().unwrap() > 0);
    shows(&lab.router, "no rule any more", conntop.as_root(&[]));
    let wanted = conntop.as_root(&["--source", "conntrack"]);
    shows(&lab.router, "no rule any more, table wanted", wanted);
}

#[test]
fn where_nothing_tracks() {
    let lab = lab_or_skip!(LabOptions { tracking: false, ..LabOptions::default() });
    let conntop = Program::copy();
    shows(&lab.router, "no rule", conntop.as_root(&[]));
    shows(&lab.router, "no rule, table wanted", conntop.as_root(&["--source", "conntrack"]));
}

#[test]
fn where_nothing_is_counted() {
    let lab = lab_or_skip!(LabOptions { accounting: false, ..LabOptions::default() });
    let conntop = Program::copy();
    shows(&lab.router, "nothing yet", conntop.as_root(&["--source", "conntrack"]));
    let (_echo, _stream) = traffic(&lab);
    shows(&lab.router, "acct off", conntop.as_root(&[]));
}

#[test]
fn nobody_waits_for_dead_dns() {
    let lab: Lab = lab_or_skip!();
    let (_echo, _stream) = traffic(&lab);
    let rows = page::rows(&["Names and places"]);
    // Nobody routes to the servers of this machine from here.
    let mut terminal = Terminal::start(&lab.router, &mut Program::copy().as_root(&[])).unwrap();
    terminal
        .wait("dead DNS", PATIENCE, |screen| rows["dead DNS"].iter().all(|t| screen.contains(t)))
        .unwrap();
    terminal.keys(b"q").unwrap();
    let asked = Instant::now();
    while terminal.is_alive().unwrap() {
        assert!(asked.elapsed() < Duration::from_secs(3), "it waits for DNS");
        std::thread::yield_now();
    }
}

#[test]
fn each_row_is_tested() {
    let mut tested = [
        "all is well",
        "sockets wanted",
        "no root",
        "container",
        "no rule any more",
        "no rule",
        "no rule, table wanted",
        "no rule any more, table wanted",
        "nothing yet",
        "acct off",
    ];
    tested.sort_unstable();
    let mut named: Vec<&str> = page::rows(SECTION).keys().copied().collect();
    named.sort_unstable();
    assert_eq!(named, tested);
}

#[test]
fn what_only_entries_are_left_of_tracks_no_more() {
    let lab: Lab = lab_or_skip!();
    let (_echo, _stream) = traffic(&lab);
    lab.router.output(command("nft").args(["flush", "ruleset"])).unwrap();
    // A collector that begins now has never seen a rule.
    let conntop = Program::copy();
    let mut list = conntop.as_root(&["--source", "conntrack", "list", "-o", "json"]);
    list.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = run_within(lab.router.spawn(&mut list).unwrap(), PATIENCE).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("not active any more"), "{said}");
}
