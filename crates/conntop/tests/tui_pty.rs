//! The program on a terminal of its own, against a server that falls silent after the first flows:
//! nothing but keys can make it draw.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const OFFICE: &str = include_str!("fixtures/office.ndjson");
/// Longer than any machine needs, shorter than the pings that would draw by themselves.
const PATIENCE: Duration = Duration::from_secs(8);

struct Terminal {
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    child: Child,
}

impl Terminal {
    fn open(target: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = || {
            let path = path.to_str().unwrap();
            File::options().read(true).write(true).open(path).unwrap()
        };
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_conntop"))
            .args(["--connect", target])
            .env("TERM", "xterm-256color")
            .env("CONNTOP_NO_GEOIP", "true")
            .env("LC_ALL", "C.UTF-8")
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
        Self { keys, output, screen, child }
    }

    fn key(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).unwrap();
    }

    /// Waits until the screen satisfies the condition.
    fn wait(&mut self, what: &str, condition: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let contents = self.screen.screen().contents();
            if condition(&contents) {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("no {what} on the screen:\n{contents}"),
                Err(RecvTimeoutError::Disconnected) => panic!("ended before {what}:\n{contents}"),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
        for line in lines.take(5) {
            stream.write_all(line.as_bytes()).unwrap();
        }
        let _ = reader.read_to_end(&mut Vec::new());
    });
}

#[test]
fn every_key_shows_at_once_even_while_paused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    silent_server(UnixListener::bind(&path).unwrap());
    let mut terminal = Terminal::open(&format!("unix:{}", path.display()));
    terminal.wait("flows", |screen| screen.contains("flows 64") && screen.contains("live"));
    terminal.key(b" ");
    terminal.wait("pause", |screen| screen.contains("paused"));
    for _ in 0..3 {
        terminal.key(b"s");
        terminal.wait("menu", |screen| screen.contains("Sort by"));
        terminal.key(b"q");
        terminal.wait("closed menu", |screen| !screen.contains("Sort by"));
        terminal.key(b"?");
        terminal.wait("help", |screen| screen.contains("this help"));
        terminal.key(b"q");
        terminal.wait("closed help", |screen| !screen.contains("this help"));
    }
    terminal.key(b"q");
    let status = terminal.child.wait().unwrap();
    assert!(status.success(), "{status}");
}
