//! What a conntopd elsewhere may lack.

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Clock, KernelFacts, Lost, ServerHello, TableStats};

use super::{Case, case, nothing};
use crate::doctor::facts::Remote;
use crate::doctor::report::Word::{Fail, Ok as Fine, Warn};

/// A conntopd to which nothing has happened.
pub(in super::super) fn a_remote() -> Remote {
    let kernel = KernelFacts {
        acct: Some(true),
        timestamp: Some(true),
        events: Some(2),
        max: Some(262_144),
        buckets: Some(65_536),
        listening: true,
        tracking: Some(true),
        ..KernelFacts::default()
    };
    let hello = ServerHello {
        protocol: 1,
        server: concat!("conntopd ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: "router1".to_owned(),
        epoch: 1,
        platform: "Linux 6.12.1 aarch64".to_owned(),
        features: Vec::new(),
        codecs: Vec::new(),
        interval_ms: 1000,
        kernel,
        clock: Clock::default(),
        sandbox: Some("best: caps, landlock 6, seccomp".to_owned()),
    };
    let table = TableStats { count: Some(12_041), max: Some(262_144), ..TableStats::default() };
    Remote { place: "router1:55555".to_owned(), hello: Ok(Box::new(hello)), table: Some(table), lost: None }
}

fn hello(remote: &mut Remote) -> &mut ServerHello {
    remote.hello.as_mut().expect("a hello")
}

pub(in super::super) const REMOTE_CASES: &[Case<Remote>] = &[
    case("connection", nothing, Fine, "router1 answers, Linux 6.12.1 aarch64", &[]),
    case(
        "connection",
        |r| r.hello = Err("router1:55555: Connection refused".to_owned()),
        Fail,
        "router1:55555: Connection refused",
        &[],
    ),
    case("version", nothing, Fine, "conntopd 0.1.0, protocol 1", &[]),
    case(
        "version",
        |r| hello(r).server = "conntopd 0.0.9".to_owned(),
        Warn,
        "conntopd 0.0.9 there, conntop 0.1.0 here; both speak protocol 1",
        &["install the same version at both ends"],
    ),
    case("sandbox", nothing, Fine, "best: caps, landlock 6, seccomp", &[]),
    case(
        "sandbox",
        |r| hello(r).sandbox = Some("best: caps, no landlock (this kernel has none), seccomp".to_owned()),
        Warn,
        "best: caps, no landlock (this kernel has none), seccomp: without landlock",
        &["conntopd --sandbox strict, which says why it does not start"],
    ),
    case("sandbox", |r| hello(r).sandbox = None, Warn, "conntopd does not say what confines it", &[]),
    case("rule", nothing, Fine, "the kernel there tracks", &[]),
    case(
        "rule",
        |r| hello(r).kernel.tracking = Some(false),
        Fail,
        "nothing makes the kernel there track: no flow is seen",
        &[
            "conntop --activate, there",
            "nft 'add table inet t; add chain inet t c; add rule inet t c ct state established'",
        ],
    ),
    case(
        "rule",
        |r| hello(r).kernel.tracking = None,
        Warn,
        "whether anything makes the kernel there track is not known",
        &[],
    ),
    case("acct", nothing, Fine, "new flows are counted, packets and bytes", &[]),
    case(
        "acct",
        |r| hello(r).kernel.acct = Some(false),
        Fail,
        "accounting is off: no bytes, packets and rates of new flows",
        &["sysctl -w net.netfilter.nf_conntrack_acct=1"],
    ),
    case("timestamp", nothing, Fine, "new flows remember when they began", &[]),
    case(
        "timestamp",
        |r| hello(r).kernel.timestamp = Some(false),
        Warn,
        "start times are off: the age of flows that began before conntop is not known",
        &["sysctl -w net.netfilter.nf_conntrack_timestamp=1"],
    ),
    case("events", nothing, Fine, "the kernel tells of all flows that begin while somebody listens", &[]),
    case(
        "events",
        |r| hello(r).kernel.listening = false,
        Fail,
        "conntopd does not listen: flows that begin and end between two passes stay unseen",
        &["start conntopd without --no-events"],
    ),
    case("lost", nothing, Fine, "no event was lost", &[]),
    case(
        "lost",
        |r| r.lost = Some(Lost { overruns: 2, events: Some(3_120), since: None }),
        Warn,
        "3,120 events were lost since conntopd began, all repaired",
        &["conntopd --event-buffer 64M"],
    ),
    case(
        "lost",
        |r| r.lost = Some(Lost { overruns: 1, events: None, since: Some(BootMillis(1)) }),
        Warn,
        "events were lost since conntopd began; the table is being repaired",
        &["conntopd --event-buffer 64M"],
    ),
    case("table", nothing, Fine, "12,041 of at most 262,144 entries, 4 %", &[]),
    case("table", |r| r.table = None, Warn, "how full the table is is not known", &[]),
    case(
        "table",
        |r| r.table = Some(TableStats { truncated: true, flows: 2_000_000, ..TableStats::default() }),
        Warn,
        "conntopd holds 2,000,000 flows of more: its own limit is reached",
        &[],
    ),
];
