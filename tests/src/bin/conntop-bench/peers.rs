//! conntopd and conntop beside the programs that people use today, one after the other on the same
//! table.

use std::time::Duration;

use anyhow::Result;
use conntop_tests::Daemon;
use conntop_tests::meter::Usage;
use conntop_tests::relay::{Line, Relay};
use conntop_tests::terminal::Terminal;
use conntop_tests::tools::{command, find, tell};

use crate::field::Field;
use crate::report::{Form, Report, State, count, count_of, digits, in_mb};
use crate::run::{PATIENCE, Silent, conntop, flows, over, wait_for_flows};
use crate::stop;

const STREAM: Form = Form {
    key: "stream",
    title: "The stream of a screen while 1,000 flows change per second",
    head: &["flows", "B/s, compressed"],
};

/// The daemon as it is started for a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// What the tables of results add to the name.
    name: &'static str,
    arguments: &'static [&'static str],
    /// Measured up to this size: beyond it the mode makes no difference.
    most: u32,
}

const USUAL: Mode = Mode { name: "", arguments: &[], most: u32::MAX };
/// Only changing tables are measured in these.
const MODES: [Mode; 2] = [
    Mode { name: ", --no-proc", arguments: &["--no-proc"], most: 10_000 },
    Mode { name: ", --no-events", arguments: &["--no-events"], most: 10_000 },
];

/// Percent of a core with /proc and without it, by size.
fn wanted(flows: u32, mode: Mode) -> f64 {
    match (flows, mode.arguments != ["--no-proc"]) {
        (0..=1000, true) => 0.5,
        (0..=1000, false) => 1.6,
        (..=10_000, true) => 3.0,
        (..=10_000, false) => 5.0,
        _ => 10.0,
    }
}

/// Its client gets what a screen gets; one more large table says nothing new.
const MOST_WATCHED: u32 = 100_000;
/// The longest that flowtop may take for its first table before it is measured.
const COLLECTING: Duration = Duration::from_secs(5);

/// How long things are watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Before it is measured.
    settle: Duration,
    /// While it is measured.
    window: Duration,
}

impl Pace {
    /// By the size of the table: a pass over a large one takes many seconds.
    pub(crate) fn of(flows: u32, window: Duration) -> Self {
        let longer = if flows > 100_000 { 2 } else { 1 };
        Pace { settle: Duration::from_secs(2), window: window * longer }
    }
}

pub(crate) fn measure(field: &Field, size: u32, window: Duration, report: &mut Report) {
    let pace = Pace::of(size, window);
    let named = |what: &str| format!("{what} at {}", count(size.into()));
    report.attempt(&named("conntopd without a client"), |report| alone(field, size, window, report));
    report.attempt(&named("conntopd and its screen"), |report| served(field, size, pace, USUAL, report));
    for mode in MODES.into_iter().filter(|mode| size <= mode.most) {
        report.attempt(&named(&format!("conntopd{}", mode.name)), |report| {
            served(field, size, pace, mode, report)
        });
    }
    if size <= MOST_WATCHED {
        report.attempt(&named("conntop watch"), |report| watched(field, size, pace, report));
    }
    report.attempt(&named("conntop local"), |report| local(field, size, pace, report));
    let short = Pace { window, ..pace };
    for (program, arguments) in [("iptstate", &["-R", "1"][..]), ("flowtop", &["-nG46TUDIS"])] {
        report.attempt(&named(program), |report| screen(field, size, short, program, arguments, report));
    }
    report.attempt(&named("conntrack -E"), |report| events(field, size, window, report));
}

/// The daemon of a machine that tracks nothing.
pub(crate) fn empty(field: &Field, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    stop::wait(Duration::from_secs(1))?;
    let memory = Usage::of(daemon.pid())?.rss;
    report.target("daemon's memory, idle and empty", 3.0, in_mb(memory), "MB");
    Ok(())
}

fn alone(field: &Field, size: u32, window: Duration, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    stop::wait(Duration::from_secs(1))?;
    let [cost] = over(window, [daemon.pid()])?;
    report.cost(State::Idle, "conntopd, no client", size, cost);
    report.target(format!("daemon, no client, {}", count(size.into())), 0.05, cost.percent, "%");
    Ok(())
}

