//! Checks of this machine's kernel, in the namespace that is looked at.

use nfnetlink::facts::Switch;
use nfnetlink::netns::Netns;

use super::facts::{Kernel, Leftover, Reading, Standing};
use super::repair::Fix;
use crate::doctor::Report;
use crate::doctor::checks::both::{self, Fill};
use crate::doctor::checks::{Finding, Gravity, Place, Row, good, judge, missing, nft, odd};
use crate::tui::format::grouped;

/// Of this machine's kernel.
pub const KERNEL: &[Row<Kernel>] = &[
    Row {
        name: "capability",
        gravity: Gravity::Needed,
        about: "whether this program may read the connection tracking table",
        judge: capability,
    },
    Row {
        name: "module",
        gravity: Gravity::Needed,
        about: "whether the kernel has connection tracking, and netlink for it",
        judge: module,
    },
    Row {
        name: "rule",
        gravity: Gravity::Needed,
        about: "whether a rule makes the kernel track connections in this namespace; without one nothing is tracked",
        judge: rule,
    },
    Row {
        name: "leftovers",
        gravity: Gravity::Wished,
        about: "whether a conntop that crashed has left what it activated",
        judge: leftovers,
    },
    Row {
        name: "acct",
        gravity: Gravity::Needed,
        about: "whether the kernel counts packets and bytes of new flows",
        judge: |kernel| mended(both::acct(kernel.sysctls.acct, &place(kernel)), Switch::Acct),
    },
    Row {
        name: "timestamp",
        gravity: Gravity::Wished,
        about: "whether new flows remember when they began",
        judge: |kernel| mended(both::timestamp(kernel.sysctls.timestamp, &place(kernel)), Switch::Timestamp),
    },
    Row {
        name: "events",
        gravity: Gravity::Needed,
        about: "whether the kernel tells of flows that begin and end",
        judge: |kernel| {
            mended(both::events(kernel.sysctls.events.map(u64::from), &place(kernel)), Switch::Events)
        },
    },
    Row {
        name: "table",
        gravity: Gravity::Wished,
        about: "how full the table is, and whether it was too small before",
        judge: table,
    },
    Row {
        name: "offload",
        gravity: Gravity::Wished,
        about: "whether a flowtable forwards packets that are not counted",
        judge: offload,
    },
    Row {
        name: "counters",
        gravity: Gravity::Wished,
        about: "whether another program zeroes the counters as it reads them",
        judge: counters,
    },
    Row {
        name: "namespaces",
        gravity: Gravity::Wished,
        about: "whether other network namespaces have flows, which are seen only from inside",
        judge: namespaces,
    },
    Row {
        name: "processes",
        gravity: Gravity::Wished,
        about: "whether all flows that end here get their processes",
        judge: processes,
    },
];

