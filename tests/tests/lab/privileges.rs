//! What the daemon's threads may do, as the kernel tells it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::judge::{Reading, judge};
use conntop_tests::programs::{Daemon, program};
use conntop_tests::tools::run_within;
use conntop_tests::{Stage, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};

const NET_ADMIN: u64 = 1 << 12;

/// Fields of /proc/PID/task/TID/status by the name of the thread.
fn threads(pid: u32) -> BTreeMap<String, BTreeMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = tasks.map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |line: &str| line.split_once(':').map(|(k, v)| (k.to_owned(), v.trim().to_owned()));
        text.lines().filter_map(field).collect::<BTreeMap<_, _>>()
    });
    status.map(|fields| (fields["Name"].clone(), fields)).collect()
}

/// Capabilities of one thread: permitted, effective, inheritable, bounding, ambient.
fn capabilities(thread: &BTreeMap<String, String>) -> [u64; 5] {
    ["CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"]
        .map(|name| u64::from_str_radix(&thread[name], 16).unwrap())
}

/// Starts a daemon so, and compares all its threads while it serves.
#[track_caller]
fn check(arguments: &[&str], uid: u32, confined: bool) {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, arguments).unwrap();
    stage.inject(&Plan::new(1), 500).unwrap();
    assert_eq!(stage.check("confined").unwrap().compared, 500);
    compare(&stage.daemon, uid, confined);
    // And it works so, after the last client has gone and another one came too.
    let Stage { client, mut daemon, lab, injector: _alive } = stage;
    drop(client);
    let before = Reading::take(&lab.router).unwrap();
    let verdict = judge(&before, &daemon.list().unwrap(), &Reading::take(&lab.router).unwrap());
    assert!(verdict.is_clean() && verdict.compared == 500, "{verdict}");
    assert_eq!(daemon.terminate().unwrap().code(), Some(0));
    let log = daemon.log().unwrap().join("\n");
    assert!(!log.contains("WARN"), "{log}");
}

#[track_caller]
fn compare(daemon: &Daemon, uid: u32, confined: bool) {
    let threads = threads(daemon.pid());
    let names: Vec<&str> = threads.keys().map(String::as_str).collect();
    assert_eq!(names, ["conntopd", "ct-events", "ct-requests", "ct-table"]);
    let ids = [uid; 4].map(|id| id.to_string()).join("\t");
    for (name, thread) in &threads {
        let own = if name == "ct-requests" { NET_ADMIN } else { 0 };
        assert_eq!(capabilities(thread), [own, own, 0, 0, 0], "{name}: {thread:#?}");
        assert_eq!(thread["Uid"], ids, "{name}");
        assert!(uid == 0 || thread["Groups"].is_empty(), "{name}: {thread:#?}");
        let (no_new_privs, seccomp) = if confined { ("1", "2") } else { ("0", "0") };
        assert_eq!(thread["NoNewPrivs"], no_new_privs, "{name}");
        assert_eq!(thread["Seccomp"], seccomp, "{name}");
    }
}

#[test]
fn only_one_thread_has_a_capability() {
    check(&["--sandbox", "strict"], 0, true);
}

#[test]
fn another_user_has_no_more() {
    check(&["--sandbox", "strict", "--user", "nobody", "--no-proc"], 65534, true);
}

#[test]
fn capabilities_go_without_a_sandbox_too() {
    check(&["--sandbox", "off", "--no-proc"], 0, false);
}

