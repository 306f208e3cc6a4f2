//! The commands.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{OFFICE, text};

/// No step takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collector that says the recording of an office to everybody and then is silent.
struct Collector {
    directory: TempDir,
    socket: PathBuf,
}

impl Collector {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (hello, rest) = OFFICE.split_at(OFFICE.find('\n').unwrap() + 1);
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let _gone = stream.write_all(hello.as_bytes());
                let mut line = String::new();
                let _gone = reader.read_line(&mut line);
                let _gone = stream.write_all(rest.as_bytes());
                let _until_it_leaves = reader.read_to_end(&mut Vec::new());
            }
        });
        Self { directory, socket }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = conntop(arguments);
        command.arg("--connect").arg(format!("unix:{}", self.socket.display()));
        command
    }

    /// Records until the whole office is in the file, then asks the program to end.
    fn record(&self, file: &Path, more: &[&str]) -> Output {
        let mut arguments = vec!["record", file.to_str().unwrap()];
        arguments.extend(more);
        let child = self.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It is flushed every few seconds.
        let last = OFFICE.lines().next_back().unwrap();
        until(|| std::fs::read_to_string(file).is_ok_and(|text| text.trim_end().ends_with(last)));
        interrupt(child.id());
        child.wait_with_output().unwrap()
    }
}

fn conntop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntop"));
    command.args(arguments).env("NO_COLOR", "1").env("CONNTOP_NO_GEOIP", "true");
    command
}

fn interrupt(id: u32) {
    let pid = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it takes too long");
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{:?}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

fn list(file: &Path, more: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["list", "-o", "ndjson", "--replay", file.to_str().unwrap()];
    arguments.extend(more);
    let printed = ok(&conntop(&arguments).output().unwrap());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_recorded_is_shown_again() {
    let collector = Collector::new();
    let (plain, packed) = (collector.path("office.ndjson"), collector.path("office.zst"));
    let output = collector.record(&plain, &[]);
    ok(&output);
    let said = text(&output.stderr);
    assert!(said.contains("recording router1 to ") && said.contains(" 136 flows, "), "{said}");
    let lines = std::fs::read_to_string(&plain).unwrap();
    assert!(lines.lines().skip(1).eq(OFFICE.lines().skip(1)), "the lines of the wire");
    assert_eq!(plain.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = ["record", "--replay", plain.to_str().unwrap(), packed.to_str().unwrap()];
    ok(&conntop(&again).output().unwrap());
    assert!(packed.metadata().unwrap().len() < plain.metadata().unwrap().len() / 2);
    let flows = list(&plain, &[]);
    assert!(flows.len() > 60, "{}", flows.len());
    assert_eq!(list(&packed, &[]), flows);
    assert!(flows.iter().any(|flow| flow["down_Bps"].as_u64() > Some(0)), "rates need no waiting");
    let earlier = list(&plain, &["--at", "3s"]);
    assert_ne!(earlier.len(), flows.len());
    let replayed = ok(&conntop(&["replay", plain.to_str().unwrap(), "--sort", "bytes"]).output().unwrap());
    assert_eq!(replayed.lines().count(), flows.len() + 1, "without a terminal it is the table\n{replayed}");
    let events = ok(&conntop(&["watch", "--replay", packed.to_str().unwrap()]).output().unwrap());
    assert!(events.contains("\"event\":\"new\"") && events.contains("\"event\":\"ended\""), "{events}");
}

#[test]
fn a_filter_keeps_whole_flows() {
    let collector = Collector::new();
    let (all, some) = (collector.path("all.ndjson"), collector.path("some.ndjson"));
    ok(&collector.record(&all, &[]));
    let check = |filter: &str| {
        let output = conntop(&["record", "--replay", all.to_str().unwrap(), "-f", filter, "--force"])
            .arg(&some)
            .output()
            .unwrap();
        ok(&output);
        let (wanted, kept) = (list(&all, &["-f", filter]), list(&some, &[]));
        assert!(!wanted.is_empty(), "{filter} is too narrow for a test");
        for flow in &wanted {
            let same = |other: &&Value| other["flow"] == flow["flow"];
            let Some(other) = kept.iter().find(same) else { panic!("{filter}: {flow} is not there") };
            assert_eq!(other["total_bytes"], flow["total_bytes"], "{filter}");
            assert_eq!(other["state"], flow["state"], "{filter}");
        }
        (wanted.len(), kept.len())
    };
    let (wanted, kept) = check("dport 443");
    assert_eq!(wanted, kept, "what never changes keeps as many");
    // A flow that has come above it stays in the recording.
    let (wanted, kept) = check("bytes > 1MB");
    assert!(kept >= wanted, "{kept} {wanted}");
    assert!(std::fs::metadata(&some).unwrap().len() < std::fs::metadata(&all).unwrap().len());
}

#[test]
fn a_recording_ends_well_whatever_ends_it() {
    let collector = Collector::new();
    let file = collector.path("office.ndjson");
    let name = file.to_str().unwrap();
    ok(&collector.command(&["record", name, "--for", "500ms"]).output().unwrap());
    let first = std::fs::read(&file).unwrap();
    let refused = collector.command(&["record", name, "--for", "1s"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("exists already; --force overwrites it"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(std::fs::read(&file).unwrap(), first, "it is as it was");
    ok(&collector.command(&["record", name, "--for", "500ms", "--force"]).output().unwrap());
    let folder = collector.directory.path().to_str().unwrap();
    let refused = collector.command(&["record", folder]).output().unwrap();
    assert!(text(&refused.stderr).contains("is a folder"), "{}", text(&refused.stderr));

    // A disk that is full is told, with what is still good.
    let full = collector.command(&["record", "/dev/full", "--for", "1s"]).output().unwrap();
    assert_eq!(full.status.code(), Some(1), "{}", text(&full.stderr));
    assert!(text(&full.stderr).contains("No space left"), "{}", text(&full.stderr));
    // A reader who has gone is no failure.
    let program = env!("CARGO_BIN_EXE_conntop");
    let script = format!("'{program}' record - -c unix:{} --for 2s | head -c 10", collector.socket.display());
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{:?} {}", output.status, text(&output.stderr));
    // Nobody is there: no file is left.
    let none = collector.path("none.ndjson");
    let lost = conntop(&["record", none.to_str().unwrap(), "-c", "unix:/nowhere"]).output().unwrap();
    assert_eq!(lost.status.code(), Some(69), "{}", text(&lost.stderr));
    assert!(!none.exists());
    let several = ["record", "x", "-c", "unix:/a", "-c", "unix:/b"];
    assert_eq!(conntop(&several).output().unwrap().status.code(), Some(2));
}

#[test]
fn it_goes_through_pipes() {
    let collector = Collector::new();
    let program = env!("CARGO_BIN_EXE_conntop");
    let script = format!(
        "'{program}' record - -c unix:{} --for 1s 2>/dev/null | '{program}' list --replay - -o ndjson --no-geoip",
        collector.socket.display()
    );
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().unwrap();
    assert!(ok(&output).lines().count() > 60);
    let missing = conntop(&["list", "--replay", "/nowhere/at-all"]).output().unwrap();
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("/nowhere/at-all: No such file"), "{}", text(&missing.stderr));
    for wrong in [["--netns", "x"], ["-c", "unix:/x"], ["--interval", "1s"]] {
        let both = conntop(&["list", "--replay", "x"]).args(wrong).output().unwrap();
        assert_eq!(both.status.code(), Some(2), "{wrong:?} {}", text(&both.stderr));
    }
}
