//! The collector: reads the kernel into a [`FlowTable`](crate::table::FlowTable) and serves what
//! changes in it to subscribers.
//!
//! Three threads: `ct-events` drains events by timer, `ct-requests` reads sources (`source`), asks
//! for statistics and addresses, in the namespace that is watched. `ct-table` owns the
//! table, commands the other two and answers subscribers. They forward raw buffers; everything is
//! bounded, and whoever is too fast waits. Only `ct-requests` has a capability, CAP_NET_ADMIN; it
//! opens the event socket, each time, and hands it over.
//!
//! What is read next, and how fast, decides the `picker` within a budget of CPU time. It knows
//! sources only by what they promise to cover and by what they cost.
//!
//! Without subscribers nothing is read and nothing is listened to; a minute after the last one the
//! table is dropped and a new epoch begins.

mod budget;
mod by_hand;
pub mod clock;
mod cost;
mod ender;
mod error;
mod events;
mod handle;
mod host;
mod hub;
mod known;
mod orders;
mod picker;
mod pool;
mod repair;
mod report;
mod requests;
mod serve;
mod sights;
mod source;
mod tracking;

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use conntop_proto::message::{Codec, KernelFacts, ServerHello, Sight};
use conntop_proto::text;
pub use nfnetlink::netns::Netns;
use nfnetlink::{Error, EventSocket, RequestSocket, Subscription};
use tokio::sync::{mpsc, watch};

pub use self::budget::{BudgetError, CpuBudget};
pub use self::by_hand::Feeder;
use self::ender::Ender;
pub use self::error::CollectorError;
use self::events::Events;
pub use self::handle::{CollectorHandle, Subscriber, SubscriberConfig};
pub use self::host::read_host;
use self::hub::{Hub, Setup, Wires};
use self::known::Known;
pub use self::known::{Knowledge, NameFiles};
pub(crate) use self::orders::Said;
pub use self::orders::{Answer, Answered, Order};
use self::pool::Pool;
use self::report::{Found, Sysctls};
use self::requests::Requests;
pub use self::sights::{read_interfaces, read_listeners};
use self::source::{DumpSource, GetSource, ProcSource, Source};
use self::tracking::Tracking;
use crate::privilege::{Plan, Report as Confined, Role, beside};
use crate::table::{self, Limits};

/// Reports under way: with [`BUFFERS`] and [`events::BATCHES`] the most that reading can be ahead of
/// the table.
const REPORTS: usize = 16;
/// Buffers of passes, 128 KiB each: what the kernel gives in about 10 ms.
const BUFFERS: usize = 8;
/// Bytes to ask for the event socket, at most and at least; the kernel gives twice as much.
const EVENT_BUFFER: usize = 32 << 20;
const EVENT_BUFFER_LEAST: usize = 1 << 20;
/// Bounds of the interval.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// How a collector works.
#[derive(Clone, Debug)]
pub struct CollectorConfig {
    /// Name of the node; the host name when `None`.
    pub name: Option<String>,
    /// Time between deltas and between passes over the table, as far as the budget allows.
    pub interval: Duration,
    /// Whether to listen to events. Without them every end is found by a pass.
    pub events: bool,
    /// Bytes to ask for the event socket's buffer; when `None` 64 MiB or 1/32 of the memory.
    pub event_buffer: Option<usize>,
    /// The network namespace to watch; when `None` that of the calling thread.
    pub netns: Option<Netns>,
    /// Share of a core that reading may take, but for the first pass and repairs.
    pub cpu_budget: CpuBudget,
    /// Whether to read /proc/net/nf_conntrack where it is permitted and cheaper than ctnetlink.
    pub proc: bool,
    /// Most flows to hold; beyond them the table is truncated, visibly.
    pub max_flows: usize,
    /// Whether flows may be ended.
    pub acts: Acts,
    /// What is told of the hosts in the machine's networks.
    pub knowledge: Knowledge,
    /// How the threads are confined once they have what they need.
    pub privilege: Plan,
}

/// Whether anything but looking is done: the end of single flows, when somebody orders it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acts {
    /// Nothing is changed, and the thread with the capability has nothing to do it with.
    #[default]
    None,
    /// Flows are ended one by one.
    Allowed,
}

/// The feature of a hello to whom flows may be ended.
pub const TERMINATE: &str = "terminate";

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            name: None,
            interval: Duration::from_secs(1),
            events: true,
            event_buffer: None,
            netns: None,
            cpu_budget: CpuBudget::default(),
            proc: true,
            max_flows: table::MAX_FLOWS,
            acts: Acts::default(),
            knowledge: Knowledge::default(),
            privilege: Plan::default(),
        }
    }
}

/// Namespace of [`Collector::spawn`].
#[derive(Clone, Copy, Debug)]
pub struct Collector;

