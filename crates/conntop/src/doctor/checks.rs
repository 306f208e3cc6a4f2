//! The table of checks: each has a name, says whether flows stay unseen or uncounted without it, and judges
//! the facts. The manual's page troubleshooting.md is held against it.

mod client;
mod remote;

use super::facts::{Client, Remote};
use super::report::{Check, Report, Word};
use crate::here::Fix;

/// A check of the facts `F`.
#[derive(Debug)]
pub struct Row<F> {
    /// Its name.
    pub name: &'static str,
    /// Whether it fails; the others only warn.
    pub gravity: Gravity,
    /// What is asked, for the manual.
    pub about: &'static str,
    pub(crate) judge: fn(&F) -> Finding,
}

/// What it means when something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Flows stay unseen or uncounted: exit code 1.
    Needed,
    /// conntop can do without.
    Wished,
}

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
pub(crate) enum Grade {
    Good,
    /// Not as one would want it, or not known.
    Odd,
    Missing,
}

pub(crate) struct Finding {
    grade: Grade,
    found: String,
    pub(crate) repair: Vec<String>,
    pub(crate) fix: Option<Fix>,
}

impl Finding {
    fn new(grade: Grade, found: impl Into<String>) -> Self {
        Self { grade, found: found.into(), repair: Vec::new(), fix: None }
    }

    pub(crate) fn repair(mut self, command: impl Into<String>) -> Self {
        self.repair.push(command.into());
        self
    }
}

pub(crate) fn good(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Good, found)
}

pub(crate) fn odd(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Odd, found)
}

pub(crate) fn missing(found: impl Into<String>) -> Finding {
    Finding::new(Grade::Missing, found)
}

/// How commands have to be given to work in the place that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// What stands before a command.
    pub(crate) before: String,
    /// The option that names the place to conntop.
    pub(crate) option: String,
}

/// A command as it has to be given to work there.
pub(crate) fn inside(place: &Place, command: &str) -> String {
    format!("{}{command}", place.before)
}

/// What switches a sysctl on.
pub(crate) fn sysctl(place: &Place, name: &str, value: &str) -> String {
    inside(place, &format!("sysctl -w net.netfilter.{name}={value}"))
}

/// What makes the kernel track, until the next boot.
pub(crate) fn nft(place: &Place) -> String {
    let rules = "add table inet t; add chain inet t c; add rule inet t c ct state established";
    inside(place, &format!("nft '{rules}'"))
}

/// What both a kernel here and one elsewhere are asked.
pub(crate) mod both {
    use super::{Finding, Place, good, inside, missing, odd, sysctl};
    use crate::tui::format::grouped;

    /// Share of the table that is worth a word, percent.
    const FULL: u64 = 80;
    /// Entries for each hash bucket above which look-ups become slow.
    const CHAIN: u64 = 8;

    pub(crate) fn acct(on: Option<bool>, place: &Place) -> Finding {
        match on {
            Some(true) => good("new flows are counted, packets and bytes"),
            Some(false) => missing("accounting is off: no bytes, packets and rates of new flows")
                .repair(sysctl(place, "nf_conntrack_acct", "1")),
            None => odd("whether new flows are counted is not known"),
        }
    }

    pub(crate) fn timestamp(on: Option<bool>, place: &Place) -> Finding {
        match on {
            Some(true) => good("new flows remember when they began"),
            Some(false) => {
                odd("start times are off: the age of flows that began before conntop is not known")
                    .repair(sysctl(place, "nf_conntrack_timestamp", "1"))
            }
            None => odd("whether new flows remember when they began is not known"),
        }
    }

    pub(crate) fn events(mode: Option<u64>, place: &Place) -> Finding {
        match mode {
            Some(0) => {
                missing("the kernel sends no events: flows that begin and end between two passes stay unseen")
                    .repair(sysctl(place, "nf_conntrack_events", "2"))
            }
            Some(1) => good("the kernel tells of all flows"),
            Some(_) => good("the kernel tells of all flows that begin while somebody listens"),
            None => odd("whether the kernel tells of flows is not known"),
        }
    }

    /// How full a table is.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) struct Fill {
        pub(crate) count: Option<u64>,
        pub(crate) max: Option<u64>,
        pub(crate) buckets: Option<u64>,
        pub(crate) drop: u64,
        pub(crate) early_drop: u64,
    }

    pub(crate) fn table(fill: Fill) -> Finding {
        let (Some(count), Some(max)) = (fill.count, fill.max.filter(|max| *max > 0)) else {
            return odd("how full the table is is not known");
        };
        let percent = count.saturating_mul(100) / max;
        let entries = format!("{} of at most {} entries, {percent} %", grouped(count), grouped(max));
        // Of the whole machine, so it is set outside of namespaces.
        let more = || {
            inside(
                &Place::default(),
                &format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2)),
            )
        };
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
