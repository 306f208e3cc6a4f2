//! `conntop ssh://…` against a real sshd: what works, what is said when it does not, and that nothing
//! is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::fs;
use std::io::Seek as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conntop_tests::gate;
use conntop_tests::inject::{Injector, Plan};
use conntop_tests::programs::program;
use conntop_tests::sshd::{HostKey, Key, Sshd, SshdOptions};
use conntop_tests::stage::PATIENCE;
use conntop_tests::terminal::Terminal;
use conntop_tests::tools::{self, run_within};
use conntop_tests::{Lab, Namespace, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};

const TARGET: &str = "ssh://root@127.0.0.1";

/// A lab, or none because there is no sshd.
macro_rules! ssh_lab_or_skip {
    () => {{
        let lab = lab_or_skip!();
        if let Err(why) = tools::ssh() {
            gate::skip(&why);
            return;
        }
        lab
    }};
}

/// conntop without a terminal that anybody could be asked on.
fn conntop(lab: &Lab, sshd: &Sshd, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new("setsid");
    command.arg(program("conntop").unwrap()).args(arguments).env("PATH", sshd.path());
    // A pipe that nobody reads while it runs would fill up.
    let mut out = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(Stdio::piped());
    let child = lab.router.spawn(&mut command).unwrap();
    let output = run_within(child, PATIENCE).unwrap();
    out.rewind().unwrap();
    let out = std::io::read_to_string(out).unwrap();
    (output.status.code(), out, String::from_utf8(output.stderr).unwrap())
}

/// The processes in a namespace, apart from sshd itself, by their command lines.
fn processes(namespace: &Namespace, sshd: &Sshd) -> Vec<(u32, String)> {
    let own = fs::metadata(namespace.path()).unwrap();
    let is_inside = |pid: u32| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|ns| ns.ino() == own.ino())
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Threads of the test itself enter namespaces, but the process stays outside.
    let inside = pids.filter(|&pid| pid != sshd.pid() && is_inside(pid));
    let line =
        |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    inside.map(|pid| (pid, line(pid))).filter(|(_, line)| !line.is_empty()).collect()
}

#[track_caller]
fn nothing_is_left(namespace: &Namespace, sshd: &Sshd) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = processes(namespace, sshd);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:#?}");
        std::thread::yield_now();
    }
}

#[test]
fn list_shows_the_table_there() {
    let lab = ssh_lab_or_skip!();
    let sshd = Sshd::start(&lab.router, &SshdOptions::default()).unwrap();
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..500).unwrap();
    let (code, out, err) = conntop(&lab, &sshd, &["list", "--format", "json", TARGET]);
    assert_eq!(code, Some(0), "{err}");
    let flows: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert!(flows.len() >= 500, "{} flows", flows.len());
    // The login itself is one of them.
    assert!(flows.iter().any(|flow| flow["dport"] == 22));
    nothing_is_left(&lab.router, &sshd);
}

/// What it says and how it ends, when something is missing there.
#[test]
fn each_failure_says_what_to_do() {
    const DENIED: &str = "exec setpriv --bounding-set=-all \"$CONNTOPD\" \"$@\"";
    let lab = ssh_lab_or_skip!();
    let well = SshdOptions::default;
    let cases = [
        ("no program", SshdOptions { conntopd: None, ..well() }, 1, "there is no conntopd: copy it there"),
        (
            "an old program",
            SshdOptions { conntopd: Some("echo conntopd: unknown option --stdio >&2; exit 2"), ..well() },
            1,
            "upgrade it (conntopd: unknown option --stdio)",
        ),
        (
            "no capability",
            SshdOptions { conntopd: Some(DENIED), ..well() },
            77,
            "CAP_NET_ADMIN): log in as root, or run there once: setcap cap_net_admin+ep",
        ),
        (
            "no sudo without a password",
            SshdOptions {
                conntopd: Some(DENIED),
                sudo: Some("echo sudo: a password is required >&2; exit 1"),
                ..well()
            },
            77,
            "(sudo: a password is required): add `root ALL=(root) NOPASSWD: ",
        ),
        (
            "an unknown host key",
            SshdOptions { host_key: HostKey::Unknown, ..well() },
            77,
            "run `ssh root@127.0.0.1` once, compare the fingerprint",
        ),
        (
            "a changed host key",
            SshdOptions { host_key: HostKey::Other, ..well() },
            77,
            "the host key has changed",
        ),
        ("no login", SshdOptions { key: Key::Refused, ..well() }, 77, "Permission denied (publickey)"),
        (
            "endless noise",
            SshdOptions { force: Some("while :; do echo y; done"), ..well() },
            1,
            "make its login shell print nothing",
        ),
        (
            "a program that fails",
            SshdOptions { conntopd: Some("echo ' ERROR  no table' >&2; exit 1"), ..well() },
            69,
            "ssh has ended (ERROR  no table)",
        ),
    ];
    for (name, options, wanted, part) in cases {
        let sshd = Sshd::start(&lab.router, &options).unwrap();
        let (code, out, err) = conntop(&lab, &sshd, &["list", TARGET]);
        assert_eq!(code, Some(wanted), "{name}: {err}");
        assert!(err.contains(part) && out.is_empty(), "{name}: {err}");
        nothing_is_left(&lab.router, &sshd);
    }
    let sshd = Sshd::start(&lab.router, &well()).unwrap();
    let (code, _, err) = conntop(&lab, &sshd, &["list", "ssh://127.0.0.1:1"]);
    assert_eq!(code, Some(69), "{err}");
    assert!(err.contains("not reachable") && err.contains("Connection refused"), "{err}");
}

