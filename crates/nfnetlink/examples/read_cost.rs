//! What reading the table costs on this kernel, each way beside the others in one run:
//! `cargo run --release -p nfnetlink --example read_cost -- NETNS [ROUNDS]`
//!
//! CPU time of the reading thread, parsing included, medians of all rounds; the last column is the
//! ratio to a dump.

use std::error::Error;
use std::time::Duration;

use nfnetlink::ct::{CtMessage, DumpFilter, Family, FlowRef, Requests, Status, StatusFilter};
use nfnetlink::facts::Facts;
use nfnetlink::netns::Netns;
use nfnetlink::proc::{ProcTable, lines};
use nfnetlink::{Read, RequestSocket, messages};
use rustix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPERATION: &str = "measuring";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let netns = args.first().ok_or("NETNS [ROUNDS]")?;
    let rounds = args.get(1).map_or(Ok(9), |rounds| rounds.parse())?;
    if netns != "-" {
        netns.parse::<Netns>()?.enter()?;
    }
    let mut socket = RequestSocket::open()?;
    let mut table = ProcTable::open()?;
    let mut known = Vec::new();
    dump(&mut socket, &DumpFilter::default(), |flow| {
        known.push(FlowRef { orig: flow.orig, zone: flow.orig_zone(), id: None });
    })?;
    let facts = Facts::read();
    println!("{} flows, {:?} buckets, {rounds} rounds", known.len(), facts.buckets.unwrap_or_default());

    let mut ways: [(&str, Vec<(Duration, usize)>); 7] = [
        ("dump", Vec::new()),
        ("dump, not parsed", Vec::new()),
        ("/proc", Vec::new()),
        ("dump of ASSURED", Vec::new()),
        ("dump of ASSURED, by family", Vec::new()),
        ("50 GETs", Vec::new()),
        ("GETs in batches", Vec::new()),
    ];
    for _ in 0..rounds {
        for (way, (_, costs)) in ways.iter_mut().enumerate() {
            let before = thread_cpu()?;
            let read = match way {
                0 => dump(&mut socket, &DumpFilter::default(), |_| {})?,
                1 => {
                    raw(&mut socket)?;
                    known.len()
                }
                2 => proc(&mut table)?,
                3 => dump(&mut socket, &assured(Family::Any), |_| {})?,
                4 => {
                    let read = dump(&mut socket, &assured(Family::Ipv4), |_| {})?;
                    read + dump(&mut socket, &assured(Family::Ipv6), |_| {})?
                }
                5 => gets(&mut socket, known.get(..50).unwrap_or(&known))?,
                // More than that nobody wants to GET.
                _ => gets(&mut socket, known.get(..10_000).unwrap_or(&known))?,
            };
            costs.push((thread_cpu()?.saturating_sub(before), read));
        }
    }
    let mut whole = None;
    for (name, mut costs) in ways {
        costs.sort_unstable();
        let Some(&(cost, read)) = costs.get(costs.len() / 2) else { continue };
        let whole = *whole.get_or_insert(cost);
        let each = cost.as_secs_f64() * 1e9 / f64::from(u32::try_from(read.max(1))?);
        let ratio = cost.as_secs_f64() / whole.as_secs_f64();
        println!(
            "{name:<32} {:>9.3} ms {read:>8} read {each:>8.0} ns each {ratio:>8.3}",
            cost.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

fn dump(
    socket: &mut RequestSocket,
    filter: &DumpFilter,
    mut each: impl FnMut(&CtMessage<'_>),
) -> Result<usize> {
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let mut dump = socket.dump(filter)?;
    let mut read = 0;
    while let Some(chunk) = dump.next_chunk(&mut buffer)? {
        let (mut all, mut flow) = (messages(chunk), CtMessage::default());
        while let Some(message) = all.next_into(&mut flow) {
            if message?.1 == Read::Entry {
                each(&flow);
                read += 1;
            }
        }
    }
    Ok(read)
}

fn assured(family: Family) -> DumpFilter {
    let status = Some(StatusFilter { bits: Status::ASSURED, mask: Status::ASSURED });
    DumpFilter { family, status, ..DumpFilter::default() }
}

fn raw(socket: &mut RequestSocket) -> Result<()> {
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let mut dump = socket.dump(&DumpFilter::default())?;
    while dump.next_chunk(&mut buffer)?.is_some() {}
    Ok(())
}

fn proc(table: &mut ProcTable) -> Result<usize> {
    let mut buffer = vec![0; ProcTable::CHUNK];
    let mut read = 0;
    table.rewind()?;
    while let Some(length) = table.read_chunk(&mut buffer)? {
        let (mut all, mut flow) = (lines(buffer.get(..length).unwrap_or_default()), CtMessage::default());
        while let Some(line) = all.next_into(&mut flow) {
            line?;
            read += 1;
        }
    }
    Ok(read)
}

fn gets(socket: &mut RequestSocket, flows: &[FlowRef]) -> Result<usize> {
    let mut requests = Requests::new();
    let mut read = 0;
    for batch in flows.chunks(RequestSocket::BATCH) {
        requests.clear();
        for flow in batch {
            requests.get(flow);
        }
        socket.exchange(OPERATION, &mut requests, |answers| {
            let (mut all, mut flow) = (messages(answers), CtMessage::default());
            while let Some(message) = all.next_into(&mut flow) {
                read += usize::from(matches!(message, Ok((_, Read::Entry))));
            }
        })?;
    }
    Ok(read)
}

fn thread_cpu() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}
