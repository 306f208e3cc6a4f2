//! Every finding from its facts, and the manual's page of them.

mod cases;

use std::fmt::Write as _;

use self::cases::{CLIENT_CASES, Case, KERNEL_CASES, REMOTE_CASES, a_client, a_kernel, a_remote};
use super::checks::{self, CLIENT, Gravity, REMOTE, Row};
use super::report::{Check, Report, Style, Word};
use crate::flow::testing::check_page;
use crate::here::linux::doctor::checks::{KERNEL, of_kernel};

/// What the check says about a machine to which the case has happened.
fn check<F>(rows: &[Row<F>], case: &Case<F>, mut facts: F) -> Check {
    (case.happens)(&mut facts);
    let found = checks::judge(rows, &facts).find(|check| check.name == case.check);
    found.unwrap_or_else(|| panic!("there is no check {}", case.check))
}

#[track_caller]
fn check_all<F>(rows: &[Row<F>], cases: &[Case<F>], sound: fn() -> F) {
    for case in cases {
        let Check { word, found, repair, fix, .. } = check(rows, case, sound());
        let said = (word, found.as_str(), repair.iter().map(String::as_str).collect::<Vec<_>>());
        let wanted = (case.word, case.found, case.repair.to_vec());
        assert_eq!(said, wanted, "{}", case.check);
        assert_eq!(fix.is_some(), case.fixable, "{}: {found}", case.check);
        assert!(word != Word::Ok || repair.is_empty(), "{}: what is well needs no repair", case.check);
    }
    for row in rows {
        let words: Vec<Word> = cases.iter().filter(|c| c.check == row.name).map(|c| c.word).collect();
        assert!(words.contains(&Word::Ok), "{} is never well", row.name);
        assert!(words.iter().any(|word| *word != Word::Ok), "nothing is ever wrong with {}", row.name);
        let fails = words.contains(&Word::Fail);
        assert_eq!(fails, row.gravity == Gravity::Needed, "{}: {words:?}", row.name);
    }
}

#[test]
fn findings() {
    check_all(KERNEL, KERNEL_CASES, a_kernel);
    check_all(CLIENT, CLIENT_CASES, a_client);
    check_all(REMOTE, REMOTE_CASES, a_remote);
}

#[test]
fn only_what_flows_need_fails() {
    let needed = |rows: &[Row<_>]| -> Vec<&str> {
        rows.iter().filter(|row| row.gravity == Gravity::Needed).map(|row| row.name).collect()
    };
    assert_eq!(needed(KERNEL), ["capability", "module", "rule", "acct", "events"]);
    assert!(CLIENT.iter().all(|row| row.gravity == Gravity::Wished));
    let of_remote: Vec<&str> =
        REMOTE.iter().filter(|row| row.gravity == Gravity::Needed).map(|row| row.name).collect();
    assert_eq!(of_remote, ["connection", "rule", "acct", "events"]);
}

#[test]
fn a_sound_machine_has_nothing_to_mend() {
    for report in [
        of_kernel(String::new(), &a_kernel()),
        checks::of_client(&a_client()),
        checks::of_remote(&a_remote()),
    ] {
        let words: Vec<_> = report.checks.iter().filter(|check| check.word != Word::Ok).collect();
        assert!(words.is_empty() && !report.has_failed(), "{words:?}");
    }
}

#[test]
fn who_does_not_answer_is_asked_nothing_more() {
    let mut remote = a_remote();
    remote.hello = Err("router1:55555: Connection refused".to_owned());
    let names: Vec<&str> = checks::of_remote(&remote).checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["connection"]);
}

#[test]
fn lines() {
    let check = Check {
        name: "acct",
        word: Word::Fail,
        found: "off".to_owned(),
        repair: vec!["one".to_owned(), "two".to_owned()],
        fix: None,
    };
    let (plain, wide) = (Style::default(), Style { width: Some(80), colours: true });
    assert_eq!(check.text(plain), "fail  acct        off\n      mend: one\n      mend: two\n");
    assert!(check.text(wide).starts_with("\x1b[1;31mfail  \x1b[0macct        off\n"));
    let long = Check { found: "one two three four five six".to_owned(), repair: Vec::new(), ..check.clone() };
    let narrow = |width| long.text(Style { width: Some(width), colours: false });
    let gap = " ".repeat(18);
    assert_eq!(narrow(36), format!("fail  acct        one two three four\n{gap}five six\n"));
    assert_eq!(narrow(20).lines().count(), 1, "there is no room to break lines");
    let report = Report { place: "here".to_owned(), checks: vec![check] };
    assert!(report.text(plain).starts_with("here\nfail"));
    let json: Vec<String> = report.json().map(|json| json.to_string()).collect();
    assert_eq!(
        json,
        [
            r#"{"check":"acct","fixable":false,"found":"off","repair":["one","two"],"where":"here","word":"fail"}"#
        ]
    );
}