/// What works nevertheless.
#[test]
fn sudo_and_noise_are_no_obstacles() {
    let lab = ssh_lab_or_skip!();
    let with_sudo = SshdOptions {
        conntopd: Some(
            "if [ \"$SUDO\" ]; then exec \"$CONNTOPD\" \"$@\"; \
             else exec setpriv --bounding-set=-all \"$CONNTOPD\" \"$@\"; fi",
        ),
        sudo: Some("[ \"$1\" = -n ] && shift && SUDO=1 exec env SUDO=1 \"$@\""),
        ..SshdOptions::default()
    };
    let noisy = SshdOptions {
        force: Some(
            "echo 'Welcome {to} the router'; printf 'no end of line'; eval \"$SSH_ORIGINAL_COMMAND\"",
        ),
        ..SshdOptions::default()
    };
    let forced = SshdOptions { force: Some("conntopd --stdio"), ..SshdOptions::default() };
    for (name, options) in [("sudo", with_sudo), ("noise", noisy), ("a forced command", forced)] {
        let sshd = Sshd::start(&lab.router, &options).unwrap();
        let (code, out, err) = conntop(&lab, &sshd, &["list", "--format", "csv", TARGET]);
        assert_eq!(code, Some(0), "{name}: {err}");
        assert!(out.lines().count() > 1, "{name}: {out}");
        nothing_is_left(&lab.router, &sshd);
    }
}

/// ssh may ask before the screen is taken, and never afterwards; a lost session comes back; quitting
/// leaves nothing.
#[test]
fn the_screen() {
    let lab = ssh_lab_or_skip!();
    let options = SshdOptions { host_key: HostKey::Unknown, ..SshdOptions::default() };
    let sshd = Sshd::start(&lab.router, &options).unwrap();
    let mut command = Command::new("setsid");
    command.args(["--ctty"]).arg(program("conntop").unwrap()).arg(TARGET).env("PATH", sshd.path());
    let mut terminal = Terminal::start(&lab.router, &mut command).unwrap();
    terminal.wait("the question", PATIENCE, |screen| screen.contains("(yes/no")).unwrap();
    terminal.keys(b"yes\r").unwrap();
    let live = |screen: &str| screen.contains(TARGET) && screen.contains("flows ") && screen.contains("ssh");
    terminal.wait("the table", PATIENCE, live).unwrap();

    let session = |what: &str| {
        let all = processes(&lab.router, &sshd);
        let of: Vec<u32> = all.iter().filter(|(_, line)| line.contains(what)).map(|(pid, _)| *pid).collect();
        assert!(!of.is_empty(), "no {what} in {all:#?}");
        of
    };
    let before = session("conntopd --interval");
    for pid in &before {
        kill_process(Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    }
    terminal.wait("the loss", PATIENCE, |screen| screen.contains("stale")).unwrap();
    terminal.wait("its return", PATIENCE, |screen| live(screen) && !screen.contains("stale")).unwrap();
    assert!(!terminal.screen().contains("(yes/no"), "{}", terminal.screen());
    assert_ne!(session("conntopd --interval"), before);

    terminal.keys(b"q").unwrap();
    let quit = Instant::now();
    while terminal.is_alive().unwrap() {
        assert!(quit.elapsed() < Duration::from_secs(5), "it does not end");
        std::thread::yield_now();
    }
    nothing_is_left(&lab.router, &sshd);

    // Killed, it cannot end its ssh; the end of the pipes does.
    let mut command = Command::new(program("conntop").unwrap());
    command.arg(TARGET).env("PATH", sshd.path());
    let mut terminal = Terminal::start(&lab.router, &mut command).unwrap();
    terminal.wait("the table", PATIENCE, live).unwrap();
    drop(terminal);
    nothing_is_left(&lab.router, &sshd);
}

/// A router that cannot be logged in to is shown as such beside one that can.
#[test]
fn one_of_two() {
    let lab = ssh_lab_or_skip!();
    let sshd = Sshd::start(&lab.router, &SshdOptions::default()).unwrap();
    let (code, out, err) =
        conntop(&lab, &sshd, &["list", "-o", "ndjson", TARGET, "ssh://nobody-here@127.0.0.1"]);
    assert_eq!(code, Some(77), "{err}");
    assert!(!out.is_empty() && err.contains("ssh://nobody-here@127.0.0.1 is left out: "), "{err}");
    let mut command = Command::new("setsid");
    command.arg(program("conntop").unwrap()).args([TARGET, "ssh://127.0.0.1:1"]);
    let mut terminal = Terminal::start(&lab.router, command.env("PATH", sshd.path())).unwrap();
    let shown =
        |screen: &str| screen.contains("ssh://127.0.0.1:1: not reachable") && screen.contains("1 of 2 live");
    terminal.wait("both", PATIENCE, shown).unwrap();
    terminal.keys(b"q").unwrap();
    while terminal.is_alive().unwrap() {
        std::thread::yield_now();
    }
    nothing_is_left(&lab.router, &sshd);
}
