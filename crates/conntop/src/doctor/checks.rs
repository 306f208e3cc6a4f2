//! The table of checks: each has a name, says whether flows stay unseen or uncounted without it, and judges
//! the facts. The manual's page troubleshooting.md is held against it.

mod client;
mod kernel;
mod remote;

use nfnetlink::netns::Netns;

use super::facts::{Client, Kernel, Remote};
use super::repair::Fix;
use super::report::{Check, Report, Word};

/// A check of the facts `F`.
#[derive(Debug)]
pub struct Row<F> {
    /// Its name.
    pub name: &'static str,
    /// Whether it fails; the others only warn.
    pub gravity: Gravity,
    /// What is asked, for the manual.
    pub about: &'static str,
    judge: fn(&F) -> Finding,
}

/// What it means when something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Flows stay unseen or uncounted: exit code 1.
    Needed,
    /// conntop can do without.
    Wished,
}

/// Of this machine's kernel.
pub const KERNEL: &[Row<Kernel>] = kernel::ROWS;
/// Of what the client itself needs.
pub const CLIENT: &[Row<Client>] = client::ROWS;
/// Of a conntopd elsewhere.
pub const REMOTE: &[Row<Remote>] = remote::ROWS;

impl<F> Row<F> {
    fn check(&self, facts: &F) -> Check {
        let Finding { grade, found, repair, fix } = (self.judge)(facts);
        let word = match (grade, self.gravity) {
            (Grade::Good, _) => Word::Ok,
            (Grade::Missing, Gravity::Needed) => Word::Fail,
            (Grade::Missing | Grade::Odd, _) => Word::Warn,
        };
        Check { name: self.name, word, found, repair, fix }
    }
}

/// Judges all of them.
pub fn judge<F>(rows: &[Row<F>], facts: &F) -> impl Iterator<Item = Check> {
    rows.iter().map(move |row| row.check(facts))
}

/// What this machine's report says.
#[must_use]
pub fn of_kernel(place: String, kernel: &Kernel) -> Report {
    Report { place, checks: judge(KERNEL, kernel).collect() }
}

/// What a remote machine's report says: nothing but the connection where there is none.
#[must_use]
pub fn of_remote(remote: &Remote) -> Report {
    let rows = if remote.hello.is_ok() { REMOTE } else { REMOTE.get(..1).unwrap_or_default() };
    Report { place: remote.place.clone(), checks: judge(rows, remote).collect() }
}

/// What the client's report says.
#[must_use]
pub fn of_client(client: &Client) -> Report {
    Report { place: "this conntop".to_owned(), checks: judge(CLIENT, client).collect() }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    /// Not as one would want it, or not known.
    Odd,
    Missing,
}

struct Finding {
    grade: Grade,
    found: String,
    repair: Vec<String>,
    fix: Option<Fix>,
}

impl Finding {
    fn new(grade: Grade, found: impl Into<String>) -> Self {
        Self { grade, found: found.into(), repair: Vec::new(), fix: None }
    }

    fn repair(mut self, command: impl Into<String>) -> Self {
        self.repair.push(command.into());
        self
    }

    fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

fn good(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Good, found)
}

fn odd(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Odd, found)
}

fn missing(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Missing, found)
}

/// A command as it has to be given to work in the namespace.
fn inside(netns: Option<&Netns>, command: &str) -> String {
    match netns {
        None => command.to_owned(),
        Some(Netns::Name(name)) => format!("ip netns exec {name} {command}"),
        Some(Netns::Pid(pid)) => format!("nsenter -t {pid} -n {command}"),
        Some(Netns::Path(path)) => format!("nsenter --net={} {command}", path.display()),
    }
}

/// What switches a sysctl on.
fn sysctl(netns: Option<&Netns>, name: &str, value: &str) -> String {
    inside(netns, &format!("sysctl -w net.netfilter.{name}={value}"))
}

/// What makes the kernel track, until the next boot.
fn nft(netns: Option<&Netns>) -> String {
    let rules = "add table inet t; add chain inet t c; add rule inet t c ct state established";
    inside(netns, &format!("nft '{rules}'"))
}

