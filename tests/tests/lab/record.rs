//! What a collector told is what its recording tells, a lost connection included.

use std::process::{Command, Stdio};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::terminal::Terminal;
use conntop_tests::{Daemon, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};

const FLOWS: u32 = 300;
const MORE: u32 = 40;

/// Lines that `list` prints.
fn list(arguments: &[&str]) -> usize {
    let mut command = Command::new(program("conntop").unwrap());
    let output = command.args(["list", "-o", "ndjson"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().count()
}

#[test]
fn a_daemon_is_recorded_over_its_end() {
    let lab = lab_or_skip!();
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..FLOWS).unwrap();
    let mut daemon = Daemon::start(&lab.router, &["--interval", "100ms", "--name", "one"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, name) = (folder.path().join("one.ndjson"), folder.path().join("one.ndjson"));
    let name = name.to_str().unwrap();
    let mut command = Command::new(program("conntop").unwrap());
    command.args(["record", name, "--connect", &daemon.target()]).stderr(Stdio::null());
    let mut recorder = command.spawn().unwrap();
    let wait = |what: &str, condition: &dyn Fn(&str) -> bool| {
        let end = std::time::Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&file).is_ok_and(|text| condition(&text)) {
            assert!(std::time::Instant::now() < end, "{what} does not come into the recording");
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    };
    wait("the table", &|text| text.contains("{\"synced\""));
    daemon.kill().unwrap();
    wait("the loss", &|text| text.contains("{\"bye\""));
    injector.create(&Plan::new(1), FLOWS..FLOWS + MORE).unwrap();
    daemon.replace(&lab.router, &["--interval", "100ms", "--name", "one"]).unwrap();
    // All of it, and a pass that is done.
    wait("the return", &|text| {
        let again = text.match_indices("{\"synced\"").nth(1);
        again.is_some_and(|(at, _)| text.split_at(at).1.contains("\"took\""))
    });
    let pid = Pid::from_raw(i32::try_from(recorder.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(recorder.wait().unwrap().success(), "a signal ends it well");
    let all = usize::try_from(FLOWS + MORE).unwrap();
    assert_eq!(list(&["--connect", &daemon.target()]), all);
    drop(daemon);
    assert_eq!(list(&["--replay", name]), all, "as the daemon told it");

    // And on the screen of a machine that knows nothing of it.
    let mut command = Command::new(program("conntop").unwrap());
    command.args(["replay", name, "--speed", "100"]);
    let mut terminal = Terminal::start(&lab.wan, &mut command).unwrap();
    let flows = format!("flows {all}");
    terminal.wait("its end", PATIENCE, |s| s.contains(&flows) && s.contains("end of recording")).unwrap();
}
