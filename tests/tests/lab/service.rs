//! The daemon as a service: what it tells the service manager, its configuration file, and sockets
//! that were opened for it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::run_within;
use conntop_tests::{Client, Lab, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What a service manager has.
struct Manager {
    directory: TempDir,
    told: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let told = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        told.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { directory, told }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A shell that hands its stdin over as the socket number 3, as a service manager does.
    fn spawn(&self, lab: &Lab, socket: Option<OwnedFd>, arguments: &[&str]) -> Child {
        let listen =
            if socket.is_some() { "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; " } else { "" };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{listen}exec \"$0\" \"$@\"")]).arg(program("conntopd").unwrap());
        command.args(arguments).env("NOTIFY_SOCKET", self.path("notify")).env("WATCHDOG_USEC", "200000");
        command.stdin(socket.map_or(Stdio::null(), Stdio::from)).stdout(Stdio::null());
        command.stderr(fs::File::create(self.path("log")).unwrap());
        lab.router.spawn(&mut command).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits for this state, passing over signs of life.
    #[track_caller]
    fn expect(&self, state: &str) {
        let mut buffer = [0; 1024];
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let Ok(length) = self.told.recv(&mut buffer) else { break };
            let said = String::from_utf8_lossy(&buffer[..length]);
            if said.lines().any(|line| line == state) {
                return;
            }
            assert_eq!(said, "WATCHDOG=1", "instead of {state}; {}", self.log());
        }
        panic!("nothing said {state}; {}", self.log());
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn it_is_told_of_each_turn() {
    let lab = lab_or_skip!();
    let manager = Manager::new();
    let (config, socket) = (manager.path("conntopd.conf"), manager.path("socket"));
    fs::write(&config, format!("# first\nunix {}\nname one\ninterval 100ms\n", socket.display())).unwrap();
    let mut child = manager.spawn(&lab, None, &["--config", config.to_str().unwrap(), "--sandbox", "strict"]);
    manager.expect("READY=1");
    let name = || {
        let mut client = Client::connect(socket.clone()).unwrap();
        client.until("hello", PATIENCE, |engine| engine.hello().is_some()).unwrap();
        client.engine().hello().unwrap().name.clone()
    };
    assert_eq!(name(), "one");
    manager.expect("WATCHDOG=1");
    // By renaming, as editors do.
    let reload = |text: &str| {
        let fresh = manager.path("fresh");
        fs::write(&fresh, format!("unix {}\n{text}\n", socket.display())).unwrap();
        fs::rename(&fresh, &config).unwrap();
        signal(&child, Signal::HUP);
        manager.expect("RELOADING=1");
        manager.expect("READY=1");
        manager.log()
    };
    let log = reload("name two\ninterval 200ms");
    assert!(log.contains("held back until a restart: interval"), "{log}");
    assert_eq!(name(), "two");
    let log = reload("name three\nintervall 200ms");
    assert!(log.contains("conntopd.conf, line 3: unknown option intervall"), "{log}");
    assert_eq!(name(), "two", "a bad configuration keeps the old one");
    signal(&child, Signal::TERM);
    manager.expect("STOPPING=1");
    assert!(child.wait().unwrap().success(), "{}", manager.log());
    assert!(!socket.exists(), "the socket is still there");
}

#[test]
fn it_serves_sockets_that_were_opened_for_it() {
    let lab = lab_or_skip!();
    let manager = Manager::new();
    let path = manager.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = manager.spawn(&lab, Some(listener.into()), &["--sandbox", "strict"]);
    manager.expect("READY=1");
    let mut client = Client::connect(path.clone()).unwrap();
    client.until("the table", PATIENCE, |engine| engine.mirror().position().synced).unwrap();
    signal(&child, Signal::TERM);
    manager.expect("STOPPING=1");
    assert!(child.wait().unwrap().success(), "{}", manager.log());
    assert!(path.exists(), "the file is the service manager's");
    assert!(!manager.log().contains("127.0.0.1"), "it listens nowhere else: {}", manager.log());
}

/// On loopback who may read is found by netlink, for which a strict daemon opens what it needs itself.
#[test]
fn it_serves_a_loopback_port_that_was_opened_for_it() {
    let lab = lab_or_skip!();
    let manager = Manager::new();
    let listener = lab.router.run(|| Ok(TcpListener::bind("127.0.0.1:0")?)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut child = manager.spawn(&lab, Some(listener.into()), &["--sandbox", "strict"]);
    manager.expect("READY=1");
    let list = |user: &str| {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
        let folder = manager.path("conntop");
        // Nobody may not look into the directory where it was built.
        fs::set_permissions(manager.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(program("conntop").unwrap(), &folder).unwrap();
        command.arg(folder).args(["list", "-o", "json", "--connect", &address.to_string()]);
        command.env_remove("HOME").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run_within(lab.router.spawn(&mut command).unwrap(), PATIENCE).unwrap()
    };
    let root = list("0");
    assert!(root.status.success() && root.stdout.starts_with(b"["), "{root:?}\n{}", manager.log());
    let nobody = list("65534");
    assert_eq!(nobody.status.code(), Some(77), "{nobody:?}\n{}", manager.log());
    assert!(manager.log().contains(&format!("listening on {address} for root")), "{}", manager.log());
    // Nobody reads the signs of life meanwhile, so STOPPING=1 may find no room.
    signal(&child, Signal::TERM);
    assert!(child.wait().unwrap().success(), "{}", manager.log());
    assert!(!manager.log().contains("[::1]"), "it listens nowhere else: {}", manager.log());
}

/// Refused with this in the log, and with the code of a refused configuration.
#[track_caller]
fn refused(lab: &Lab, socket: OwnedFd, expected: &str) {
    let manager = Manager::new();
    let child = manager.spawn(lab, Some(socket), &[]);
    let status = run_within(child, Duration::from_secs(30)).unwrap().status;
    assert_eq!(status.code(), Some(78), "{}", manager.log());
    assert!(manager.log().contains(expected), "{}", manager.log());
}

#[test]
fn it_refuses_sockets_of_the_wrong_kind_or_place() {
    let lab = lab_or_skip!();
    let bound = |address: &str| lab.router.run(|| Ok(TcpListener::bind(address)?)).unwrap();
    refused(&lab, bound("0.0.0.0:0").into(), "TLS");
    refused(&lab, UnixDatagram::unbound().unwrap().into(), "no listening stream socket");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    refused(&lab, connected.into(), "no listening stream socket");
}

#[test]
fn a_bad_configuration_is_refused_with_its_line() {
    let lab = lab_or_skip!();
    let manager = Manager::new();
    let config = manager.path("conntopd.conf");
    for (text, expected) in [("name x\n\nport many\n", "line 3"), ("help\n", "line 1: unknown option help")] {
        fs::write(&config, text).unwrap();
        let child = manager.spawn(&lab, None, &["--config", config.to_str().unwrap()]);
        let status = run_within(child, Duration::from_secs(30)).unwrap().status;
        assert_eq!(status.code(), Some(78), "{}", manager.log());
        assert!(manager.log().contains(expected), "{}", manager.log());
    }
    let child = manager.spawn(&lab, None, &["--config", "/nonexistent/conf"]);
    assert_eq!(run_within(child, Duration::from_secs(30)).unwrap().status.code(), Some(78));
}
