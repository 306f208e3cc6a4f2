//! The doctor in namespaces that lack something.

use std::process::{Command, Stdio};

use conntop_tests::lab::LabOptions;
use conntop_tests::programs::Daemon;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::{command, run_within};
use conntop_tests::{Lab, Namespace, lab_or_skip};
use serde_json::Value;

use crate::copy::Program;

/// Its exit code, its answer, and what it said besides.
fn ask(inside: &Namespace, mut command: Command) -> (Option<i32>, Value, String) {
    command.args(["--json", "--dns", "off", "--no-geoip"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run_within(inside.spawn(&mut command).unwrap(), PATIENCE).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|error| panic!("{command:?}: {error}: {said}"));
    (output.status.code(), answer, said)
}

/// How a check of the first place is.
fn word<'a>(answer: &'a Value, check: &str) -> &'a str {
    let checks = answer["checks"].as_array().unwrap();
    let found =
        checks.iter().find(|c| c["check"] == check).unwrap_or_else(|| panic!("no {check}: {answer:#}"));
    found["word"].as_str().unwrap()
}

/// Names of the checks that failed.
fn failed(answer: &Value) -> Vec<&str> {
    let checks = answer["checks"].as_array().unwrap().iter();
    checks.filter(|c| c["word"] == "fail").map(|c| c["check"].as_str().unwrap()).collect()
}

/// All that the doctor could have changed.
fn state(inside: &Namespace) -> (Vec<String>, String) {
    let sysctl = |name: &str| inside.sysctl(&format!("netfilter/nf_conntrack_{name}")).unwrap();
    let rules = inside.output(command("nft").args(["list", "ruleset"])).unwrap();
    (["acct", "timestamp", "events"].map(sysctl).into(), String::from_utf8(rules.stdout).unwrap())
}

#[test]
fn a_router_that_lacks_nothing() {
    let lab: Lab = lab_or_skip!();
    let conntop = Program::copy();
    let (code, answer, said) = ask(&lab.router, conntop.as_root(&["doctor"]));
    assert_eq!((code, failed(&answer)), (Some(0), Vec::new()), "{said} {answer:#}");
    assert_eq!(answer["ok"], true);
    for check in
        ["capability", "module", "rule", "leftovers", "acct", "timestamp", "events", "table", "offload"]
    {
        assert_eq!(word(&answer, check), "ok", "{check}: {answer:#}");
    }
    // The same from outside of the namespace.
    let outside = Namespace::create(conntop_tests::netns::Group::next(), "doctor").unwrap();
    let named = conntop.as_root(&["doctor", "--netns", lab.router.name()]);
    let (code, answer, said) = ask(&outside, named);
    assert_eq!((code, failed(&answer)), (Some(0), Vec::new()), "{said} {answer:#}");
    let (code, answer, _) = ask(&outside, conntop.as_root(&["doctor"]));
    assert_eq!((code, failed(&answer)), (Some(1), vec!["rule", "acct"]), "{answer:#}");
}

#[test]
fn who_may_not_read_is_told_so() {
    let lab: Lab = lab_or_skip!();
    let conntop = Program::copy();
    for (command, repair) in [
        (conntop.as_nobody(&["doctor"]), "sudo conntop"),
        (conntop.as_contained(&["doctor"]), "docker run --cap-add=NET_ADMIN --network=host"),
    ] {
        let (code, answer, said) = ask(&lab.router, command);
        assert_eq!((code, failed(&answer)), (Some(1), vec!["capability"]), "{answer:#}");
        assert!(said.contains("failed: capability"), "{said}");
        assert_eq!(answer["checks"][0]["repair"][0], repair);
    }
}

#[test]
fn looking_changes_nothing_and_fixing_mends() {
    let options = LabOptions { accounting: false, timestamps: false, tracking: false, events: 0 };
    let lab = lab_or_skip!(options);
    let conntop = Program::copy();
    let before = state(&lab.router);
    let (code, answer, _) = ask(&lab.router, conntop.as_root(&["doctor"]));
    assert_eq!((code, failed(&answer)), (Some(1), vec!["rule", "acct", "events"]), "{answer:#}");
    assert_eq!(state(&lab.router), before);
    // Nobody is there to be asked, and nobody has the rights.
    let mut asking = conntop.as_root(&["doctor", "--fix"]);
    asking.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(run_within(lab.router.spawn(&mut asking).unwrap(), PATIENCE).unwrap().status.code(), Some(2));
    let (code, answer, _) = ask(&lab.router, conntop.as_nobody(&["doctor", "--fix", "--yes"]));
    assert_eq!(code, Some(1));
    let repaired = answer["repaired"].as_array().unwrap();
    assert!(!repaired.is_empty() && repaired.iter().all(|done| done["error"].is_string()), "{answer:#}");
    assert_eq!(state(&lab.router), before);
    let (code, answer, said) = ask(&lab.router, conntop.as_root(&["doctor", "--fix", "--yes"]));
    assert_eq!((code, failed(&answer)), (Some(0), Vec::new()), "{said} {answer:#}");
    let (sysctls, rules) = state(&lab.router);
    assert_eq!(sysctls, ["1", "1", "2"]);
    assert!(rules.contains("table inet conntop-keep"), "{rules}");
    // It is what the question says that removes it.
    lab.router.output(command("nft").args(["delete", "table", "inet", "conntop-keep"])).unwrap();
    // Once more, where everything but the rule is well.
    let (_, answer, _) = ask(&lab.router, conntop.as_root(&["doctor", "--fix", "--yes"]));
    assert_eq!(answer["repaired"].as_array().unwrap().len(), 1, "{answer:#}");
}

#[test]
fn a_daemon_says_what_it_lacks() {
    let options = LabOptions { accounting: false, ..LabOptions::default() };
    let lab = lab_or_skip!(options);
    let conntop = Program::copy();
    let daemon = Daemon::start(&lab.router, &[]).unwrap();
    let target = daemon.target();
    let (code, answer, said) = ask(&lab.lan, conntop.as_root(&["doctor", "-c", &target]));
    assert_eq!((code, failed(&answer)), (Some(1), vec!["acct"]), "{said} {answer:#}");
    for check in ["connection", "version", "sandbox", "rule", "events", "lost", "table"] {
        assert_eq!(word(&answer, check), "ok", "{check}: {answer:#}");
    }
    let (code, answer, _) = ask(&lab.lan, conntop.as_root(&["doctor", "-c", "unix:/nonexistent/socket"]));
    assert_eq!((code, failed(&answer)), (Some(69), vec!["connection"]), "{answer:#}");
}
