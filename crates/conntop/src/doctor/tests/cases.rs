//! What may happen to a sound machine, and what the doctor says then.

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Clock, KernelFacts, Lost, ServerHello, TableStats};
use nfnetlink::facts::Facts as Sysctls;
use nfnetlink::netns::Netns;
use nfnetlink::nft::Flowtable;

use crate::doctor::facts::{
    Client, Database, Drops, Kernel, Leftover, Naming, Process, Reading, Remote, Space, Standing, Terminal,
};
use crate::doctor::report::Word::{self, Fail, Ok as Fine, Warn};

/// Something that happens, and what the check says.
pub(super) struct Case<F> {
    pub(super) check: &'static str,
    pub(super) happens: fn(&mut F),
    pub(super) word: Word,
    pub(super) found: &'static str,
    pub(super) repair: &'static [&'static str],
    pub(super) fixable: bool,
}

const fn case<F>(
    check: &'static str,
    happens: fn(&mut F),
    word: Word,
    found: &'static str,
    repair: &'static [&'static str],
) -> Case<F> {
    Case { check, happens, word, found, repair, fixable: false }
}

/// The same of something that `--fix` mends.
const fn fixable<F>(
    check: &'static str,
    happens: fn(&mut F),
    word: Word,
    found: &'static str,
    repair: &'static [&'static str],
) -> Case<F> {
    Case { fixable: true, ..case(check, happens, word, found, repair) }
}

/// A machine to which nothing has happened.
pub(super) fn a_kernel() -> Kernel {
    Kernel {
        netns: None,
        program: "/usr/bin/conntop".to_owned(),
        reading: Reading::Works,
        standing: Standing::Admin,
        sysctls: Sysctls {
            acct: Some(true),
            timestamp: Some(true),
            events: Some(2),
            count: Some(12_041),
            max: Some(262_144),
            buckets: Some(65_536),
        },
        module: true,
        rules: Some(3),
        others: Vec::new(),
        keepers: 0,
        leftovers: Leftover::Nothing,
        drops: Some(Drops::default()),
        flowtables: Some(Vec::new()),
        zeroing: Vec::new(),
        listening: 0,
        spaces: Vec::new(),
        hidden_spaces: 0,
        all_processes: true,
    }
}

pub(super) fn a_client() -> Client {
    Client {
        config: Ok(Some("/root/.config/conntop/config.toml".to_owned())),
        places: Some(vec![database("DBIP-City-Lite", 12), database("DBIP-ASN-Lite", 12)]),
        names: Naming::Answered(3),
        terminal: Terminal {
            size: Some((120, 40)),
            term: Some("xterm-256color".to_owned()),
            no_color: false,
            locale: Some("LANG=en_GB.UTF-8".to_owned()),
            unicode: true,
        },
    }
}

