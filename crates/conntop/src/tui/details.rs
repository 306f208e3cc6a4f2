//! Everything about one flow, in words. Pure: from the flow, what is known beside it, the moment and
//! nothing else.
//!
//! What is not known is `n/a`, never 0; what the kernel shortens to a bit is a word here.

mod ends;
mod facts;
mod trace;

use std::time::Duration;

use conntop_proto::flow::{BootMillis, Counters, EndReason, FlowRow};
use conntop_proto::tuple::{L4, Tuple};

pub use self::ends::Known;
use self::facts::{duration, endpoint, labels, millis, state_and_status, timestamp};
pub use self::trace::Trace;
use super::format::grouped;
use super::glyphs::spark;
use super::screen::{Span, Spans};
use super::theme::Role;
use super::zone::Zone;

/// Columns of the screen that the labels take.
const LABEL: usize = 11;
/// Milliseconds after which it is worth telling that counters do not move: more than a usual pass or two.
const STILL: u64 = 3_000;
/// Where values begin.
pub const INDENT: u16 = 12;

/// A flow and what is known beside its row.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The flow.
    pub row: &'a FlowRow,
    /// Whose table it is in, where there are several.
    pub node: Option<String>,
    /// When its counters were read last, whether they had moved or not.
    pub read: BootMillis,
    /// The moment that is shown, by the collector's clock.
    pub now: BootMillis,
    /// Milliseconds since 1970 at the collector's boot, when its wall clock is known.
    pub boot_wall_ms: Option<u64>,
    /// Rates of the original and of the reply direction, formatted.
    pub rates: Option<[String; 2]>,
    /// The same from moment to moment.
    pub trace: &'a Trace,
    /// What it carried since conntop began or since the mark, original and reply, and since when.
    pub seen: Option<(u64, u64, String)>,
    /// Where the flow goes as seen from the local end (`in`, `out`, `internal`, `transit`).
    pub direction: Option<String>,
    /// When and why it ended, and the kernel's stop time in microseconds since 1970.
    pub ended: Option<(BootMillis, EndReason, Option<u64>)>,
    /// Zone in which times are shown.
    pub zone: &'a Zone,
    /// What is known beside the flow.
    pub known: Known<'a>,
    /// Why flows without counters have none, as far as that is known.
    pub uncounted: Option<&'static str>,
    /// How long nothing has been heard of its node, where that is no longer live.
    pub silent: Option<Duration>,
    /// Names of keys and what they do with the flow.
    pub actions: Vec<(String, &'static str)>,
}

/// Heading of the details.
#[must_use]
pub fn title(row: &FlowRow) -> String {
    format!("Flow  {}", tuple(&row.identity.orig))
}

