//! Several nodes in one table: the trouble of one never touches the other.

use std::process::{Command, Stdio};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::terminal::Terminal;
use conntop_tests::{Daemon, Lab, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};

/// Flows on each node, and those that come while the other is in trouble.
const FLOWS: u32 = 300;
const MORE: u32 = 40;

struct Two {
    terminal: Terminal,
    one: (Daemon, Injector),
    other: (Daemon, Injector),
    lab: Lab,
}

/// Two hosts with a daemon each, and a screen with both.
fn two(lab: Lab) -> Two {
    let node = |namespace, name: &str| {
        let mut injector = Injector::new(namespace).unwrap();
        injector.create(&Plan::new(1), 0..FLOWS).unwrap();
        (Daemon::start(namespace, &["--interval", "100ms", "--name", name]).unwrap(), injector)
    };
    let one = node(&lab.router, "one");
    let other = node(&lab.wan, "other");
    let mut command = Command::new(program("conntop").unwrap());
    command.args(["--connect", &one.0.target(), "-c", &other.0.target()]);
    let mut terminal = Terminal::start(&lab.router, &mut command).unwrap();
    let all = format!("flows {}", 2 * FLOWS);
    let live = |screen: &str| screen.contains("2 nodes") && screen.contains("one live, other live");
    terminal.wait("both", PATIENCE, |screen| live(screen) && screen.contains(&all)).unwrap();
    Two { terminal, one, other, lab }
}

#[test]
fn one_is_killed_and_comes_back() {
    let mut two = two(lab_or_skip!());
    two.other.0.kill().unwrap();
    two.terminal.wait("the loss", PATIENCE, |s| s.contains("one live, other stale")).unwrap();
    // The one goes on, and all rows of the other are there, marked.
    two.one.1.create(&Plan::new(1), FLOWS..FLOWS + MORE).unwrap();
    let all = format!("flows {}", 2 * FLOWS + MORE);
    two.terminal.wait("more flows", PATIENCE, |s| s.contains(&all) && s.contains("1 of 2 live")).unwrap();
    two.terminal.keys(b"/node other\r").unwrap();
    let rows = format!("{FLOWS} of {}", 2 * FLOWS + MORE);
    two.terminal.wait("its rows", PATIENCE, |s| s.contains(&rows) && s.contains("!other")).unwrap();
    two.other.0.replace(&two.lab.wan, &["--interval", "100ms", "--name", "other"]).unwrap();
    let back = |s: &str| s.contains("one live, other live") && !s.contains("!other") && s.contains(&rows);
    two.terminal.wait("its return", PATIENCE, back).unwrap();
}

/// Nothing is heard of a stopped daemon, not even an end.
#[test]
fn one_is_stopped() {
    let mut two = two(lab_or_skip!());
    let signal = |daemon: &Daemon, signal| {
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    };
    signal(&two.one.0, Signal::STOP);
    two.other.1.create(&Plan::new(1), FLOWS..FLOWS + MORE).unwrap();
    let all = format!("flows {}", 2 * FLOWS + MORE);
    two.terminal.wait("more flows", PATIENCE, |s| s.contains(&all)).unwrap();
    two.terminal.wait("the silence", PATIENCE, |s| s.contains("one stale, other live")).unwrap();
    signal(&two.one.0, Signal::CONT);
    two.terminal.wait("its return", PATIENCE, |s| s.contains("one live, other live")).unwrap();
}

#[test]
fn list_and_watch() {
    let lab = lab_or_skip!();
    let two = two(lab);
    let targets = [two.one.0.target(), two.other.0.target()];
    let conntop = |arguments: &[&str]| {
        let mut command = Command::new(program("conntop").unwrap());
        command.args(arguments).args(["-c", &targets[0], "-c", &targets[1]]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let count = |text: &str, node: &str| text.matches(&format!("\"node\":\"{node}\"")).count();
    let flows = usize::try_from(FLOWS).unwrap();
    let (code, out, err) = conntop(&["list", "-o", "ndjson"]);
    assert_eq!((code, count(&out, "one"), count(&out, "other")), (Some(0), flows, flows), "{err}");
    let (code, out, err) = conntop(&["watch", "--initial", "--for", "3s"]);
    assert_eq!((code, count(&out, "one"), count(&out, "other")), (Some(0), flows, flows), "{err}");
    drop(two.other);
    let (code, out, err) = conntop(&["list", "-o", "ndjson"]);
    assert_eq!((code, count(&out, "one"), count(&out, "other")), (Some(69), flows, 0), "{err}");
    assert!(err.contains(&format!("{} is left out", targets[1])), "{err}");
}
