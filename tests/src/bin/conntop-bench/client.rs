//! What the one before the screen notices: how soon there are rows, and what that costs his machine.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use conntop_tests::Daemon;
use conntop_tests::meter::Usage;
use conntop_tests::terminal::{SIZE, Terminal};

use crate::field::Field;
use crate::report::{Form, Report, count, digits, in_mb, megabytes};
use crate::run::{PATIENCE, conntop, flows, over, rows};

/// A screen is full with so many rows: what is not a row is heading and footer.
const FULL: usize = SIZE.0 as usize - 6;
/// A million flows are as many as conntop holds unless told otherwise; the fast one is one more.
const ROOM: &[&str] = &["--max-flows", "1100000"];
/// The longest that a fast flow may take to the top of a million.
const LONGEST: Duration = Duration::from_secs(80);

const FIRST: Form = Form {
    key: "first",
    title: "The first screen, from the start of the program; the daemon slept",
    head: &["flows", "", "full screen s", "all rows s", "CPU s until then", "MB (most)"],
};
const FAST: Form = Form {
    key: "fast",
    title: "A flow that begins with 100 Mbit/s, sorted by rate",
    head: &["flows", "s until it is on the screen", "CPU s of the daemon meanwhile", "Mbit/s really"],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Local,
    Remote,
}

pub(crate) fn measure(field: &Field, size: u32, report: &mut Report) {
    for way in [Way::Remote, Way::Local] {
        let what = format!("first rows, {way:?}, {}", count(size.into()));
        report.attempt(&what, |report| first(field, size, way, report));
    }
    if size >= 100_000 {
        let what = format!("memory and a fast flow, {}", count(size.into()));
        report.attempt(&what, |report| large(field, size, report));
    }
}

/// A terminal with conntop, and the daemon that it is connected to if any.
fn open(field: &Field, way: Way) -> Result<(Terminal, Option<Daemon>)> {
    match way {
        Way::Local => Ok((Terminal::start(field.router(), &mut conntop(None, ROOM)?)?, None)),
        Way::Remote => {
            let daemon = Daemon::start(field.router(), &[])?;
            let mut command = conntop(Some(&daemon.target()), ROOM)?;
            Ok((Terminal::start(&field.lab.lan, &mut command)?, Some(daemon)))
        }
    }
}

fn first(field: &Field, size: u32, way: Way, report: &mut Report) -> Result<()> {
    // What one waits for begins with the program.
    let (mut terminal, _daemon) = open(field, way)?;
    let began = Instant::now();
    terminal.wait("a full screen", PATIENCE, |screen| rows(screen) >= FULL)?;
    let full = began.elapsed();
    let wanted = field.flows();
    terminal.wait("all rows", PATIENCE, |screen| flows(screen).is_some_and(|n| n >= wanted))?;
    let all = began.elapsed();
    let usage = Usage::of(terminal.pid())?;
    let how = match way {
        Way::Local => "local",
        Way::Remote => "remote",
    };
    report.row(
        &FIRST,
        vec![
            count(size.into()),
            how.to_owned(),
            digits(full.as_secs_f64()),
            digits(all.as_secs_f64()),
            digits(usage.cpu.as_secs_f64()),
            format!("{} ({})", megabytes(usage.rss), megabytes(usage.peak)),
        ],
    );
    let size = count(size.into());
    report.target(format!("first full screen, {size}, {how}"), 1.0, full.as_secs_f64(), "s");
    if wanted > 100_000 {
        report.target(format!("all rows, {size}, {how}"), 6.0, all.as_secs_f64(), "s");
    }
    Ok(())
}

fn large(field: &Field, size: u32, report: &mut Report) -> Result<()> {
    let (mut terminal, daemon) = open(field, Way::Remote)?;
    let wanted = field.flows();
    terminal.wait("all rows", PATIENCE, |screen| flows(screen).is_some_and(|n| n >= wanted))?;
    let named = count(size.into());
    let change = field.change()?;
    let [client] = over(Duration::from_secs(2), [terminal.pid()])?;
    if size >= 1_000_000 {
        report.target(format!("client's memory, {named}"), 250.0, in_mb(client.peak), "MB");
        drop(change);
        fast(field, &named, &mut terminal, &daemon.context("no daemon")?, report)?;
    }
    Ok(())
}

/// How long a flow of 100 Mbit/s takes to the screen, which is sorted by rate.
fn fast(
    field: &Field,
    named: &str,
    terminal: &mut Terminal,
    daemon: &Daemon,
    report: &mut Report,
) -> Result<()> {
    let (mover, address) = field.fast();
    let before = Usage::of(daemon.pid())?;
    let seen = terminal.wait("the fast flow", LONGEST, |screen| screen.contains(&address));
    let after = Usage::of(daemon.pid())?;
    let rounds = mover.rounds();
    mover.finish()?;
    let seen = seen?;
    report.row(
        &FAST,
        vec![
            named.to_owned(),
            digits(seen.as_secs_f64()),
            digits((after.cpu - before.cpu).as_secs_f64()),
            digits(100.0 * f64::from(u32::try_from(rounds)?) / 100.0 / seen.as_secs_f64().max(0.01)),
        ],
    );
    // A pass of 1M costs 2.5 s of CPU and gets a tenth of a core.
    report.target(format!("a flow of 100 Mbit/s appears, {named}"), 27.0, seen.as_secs_f64(), "s");
    Ok(())
}
