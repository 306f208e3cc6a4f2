//! One reading of the whole table: raw, into our table, and by `conntrack -L`, in turns.

use std::time::Duration;

use anyhow::{Context, Result};
use conntop_proto::message::Coverage;
use conntop_tests::meter;
use conntop_tests::tools::command;
use conntopd::collector::clock;
use conntopd::table::{FlowTable, Limits, Origin, Outcome, ReadSpan};
use nfnetlink::ct::{CtMessage, DumpFilter};
use nfnetlink::{Read, RequestSocket, messages};
use rustix::time::{ClockId, clock_gettime};

use crate::field::Field;
use crate::report::{Form, Report, count, digits, megabytes, millis};
use crate::stop;

const FORM: Form = Form {
    key: "dumps",
    title: "One dump: CPU milliseconds, medians of repetitions in turns",
    head: &[
        "flows",
        "raw recv loop",
        "first into the table",
        "again into the table",
        "`conntrack -L`",
        "again / raw",
        "again / `conntrack -L`",
    ],
};
/// No entry of a dump has fewer bytes; the mean is about 290.
const LEAST: usize = 150;

pub(crate) fn measure(field: &Field, flows: u32, report: &mut Report) -> Result<()> {
    let times = if flows > 100_000 { 3 } else { 5 };
    let mut measured: [Vec<Duration>; 4] = Default::default();
    let mut kept = None;
    let mut peak = 0;
    for _ in 0..times {
        stop::check()?;
        let (raw, read) = field.router().run(raw)?;
        let (first, table) = field.router().run(|| pass(FlowTable::new(1, Limits::default())))?;
        // The second pass over a table settles the order; those after it are the steady state.
        let table = match kept.take() {
            Some(table) => table,
            None => field.router().run(|| pass(table))?.1,
        };
        let (again, table) = field.router().run(|| pass(table))?;
        let mut list = command("conntrack");
        list.arg("-L").stdin(std::process::Stdio::null());
        list.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let (listed, _) = meter::whole_run(field.router().spawn(&mut list)?)?;
        peak = peak.max(listed.peak);
        let had = table.stats().flows;
        anyhow::ensure!(had >= field.flows(), "only {had} flows came into the table");
        anyhow::ensure!(read >= field.flows() * LEAST, "only {read} bytes were read");
        kept = Some(table);
        for (all, one) in measured.iter_mut().zip([raw, first, again, listed.cpu]) {
            all.push(one);
        }
    }
    let [raw, first, again, listed] = measured.map(median);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64().max(1e-9);
    let mut row = vec![count(flows.into())];
    row.extend([raw, first, again].map(|time| digits(millis(time))));
    row.push(format!("{} ({} MB)", digits(millis(listed)), megabytes(peak)));
    row.extend([ratio(again, raw), ratio(again, listed)].map(|r| format!("{r:.2}")));
    report.row(&FORM, row);
    let size = count(flows.into());
    report.target(
        format!("dump of {size} into the table, first / raw recv loop"),
        1.10,
        ratio(first, raw),
        "x",
    );
    report.target(
        format!("dump of {size} into the table, steady / raw recv loop"),
        1.05,
        ratio(again, raw),
        "x",
    );
    if flows >= 100_000 {
        let wanted = 0.65;
        report.target(
            format!("dump of {size} into the table / `conntrack -L`"),
            wanted,
            ratio(again, listed),
            "x",
        );
    }
    Ok(())
}

/// Reads a dump and forgets it. Returns the thread's CPU time and the number of bytes.
fn raw() -> Result<(Duration, usize)> {
    let mut socket = RequestSocket::open()?;
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let before = thread_cpu();
    let mut dump = socket.dump(&DumpFilter::default())?;
    let mut bytes = 0;
    while let Some(chunk) = dump.next_chunk(&mut buffer)? {
        bytes += chunk.len();
    }
    let cost = thread_cpu().saturating_sub(before);
    Ok((cost, bytes))
}

/// A pass into the table, on one thread: what the daemon does without its channels.
fn pass(mut table: FlowTable) -> Result<(Duration, FlowTable)> {
    let mut socket = RequestSocket::open()?;
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let before = thread_cpu();
    table.begin_pass(clock::now(), Coverage::Whole);
    let mut from = clock::now();
    let mut dump = socket.dump(&DumpFilter::default())?;
    while let Some(chunk) = dump.next_chunk(&mut buffer)? {
        // What a call returns was put together by the kernel in the call before it, or in this one.
        let span = ReadSpan { from, to: clock::now() };
        from = span.to;
        let mut all = messages(chunk);
        let mut flow = CtMessage::default();
        while let Some(read) = all.next_into(&mut flow) {
            if read.context("a message of a dump")?.1 == Read::Entry {
                table.observe(span, Origin::Dump, &flow);
            }
        }
    }
    table.end_pass(clock::now(), Outcome::Complete);
    Ok((thread_cpu().saturating_sub(before), table))
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