/// The option that names the namespace.
fn conntop(netns: Option<&Netns>, rest: &str) -> String {
    match netns {
        None => format!("conntop {rest}"),
        Some(Netns::Pid(pid)) => format!("conntop --netns {pid} {rest}"),
        Some(Netns::Name(name)) => format!("conntop --netns {name} {rest}"),
        Some(Netns::Path(path)) => format!("conntop --netns {} {rest}", path.display()),
    }
}

/// What both a kernel here and one elsewhere are asked.
mod both {
    use nfnetlink::facts::Switch;
    use nfnetlink::netns::Netns;

    use super::{Finding, Fix, good, inside, missing, odd, sysctl};
    use crate::tui::format::grouped;

    /// Share of the table that is worth a word, percent.
    const FULL: u64 = 80;
    /// Entries for each hash bucket above which look-ups become slow.
    const CHAIN: u64 = 8;

    pub(super) fn acct(on: Option<bool>, netns: Option<&Netns>) -> Finding {
        let switch = Switch::Acct;
        match on {
            Some(true) => good("new flows are counted, packets and bytes"),
            Some(false) => missing("accounting is off: no bytes, packets and rates of new flows")
                .repair(sysctl(netns, switch.name(), "1"))
                .fix(Fix::Switch(switch)),
            None => odd("whether new flows are counted is not known"),
        }
    }

    pub(super) fn timestamp(on: Option<bool>, netns: Option<&Netns>) -> Finding {
        let switch = Switch::Timestamp;
        match on {
            Some(true) => good("new flows remember when they began"),
            Some(false) => {
                odd("start times are off: the age of flows that began before conntop is not known")
                    .repair(sysctl(netns, switch.name(), "1"))
                    .fix(Fix::Switch(switch))
            }
            None => odd("whether new flows remember when they began is not known"),
        }
    }

    pub(super) fn events(mode: Option<u64>, netns: Option<&Netns>) -> Finding {
        let switch = Switch::Events;
        match mode {
            Some(0) => {
                missing("the kernel sends no events: flows that begin and end between two passes stay unseen")
                    .repair(sysctl(netns, switch.name(), "2"))
                    .fix(Fix::Switch(switch))
            }
            Some(1) => good("the kernel tells of all flows"),
            Some(_) => good("the kernel tells of all flows that begin while somebody listens"),
            None => odd("whether the kernel tells of flows is not known"),
        }
    }

    /// How full a table is.
    #[derive(Clone, Copy, Debug, Default)]
    pub(super) struct Fill {
        pub(super) count: Option<u64>,
        pub(super) max: Option<u64>,
        pub(super) buckets: Option<u64>,
        pub(super) drop: u64,
        pub(super) early_drop: u64,
    }

    pub(super) fn table(fill: Fill) -> Finding {
        let (Some(count), Some(max)) = (fill.count, fill.max.filter(|max| *max > 0)) else {
            return odd("how full the table is is not known");
        };
        let percent = count.saturating_mul(100) / max;
        let entries = format!("{} of at most {} entries, {percent} %", grouped(count), grouped(max));
        // Of the whole machine, so it is set outside of namespaces.
        let more =
            || inside(None, &format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2)));
        let lost = fill.drop.saturating_add(fill.early_drop);
        match fill.buckets {
            _ if percent >= FULL => {
                odd(format!("{entries}: when it is full, new connections are refused")).repair(more())
            }
            _ if lost > 0 => odd(format!(
                "{entries}, but it was full: {} packets were dropped, {} entries removed early",
                grouped(fill.drop),
                grouped(fill.early_drop)
            ))
            .repair(more()),
            Some(buckets) if buckets > 0 && max / buckets > CHAIN => odd(format!(
                "{entries}, in only {} hash buckets: a full table would be slow",
                grouped(buckets)
            ))
            .repair(format!("sysctl -w net.netfilter.nf_conntrack_buckets={}", max / 4)),
            _ => good(entries),
        }
    }
}
