//! What a person sees at the first start, in environments that need no kernel of their own: each row of
//! docs/manual/first-minute.md, by the program itself on a terminal. The rows about the kernel are in the lab.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "first_minute/page.rs"]
mod page;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

const OFFICE: &str = include_str!("fixtures/office.ndjson");
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does after the first flows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Silence,
    HangUp,
    /// There is no server at all.
    Nobody,
}

/// Where standard input comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Terminal,
    Nobody,
}

/// An environment, and what it is called in the manual.
struct Environment {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    size: (u16, u16),
    then: Then,
    keys: Keys,
}

const USUAL: Environment = Environment {
    name: "",
    variables: &[
        ("TERM", "xterm-256color"),
        ("LC_ALL", "C.UTF-8"),
        ("CONNTOP_NO_GEOIP", "true"),
        ("CONNTOP_DNS", "off"),
        ("NO_COLOR", ""),
    ],
    size: (80, 24),
    then: Then::Silence,
    keys: Keys::Terminal,
};

/// Those that keep a screen.
const SCREENS: &[Environment] = &[
    Environment { name: "no colour", variables: &[("NO_COLOR", "1")], ..USUAL },
    Environment { name: "LANG=C", variables: &[("LC_ALL", "C")], ..USUAL },
    Environment { name: "20x3", size: (20, 3), ..USUAL },
    Environment { name: "nobody there", then: Then::Nobody, ..USUAL },
    Environment { name: "connection lost", then: Then::HangUp, ..USUAL },
    Environment { name: "no GeoIP", variables: &[("CONNTOP_NO_GEOIP", "false")], ..USUAL },
];

struct Terminal {
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    bytes: Vec<u8>,
    child: Child,
    _folder: TempDir,
}

/// Sends hello and the first flows to each client.
fn serve(listener: UnixListener, then: Then) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = OFFICE.split_inclusive('\n');
            let _gone = stream.write_all(lines.next().unwrap().as_bytes());
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _gone = reader.read_line(&mut String::new());
            for line in lines {
                let _gone = stream.write_all(line.as_bytes());
                if line.starts_with("{\"synced\"") {
                    break;
                }
            }
            if then == Then::Silence {
                thread::spawn(move || reader.read_to_end(&mut Vec::new()));
            }
        }
    });
}

