//! Holds what a client shows against what the oracle says.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use conntop::mirror::Flow;
use conntop_proto::flow::{Counters, Status};
use conntop_proto::tuple;
use serde::Deserialize;

use crate::netns::Namespace;
use crate::oracle::{self, Key, L4, Record};

/// The oracle tells whole seconds, cut off; the collector's clock ticks in between.
const TIMEOUT_SLACK_MS: u64 = 1500;
/// Differences that are told; the rest is counted.
const TOLD: usize = 12;

/// A flow as a client shows it, in the oracle's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Zone, protocol, original tuple.
    pub key: Key,
    /// Source, destination and layer 4 of the answers.
    pub reply: (IpAddr, IpAddr, L4),
    /// Zone of the reply direction.
    pub reply_zone: u16,
    /// The kernel's id.
    pub id: Option<u32>,
    /// Mark, 0 if there is none.
    pub mark: u32,
    /// State in the oracle's spelling; for protocols without one `UNREPLIED`, `REPLIED`, `ASSURED`.
    pub state: String,
    /// Has seen no answer.
    pub unreplied: bool,
    /// Will not be dropped early.
    pub assured: bool,
    /// Packets and bytes of the original direction.
    pub orig: Option<(u64, u64)>,
    /// Packets and bytes of the reply direction.
    pub back: Option<(u64, u64)>,
    /// When it expires, milliseconds of CLOCK_BOOTTIME: not before and not after.
    pub expires: Option<(u64, u64)>,
    /// When it began, seconds since the epoch.
    pub start: Option<u64>,
    /// Helper.
    pub helper: Option<String>,
}

impl Seen {
    /// The array that `conntop list --format json` printed between these two times of
    /// CLOCK_BOOTTIME.
    ///
    /// # Errors
    /// When it is no such array, or a field of it is missing.
    pub fn from_json(json: &[u8], printed: (u64, u64)) -> Result<Vec<Self>> {
        let flows: Vec<JsonFlow> = serde_json::from_slice(json).context("reading the output of list")?;
        flows.into_iter().map(|flow| flow.seen(printed)).collect()
    }

    /// A flow of the mirror.
    #[must_use]
    pub fn from_mirror(flow: &Flow) -> Self {
        let (orig, reply) = (flow.orig(), flow.reply());
        let counters = |c: Counters| (c.packets, c.bytes);
        Seen {
            key: Key {
                zone: flow.zone(),
                proto: orig.proto.0,
                src: orig.src,
                dst: orig.dst,
                l4: layer4(orig.l4),
            },
            reply: (reply.src, reply.dst, layer4(reply.l4)),
            reply_zone: flow.reply_zone(),
            id: flow.ct_id(),
            mark: flow.mark(),
            state: state_name(&format!("{:?}", flow.state())),
            unreplied: !flow.status().has(Status::SEEN_REPLY),
            assured: flow.status().has(Status::ASSURED),
            orig: flow.orig_counters().map(counters),
            back: flow.reply_counters().map(counters),
            expires: flow.expires().map(|at| (at.0, at.0)),
            start: flow.start().map(|micros| micros / 1_000_000),
            helper: flow.helper().map(str::to_owned),
        }
    }
}

/// The part of the output that is judged. `Option` is null there; what is absent is an error.
#[derive(Debug, Deserialize)]
struct JsonFlow {
    #[serde(deserialize_with = "Option::deserialize")]
    id: Option<u32>,
    state: String,
    #[serde(deserialize_with = "Option::deserialize")]
    timeout: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    start: Option<u64>,
    status: u32,
    mark: u32,
    zone: u16,
    reply_zone: u16,
    #[serde(deserialize_with = "Option::deserialize")]
    helper: Option<String>,
    orig: JsonDirection,
    reply: JsonDirection,
}

#[derive(Debug, Deserialize)]
struct JsonDirection {
    src: IpAddr,
    dst: IpAddr,
    protonum: u8,
    sport: Option<u16>,
    dport: Option<u16>,
    icmp_id: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    #[serde(deserialize_with = "Option::deserialize")]
    packets: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    bytes: Option<u64>,
}