const INTRO: &str = "# When something is missing

<!-- Generated from the table of checks and the cases that test it; a test fails when it drifts. -->

`conntop doctor` looks for all of this and changes nothing. One line for each check: `ok`, `warn` or `fail`, what was
found, and below it what mends it; of several lines `mend:` any one does. It exits with 1 if a check failed (flows
stay unseen or uncounted), with 0 if there are only warnings, with 69 if the conntopd of `--connect` does not answer.

    conntop doctor                  this machine
    conntop doctor --netns wan      a network namespace of it
    conntop doctor -c router1       what a conntopd there lacks
    conntop doctor --json           one object: version, ok, checks, repaired
    conntop doctor --fix            repair what conntop may; asks before each (`--yes`: does not)

`--fix` writes no file: sysctls and the table `inet conntop-keep` last until the next boot. For good, put the lines into
`/etc/sysctl.d/` (and `nf_conntrack` into `/etc/modules-load.d/`, or they come too early) and the rule into your firewall.

| what one sees | checks to read |
|---|---|
| no flows, `tracking inactive` | rule, module, namespaces |
| only `sockets of this machine` | capability, rule |
| `n/a` for bytes and rates | acct, offload |
| totals that fall, the mark R | counters |
| ages such as `>12m` | timestamp |
| short flows are missing, `no events`, `lost` | events, lost |
| new connections are refused | table |
| addresses without names | dns |
| no countries and networks | geoip |
| flows without processes | processes, namespaces |
| letters instead of lines | unicode, colours |
";

fn section<F>(page: &mut String, title: &str, rows: &[Row<F>], cases: &[Case<F>]) {
    let _ = write!(page, "\n## {title}\n");
    for row in rows {
        let fails = if row.gravity == Gravity::Needed { " Fails." } else { "" };
        let _ = write!(page, "\n### {}\n\nAsks {}.{fails}\n\n", row.name, row.about);
        let _ = write!(page, "| | found | what mends it |\n|---|---|---|\n");
        for Case { word, found, repair, fixable, .. } in cases.iter().filter(|case| case.check == row.name) {
            let cell = |text: &str| text.replace('|', "\\|");
            let code = |line: &str| {
                let mark = if line.contains('`') { "``" } else { "`" };
                format!("{mark}{}{mark}", cell(line))
            };
            let repair: Vec<String> = repair.iter().map(|line| code(line)).collect();
            let fix = if *fixable { ", or `--fix`" } else { "" };
            let _ = writeln!(page, "| {} | {} | {}{fix} |", word.text(), cell(found), repair.join(" or "));
        }
    }
}

#[test]
fn what_one_sees_leads_to_checks() {
    let names = KERNEL.iter().map(|row| row.name).chain(CLIENT.iter().map(|row| row.name));
    let names: Vec<&str> = names.chain(REMOTE.iter().map(|row| row.name)).collect();
    let cells = |line: &'static str| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | ");
    let rows: Vec<_> = INTRO.lines().filter_map(cells).skip(1).collect();
    assert!(rows.len() > 8, "{rows:?}");
    for (seen, checks) in rows {
        for check in checks.split(", ") {
            assert!(names.contains(&check), "{seen}: there is no check {check}");
        }
    }
}

#[test]
fn manual() {
    let mut page = INTRO.to_owned();
    section(&mut page, "This machine", KERNEL, KERNEL_CASES);
    section(&mut page, "This conntop", CLIENT, CLIENT_CASES);
    section(&mut page, "A conntopd elsewhere", REMOTE, REMOTE_CASES);
    check_page("troubleshooting.md", &page);
}