pub(super) fn a_remote() -> Remote {
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

fn database(name: &str, days: u64) -> Database {
    let path = format!("/root/.local/share/GeoIP/{}.mmdb", name.to_lowercase());
    Database { path, about: Some((name.to_owned(), days)), used: true, problem: None }
}

fn hello(remote: &mut Remote) -> &mut ServerHello {
    remote.hello.as_mut().expect("a hello")
}

fn nothing<F>(_: &mut F) {}

fn flowtable(counter: bool) -> Flowtable {
    Flowtable { table: "filter".to_owned(), name: "fast".to_owned(), counter, hardware: false }
}

fn spaces() -> Vec<Space> {
    let space = |name: &str, entries| Space { name: name.to_owned(), entries };
    vec![space("wan", 1_200), space("4242", 7)]
}

pub(super) const KERNEL_CASES: &[Case<Kernel>] = &[
    case("capability", nothing, Fine, "CAP_NET_ADMIN is there: the table may be read", &[]),
    case(
        "capability",
        |k| (k.reading, k.standing) = (Reading::Denied, Standing::User),
        Fail,
        "CAP_NET_ADMIN is missing: conntop shows the sockets of this machine instead",
        &["sudo conntop", "setcap cap_net_admin=ep /usr/bin/conntop"],
    ),
    case(
        "capability",
        |k| (k.reading, k.standing) = (Reading::Denied, Standing::Container),
        Fail,
        "CAP_NET_ADMIN is missing though this is root, as in a container",
        &["docker run --cap-add=NET_ADMIN --network=host", "conntop --connect HOST, of a conntopd outside"],
    ),
    case(
        "capability",
        |k| (k.reading, k.standing) = (Reading::Denied, Standing::UserNamespace),
        Fail,
        "this user namespace does not own the network namespace: its table may not be read",
        &["run conntop outside of the container", "conntop --connect HOST, of a conntopd outside"],
    ),
    case("capability", |k| k.reading = Reading::Untried, Fine, "CAP_NET_ADMIN is there", &[]),
    case("module", nothing, Fine, "nf_conntrack is there", &[]),
    fixable(
        "module",
        |k| (k.reading, k.sysctls, k.module) = (Reading::Untried, Sysctls::default(), false),
        Fail,
        "nf_conntrack is not loaded: nothing is tracked",
        &["modprobe nf_conntrack_netlink"],
    ),
    case(
        "module",
        |k| k.reading = Reading::Unsupported("Protocol not supported (os error 93)".to_owned()),
        Fail,
        "nf_conntrack is there, but not its netlink: Protocol not supported (os error 93)",
        &["modprobe nf_conntrack_netlink"],
    ),
    case(
        "module",
        |k| k.sysctls = Sysctls::default(),
        Warn,
        "nf_conntrack is there, but its settings are hidden from us",
        &["mount -t proc proc /proc, or run conntop outside of the container"],
    ),
    case(
        "module",
        |k| (k.reading, k.sysctls) = (Reading::Denied, Sysctls::default()),
        Fail,
        "nf_conntrack is loaded, but hidden from us",
        &["run conntop outside of the container"],
    ),
    case("rule", nothing, Fine, "3 rules of nftables make the kernel track", &[]),
    case(
        "rule",
        |k| k.sysctls.count = Some(0),
        Fine,
        "3 rules of nftables make the kernel track; no entry yet, the next packet makes one",
        &[],
    ),
    case(
        "rule",
        |k| (k.rules, k.keepers) = (Some(1), 1),
        Fine,
        "1 rule of nftables make the kernel track, one of a running conntop",
        &[],
    ),
    fixable(
        "rule",
        |k| (k.rules, k.sysctls.count) = (Some(0), Some(0)),
        Fail,
        "no rule makes the kernel track in this namespace: no flow is seen",
        &[
            "conntop --activate",
            "nft 'add table inet t; add chain inet t c; add rule inet t c ct state established'",
        ],
    ),
    fixable(
        "rule",
        |k| k.rules = Some(0),
        Fail,
        "no rule makes the kernel track in this namespace: its 12,041 entries only run out",
        &[
            "conntop --activate",
            "nft 'add table inet t; add chain inet t c; add rule inet t c ct state established'",
        ],
    ),
    fixable(
        "rule",
        |k| {
            (k.rules, k.sysctls.count) = (Some(0), Some(0));
            k.netns = Some(Netns::Name("wan".to_owned()));
        },
        Fail,
        "no rule makes the kernel track in this namespace: no flow is seen",
        &[
            "conntop --netns wan --activate",
            "ip netns exec wan nft 'add table inet t; add chain inet t c; add rule inet t c ct state established'",
        ],
    ),
    case(
        "rule",
        |k| (k.rules, k.others) = (Some(0), vec!["legacy iptables", "Open vSwitch"]),
        Fine,
        "no rule of nftables, but 12,041 entries, as legacy iptables, Open vSwitch may track",
        &[],
    ),
    fixable(
        "rule",
        |k| {
            (k.rules, k.sysctls.count) = (Some(0), Some(0));
            k.others = vec!["legacy iptables"];
        },
        Warn,
        "no rule of nftables and no entries; whether legacy iptables tracks cannot be seen",
        &[
            "conntop --activate",
            "nft 'add table inet t; add chain inet t c; add rule inet t c ct state established'",
        ],
    ),
    case(
        "rule",
        |k| k.rules = None,
        Warn,
        "rules may not be looked at, but 12,041 entries say that something tracks",
        &[],
    ),
    case(
        "rule",
        |k| (k.rules, k.sysctls.count) = (None, Some(0)),
        Warn,
        "whether anything makes the kernel track is not known",
        &["sudo conntop doctor"],
    ),
    case("leftovers", nothing, Fine, "no crashed conntop has left anything", &[]),
    fixable(
        "leftovers",
        |k| {
            k.leftovers = Leftover::Something(
                "a conntop that did not end properly has left: nf_conntrack_acct = 1".to_owned(),
            )
        },
        Warn,
        "a conntop that did not end properly has left: nf_conntrack_acct = 1",
        &["conntop doctor --fix"],
    ),
    case(
        "leftovers",
        |k| k.leftovers = Leftover::Unknown,
        Warn,
        "whether a crashed conntop has left anything is not known",
        &[],
    ),
    case("acct", nothing, Fine, "new flows are counted, packets and bytes", &[]),
    fixable(
        "acct",
        |k| k.sysctls.acct = Some(false),
        Fail,
        "accounting is off: no bytes, packets and rates of new flows",
        &["sysctl -w net.netfilter.nf_conntrack_acct=1"],
    ),
    fixable(
        "acct",
        |k| {
            k.sysctls.acct = Some(false);
            k.netns = Some(Netns::Pid(4242));
        },
        Fail,
        "accounting is off: no bytes, packets and rates of new flows",
        &["nsenter -t 4242 -n sysctl -w net.netfilter.nf_conntrack_acct=1"],
    ),
    case("acct", |k| k.sysctls.acct = None, Warn, "whether new flows are counted is not known", &[]),
    case("timestamp", nothing, Fine, "new flows remember when they began", &[]),
    fixable(
        "timestamp",
        |k| k.sysctls.timestamp = Some(false),
        Warn,
        "start times are off: the age of flows that began before conntop is not known",
        &["sysctl -w net.netfilter.nf_conntrack_timestamp=1"],
    ),
    case(
        "timestamp",
        |k| k.sysctls.timestamp = None,
        Warn,
        "whether new flows remember when they began is not known",
        &[],
    ),
    case("events", nothing, Fine, "the kernel tells of all flows that begin while somebody listens", &[]),
    case("events", |k| k.sysctls.events = Some(1), Fine, "the kernel tells of all flows", &[]),
    fixable(
        "events",
        |k| k.sysctls.events = Some(0),
        Fail,
        "the kernel sends no events: flows that begin and end between two passes stay unseen",
        &["sysctl -w net.netfilter.nf_conntrack_events=2"],
    ),
    case("events", |k| k.sysctls.events = None, Warn, "whether the kernel tells of flows is not known", &[]),
    case("table", nothing, Fine, "12,041 of at most 262,144 entries, 4 %", &[]),
    case(
        "table",
        |k| k.sysctls.count = Some(220_000),
        Warn,
        "220,000 of at most 262,144 entries, 83 %: when it is full, new connections are refused",
        &["sysctl -w net.netfilter.nf_conntrack_max=524288"],
    ),
    case(
        "table",
        |k| k.drops = Some(Drops { drop: 1_312, early_drop: 20 }),
        Warn,
        "12,041 of at most 262,144 entries, 4 %, but it was full: 1,312 packets were dropped, 20 entries removed early",
        &["sysctl -w net.netfilter.nf_conntrack_max=524288"],
    ),
    case(
        "table",
        |k| k.sysctls.buckets = Some(8_192),
        Warn,
        "12,041 of at most 262,144 entries, 4 %, in only 8,192 hash buckets: a full table would be slow",
        &["sysctl -w net.netfilter.nf_conntrack_buckets=65536"],
    ),
    case("table", |k| k.sysctls.max = None, Warn, "how full the table is is not known", &[]),
    case("offload", nothing, Fine, "no flowtable: every packet is counted", &[]),
    case(
        "offload",
        |k| k.flowtables = Some(vec![flowtable(true)]),
        Fine,
        "flowtable fast in table filter counts",
        &[],
    ),
    case(
        "offload",
        |k| k.flowtables = Some(vec![flowtable(true), flowtable(false)]),
        Warn,
        "flowtable fast in table filter offloads without counting: its flows keep the counters that they had",
        &["add `counter` to flowtable fast in table filter in your nftables rules"],
    ),
    case("offload", |k| k.flowtables = None, Warn, "whether a flowtable offloads is not known", &[]),
    case("counters", nothing, Fine, "nobody is known to zero counters", &[]),
    case(
        "counters",
        |k| k.listening = 2,
        Fine,
        "nobody is known to zero counters; 2 more sockets listen to events",
        &[],
    ),
    case(
        "counters",
        |k| k.zeroing = vec![Process { name: "nlbwmon".to_owned(), pid: 812 }],
        Warn,
        "nlbwmon (pid 812) may zero counters while reading: TOTAL falls then, rates and SEEN stay right",
        &["kill 812"],
    ),
    case("namespaces", nothing, Fine, "no other network namespace has flows", &[]),
    case("namespaces", |k| k.spaces = spaces(), Fine, "others have flows: wan (1,200), 4242 (7)", &[]),
    case(
        "namespaces",
        |k| (k.rules, k.sysctls.count, k.spaces) = (Some(0), Some(0), spaces()),
        Warn,
        "only others have flows: wan (1,200), 4242 (7)",
        &["conntop --netns wan"],
    ),
    case(
        "namespaces",
        |k| k.hidden_spaces = 1,
        Fine,
        "no other network namespace has flows; 1 may not be looked into",
        &[],
    ),
    case("processes", nothing, Fine, "processes of everybody may be looked at", &[]),
    case(
        "processes",
        |k| k.all_processes = false,
        Warn,
        "only your own processes get names",
        &["sudo conntop"],
    ),
];

pub(super) const CLIENT_CASES: &[Case<Client>] = &[
    case("config", nothing, Fine, "/root/.config/conntop/config.toml is understood", &[]),
    case("config", |c| c.config = Ok(None), Fine, "there is no configuration file; the defaults hold", &[]),
    case(
        "config",
        |c| {
            c.config = Err("configuration /root/.config/conntop/config.toml: line 3: there is no setting `dsn`; did you mean `dns`?".to_owned())
        },
        Warn,
        "configuration /root/.config/conntop/config.toml: line 3: there is no setting `dsn`; did you mean `dns`?",
        &["mend that line; until then conntop does not start"],
    ),
    case("geoip", nothing, Fine, "DBIP-City-Lite (12 days old), DBIP-ASN-Lite (12 days old)", &[]),
    case("geoip", |c| c.places = None, Fine, "not wanted (no-geoip)", &[]),
    case(
        "geoip",
        |c| c.places = Some(Vec::new()),
        Warn,
        "no database: countries, cities and networks are not known",
        &["conntop geoip update"],
    ),
    case(
        "geoip",
        |c| c.places = Some(vec![database("GeoLite2-City", 400)]),
        Warn,
        "GeoLite2-City (400 days old): addresses have moved since",
        &["conntop geoip update"],
    ),
    case(
        "geoip",
        |c| {
            let problem = Some("it is damaged: the metadata is missing".to_owned());
            c.places =
                Some(vec![Database { about: None, used: false, problem, ..database("DBIP-City-Lite", 1) }]);
        },
        Warn,
        "/root/.local/share/GeoIP/dbip-city-lite.mmdb: it is damaged: the metadata is missing",
        &["conntop geoip update --again"],
    ),
    case("dns", nothing, Fine, "somebody answers, in 3 ms", &[]),
    case("dns", |c| c.names = Naming::Off, Fine, "nobody is asked (dns off)", &[]),
    case(
        "dns",
        |c| c.names = Naming::Answered(1_700),
        Warn,
        "an answer takes 1700 ms: names come late",
        &["put a nearer server into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::Refused,
        Warn,
        "the server answers that it cannot tell names (SERVFAIL or REFUSED)",
        &["put another server into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::Silent,
        Warn,
        "no server answers: addresses keep their numbers, nothing waits for it",
        &["put a server that answers into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::NoServer,
        Warn,
        "/etc/resolv.conf names no server: addresses keep their numbers",
        &["put a server into /etc/resolv.conf", "conntop --dns system"],
    ),
    case(
        "dns",
        |c| c.names = Naming::NoProgram,
        Warn,
        "there is no getent, which --dns system asks",
        &["conntop --dns ptr"],
    ),
    case("terminal", nothing, Fine, "120 columns and 40 lines", &[]),
    case(
        "terminal",
        |c| c.terminal.size = None,
        Fine,
        "standard output is no terminal: conntop prints the table once",
        &[],
    ),
    case(
        "terminal",
        |c| c.terminal.term = Some("dumb".to_owned()),
        Warn,
        "TERM=dumb moves no cursor: conntop prints the table once",
        &["TERM=xterm-256color conntop, if the terminal is one"],
    ),
    case(
        "terminal",
        |c| c.terminal.size = Some((20, 3)),
        Warn,
        "20 columns and 3 lines: little more than the largest flows has room",
        &["make the window larger; 80x24 has room for everything that matters"],
    ),
    case("colours", nothing, Fine, "the sixteen of the terminal's own palette (xterm-256color)", &[]),
    case("colours", |c| c.terminal.size = None, Fine, "not needed", &[]),
    case(
        "colours",
        |c| c.terminal.no_color = true,
        Fine,
        "switched off by NO_COLOR; bold and reversed say the same",
        &[],
    ),
    case(
        "colours",
        |c| c.terminal.term = None,
        Warn,
        "TERM names no terminal with colours",
        &["TERM=xterm-256color conntop"],
    ),
    case("unicode", nothing, Fine, "all of it (LANG=en_GB.UTF-8)", &[]),
    case(
        "unicode",
        |c| (c.terminal.unicode, c.terminal.locale) = (false, Some("LANG=C".to_owned())),
        Warn,
        "ASCII only (LANG=C): lines and bars are made of letters",
        &["LC_ALL=C.UTF-8 conntop"],
    ),
    case(
        "unicode",
        |c| (c.terminal.unicode, c.terminal.locale) = (false, None),
        Warn,
        "ASCII only (no LC_ALL, LC_CTYPE or LANG): lines and bars are made of letters",
        &["LC_ALL=C.UTF-8 conntop"],
    ),
];

pub(super) const REMOTE_CASES: &[Case<Remote>] = &[
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