impl Finding {
    fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// What this machine's report says.
#[must_use]
pub fn of_kernel(place: String, kernel: &Kernel) -> Report {
    Report { place, checks: judge(KERNEL, kernel).collect() }
}

fn place(kernel: &Kernel) -> Place {
    let Some(netns) = &kernel.netns else { return Place::default() };
    let (before, name) = match netns {
        Netns::Name(name) => (format!("ip netns exec {name} "), name.clone()),
        Netns::Pid(pid) => (format!("nsenter -t {pid} -n "), pid.to_string()),
        Netns::Path(path) => (format!("nsenter --net={} ", path.display()), path.display().to_string()),
    };
    Place { before, option: format!("--netns {name} ") }
}

/// What a command can mend, a switch that is set can as well.
fn mended(finding: Finding, switch: Switch) -> Finding {
    if finding.repair.is_empty() { finding } else { finding.fix(Fix::Switch(switch)) }
}

/// A command line of conntop for the place.
fn conntop(place: &Place, rest: &str) -> String {
    format!("conntop {}{rest}", place.option)
}

fn capability(kernel: &Kernel) -> Finding {
    match (&kernel.reading, kernel.standing) {
        (Reading::Works | Reading::Unsupported(_), _) => {
            good("CAP_NET_ADMIN is there: the table may be read")
        }
        (Reading::Untried, Standing::Admin) => good("CAP_NET_ADMIN is there"),
        (_, Standing::User) => {
            missing("CAP_NET_ADMIN is missing: conntop shows the sockets of this machine instead")
                .repair("sudo conntop")
                .repair(format!("setcap cap_net_admin=ep {}", kernel.program))
        }
        (_, Standing::Container) => {
            missing("CAP_NET_ADMIN is missing though this is root, as in a container")
                .repair("docker run --cap-add=NET_ADMIN --network=host")
                .repair("conntop --connect HOST, of a conntopd outside")
        }
        (_, Standing::UserNamespace | Standing::Admin) => {
            missing("this user namespace does not own the network namespace: its table may not be read")
                .repair("run conntop outside of the container")
                .repair("conntop --connect HOST, of a conntopd outside")
        }
    }
}

fn module(kernel: &Kernel) -> Finding {
    match (&kernel.reading, kernel.sysctls.available(), kernel.module) {
        (Reading::Unsupported(why), _, _) => {
            missing(format!("nf_conntrack is there, but not its netlink: {why}"))
                .repair("modprobe nf_conntrack_netlink")
        }
        (_, true, _) => good("nf_conntrack is there"),
        (Reading::Works, false, _) => odd("nf_conntrack is there, but its settings are hidden from us")
            .repair("mount -t proc proc /proc, or run conntop outside of the container"),
        (_, false, true) => missing("nf_conntrack is loaded, but hidden from us")
            .repair("run conntop outside of the container"),
        (_, false, false) => missing("nf_conntrack is not loaded: nothing is tracked")
            .repair("modprobe nf_conntrack_netlink")
            .fix(Fix::Module),
    }
}

fn rule(kernel: &Kernel) -> Finding {
    let place = place(kernel);
    let entries = kernel.sysctls.count.unwrap_or(0);
    let others = kernel.others.join(", ");
    let mend =
        |finding: Finding| finding.repair(conntop(&place, "--activate")).repair(nft(&place)).fix(Fix::Rule);
    match (kernel.rules, kernel.others.is_empty()) {
        (Some(rules @ 1..), _) => {
            let rules = match rules {
                1 => "1 rule of nftables makes".to_owned(),
                more => format!("{more} rules of nftables make"),
            };
            let kept = if kernel.keepers > 0 { ", one of a running conntop" } else { "" };
            let yet = if entries == 0 { "; no entry yet, the next packet makes one" } else { "" };
            good(format!("{rules} the kernel track{kept}{yet}"))
        }
        (Some(0), true) if entries > 0 => mend(missing(format!(
            "no rule makes the kernel track in this namespace: its {} entries only run out",
            grouped(entries)
        ))),
        (Some(0), true) => mend(missing("no rule makes the kernel track in this namespace: no flow is seen")),
        (Some(0), false) if entries > 0 => {
            good(format!("no rule of nftables, but {} entries, as {others} may track", grouped(entries)))
        }
        (Some(0), false) => {
            mend(odd(format!("no rule of nftables and no entries; whether {others} tracks cannot be seen")))
        }
        (None, _) if entries > 0 => odd(format!(
            "rules may not be looked at, but {} entries say that something tracks",
            grouped(entries)
        )),
        (None, _) => {
            odd("whether anything makes the kernel track is not known").repair("sudo conntop doctor")
        }
    }
}

fn leftovers(kernel: &Kernel) -> Finding {
    match &kernel.leftovers {
        Leftover::Unknown => odd("whether a crashed conntop has left anything is not known"),
        Leftover::Nothing => good("no crashed conntop has left anything"),
        Leftover::Something(what) => {
            odd(what.clone()).repair(conntop(&place(kernel), "doctor --fix")).fix(Fix::Leftovers)
        }
    }
}

fn table(kernel: &Kernel) -> Finding {
    let drops = kernel.drops.unwrap_or_default();
    both::table(Fill {
        count: kernel.sysctls.count,
        max: kernel.sysctls.max,
        buckets: kernel.sysctls.buckets,
        drop: drops.drop,
        early_drop: drops.early_drop,
    })
}

fn offload(kernel: &Kernel) -> Finding {
    let Some(all) = &kernel.flowtables else { return odd("whether a flowtable offloads is not known") };
    let name =
        |flowtable: &nfnetlink::nft::Flowtable| format!("{} in table {}", flowtable.name, flowtable.table);
    match all.iter().find(|flowtable| !flowtable.counter) {
        Some(silent) => odd(format!(
            "flowtable {} offloads without counting: its flows keep the counters that they had",
            name(silent)
        ))
        .repair(format!("add `counter` to flowtable {} in your nftables rules", name(silent))),
        None if all.is_empty() => good("no flowtable: every packet is counted"),
        None => good(format!("flowtable {} counts", all.iter().map(name).collect::<Vec<_>>().join(", "))),
    }
}

fn counters(kernel: &Kernel) -> Finding {
    let listening = match kernel.listening {
        0 => String::new(),
        1 => "; one more socket listens to events".to_owned(),
        more => format!("; {more} more sockets listen to events"),
    };
    let names: Vec<String> = kernel.zeroing.iter().map(|p| format!("{} (pid {})", p.name, p.pid)).collect();
    if names.is_empty() {
        return good(format!("nobody is known to zero counters{listening}"));
    }
    let pids: Vec<String> = kernel.zeroing.iter().map(|p| p.pid.to_string()).collect();
    odd(format!(
        "{} may zero counters while reading: TOTAL falls then, rates and SEEN stay right",
        names.join(", ")
    ))
    .repair(format!("kill {}", pids.join(" ")))
}

fn namespaces(kernel: &Kernel) -> Finding {
    let most: Vec<String> =
        kernel.spaces.iter().take(5).map(|s| format!("{} ({})", s.name, grouped(s.entries))).collect();
    let more = kernel.spaces.len().saturating_sub(most.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let hidden = match kernel.hidden_spaces {
        0 => String::new(),
        hidden => format!("; {hidden} may not be looked into"),
    };
    let tracks = kernel.rules != Some(0) || kernel.sysctls.count.unwrap_or(0) > 0;
    match kernel.spaces.first() {
        None => good(format!("no other network namespace has flows{hidden}")),
        Some(_) if tracks => good(format!("others have flows: {}{more}{hidden}", most.join(", "))),
        Some(first) => odd(format!("only others have flows: {}{more}{hidden}", most.join(", ")))
            .repair(format!("conntop --netns {}", first.name)),
    }
}

fn processes(kernel: &Kernel) -> Finding {
    match kernel.all_processes {
        true => good("processes of everybody may be looked at"),
        false => odd("only your own processes get names").repair("sudo conntop"),
    }
}
