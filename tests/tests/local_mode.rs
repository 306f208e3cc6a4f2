//! conntop without a daemon, and both programs looking into another namespace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::judge::{Reading, Seen, judge, uptime_ms};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::{command, run_within};
use conntop_tests::{Daemon, Lab, LabOptions, Namespace, lab_or_skip};

const FLOWS: u32 = 2000;

fn conntop(inside: &Namespace, arguments: &[&str]) -> String {
    let mut conntop = Command::new(program("conntop").unwrap());
    conntop.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = inside.spawn(&mut conntop).unwrap();
    // The table is larger than a pipe.
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap());
    let output = run_within(child, PATIENCE).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
    reader.join().unwrap()
}

/// Lists from the namespace `inside`; what is shown must be the router's table.
fn check(lab: &Lab, inside: &Namespace, arguments: &[&str]) {
    let before = Reading::take(&lab.router).unwrap();
    let from = uptime_ms().unwrap();
    let printed = conntop(inside, &[arguments, &["list", "--format", "json"]].concat());
    let shown = Seen::from_json(printed.as_bytes(), (from, uptime_ms().unwrap())).unwrap();
    let verdict = judge(&before, &shown, &Reading::take(&lab.router).unwrap());
    assert!(verdict.is_clean() && verdict.compared == FLOWS as usize, "{arguments:?}: {verdict}");
}

#[test]
fn it_shows_the_table_of_its_own_or_another_namespace() {
    let lab = lab_or_skip!();
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..FLOWS).unwrap();
    check(&lab, &lab.router, &[]);
    check(&lab, &lab.lan, &["--netns", lab.router.name()]);

    let daemon = Daemon::start(&lab.lan, &["--netns", lab.router.name()]).unwrap();
    check(&lab, &lab.wan, &["--connect", &daemon.target()]);
}

#[test]
fn watch_tells_flows_that_begin_and_end_at_once() {
    let lab = lab_or_skip!();
    let mut watch = Command::new(program("conntop").unwrap());
    watch.args(["watch", "--initial", "--for", "8s"]);
    watch.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut injector = Injector::new(&lab.router).unwrap();
    // The one that is there tells when it looks.
    injector.create(&Plan::new(9), 0..1).unwrap();
    let mut child = lab.router.spawn(&mut watch).unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let first = lines.next().unwrap().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok(), "{first}");
    let began = Instant::now();
    for n in 0..50 {
        injector.create(&Plan::new(1), n..n + 1).unwrap();
        injector.delete(&Plan::new(1), n..n + 1).unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(4), "this machine is too slow for the test");
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.map_while(Result::ok) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        *told.entry(event["event"].to_string()).or_default() += 1;
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(told.get("\"ended\""), Some(&50), "{told:?}");
}

#[test]
fn activating_leaves_nothing_behind() {
    let off = LabOptions { accounting: false, timestamps: false, tracking: false, events: 2 };
    let lab = lab_or_skip!(off);
    let tables = || {
        let nft = lab.router.output(command("nft").args(["list", "tables"])).unwrap();
        String::from_utf8(nft.stdout).unwrap()
    };
    assert_eq!(tables(), "");
    let printed = conntop(&lab.router, &["--activate", "list", "--format", "json"]);
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&printed).is_ok(), "{printed}");
    assert_eq!(tables(), "");
    for sysctl in ["netfilter/nf_conntrack_acct", "netfilter/nf_conntrack_timestamp"] {
        assert_eq!(lab.router.sysctl(sysctl).unwrap(), "0", "{sysctl}");
    }
}