impl JsonFlow {
    fn seen(self, (from, to): (u64, u64)) -> Result<Seen> {
        let (orig, reply) = (&self.orig, &self.reply);
        let status = Status(self.status);
        Ok(Seen {
            key: Key { zone: self.zone, proto: orig.protonum, src: orig.src, dst: orig.dst, l4: orig.l4()? },
            reply: (reply.src, reply.dst, reply.l4()?),
            reply_zone: self.reply_zone,
            id: self.id,
            mark: self.mark,
            state: self.state.to_ascii_uppercase(),
            unreplied: !status.has(Status::SEEN_REPLY),
            assured: status.has(Status::ASSURED),
            orig: orig.packets.zip(orig.bytes),
            back: reply.packets.zip(reply.bytes),
            // Rounded to a second when it was printed.
            expires: self.timeout.map(|s| ((from + s * 1000).saturating_sub(500), to + s * 1000 + 500)),
            start: self.start.map(|micros| micros / 1_000_000),
            helper: self.helper,
        })
    }
}

impl JsonDirection {
    fn l4(&self) -> Result<L4> {
        match (self.sport, self.dport, self.icmp_type, self.icmp_code, self.icmp_id) {
            (Some(src), Some(dst), None, None, None) => Ok(L4::Ports(src, dst)),
            (None, None, Some(ty), Some(code), Some(id)) => Ok(L4::Icmp(ty, code, id)),
            (None, None, None, None, None) => Ok(L4::None),
            other => bail!("half a layer 4 key: {other:?}"),
        }
    }
}

fn layer4(l4: tuple::L4) -> L4 {
    match l4 {
        tuple::L4::None => L4::None,
        tuple::L4::Ports { src, dst } => L4::Ports(src, dst),
        tuple::L4::Icmp { id, ty, code } => L4::Icmp(ty, code, id),
    }
}

/// `SynSent2` as the kernel spells it: `SYN_SENT2`.
fn state_name(name: &str) -> String {
    let mut spelled = String::new();
    for (n, letter) in name.chars().enumerate() {
        if n > 0 && letter.is_ascii_uppercase() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    spelled
}

/// The oracle's table with the time at which it was read, so that timeouts can be compared.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The flows.
    pub table: oracle::Table,
    /// CLOCK_BOOTTIME before and after reading, milliseconds.
    pub read: (u64, u64),
}

impl Reading {
    /// Asks the oracle.
    ///
    /// # Errors
    /// As [`oracle::read`].
    pub fn take(namespace: &Namespace) -> Result<Self> {
        let before = uptime_ms()?;
        let table = oracle::read(namespace)?;
        Ok(Reading { table, read: (before, uptime_ms()?) })
    }
}

/// CLOCK_BOOTTIME in milliseconds.
///
/// # Errors
/// When the kernel does not tell.
pub fn uptime_ms() -> Result<u64> {
    let uptime = std::fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
    let seconds = uptime.split_whitespace().next().context("/proc/uptime is empty")?;
    let (whole, hundredths) = seconds.split_once('.').context("/proc/uptime has no fraction")?;
    Ok(whole.parse::<u64>()? * 1000 + hundredths.parse::<u64>()? * 10)
}

/// What differs; nothing if all is well.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Flows that were compared.
    pub compared: usize,
    /// In both readings, but not seen.
    pub missing: Vec<Key>,
    /// Seen, but in neither reading.
    pub ghosts: Vec<Key>,
    /// Seen twice.
    pub doubles: Vec<Key>,
    /// Both sides of what is not equal.
    pub different: Vec<String>,
}

impl Verdict {
    /// Whether nothing differs and something was compared.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.ghosts.is_empty()
            && self.doubles.is_empty()
            && self.different.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} flows compared", self.compared)?;
        for (what, keys) in [("missing", &self.missing), ("ghosts", &self.ghosts), ("doubles", &self.doubles)]
        {
            writeln!(f, "{} {what}", keys.len())?;
            for key in keys.iter().take(TOLD) {
                writeln!(f, "  {key:?}")?;
            }
        }
        writeln!(f, "{} different", self.different.len())?;
        self.different.iter().take(TOLD).try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Compares what was seen between two readings with both of them.
///
/// A flow that is the same in both readings must be seen with every immutable field equal, and
/// with counters and timeouts that lie between those of the readings. Where the table stood still
/// that means: equal.
#[must_use]
pub fn judge(before: &Reading, seen: &[Seen], after: &Reading) -> Verdict {
    let mut verdict = Verdict::default();
    let mut by_key: BTreeMap<Key, &Seen> = BTreeMap::new();
    for flow in seen {
        if by_key.insert(flow.key, flow).is_some() {
            verdict.doubles.push(flow.key);
        }
        if !before.table.contains_key(&flow.key) && !after.table.contains_key(&flow.key) {
            verdict.ghosts.push(flow.key);
        }
    }
    for (key, first) in &before.table {
        let Some(last) = after.table.get(key).filter(|last| last.id == first.id && last.start == first.start)
        else {
            continue;
        };
        let Some(flow) = by_key.get(key) else {
            verdict.missing.push(*key);
            continue;
        };
        verdict.compared += 1;
        let mut differ = |what: &str, shown: &dyn fmt::Debug, told: &dyn fmt::Debug| {
            verdict.different.push(format!("{what}: shown {shown:?}, the oracle says {told:?}: {key:?}"));
        };
        compare_fixed(first, flow, &mut differ);
        compare_moving(first, last, flow, &mut differ);
        compare_expiry((first, before.read), (last, after.read), flow, &mut differ);
    }
    verdict
}