/// The lines below it.
#[must_use]
pub fn lines(subject: &Subject<'_>) -> Vec<Spans> {
    let row = subject.row;
    let id = &row.identity;
    let mut out = Vec::new();
    if let Some(node) = &subject.node {
        out.push(known("node", node.clone()));
    }
    out.extend(subject.silent.map(|silent| as_of(subject, silent)));
    let [orig_rate, reply_rate] = speeds(subject);
    let carried = |counted: Option<Counters>| match (counted.map(counters), subject.uncounted) {
        (None, Some(why)) => vec![label(""), Span::new(format!("n/a, {why}"), Role::Dim)],
        (counted, _) => maybe("", counted),
    };
    out.push(known("state", state_and_status(row)));
    out.extend([known("original", tuple(&id.orig)), carried(row.traffic.orig)]);
    out.extend(orig_rate);
    out.extend([known("reply", tuple(&id.reply)), carried(row.traffic.reply)]);
    out.extend(reply_rate);
    for (index, sentence) in (0..).zip(nat(&id.orig, &id.reply)) {
        out.push(known(if index == 0 { "NAT" } else { "" }, sentence));
    }
    out.extend(ends::hosts(row, subject.known));
    out.extend(ends::processes(row, subject.known.enricher));
    if let Some((orig, reply, since)) = &subject.seen {
        let (orig, reply) = (grouped(*orig), grouped(*reply));
        out.push(known("seen", format!("{orig} bytes original, {reply} reply since {since}")));
    }
    out.push(maybe("direction", subject.direction.clone()));
    out.push(known("age", age(subject)));
    match subject.ended {
        Some(end) => out.push(known("ended", ended(subject, end))),
        None => out.push(maybe("timeout", timeout(subject))),
    }
    out.push(known("mark", format!("{0} (0x{0:x})", row.meta.mark)));
    out.push(known("zone", zone(id.zone, id.reply_zone)));
    out.push(known("labels", row.meta.labels.map_or_else(|| "none".into(), labels)));
    out.push(known("helper", row.meta.helper.as_deref().unwrap_or("none").to_owned()));
    if let Some(master) = &id.master {
        out.push(known("belongs to", tuple(master)));
    }
    out.push(maybe("kernel id", id.ct_id.map(|id| id.to_string())));
    if row.traffic.resets > 0 {
        let times = row.traffic.resets;
        out.push(known("resets", format!("somebody zeroed the counters {times} times; added up")));
    }
    if row.traffic.orig.is_some() {
        let ago = duration(subject.now.since(subject.read));
        let read = match subject.silent {
            None => format!("{ago} ago from the kernel"),
            Some(_) => format!("{ago} before the last word of its node"),
        };
        let still = subject.read.since(row.traffic.sampled);
        let still =
            if still >= STILL { format!(", unchanged for {}", duration(still)) } else { String::new() };
        out.push(known("read", format!("{read}{still}")));
    }
    for (at, (key, help)) in subject.actions.iter().enumerate() {
        let key = Span::new(format!("{key:<3}"), Role::Key);
        out.push(vec![label(if at == 0 { "keys" } else { "" }), key, Span::new(*help, Role::Text)]);
    }
    let geo = subject.known.enricher.geo();
    for attribution in geo.attributions() {
        out.push(vec![label("places"), Span::new(attribution.to_string(), Role::Label)]);
    }
    out
}

/// Rate and its course of both directions; of a flow that ended, none.
fn speeds(subject: &Subject<'_>) -> [Option<Spans>; 2] {
    let course = |rates: &[f64]| spark(rates, rates.len());
    let Some(rates) = &subject.rates else {
        let counted = subject.row.traffic.orig.is_some() && subject.ended.is_none();
        let unknown = counted.then(|| vec![label(""), Span::new("rate n/a", Role::Dim)]);
        return [unknown.clone(), unknown];
    };
    let widest = rates.iter().map(String::len).max().unwrap_or(0);
    let line = |rate: &String, course: String| {
        let rate = Span::new(format!("{rate:<widest$}  "), Role::Text);
        vec![label(""), rate, Span::new(course, Role::Accent)]
    };
    let ([orig, reply], [orig_course, reply_course]) = (rates, subject.trace.rates());
    [Some(line(orig, course(&orig_course))), Some(line(reply, course(&reply_course)))]
}

/// Of a node that says nothing any more, everything is as it was then.
fn as_of(subject: &Subject<'_>, silent: Duration) -> Spans {
    let silent = duration(millis(silent));
    let wall = subject.boot_wall_ms.map(|boot| boot.saturating_add(subject.now.0));
    let at = wall.map(|ms| format!("{}, ", timestamp(subject.zone, ms))).unwrap_or_default();
    vec![label("as of"), Span::new(format!("{at}nothing heard since, for {silent}"), Role::Error)]
}

/// What stands before a value.
pub(super) fn label(word: &str) -> Span {
    Span::new(format!("{word:<LABEL$} "), Role::Label)
}

fn known(word: &str, value: impl Into<String>) -> Spans {
    vec![label(word), Span::new(value, Role::Text)]
}

