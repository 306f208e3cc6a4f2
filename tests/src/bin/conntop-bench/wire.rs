//! Bytes: of a whole table over a thin line, of an update, of silence.

use std::time::{Duration, Instant};

use anyhow::Result;
use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Subscribe};
use conntop_tests::Daemon;
use conntop_tests::client::{Client, ClientOptions};
use conntop_tests::relay::{Line, Relay};

use crate::field::Field;
use crate::report::{Form, Report, count, count_of, digits, megabytes};
use crate::run::PATIENCE;

/// A DSL line, or a poor WLAN.
const LINE: Line = Line::BitsPerSecond(40_000_000);
const SNAPSHOT: Form = Form {
    key: "snapshot",
    title: "A whole table over 40 Mbit/s",
    head: &["flows", "from a daemon", "s", "MB", "bytes per flow"],
};
const UPDATES: Form = Form {
    key: "updates",
    title: "The stream while the counters of 1,000 flows change per second",
    head: &["flows", "", "B/s", "updates of counters/s", "other rows/s", "bytes per update, all in"],
};

pub(crate) fn measure(field: &Field, size: u32, window: Duration, report: &mut Report) {
    let name = |what: &str| format!("{what} at {}", count(size.into()));
    report.attempt(&name("a snapshot"), |report| snapshot(field, size, report));
    for (codec, text, most) in [(Codec::None, "raw", 25.0), (Codec::Zstd, "compressed", 14.0)] {
        report.attempt(&name(&format!("updates, {text}")), |report| {
            updates(field, size, window, (codec, text, most), report)
        });
    }
}

fn options(codec: Codec) -> ClientOptions {
    ClientOptions { subscribe: Subscribe::default(), codec, validate: Validate::Control }
}

fn snapshot(field: &Field, size: u32, report: &mut Report) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    // The first client comes to a sleeping daemon, the second to one that has its table.
    let mut first = None;
    for when in ["that slept", "that has its table"] {
        let relay = Relay::start(&daemon.socket(), LINE)?;
        let began = Instant::now();
        let mut client = Client::connect_with(relay.socket(), options(Codec::Zstd))?;
        let flows = field.flows();
        client.until("the whole table", PATIENCE, |engine| {
            engine.mirror().position().synced && engine.mirror().len() >= flows
        })?;
        let took = began.elapsed().as_secs_f64();
        let bytes = relay.bytes().0;
        let each = count_of(bytes) / count_of(u64::try_from(flows)?);
        report.row(
            &SNAPSHOT,
            vec![count(size.into()), when.to_owned(), digits(took), megabytes(bytes), format!("{each:.1}")],
        );
        let what = format!("{} over 40 Mbit/s from a daemon {when}", count(size.into()));
        report.target(what, 2.0, took, "s");
        first = first.or(Some((client, relay)));
    }
    Ok(())
}

fn updates(
    field: &Field,
    size: u32,
    window: Duration,
    (codec, text, most): (Codec, &str, f64),
    report: &mut Report,
) -> Result<()> {
    let daemon = Daemon::start(field.router(), &[])?;
    let relay = Relay::start(&daemon.socket(), Line::Free)?;
    let mut client = Client::connect_with(relay.socket(), options(codec))?;
    client.settle(PATIENCE)?;
    let _moving = field.moving();
    client.drive(Duration::from_secs(3))?;
    let (before, bytes) = (client.told(), relay.bytes().0);
    client.drive(window)?;
    let (after, bytes) = (client.told(), relay.bytes().0 - bytes);
    let of = |rows: usize| count_of(u64::try_from(rows).unwrap_or(0));
    let [traffic, others] = [
        after.traffic - before.traffic,
        after.new + after.state + after.ended - before.new - before.state - before.ended,
    ];
    let each = count_of(bytes) / of(traffic).max(1.0);
    let seconds = window.as_secs_f64();
    report.row(
        &UPDATES,
        vec![
            count(size.into()),
            text.to_owned(),
            digits(count_of(bytes) / seconds),
            digits(of(traffic) / seconds),
            digits(of(others) / seconds),
            digits(each),
        ],
    );
    report.target(format!("bytes per update, {text}, {}", count(size.into())), most, each, "B");
    Ok(())
}