impl Collector {
    /// Starts the threads and asks the kernel once whether it lets us.
    ///
    /// # Errors
    /// No permission, no connection tracking, no such namespace.
    pub fn spawn(config: CollectorConfig) -> Result<CollectorHandle, CollectorError> {
        let (reports, reported) = mpsc::channel(REPORTS);
        let (pool, buffers) = Pool::new(BUFFERS, source::BUFFER);
        let (batch_pool, batches) = Pool::new(events::BATCHES, 0);
        let (requests, commands) = std_mpsc::channel();
        let buffer = config.events.then(|| config.event_buffer.unwrap_or_else(event_buffer));
        let sender = reports.clone();
        let mut plan = config.privilege.clone();
        plan.files.known.extend(config.knowledge.paths().map(beside));
        let plan = &plan;
        let (found, asking) = start("ct-requests", Role::Requests, plan, move || {
            if let Some(netns) = &config.netns {
                netns.enter()?;
            }
            let mut socket = RequestSocket::open()?;
            // Whether it is permitted shows only in an answer.
            match socket.stats() {
                Err(error @ (Error::Denied { .. } | Error::Unsupported { .. })) => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "no numbers of the table"),
                Ok(_) => {}
            }
            // Opened once to know, and closed again until somebody subscribes.
            let open = |buffer| EventSocket::open(Subscription::NewDestroy, buffer);
            let granted = buffer.map(open).transpose()?.map(|socket| socket.buffer_size());
            let granted = granted.and_then(|bytes| u64::try_from(bytes).ok());
            let sources = sources(config.proc)?;
            let offers = sources.iter().map(|source| source.offer()).collect();
            let mut tracking = Tracking::open();
            let sysctls = Sysctls::read(&mut tracking);
            let mut known = Known::new(&config.knowledge);
            let host = host::read(&mut known).unwrap_or_default();
            let ender = (config.acts == Acts::Allowed).then(Ender::default);
            let thread =
                Requests { commands, reports: sender, pool, socket, sources, known, tracking, ender };
            Ok((Found { sysctls, host, offers, granted }, move || thread.run()))
        })?;
        let events = buffer.map(|buffer| -> Result<_, CollectorError> {
            let (events, commands) = std_mpsc::channel();
            let requests = requests.clone();
            let thread = Events { commands, reports, pool: batch_pool, requests, buffer };
            let ((), draining) =
                start("ct-events", Role::Events, plan, move || Ok(((), move || thread.run())))?;
            Ok((events, draining))
        });
        let (events, draining) = events.transpose()?.unzip();
        let interval = config.interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        let epoch = clock::both().wall_ms;
        let kernel = found.sysctls.kernel(config.events, found.granted);
        let mut hello = hello(config.name, interval, epoch, kernel);
        if config.acts == Acts::Allowed {
            hello.features.push(TERMINATE.to_owned());
        }
        let (hello, hello_seen) = watch::channel(hello);
        let (calls, called) = mpsc::unbounded_channel();
        let requests = Some(requests);
        let wires = Wires { reports: reported, calls: called, events, requests, buffers, batches, hello };
        let limits = Limits { flows: config.max_flows, ..Limits::default() };
        let setup = Setup { interval, budget: config.cpu_budget, limits, epoch, acts: config.acts };
        let computing = start_hub(plan, move || Hub::new(wires, setup, found))?;
        let confined = draining.iter().fold(asking.and(&computing), |all, thread| all.and(thread));
        Ok(CollectorHandle { calls, hello: hello_seen, ids: Arc::default(), confined })
    }
}

/// What there is to read from, opened in the calling thread's namespace. To open /proc needs root;
/// reading it later needs nothing.
fn sources(proc: bool) -> nfnetlink::Result<Vec<Box<dyn Source>>> {
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(DumpSource::whole()?),
        Box::new(DumpSource::assured()?),
        Box::new(GetSource::named()?),
        Box::new(GetSource::known()?),
    ];
    if proc {
        match ProcSource::open() {
            Ok(source) => sources.push(Box::new(source)),
            Err(error) => tracing::debug!(%error, "only ctnetlink is read"),
        }
    }
    Ok(sources)
}

fn start_hub(plan: &Plan, hub: impl FnOnce() -> Hub + Send + 'static) -> Result<Confined, CollectorError> {
    let ((), confined) = start("ct-table", Role::Table, plan, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| CollectorError::Thread { thread: "ct-table", source })?;
        Ok(((), move || runtime.block_on(hub().run())))
    })?;
    Ok(confined)
}

/// Starts a thread, waits until `prepare` has run in it and it is confined, and gives what both found.
fn start<T: Send + 'static, F: FnOnce()>(
    name: &'static str,
    role: Role,
    plan: &Plan,
    prepare: impl FnOnce() -> Result<(T, F), CollectorError> + Send + 'static,
) -> Result<(T, Confined), CollectorError> {
    let (ready, found) = std_mpsc::channel();
    let plan = plan.clone();
    let body = move || {
        let prepared = prepare().and_then(|(value, run)| Ok((value, plan.confine(role)?, run)));
        match prepared {
            Ok((value, confined, run)) => {
                let _ = ready.send(Ok((value, confined)));
                run();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    };
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(body).map_err(|source| CollectorError::Thread { thread: name, source })?;
    found.recv().map_err(|_| CollectorError::Ended(name))?
}

/// Bytes to ask for: the kernel gives twice as much, in all at most 1/32 of the memory.
fn event_buffer() -> usize {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|text| text.split_whitespace().next()?.parse::<usize>().ok());
    kib.map_or(EVENT_BUFFER_LEAST, |kib| kib * 1024 / 64).clamp(EVENT_BUFFER_LEAST, EVENT_BUFFER)
}

/// What a collector says first.
#[must_use]
pub fn hello(name: Option<String>, interval: Duration, epoch: u64, kernel: KernelFacts) -> ServerHello {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text::sanitize(text.trim()).into_owned()
    };
    ServerHello {
        protocol: conntop_proto::PROTOCOL_VERSION,
        server: concat!("conntopd ", env!("CARGO_PKG_VERSION")).into(),
        name: name.map_or_else(|| read("hostname"), |name| text::sanitize(&name).into_owned()),
        epoch,
        platform: format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH),
        features: ["focus"].into_iter().chain(Sight::ALL.map(Sight::feature)).map(Into::into).collect(),
        codecs: if cfg!(feature = "zstd") { vec![Codec::Zstd] } else { Vec::new() },
        interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
        kernel,
        clock: clock::both(),
        sandbox: None,
    }
}