fn maybe(word: &str, value: Option<String>) -> Spans {
    match value {
        Some(value) => known(word, value),
        None => vec![label(word), Span::new("n/a", Role::Dim)],
    }
}

pub(crate) fn tuple(tuple: &Tuple) -> String {
    let proto = tuple.proto.name().map_or_else(|| tuple.proto.0.to_string(), str::to_owned);
    let (src, dst, more) = match tuple.l4 {
        L4::Ports { src, dst } => {
            (endpoint(tuple.src, Some(src)), endpoint(tuple.dst, Some(dst)), String::new())
        }
        L4::Icmp { id, ty, code } => {
            (endpoint(tuple.src, None), endpoint(tuple.dst, None), format!(" type {ty} code {code} id {id}"))
        }
        L4::None => (endpoint(tuple.src, None), endpoint(tuple.dst, None), String::new()),
    };
    format!("{proto} {src} → {dst}{more}")
}

fn counters(counters: Counters) -> String {
    let Counters { packets, bytes } = counters;
    format!("{} packets, {} bytes", grouped(packets), grouped(bytes))
}

/// What NAT does to the flow, one sentence each.
pub(crate) fn nat(orig: &Tuple, reply: &Tuple) -> Vec<String> {
    let plain = orig.inverse();
    let mut out = Vec::new();
    let (sport, dport) = ports(orig);
    let (real_port, seen_port) = ports(reply);
    if (reply.dst, seen_port) != (plain.dst, ports(&plain).1) {
        let from = endpoint(orig.src, sport);
        let to = endpoint(reply.dst, seen_port);
        out.push(format!("source: {from} leaves as {to}"));
    }
    if (reply.src, real_port) != (plain.src, ports(&plain).0) {
        let to = endpoint(orig.dst, dport);
        let real = endpoint(reply.src, real_port);
        out.push(format!("destination: {to} is really {real}"));
    }
    if out.is_empty() {
        out.push("none, addresses and ports pass unchanged".to_owned());
    }
    out
}

fn ports(tuple: &Tuple) -> (Option<u16>, Option<u16>) {
    match tuple.l4 {
        L4::Ports { src, dst } => (Some(src), Some(dst)),
        L4::Icmp { .. } | L4::None => (None, None),
    }
}

fn age(subject: &Subject<'_>) -> String {
    let id = &subject.row.identity;
    let until = subject.ended.map_or(subject.now, |(at, ..)| at);
    if let (Some(start), Some(boot)) = (id.start, subject.boot_wall_ms) {
        let wall = boot.saturating_add(until.0);
        let lived = duration(wall.saturating_sub(start / 1000));
        return format!("{lived}, began {}", timestamp(subject.zone, start / 1000));
    }
    let seen = duration(until.since(id.first_seen));
    if id.born { seen } else { format!("more than {seen} (was there before it was watched)") }
}

fn ended(subject: &Subject<'_>, (at, reason, stop): (BootMillis, EndReason, Option<u64>)) -> String {
    let why = match reason {
        EndReason::Destroyed => "the kernel removed it; these are its final counters",
        EndReason::Missing => "it is no longer in the table; counters as last seen",
        EndReason::Replaced => "a new flow took its place; counters as last seen",
    };
    let ago = duration(subject.now.since(at));
    let stop = stop.map(|us| format!(" at {}", timestamp(subject.zone, us / 1000))).unwrap_or_default();
    format!("{ago} ago{stop}: {why}")
}

fn timeout(subject: &Subject<'_>) -> Option<String> {
    let expires = subject.row.traffic.expires?;
    let left = duration(expires.since(subject.now));
    Some(format!("expires in {left} if nothing more is seen"))
}

fn zone(orig: u16, reply: u16) -> String {
    match (orig, reply) {
        (0, 0) => "none".to_owned(),
        (o, r) if o == r => o.to_string(),
        (o, r) => format!("{o} original, {r} reply"),
    }
}
