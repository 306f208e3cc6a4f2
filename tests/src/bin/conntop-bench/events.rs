//! What an event costs the daemon, whether any is lost, and how soon a loss is repaired.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conntop_proto::codec::Validate;
use conntop_proto::message::{ServerFilter, Subscribe};
use conntop_tests::Daemon;
use conntop_tests::churn::Churned;
use conntop_tests::client::{Client, ClientOptions};
use conntop_tests::meter::Usage;

use crate::field::Field;
use crate::report::{Form, Report, count, count_of, digits};
use crate::run::PATIENCE;

/// New flows per second, and as many that end.
const RATE: u32 = 100_000;
const FORM: Form = Form {
    key: "events",
    title: "Events: 100,000 flows begin and 100,000 end per second",
    head: &["flows", "client", "events/s", "daemon without them", "with them", "us of the daemon per event"],
};
/// So many at once do not fit into a small buffer.
const BURST: u32 = 50_000;

pub(crate) fn measure(field: &mut Field, size: u32, window: Duration, report: &mut Report) {
    let name = |what: &str| format!("{what} at {}", count(size.into()));
    report.attempt(&name("events"), |report| storm(field, size, window, Listener::OfNone, report));
    report.attempt(&name("events, told"), |report| storm(field, size, window, Listener::OfAll, report));
    report.attempt(&name("overflow"), |report| overflow(field, size, report));
}

/// What the client of the storm wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listener {
    /// Nothing that there is: the daemon listens and keeps its table, and has nothing to send.
    OfNone,
    /// Everything.
    OfAll,
}

impl Listener {
    fn options(self) -> ClientOptions {
        // A zone that no plan uses.
        let none = ServerFilter { zones: vec![65_000], ..ServerFilter::default() };
        let filter = (self == Listener::OfNone).then_some(none);
        let subscribe = Subscribe { filter, ..Subscribe::default() };
        ClientOptions { subscribe, validate: Validate::Control, ..ClientOptions::default() }
    }
}

fn storm(field: &Field, size: u32, window: Duration, listener: Listener, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &["--event-buffer", "64M"])?;
    let mut client = Client::connect_with(daemon.socket(), listener.options())?;
    client.until("the table", PATIENCE, |engine| engine.mirror().position().synced)?;
    client.drive(Duration::from_secs(2))?;
    let still = driven(&mut client, daemon.pid(), window)?;
    let storms = field.storm(RATE)?;
    client.drive(Duration::from_secs(1))?;
    let began = Instant::now();
    let percent = driven(&mut client, daemon.pid(), window)?;
    // The storms ran a second longer than they were measured, at one rate.
    let storming = began.elapsed() + Duration::from_secs(1);
    let all = storms.into_iter().map(|storm| storm.finish()).collect::<Result<Vec<Churned>>>()?;
    let events: usize = all.iter().map(|churned| churned.created + churned.deleted).sum();
    let rate = count_of(u64::try_from(events)?) / storming.as_secs_f64();
    let micros = (percent - still).max(0.0) / 100.0 / rate * 1e6;
    client.drive(Duration::from_millis(1500))?;
    let lost = client.engine().lost().map_or(0, |lost| lost.events.unwrap_or(lost.overruns));
    let who = match listener {
        Listener::OfNone => "that filters all out",
        Listener::OfAll => "that gets all",
    };
    let row = [
        count(size.into()),
        who.to_owned(),
        format!("{rate:.0}"),
        format!("{} %", digits(still)),
        format!("{} %", digits(percent)),
        format!("{micros:.2}"),
    ];
    report.row(&FORM, row.to_vec());
    if listener == Listener::OfNone {
        report.target("an event, table included", 1.0, micros, "us");
        report.target(format!("events lost at {rate:.0}/s with 64 MiB"), 0.0, count_of(lost), "events");
    }
    ensure!(rate > f64::from(RATE), "the storm had only {rate:.0} events a second");
    Ok(())
}

/// Percent of the daemon while the client takes in what comes.
fn driven(client: &mut Client, pid: u32, window: Duration) -> Result<f64> {
    let began = Instant::now();
    let before = Usage::of(pid)?;
    client.drive(window)?;
    let after = Usage::of(pid)?;
    Ok((after.cpu - before.cpu).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0)
}

fn overflow(field: &mut Field, size: u32, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &["--event-buffer", "128K"])?;
    let mut client = Client::connect_with(daemon.socket(), Listener::OfAll.options())?;
    client.settle(PATIENCE)?;
    let overruns = |client: &Client| client.engine().lost().map_or(0, |lost| lost.overruns);
    let before = overruns(&client);
    // Stopped, it cannot keep up however fast it is.
    let pid = i32::try_from(daemon.pid()).ok().and_then(rustix::process::Pid::from_raw).context("a pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::STOP)?;
    let burst = field.burst(BURST);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT)?;
    burst?;
    let over_since = Instant::now();
    client.until("a loss", PATIENCE, |engine| engine.lost().is_some_and(|lost| lost.overruns > before))?;
    client.until("its repair", PATIENCE, |engine| engine.lost().is_none_or(|lost| lost.since.is_none()))?;
    let took = over_since.elapsed().as_secs_f64();
    let wanted = 1.0 + f64::from(size) / 250_000.0;
    report.target(format!("an overflow repaired, {}", count(size.into())), wanted, took, "s");
    Ok(())
}