/// Without CAP_SETPCAP the bounding set stays: strict does not start so, and best says it.
#[test]
fn strict_means_all_of_it() {
    let lab = lab_or_skip!();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Nobody may not look into the directory where it was built.
    let copy = directory.path().join("conntopd");
    fs::copy(program("conntopd").unwrap(), &copy).unwrap();
    let daemon = |sandbox: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(["--inh-caps=+net_admin", "--ambient-caps=+net_admin"]).arg(&copy);
        command.args(["--sandbox", sandbox, "--unix"]).arg(directory.path().join("socket"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        lab.router.spawn(&mut command).unwrap()
    };
    let output = run_within(daemon("strict"), Duration::from_secs(30)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("no caps (the bounding set stays as it is without CAP_SETPCAP)"), "{said}");
    let mut child = daemon("best");
    let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told = said.into_iter().find(|line| line.contains("sandbox best: no caps"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.unwrap().contains("WARN"));
}

/// To enter a namespace takes CAP_SYS_ADMIN, which goes once that is done.
#[test]
fn another_namespace_costs_nothing_that_stays() {
    let lab = lab_or_skip!();
    let arguments = ["--sandbox", "strict", "--netns", lab.router.name(), "--interval", "100ms"];
    let mut daemon = Daemon::start(&lab.lan, &arguments).unwrap();
    // Whoever is served is served by confined threads.
    daemon.list().unwrap();
    compare(&daemon, 0, true);
    assert_eq!(daemon.terminate().unwrap().code(), Some(0), "{:#?}", daemon.log());
}

/// Each thread tries forbidden acts after its lockdown, and the server's again while a client looks on.
#[test]
fn forbidden_acts_are_refused_while_it_serves() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &["--sandbox", "strict", "--self-test", "--no-proc"]).unwrap();
    stage.inject(&Plan::new(1), 300).unwrap();
    assert_eq!(stage.check("after the start").unwrap().compared, 300);
    let pid = Pid::from_raw(stage.daemon.pid().try_into().unwrap()).unwrap();
    let so_far = stage.daemon.log().unwrap().len();
    kill_process(pid, Signal::HUP).unwrap();
    let done = |log: &[String]| log.iter().skip(so_far).any(|line| line.contains("all refused"));
    let until = Instant::now() + Duration::from_secs(30);
    while !done(&stage.daemon.log().unwrap()) {
        assert!(Instant::now() < until, "{:#?}", stage.daemon.log());
        std::thread::yield_now();
    }
    stage.injector.create(&Plan::new(2), 0..200).unwrap();
    assert_eq!(stage.check("after the acts").unwrap().compared, 500);
    let log = stage.daemon.log().unwrap();
    for thread in ["ct-requests", "ct-events", "ct-table", "main"] {
        assert!(
            log.iter().any(|line| line.contains(&format!("self-test of {thread}:"))),
            "{thread}: {log:#?}"
        );
    }
    let named = ["open /etc/shadow", "run a program", "connect by TCP", "ptrace", "mount", "bpf", "reboot"];
    for name in named {
        let told = log.iter().filter(|line| line.contains(&format!("self-test: {name}: refused"))).count();
        assert_eq!(told, 5, "{name}");
    }
    // A library that has no other way to randomness must not end the thread.
    let possible = log.iter().filter(|line| line.contains("read /dev/urandom: possible")).count();
    assert_eq!(possible, 5);
    let refused = log.iter().filter(|line| line.contains(": refused")).count();
    assert!(refused >= 5 * 60, "{refused} acts in five rounds");
}

/// In local mode the collector's threads are confined and the rest of the client is not.
#[test]
fn local_mode_confines_the_collector_only() {
    let lab = lab_or_skip!();
    let mut command = Command::new(program("conntop").unwrap());
    command.args(["watch", "--initial", "--netns", lab.router.name()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    // A line of output means that everything runs.
    let mut flows = Injector::new(&lab.router).unwrap();
    flows.create(&Plan::new(1), 0..10).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let threads = threads(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    for (name, own) in [("ct-events", 0), ("ct-table", 0), ("ct-requests", NET_ADMIN)] {
        assert_eq!(capabilities(&threads[name]), [own, own, 0, 0, 0], "{name}");
        assert_eq!(threads[name]["Seccomp"], "2", "{name}");
    }
    assert_eq!(threads["conntop"]["NoNewPrivs"], "0");
    assert_ne!(capabilities(&threads["conntop"])[0], 0);
}

/// The self-test can fail: without a sandbox it does, and names what was not refused.
#[test]
fn the_self_test_fails_without_a_sandbox() {
    let lab = lab_or_skip!();
    let error = Daemon::start(&lab.router, &["--sandbox", "off", "--self-test"]).unwrap_err();
    let said = format!("{error:#}");
    for name in ["open /proc/version: done", "run a program: done", "personality: done"] {
        assert!(said.contains(name), "{name}: {said}");
    }
}