/// conntopd with conntop's screen, through a relay that counts.
fn served(field: &Field, size: u32, pace: Pace, mode: Mode, report: &mut Report) -> Result<()> {
    let Mode { name, arguments, .. } = mode;
    let daemon = Daemon::start(field.router(), arguments)?;
    let relay = Relay::start(&daemon.socket(), Line::Free)?;
    let target = format!("unix:{}", relay.socket().display());
    let mut terminal = Terminal::start(&field.lab.lan, &mut conntop(Some(&target), &[])?)?;
    wait_for_flows(&mut terminal, field.flows())?;
    stop::wait(pace.settle)?;
    let pids = [daemon.pid(), terminal.pid()];
    if mode.name.is_empty() {
        let before = relay.bytes().0;
        let [server, client] = over(pace.window, pids)?;
        let _ = terminal.screen();
        report.cost(State::Idle, "conntopd and its screen", size, server);
        report.cost(State::Idle, "its screen (`conntop -c`)", size, client);
        let bytes = count_of(relay.bytes().0 - before) / pace.window.as_secs_f64();
        let of = count(size.into());
        report.target(format!("idle stream, {of}"), 100.0, bytes, "B/s");
        report.target(format!("idle client, {of}"), 0.1, client.percent, "%");
    }
    let change = field.change()?;
    stop::wait(pace.settle)?;
    let before = relay.bytes().0;
    let [server, client] = over(pace.window, pids)?;
    drop(change);
    let shown = flows(&terminal.screen());
    log(&daemon)?;
    report.cost(State::Changing, &format!("conntopd and its screen{name}"), size, server);
    let what = format!("daemon{name}, one client, 1,000 flows change/s, {}", count(size.into()));
    report.target(what, wanted(size, mode), server.percent, "%");
    if mode.name.is_empty() {
        report.cost(State::Changing, "its screen (`conntop -c`)", size, client);
        let bytes = count_of(relay.bytes().0 - before) / pace.window.as_secs_f64();
        report.row(&STREAM, vec![count(size.into()), digits(bytes)]);
        let size_text = count(size.into());
        if let Some(most) = most_memory(size) {
            report.target(
                format!("daemon's memory, one client, {size_text}"),
                most,
                in_mb(server.peak),
                "MB",
            );
        }
        if size == 100_000 {
            report.target(format!("client's CPU, {size_text} on screen"), 2.0, client.percent, "%");
        }
    }
    anyhow::ensure!(
        shown >= Some(field.flows()),
        "{shown:?} of {} flows are shown at the end",
        field.flows()
    );
    Ok(())
}

/// With `CONNTOP_LOG=debug` one sees which passes were made.
fn log(daemon: &Daemon) -> Result<()> {
    if std::env::var_os("CONNTOP_LOG").is_some() {
        daemon.log()?.iter().for_each(|line| tell(line));
    }
    Ok(())
}

fn most_memory(size: u32) -> Option<f64> {
    match size {
        100_000 => Some(25.0),
        1_000_000 => Some(200.0),
        _ => None,
    }
}

fn watched(field: &Field, size: u32, pace: Pace, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    let target = daemon.target();
    let watch = Silent::start(&field.lab.lan, &mut conntop(Some(&target), &["watch"])?)?;
    settled(watch.pid(), pace)?;
    let _change = field.change()?;
    stop::wait(pace.settle)?;
    let [server, client] = over(pace.window, [daemon.pid(), watch.pid()])?;
    report.cost(State::Changing, "conntopd and `conntop watch`", size, server);
    report.cost(State::Changing, "its `conntop watch`", size, client);
    Ok(())
}

/// Waits until a client has read the table: until it costs next to nothing for a while.
fn settled(pid: u32, pace: Pace) -> Result<()> {
    let began = std::time::Instant::now();
    stop::wait(pace.settle)?;
    while began.elapsed() < PATIENCE {
        let [cost] = over(Duration::from_millis(500), [pid])?;
        if cost.percent < 20.0 {
            return Ok(());
        }
    }
    Ok(())
}

fn local(field: &Field, size: u32, pace: Pace, report: &mut Report) -> Result<()> {
    let mut terminal = Terminal::start(field.router(), &mut conntop(None, &[])?)?;
    wait_for_flows(&mut terminal, field.flows())?;
    both_states(field, size, pace, "conntop alone (local)", &mut terminal, report)
}

fn screen(
    field: &Field,
    size: u32,
    pace: Pace,
    program: &str,
    arguments: &[&str],
    report: &mut Report,
) -> Result<()> {
    anyhow::ensure!(find(program).is_some(), "not installed");
    let mut terminal = Terminal::start(field.router(), command(program).args(arguments))?;
    stop::wait(Duration::from_millis(500))?;
    // flowtop reads its first table in steps and says so; with a large one it may never be done.
    let _ = terminal.wait("the first table", COLLECTING, |screen| !screen.contains("Collecting flows"));
    both_states(field, size, pace, program, &mut terminal, report)
}

fn both_states(
    field: &Field,
    size: u32,
    pace: Pace,
    name: &str,
    terminal: &mut Terminal,
    report: &mut Report,
) -> Result<()> {
    stop::wait(pace.settle)?;
    let [cost] = over(pace.window, [terminal.pid()])?;
    alive(terminal)?;
    report.cost(State::Idle, name, size, cost);
    let _change = field.change()?;
    stop::wait(pace.settle)?;
    let [cost] = over(pace.window, [terminal.pid()])?;
    alive(terminal)?;
    report.cost(State::Changing, name, size, cost);
    Ok(())
}

/// Nothing is said about a program that has crashed.
fn alive(terminal: &mut Terminal) -> Result<()> {
    let screen = terminal.screen();
    anyhow::ensure!(terminal.is_alive()?, "it ended while it was measured; it showed:\n{screen}");
    Ok(())
}

fn events(field: &Field, size: u32, window: Duration, report: &mut Report) -> Result<()> {
    let listener = Silent::start(field.router(), command("conntrack").arg("-E"))?;
    let _change = field.change()?;
    stop::wait(Duration::from_millis(500))?;
    let [cost] = over(window / 2, [listener.pid()])?;
    report.cost(State::Changing, "`conntrack -E`", size, cost);
    Ok(())
}