/// The program without any variable of whoever runs the test.
fn program(folder: &TempDir, environment: &Environment) -> Command {
    let path = folder.path().join("socket");
    if environment.then != Then::Nobody {
        serve(UnixListener::bind(&path).unwrap(), environment.then);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntop"));
    command.args(["--connect", &format!("unix:{}", path.display())]);
    command.env_clear();
    if environment.name != "no variables" {
        command.env("HOME", folder.path());
        command.envs(USUAL.variables.iter().chain(environment.variables).copied());
    }
    command
}

impl Terminal {
    fn open(environment: &Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(&folder, environment);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave = || File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
        let (columns, lines) = environment.size;
        tcsetwinsize(&master, Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        match environment.keys {
            Keys::Terminal => command.stdin(slave()),
            Keys::Nobody => command.stdin(Stdio::null()),
        };
        let child = command.stdout(slave()).stderr(slave()).spawn().unwrap();
        // Else the terminal would stay open after the program's end.
        drop(command);
        let keys = File::from(master);
        let mut reader = keys.try_clone().unwrap();
        let (tell, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(lines.try_into().unwrap(), columns.try_into().unwrap(), 0);
        Self { keys, output, screen, bytes: Vec::new(), child, _folder: folder }
    }

    /// Waits until all of the texts are on the screen at once; lines that were broken are whole again.
    fn wait(&mut self, what: &str, texts: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let contents = self.screen.screen().contents();
            let words = contents.split_whitespace().collect::<Vec<_>>().join(" ");
            if texts.iter().all(|text| words.contains(text)) {
                return;
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    self.screen.process(&bytes);
                    self.bytes.extend(bytes);
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what}: no {texts:?} on the screen:\n{contents}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{what}: ended before {texts:?}:\n{contents}"),
            }
        }
    }

    /// Quits, at once, whatever is open.
    fn quit(mut self, what: &str) -> Vec<u8> {
        // Where a question is open, the first one is the answer.
        self.keys.write_all(b"\x03\x03").unwrap();
        let status = self.end(what);
        assert!(status.success(), "{what}: {status}");
        std::mem::take(&mut self.bytes)
    }

    /// Waits for the end, which closes the terminal; the program has it no longer than that.
    fn end(&mut self, what: &str) -> ExitStatus {
        let end = Instant::now() + PATIENCE / 4;
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.bytes.extend(bytes),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("{what}: it does not end"),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Parameters of the sequences that choose colours.
fn colours(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
        rest[end..].starts_with('m').then(|| rest[..end].to_owned())
    });
    let is_colour = |number: &str| matches!(number.parse(), Ok(30..=38 | 40..=48 | 90..=97 | 100..=107));
    sequences.filter(|sequence| sequence.split(';').any(is_colour)).collect()
}

#[test]
fn each_screen_shows_what_the_manual_says() {
    let rows = page::rows(&["Names and places", "The terminal", "The way to another machine"]);
    for environment in SCREENS {
        let name = environment.name;
        let mut terminal = Terminal::open(environment);
        terminal.wait(name, &rows[name]);
        let bytes = terminal.quit(name);
        let chosen = colours(&bytes);
        match name {
            "no colour" => assert!(chosen.is_empty(), "{name}: {chosen:?}"),
            "LANG=C" => assert!(bytes.is_ascii(), "{name}: {}", String::from_utf8_lossy(&bytes)),
            "20x3" => assert!(!chosen.is_empty(), "{name}: no colours though nothing forbids them"),
            _ => {}
        }
    }
}

#[test]
fn no_variables() {
    let rows = page::rows(&["The terminal"]);
    let mut terminal = Terminal::open(&Environment { name: "no variables", ..USUAL });
    terminal.wait("no variables", &rows["no variables"]);
    terminal.quit("no variables");
}

#[test]
fn what_cannot_be_a_screen_is_the_table_once() {
    let rows = page::rows(&["The terminal"]);
    for environment in [
        Environment { name: "TERM=dumb", variables: &[("TERM", "dumb")], size: (200, 120), ..USUAL },
        Environment { name: "no keyboard", keys: Keys::Nobody, size: (200, 120), ..USUAL },
    ] {
        let name = environment.name;
        let mut terminal = Terminal::open(&environment);
        terminal.wait(name, &rows[name]);
        let status = terminal.end(name);
        assert!(status.success(), "{name}: {status}");
        assert!(!terminal.bytes.contains(&0x1b), "{name}: escape sequences for a terminal that has none");
    }
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment { name: "no terminal", ..USUAL };
    let output = program(&folder, &environment).stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for text in &rows["no terminal"] {
        assert!(printed.contains(text), "no terminal: no {text} in\n{printed}");
    }
    assert!(
        output.status.success() && printed.lines().count() == 65 && !printed.contains('\x1b'),
        "{printed}"
    );
}

#[test]
fn a_wrong_configuration_is_named() {
    let rows = page::rows(&["The way to another machine"]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(".config/conntop");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("config.toml"), "dsn = \"off\"\n").unwrap();
    let name = "wrong configuration";
    let output = program(&folder, &Environment { name, ..USUAL }).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(rows[name].iter().all(|text| said.contains(text)), "{said}");
}

#[test]
fn each_row_is_tested_somewhere() {
    let elsewhere = ["dead DNS"];
    let mut tested: Vec<&str> = SCREENS.iter().map(|environment| environment.name).collect();
    tested.extend(["no variables", "TERM=dumb", "no keyboard", "no terminal", "wrong configuration"]);
    tested.extend(elsewhere);
    tested.sort_unstable();
    let rows = page::rows(&["Names and places", "The terminal", "The way to another machine"]);
    let mut named: Vec<&str> = rows.keys().copied().collect();
    named.sort_unstable();
    assert_eq!(tested, named);
}
