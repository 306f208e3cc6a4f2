//! A terminal of its own for the program: a pseudo-terminal with an emulator behind it, whose session the
//! program leads, and a server that falls silent after the first flows, so that nothing but keys and signals
//! can make it draw.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test support module")]
#![allow(dead_code, reason = "not every test needs everything")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

const OFFICE: &str = include_str!("../fixtures/office.ndjson");
/// Longer than any machine needs, shorter than the pings that would draw by themselves.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// A server with the first flows of the office.
pub(crate) struct Server {
    _folder: TempDir,
    pub(crate) target: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        silent_server(UnixListener::bind(&path).unwrap());
        Self { target: format!("unix:{}", path.display()), _folder: folder }
    }
}

/// Sends hello and the first flows to one client, and nothing more.
fn silent_server(listener: UnixListener) {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = OFFICE.split_inclusive('\n');
        stream.write_all(lines.next().unwrap().as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        for line in lines {
            if stream.write_all(line.as_bytes()).is_err() {
                return;
            }
            if line.starts_with("{\"synced\"") {
                break;
            }
        }
        let _ = reader.read_to_end(&mut Vec::new());
    });
}

pub(crate) struct Terminal {
    keys: File,
    /// Kept open, so that what the program leaves can be looked at.
    slave: File,
    output: Receiver<Vec<u8>>,
    /// All that was written to the terminal.
    pub(crate) bytes: Vec<u8>,
    pub(crate) screen: vt100::Parser,
    pub(crate) child: Child,
}

impl Terminal {
    /// The program against a server.
    pub(crate) fn open(target: &str) -> Self {
        Self::with(&["--connect", target], &[])
    }

    /// The program with these arguments, in an environment of its own.
    pub(crate) fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let program = OsString::from(env!("CARGO_BIN_EXE_conntop"));
        let arguments = arguments.iter().map(OsString::from);
        Self::of([program].into_iter().chain(arguments).collect(), environment)
    }

    /// A program that leads a session on an 80x24 terminal.
    pub(crate) fn of(command: Vec<OsString>, environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = || {
            let path = path.to_str().unwrap();
            File::options().read(true).write(true).open(path).unwrap()
        };
        tcsetwinsize(&master, size(80, 24)).unwrap();
        let held = slave();
        let home = std::env::temp_dir().join("conntop-pty-nobody-home");
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(command)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TERM", "xterm-256color")
            .env("CONNTOP_NO_GEOIP", "true")
            .env("LC_ALL", "C.UTF-8")
            .envs(environment.iter().copied())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut reader = keys.try_clone().unwrap();
        let (tell, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer.get(..count).unwrap_or(&[]).to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
        Self { keys, slave: held, output, bytes: Vec::new(), screen, child }
    }

    pub(crate) fn key(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, lines: u16) {
        self.screen.screen_mut().set_size(lines.try_into().unwrap(), columns.try_into().unwrap());
        tcsetwinsize(&self.keys, size(columns, lines)).unwrap();
    }

    pub(crate) fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen satisfies the condition.
    pub(crate) fn wait(&mut self, what: &str, condition: impl Fn(&str) -> bool) {
        self.wait_for(what, |terminal| condition(&terminal.contents()));
    }

    /// Waits until the terminal does.
    pub(crate) fn wait_for(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition(self) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("no {what} on the screen:\n{}", self.contents()),
                Err(RecvTimeoutError::Disconnected) => panic!("ended before {what}:\n{}", self.contents()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits for the program's end, and takes in all that it wrote.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.contents());
            // A full terminal would hold the program up.
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(5)) {
                self.take(&bytes);
            }
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
            self.take(&bytes);
        }
        status
    }

    /// Whether lines are edited and echoed, as a shell wants it.
    pub(crate) fn is_cooked(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Fails unless the terminal is as a shell wants it.
    #[track_caller]
    pub(crate) fn assert_given_back(&self) {
        let screen = self.screen.screen();
        let left = (screen.alternate_screen(), screen.hide_cursor(), screen.bracketed_paste());
        assert_eq!(
            left,
            (false, false, false),
            "alternate screen, hidden cursor, paste:\n{}",
            self.contents()
        );
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(self.is_cooked(), "raw mode stays");
    }

    /// Fails unless the program holds the terminal.
    #[track_caller]
    pub(crate) fn assert_held(&self) {
        let screen = self.screen.screen();
        assert!(screen.alternate_screen() && screen.hide_cursor() && !self.is_cooked());
    }
}

fn size(columns: u16, lines: u16) -> Winsize {
    Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