type Differ<'a> = dyn FnMut(&str, &dyn fmt::Debug, &dyn fmt::Debug) + 'a;

fn compare_fixed(told: &Record, flow: &Seen, differ: &mut Differ<'_>) {
    let reply = (told.reply.src, told.reply.dst, told.reply.l4);
    if flow.reply != reply {
        differ("reply", &flow.reply, &reply);
    }
    let reply_zone = told.zone.or(told.reply.zone).unwrap_or(0);
    if flow.reply_zone != reply_zone {
        differ("reply zone", &flow.reply_zone, &reply_zone);
    }
    if flow.id != told.id {
        differ("id", &flow.id, &told.id);
    }
    if flow.mark != told.mark.unwrap_or(0) {
        differ("mark", &flow.mark, &told.mark);
    }
    if flow.start != told.start {
        differ("start", &flow.start, &told.start);
    }
    if flow.helper != told.helper {
        differ("helper", &flow.helper, &told.helper);
    }
}

fn compare_moving(first: &Record, last: &Record, flow: &Seen, differ: &mut Differ<'_>) {
    let state = |r: &Record| match (&r.state, r.has("UNREPLIED"), r.has("ASSURED")) {
        (Some(state), ..) => state.clone(),
        (None, true, _) => "UNREPLIED".to_owned(),
        (None, false, true) => "ASSURED".to_owned(),
        (None, false, false) => "REPLIED".to_owned(),
    };
    // A state that moved between the readings may have been anything on the way.
    if state(first) == state(last) && flow.state != state(first) {
        differ("state", &flow.state, &state(first));
    }
    for (what, shown, word) in
        [("unreplied", flow.unreplied, "UNREPLIED"), ("assured", flow.assured, "ASSURED")]
    {
        if first.has(word) == last.has(word) && shown != first.has(word) {
            differ(what, &shown, &first.has(word));
        }
    }
    for (what, shown, told) in [
        ("original counters", flow.orig, [&first.orig, &last.orig]),
        ("reply counters", flow.back, [&first.reply, &last.reply]),
    ] {
        let [low, high] = told.map(|direction| direction.packets.zip(direction.bytes));
        let fits = match (low, shown, high) {
            (None, None, None) => true,
            (Some(low), Some(shown), Some(high)) => {
                (low.0..=high.0).contains(&shown.0) && (low.1..=high.1).contains(&shown.1)
            }
            _ => false,
        };
        if !fits {
            differ(what, &shown, &(low, high));
        }
    }
}

fn compare_expiry(
    (first, read_first): (&Record, (u64, u64)),
    (last, read_last): (&Record, (u64, u64)),
    flow: &Seen,
    differ: &mut Differ<'_>,
) {
    let at = |timeout: u32, read: u64| read + u64::from(timeout) * 1000;
    let fits = match (first.timeout, flow.expires, last.timeout) {
        (None, None, None) => true,
        (Some(from), Some(shown), Some(to)) => {
            let ends =
                [at(from, read_first.0), at(from, read_first.1), at(to, read_last.0), at(to, read_last.1)];
            let high = ends.iter().max().copied().unwrap_or(0);
            // A flow that moved between the readings may have had a shorter time on the way: the kernel gives a
            // connection 300 s while something is not acknowledged, and days again after that. But none has run out.
            let low = if has_moved(first, last) { Some(read_first.0) } else { ends.iter().min().copied() };
            let low = low.unwrap_or(0).saturating_sub(TIMEOUT_SLACK_MS);
            shown.0 <= high + TIMEOUT_SLACK_MS && low <= shown.1
        }
        _ => false,
    };
    if !fits {
        let told = (first.timeout, read_first, last.timeout, read_last);
        differ("expiry", &flow.expires, &told);
    }
}

fn has_moved(first: &Record, last: &Record) -> bool {
    let packets = |record: &Record| (record.orig.packets, record.reply.packets);
    packets(first) != packets(last)
}
