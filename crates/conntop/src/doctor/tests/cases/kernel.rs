//! What may happen to a machine.

use nfnetlink::facts::Facts as Sysctls;
use nfnetlink::netns::Netns;
use nfnetlink::nft::Flowtable;

use super::{Case, case, fixable, nothing};
use crate::doctor::report::Word::{Fail, Ok as Fine, Warn};
use crate::here::linux::doctor::facts::{Drops, Kernel, Leftover, Process, Reading, Space, Standing};

/// A machine to which nothing has happened.
pub(in super::super) fn a_kernel() -> Kernel {
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

fn flowtable(counter: bool) -> Flowtable {
    Flowtable { table: "filter".to_owned(), name: "fast".to_owned(), counter, hardware: false }
}

fn spaces() -> Vec<Space> {
    let space = |name: &str, entries| Space { name: name.to_owned(), entries };
    vec![space("wan", 1_200), space("4242", 7)]
}

pub(in super::super) const KERNEL_CASES: &[Case<Kernel>] = &[
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
        "1 rule of nftables makes the kernel track, one of a running conntop",
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
