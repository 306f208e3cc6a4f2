//! The turns of a scan over a directory that looks like /proc.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ledger::Socket;
use super::procfs::Procfs;
use super::scan::Scanner;
use super::users::Users;
use crate::enrich::Fact;
use crate::enrich::processes::tests::key;
use crate::enrich::processes::{Processes, Seen, Space};

/// A directory like /proc, and a scan of it by a clock that stands.
struct Machine {
    root: TempDir,
    scanner: Scanner,
    now: Instant,
    sockets: Vec<(&'static str, u32)>,
    processes: Processes,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("passwd"), "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n").unwrap();
        let users = Users::of(root.path().join("passwd"));
        let scanner = Scanner::new(Procfs::at(root.path()), users);
        Self { root, scanner, now: Instant::now(), sockets: Vec::new(), processes: Processes::default() }
    }

    fn path(&self, pid: u32) -> PathBuf {
        self.root.path().join(pid.to_string())
    }

    fn start(&self, pid: u32, name: &str, inodes: &[u32]) {
        fs::create_dir_all(self.path(pid).join("fd")).unwrap();
        fs::create_dir_all(self.path(pid).join("ns")).unwrap();
        fs::write(self.path(pid).join("ns/net"), "").unwrap();
        self.exec(pid, name);
        fs::write(self.path(pid).join("cgroup"), "0::/system.slice/a.service\n").unwrap();
        fs::write(self.path(pid).join("status"), "Uid:\t1000\t1000\t1000\t1000\n").unwrap();
        let fields = "S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 1";
        fs::write(self.path(pid).join("stat"), format!("{pid} ({name}) {fields}\n")).unwrap();
        inodes.iter().for_each(|inode| self.open(pid, 3 + inode % 100, *inode));
    }

    fn exec(&self, pid: u32, name: &str) {
        fs::write(self.path(pid).join("comm"), format!("{name}\n")).unwrap();
        fs::write(self.path(pid).join("cmdline"), format!("/bin/{name}\0-x\0")).unwrap();
    }

    fn open(&self, pid: u32, fd: u32, inode: u32) {
        symlink(format!("socket:[{inode}]"), self.path(pid).join(format!("fd/{fd}"))).unwrap();
    }

    fn close(&self, pid: u32, fd: u32) {
        fs::remove_file(self.path(pid).join(format!("fd/{fd}"))).unwrap();
    }

    fn kill(&self, pid: u32) {
        fs::remove_dir_all(self.path(pid)).unwrap();
    }

    /// Time passes, and a turn sees all sockets that are there. Returns what was different.
    fn turn(&mut self, after: u64) -> Seen {
        self.now += Duration::from_secs(after);
        self.scanner.begin();
        for (text, inode) in &self.sockets {
            self.scanner.see(Socket { key: key(text), inode: *inode, uid: 1000 });
        }
        self.scanner.read(Space::BASE);
        let seen = self.scanner.end(self.now);
        self.processes.learn(seen.clone());
        seen
    }

    /// Who has a socket, as far as was told.
    fn who(&self, text: &str) -> String {
        let id = self.processes.sockets.get(&key(text));
        let Some(process) = id.and_then(|id| self.processes.processes.get(id)) else { return "?".to_owned() };
        match (&process.name, process.pid) {
            (Some(name), Some(pid)) => format!("{name}/{pid}"),
            _ => process.user.clone(),
        }
    }
}

const A: &str = "base tcp 10.0.0.1:1000 1.1.1.1:80";
const B: &str = "base tcp 10.0.0.1:1001 1.1.1.1:80";
const LISTENS: &str = "base tcp 0.0.0.0:22";
const CAME: &str = "base tcp 10.0.0.1:22 1.1.1.1:5000";

#[test]
fn a_socket_is_found_and_kept_for_a_while() {
    let mut machine = Machine::new();
    machine.start(50, "curl", &[501]);
    machine.sockets = vec![(A, 501)];
    let seen = machine.turn(0);
    assert_eq!(machine.who(A), "curl/50");
    let (_, process) = seen.processes.first().unwrap();
    assert_eq!(process.unit, Fact::Known("a.service".to_owned()));
    assert_eq!((process.user.as_str(), process.command.as_deref()), ("me", Some("/bin/curl -x")));
    assert_eq!(machine.turn(0), Seen::default(), "nothing is new");

    machine.kill(50);
    machine.sockets.clear();
    machine.turn(1);
    assert_eq!(machine.who(A), "curl/50", "what was seen is kept");
    machine.turn(599);
    assert_eq!(machine.who(A), "curl/50");
    let seen = machine.turn(2);
    assert_eq!(machine.who(A), "?");
    assert_eq!((seen.forgotten.len(), seen.left.len()), (1, 1));
    assert!(machine.processes.processes.is_empty() && machine.processes.sockets.is_empty());
}

