//! Looking up by both tuples, and the turns of a scan over a directory that looks like /proc.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use conntop_proto::tuple::{L4, Proto, Tuple};
use tempfile::TempDir;

use super::ledger::Socket;
use super::procfs::Procfs;
use super::scan::Scanner;
use super::users::Users;
use super::*;

const CONTAINER: Space = Space::BASE.next();
const OTHER: Space = CONTAINER.next();

fn process(name: &str, pid: u32) -> Process {
    Process {
        pid: Some(pid),
        name: Some(name.to_owned()),
        user: "root".to_owned(),
        uid: 0,
        unit: Fact::Absent,
        command: Some(name.to_owned()),
    }
}

/// `SPACE PROTO LOCAL [REMOTE]`
fn key(text: &str) -> Key {
    let mut words = text.split(' ');
    let space = match words.next().unwrap() {
        "base" => Space::BASE,
        "container" => CONTAINER,
        "other" => OTHER,
        space => panic!("{space}"),
    };
    let proto = Proto::from_name(words.next().unwrap()).unwrap();
    let local = words.next().unwrap().parse().unwrap();
    match words.next() {
        Some(remote) => Key::connected(space, proto, local, remote.parse().unwrap()),
        None => Key::bound(space, proto, local),
    }
}

/// `SOURCE>DESTINATION`
fn tuple(proto: &str, text: &str) -> Tuple {
    let proto = Proto::from_name(proto).unwrap();
    let (src, dst) = text.split_once('>').unwrap();
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let l4 = match proto {
        Proto::ICMP => L4::Icmp { id: src.port(), ty: 8, code: 0 },
        _ => L4::Ports { src: src.port(), dst: dst.port() },
    };
    Tuple { src: src.ip(), dst: dst.ip(), proto, l4 }
}

fn machine(hidden: Hidden) -> Processes {
    let sockets = [
        ("curl", "base tcp 198.51.100.1:40000 1.1.1.1:443"),
        ("sshd", "base tcp [::]:22"),
        ("sshd-session", "base tcp 198.51.100.1:22 203.0.113.9:50000"),
        ("mapped", "base tcp [::ffff:198.51.100.1]:8080 [::ffff:203.0.113.9]:50001"),
        ("haproxy", "base tcp 192.0.2.77:80 203.0.113.9:50002"),
        ("unbound", "base udp 198.51.100.1:53"),
        ("dnsmasq", "base udp 0.0.0.0:53"),
        ("chrony", "base udp 0.0.0.0:40123"),
        ("quic", "base udp 198.51.100.1:41000 1.1.1.1:443"),
        ("avahi", "base udp 0.0.0.0:5353"),
        ("wireguard", "base udp [::]:51820"),
        ("postgres", "base tcp 127.0.0.1:5432"),
        ("psql", "base tcp 127.0.0.1:33333 127.0.0.1:5432"),
        ("wget", "container tcp 172.17.0.2:44444 1.1.1.1:80"),
        ("nginx", "container tcp 0.0.0.0:80"),
        ("nginx-worker", "container tcp 172.17.0.2:80 203.0.113.9:50003"),
        ("resolver", "container udp 0.0.0.0:40555"),
        ("inner", "container tcp 127.0.0.1:33334 127.0.0.1:5432"),
        ("twin-a", "container tcp 10.9.9.9:1000 1.1.1.1:80"),
        ("twin-b", "other tcp 10.9.9.9:1000 1.1.1.1:80"),
        ("v6", "base tcp [2001:db8::1]:40000 [2001:db8::2]:443"),
    ];
    let ids = || (1..).map(ProcessId);
    let processes = sockets.iter().zip(ids()).map(|((name, _), id)| (id, process(name, id.0))).collect();
    let sockets = sockets.iter().zip(ids()).map(|((_, text), id)| (key(text), id)).collect();
    let address = |text: &str, space| (text.parse().unwrap(), space);
    let addresses = vec![
        address("198.51.100.1", Space::BASE),
        address("2001:db8::1", Space::BASE),
        address("172.17.0.1", Space::BASE),
        address("172.17.0.2", CONTAINER),
        address("10.9.9.9", CONTAINER),
        address("10.9.9.9", OTHER),
    ];
    let mut all = Processes::default();
    all.learn(Seen { processes, sockets, addresses: Some(addresses), hidden, ..Seen::default() });
    all
}

fn word(fact: Fact<&Process>) -> String {
    match fact {
        Fact::Known(process) => process.name.clone().unwrap_or_default(),
        Fact::Unknown => "?".to_owned(),
        Fact::Absent => "-".to_owned(),
    }
}

/// `orig` and `reply` as `SOURCE>DESTINATION`; no reply is the inverse.
#[track_caller]
fn check(all: &Processes, proto: &str, orig: &str, reply: &str, expected: &str) {
    let orig = tuple(proto, orig);
    let reply = if reply.is_empty() { orig.inverse() } else { tuple(proto, reply) };
    let [opener, server] = all.ends(&orig, &reply).map(word);
    assert_eq!(word(all.of(&orig, &reply)), expected, "{orig:?} {reply:?}: {opener} {server}");
}

