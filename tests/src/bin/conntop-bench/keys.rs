//! How soon keys are answered on a real terminal, while flows change and no name server answers.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use conntop_tests::Daemon;
use conntop_tests::terminal::Terminal;

use crate::field::Field;
use crate::report::{Form, Report, count, digits, millis};
use crate::run::{PATIENCE, conntop, flows};
use crate::stop;

/// Presses of each key.
const PRESSES: usize = 12;
/// Between two of them: each comes at another moment of the second between two updates.
const BETWEEN: Duration = Duration::from_millis(170);
/// The longest that a key may wait.
const MOST_MS: f64 = 50.0;

const KEYS: Form = Form {
    key: "keys",
    title: "A key, from the press to the screen, while 1,000 flows change per second and DNS is dead",
    head: &["flows", "key", "presses", "median ms", "longest ms"],
};

/// What is pressed, and what the screen has then, or has no longer.
type Press = (&'static str, &'static [u8], &'static str, bool);

/// Each thing that is done, and how it is undone.
const PRESSED: &[(Press, Press)] = &[
    (("help", b"?", "this help", true), ("", b"q", "this help", false)),
    (("menu of orders", b"s", "Sort by", true), ("", b"q", "Sort by", false)),
    (("another order", b"I", "rate\u{25b2}", true), ("", b"I", "rate\u{25bc}", true)),
    (("groups", b"2", "SHARE", true), ("", b"1", "SOURCE", true)),
    (("another window", b"w", "10s", true), ("", b"ww", "10s", false)),
    (("a filter, typed", b"/udp", "filter: udp", true), ("", b"\x03", "filter:", false)),
    (("bytes", b"b", "B/s", true), ("", b"b", "B/s", false)),
];

pub(crate) fn measure(field: &Field, size: u32, report: &mut Report) {
    if size >= 100_000 {
        let what = format!("keys, {}", count(size.into()));
        report.attempt(&what, |report| keys(field, size, report));
    }
}

/// A terminal with conntop in the namespace of the LAN, whose only name server says nothing.
fn open(field: &Field, daemon: &Daemon) -> Result<(Terminal, UdpSocket, tempfile::TempDir)> {
    let silent = field.lab.lan.run(|| UdpSocket::bind("127.0.0.1:53").context("a silent name server"))?;
    let folder = tempfile::tempdir().context("a folder")?;
    let servers = folder.path().join("resolv.conf");
    fs::write(&servers, "nameserver 127.0.0.1\n").context("a resolv.conf")?;
    let program = conntop(Some(&daemon.target()), &["--max-flows", "1100000", "--local", "10.0.0.0/8"])?;
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script]).arg(servers);
    command.arg(program.get_program()).args(program.get_args());
    Ok((Terminal::start(&field.lab.lan, &mut command)?, silent, folder))
}

fn keys(field: &Field, size: u32, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    let (mut terminal, silent, _folder) = open(field, &daemon)?;
    let wanted = field.flows();
    terminal.wait("all rows", PATIENCE, |screen| flows(screen).is_some_and(|n| n >= wanted))?;
    let _change = field.change()?;
    let named = count(size.into());
    let mut longest = Duration::ZERO;
    for ((name, press, shown, there), undo) in PRESSED {
        let mut waits = Vec::with_capacity(PRESSES);
        for _ in 0..PRESSES {
            stop::check()?;
            stop::wait(BETWEEN)?;
            waits.push(pressed(&mut terminal, name, press, shown, *there)?);
            stop::wait(BETWEEN / 3)?;
            pressed(&mut terminal, "back", undo.1, undo.2, undo.3)?;
        }
        waits.sort_unstable();
        let [half, most] = [waits.get(waits.len() / 2), waits.last()].map(|w| w.copied().unwrap_or_default());
        longest = longest.max(most);
        report.row(
            &KEYS,
            vec![
                named.clone(),
                (*name).to_owned(),
                waits.len().to_string(),
                digits(millis(half)),
                digits(millis(most)),
            ],
        );
    }
    report.target(format!("a key waits at most, {named}"), MOST_MS, millis(longest), "ms");
    // It has been asked, or nothing was measured.
    silent.set_nonblocking(true)?;
    silent.recv(&mut [0; 512]).context("the silent name server was not asked")?;
    Ok(())
}

fn pressed(terminal: &mut Terminal, name: &str, keys: &[u8], text: &str, there: bool) -> Result<Duration> {
    let _ = terminal.screen();
    terminal.keys(keys)?;
    terminal.wait(name, PATIENCE, |screen| screen.contains(text) == there)
}