#[test]
fn the_same_ends_may_belong_to_another_process() {
    let mut machine = Machine::new();
    machine.start(50, "old", &[501]);
    machine.sockets = vec![(A, 501)];
    machine.turn(0);
    machine.kill(50);
    machine.start(51, "new", &[502]);
    machine.sockets = vec![(A, 502)];
    machine.turn(1);
    assert_eq!(machine.who(A), "new/51");
    assert_eq!(machine.processes.processes.len(), 1);
}

#[test]
fn a_process_that_execs_is_called_otherwise() {
    let mut machine = Machine::new();
    machine.start(50, "sh", &[501]);
    machine.sockets = vec![(A, 501)];
    machine.turn(0);
    machine.exec(50, "nc");
    machine.turn(1);
    assert_eq!(machine.who(A), "nc/50");
    machine.exec(50, "late");
    machine.turn(29);
    assert_eq!(machine.who(A), "nc/50", "it is asked only now and then");
    machine.turn(1);
    assert_eq!(machine.who(A), "late/50");
}

#[test]
fn who_listens_is_asked_first_and_who_is_unlikely_in_the_next_turn() {
    let mut machine = Machine::new();
    machine.start(1, "init", &[]);
    machine.start(40, "idle", &[]);
    machine.start(50, "sshd", &[501]);
    machine.sockets = vec![(LISTENS, 501)];
    machine.turn(0);
    machine.open(50, 90, 502);
    machine.sockets.push((CAME, 502));
    machine.turn(1);
    assert_eq!(machine.who(CAME), "sshd/50");
    machine.open(40, 5, 503);
    machine.sockets.push((A, 503));
    machine.turn(1);
    assert_eq!(machine.who(A), "?", "nothing made this one likely");
    machine.turn(0);
    assert_eq!(machine.who(A), "idle/40");
}

#[test]
fn a_descriptor_is_used_again() {
    let mut machine = Machine::new();
    machine.start(50, "server", &[]);
    machine.open(50, 7, 501);
    machine.sockets = vec![(A, 501)];
    machine.turn(0);
    machine.close(50, 7);
    machine.open(50, 7, 502);
    machine.sockets = vec![(B, 502)];
    machine.turn(1);
    assert_eq!(machine.who(B), "server/50");
}

#[test]
fn a_socket_outlives_its_process_or_is_handed_on() {
    let mut machine = Machine::new();
    machine.start(50, "parent", &[501, 502]);
    machine.start(60, "child", &[501, 502]);
    machine.sockets = vec![(A, 501), (B, 502)];
    machine.turn(0);
    assert_eq!(machine.who(A), "parent/50", "the oldest of those who share it");
    machine.close(50, 4);
    machine.turn(30);
    machine.turn(0);
    machine.turn(0);
    assert_eq!((machine.who(A).as_str(), machine.who(B).as_str()), ("child/60", "parent/50"));
    machine.kill(50);
    machine.turn(1);
    machine.turn(0);
    assert_eq!(machine.who(B), "child/60");
}

#[test]
fn the_first_process_has_only_what_nobody_else_has() {
    let mut machine = Machine::new();
    machine.start(1, "systemd", &[501, 502]);
    machine.start(50, "service", &[501]);
    machine.sockets = vec![(A, 501), (LISTENS, 502)];
    machine.turn(0);
    machine.turn(0);
    assert_eq!((machine.who(A).as_str(), machine.who(LISTENS).as_str()), ("service/50", "systemd/1"));
}

#[test]
fn of_a_socket_that_no_process_has_the_user_is_known() {
    let mut machine = Machine::new();
    machine.start(50, "other", &[]);
    machine.sockets = vec![(A, 501)];
    machine.turn(0);
    assert_eq!(machine.who(A), "?");
    machine.turn(0);
    assert_eq!(machine.who(A), "me", "all were asked");
    // It is looked for ever more seldom.
    machine.open(50, 9, 501);
    machine.turn(1);
    assert_eq!(machine.who(A), "me");
    machine.turn(1);
    assert_eq!(machine.who(A), "other/50");
    assert_eq!(machine.processes.processes.len(), 1, "the user alone is not needed any more");
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let mut machine = Machine::new();
    machine.start(50, "one", &[501]);
    machine.sockets = vec![(A, 501)];
    machine.turn(0);
    // Kept open, so that the directory's inode is not used again here, as /proc's never is.
    let _held = fs::File::open(machine.path(50)).unwrap();
    machine.kill(50);
    machine.start(50, "two", &[502]);
    let text = fs::read_to_string(machine.path(50).join("stat")).unwrap();
    fs::write(machine.path(50).join("stat"), text.replace(" 77 ", " 99 ")).unwrap();
    machine.sockets = vec![(B, 502)];
    machine.turn(1);
    assert_eq!((machine.who(A).as_str(), machine.who(B).as_str()), ("one/50", "two/50"));
}

#[test]
fn reuseport_sockets_do_not_take_turns() {
    let mut machine = Machine::new();
    machine.start(50, "first", &[501]);
    machine.start(51, "second", &[502]);
    machine.sockets = vec![(LISTENS, 501), (LISTENS, 502)];
    machine.turn(0);
    assert_eq!(machine.who(LISTENS), "first/50");
    assert_eq!(machine.turn(1), Seen::default());
}