#[test]
fn whose_a_flow_is() {
    let all = machine(Hidden::default());
    for (proto, orig, reply, expected) in [
        // Both directions, listening, mapped, transparent, IPv6.
        ("tcp", "198.51.100.1:40000>1.1.1.1:443", "", "curl"),
        ("tcp", "203.0.113.9:50000>198.51.100.1:22", "", "sshd-session"),
        ("tcp", "203.0.113.9:59999>198.51.100.1:22", "", "sshd"),
        ("tcp", "203.0.113.9:50001>198.51.100.1:8080", "", "mapped"),
        ("tcp", "203.0.113.9:50002>192.0.2.77:80", "", "haproxy"),
        ("tcp", "[2001:db8::1]:40000>[2001:db8::2]:443", "", "v6"),
        ("tcp", "[2001:db8::9]:50000>[2001:db8::1]:22", "", "sshd"),
        // Ours, but nobody's any more; a port that is served is no source of connections.
        ("tcp", "198.51.100.1:40009>1.1.1.1:443", "", "?"),
        ("tcp", "198.51.100.1:22>1.1.1.1:443", "", "?"),
        // UDP: connected, bound to an address, to none.
        ("udp", "198.51.100.1:41000>1.1.1.1:443", "", "quic"),
        ("udp", "203.0.113.9:5000>198.51.100.1:53", "", "unbound"),
        ("udp", "172.17.0.2:5000>172.17.0.1:53", "", "dnsmasq"),
        ("udp", "198.51.100.1:40123>1.1.1.1:123", "", "chrony"),
        ("udp", "203.0.113.9:9>198.51.100.1:51820", "", "wireguard"),
        ("udp", "203.0.113.9:5353>224.0.0.251:5353", "", "avahi"),
        ("udp", "198.51.100.1:49999>1.1.1.1:53", "", "?"),
        // Nobody here, whoever listens on the same port.
        ("udp", "192.168.1.5:5000>8.8.8.8:53", "8.8.8.8:53>198.51.100.1:5000", "-"),
        ("tcp", "192.168.1.5:5000>8.8.8.8:22", "", "-"),
        ("tcp", "[fd00::5]:5000>[2001:db8::2]:22", "", "-"),
        // This machine itself, and what containers say to themselves.
        ("tcp", "127.0.0.1:33333>127.0.0.1:5432", "", "psql"),
        ("tcp", "127.0.0.1:33334>127.0.0.1:5432", "", "postgres"),
        // Containers: masqueraded, published, both ends here.
        ("tcp", "172.17.0.2:44444>1.1.1.1:80", "1.1.1.1:80>198.51.100.1:44444", "wget"),
        ("tcp", "203.0.113.9:50003>198.51.100.1:8000", "172.17.0.2:80>203.0.113.9:50003", "nginx-worker"),
        ("tcp", "203.0.113.9:50004>198.51.100.1:8000", "172.17.0.2:80>203.0.113.9:50004", "nginx"),
        ("udp", "172.17.0.2:40555>172.17.0.1:53", "", "resolver"),
        ("tcp", "172.17.0.2:44445>1.1.1.1:80", "1.1.1.1:80>198.51.100.1:44445", "?"),
        // Two that cannot be told apart.
        ("tcp", "10.9.9.9:1000>1.1.1.1:80", "", "?"),
        // No sockets with these ends.
        ("icmp", "198.51.100.1:7>1.1.1.1:0", "1.1.1.1:7>198.51.100.1:0", "?"),
        ("icmp", "192.168.1.5:7>1.1.1.1:0", "1.1.1.1:7>192.168.1.5:0", "-"),
        ("sctp", "198.51.100.1:40000>1.1.1.1:443", "", "?"),
        ("gre", "192.168.1.5:1>1.1.1.1:1", "", "-"),
    ] {
        check(&all, proto, orig, reply, expected);
    }
}

#[test]
fn what_may_be_in_a_namespace_that_nobody_sees_is_unknown() {
    let all = machine(Hidden { spaces: true, others: false });
    check(&all, "tcp", "192.168.1.5:5000>8.8.8.8:443", "", "?");
    check(&all, "tcp", "198.51.100.1:40000>1.1.1.1:443", "", "curl");
    check(&Processes::default(), "tcp", "192.168.1.5:5000>8.8.8.8:443", "", "?");
}

#[test]
fn both_ends_of_a_flow_are_told_apart() {
    let all = machine(Hidden::default());
    let orig = tuple("tcp", "127.0.0.1:33333>127.0.0.1:5432");
    assert_eq!(all.ends(&orig, &orig.inverse()).map(word), ["psql", "postgres"]);
    let orig = tuple("tcp", "198.51.100.1:40000>1.1.1.1:443");
    assert_eq!(all.ends(&orig, &orig.inverse()).map(word), ["curl", "-"]);
}

#[test]
fn parts_say_the_same() {
    let sockets: Vec<_> = (0..10).map(|n| (key(&format!("base tcp 1.1.1.1:{n}")), ProcessId(n))).collect();
    let processes = vec![(ProcessId(1), process("one", 1))];
    let hidden = Hidden { others: true, spaces: false };
    let left = vec![ProcessId(7)];
    let whole = Seen { sockets: sockets.clone(), processes, left, hidden, ..Seen::default() };
    let parts: Vec<Seen> = whole.parts(4).collect();
    assert!(parts.iter().all(|part| part.sockets.len() <= 4 && part.hidden == hidden), "{parts:?}");
    let together: Vec<_> = parts.iter().flat_map(|part| part.sockets.clone()).collect();
    assert_eq!(together, sockets);
    assert_eq!(parts.last().map(|part| part.left.clone()), Some(vec![ProcessId(7)]));
    assert_eq!(Seen::default().parts(4).collect::<Vec<_>>(), [Seen::default()]);
}

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
