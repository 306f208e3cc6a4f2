//! What is known beside the flow: who and where its ends are, what is served, by which process.

use std::net::IpAddr;
use std::time::Instant;

use conntop_proto::flow::FlowRow;
use conntop_proto::message::{Host, HostAddress, NameOrigin};
use conntop_proto::tuple::Tuple;

use super::facts::{duration, millis};
use super::{label, ports};
use crate::enrich::names::NameSource;
use crate::enrich::processes::Process;
use crate::enrich::range::Range;
use crate::enrich::{Enricher, Fact};
use crate::flow::NodeId;
use crate::orient::Net;
use crate::tui::glyphs::DOT;
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;

/// What is known beside a flow, and of whose flow.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// All that is known.
    pub enricher: &'a Enricher,
    /// Whose flow it is.
    pub node: NodeId,
    /// The moment by the clock of this machine.
    pub now: Instant,
    /// What the node tells of its own network.
    pub host: &'a Host,
    /// Whether anybody is asked for names.
    pub asks: bool,
}

/// The service and both ends, and what they are translated to.
pub(super) fn hosts(row: &FlowRow, known: Known<'_>) -> Vec<Spans> {
    let (orig, reply) = (&row.identity.orig, &row.identity.reply);
    let mut out = Vec::new();
    out.extend(service(orig, known.enricher));
    let ends =
        [("source", orig.src), ("destination", orig.dst), ("leaves as", reply.dst), ("really is", reply.src)];
    for (at, (word, address)) in ends.iter().enumerate() {
        if ends.iter().take(at).all(|(_, before)| before != address) {
            out.extend(host(word, *address, known));
        }
    }
    out
}

fn service(orig: &Tuple, enricher: &Enricher) -> Option<Spans> {
    let (_, port) = ports(orig);
    let port = port?;
    let proto = orig.proto.name().unwrap_or("port");
    Some(match enricher.service(orig.proto, port) {
        Some(name) => line("service", vec![text(format!("{name} ({proto} {port})"))]),
        None => line("service", vec![dim(format!("{proto} {port} has no usual name"))]),
    })
}

/// Where an address is, then what it is called.
fn host(word: &str, address: IpAddr, known: Known<'_>) -> Vec<Spans> {
    let enricher = known.enricher;
    let mut place = vec![text(address.to_string())];
    let mut add = |span: Span| place.extend([dim(format!(" {DOT} ")), span]);
    let geo = enricher.geo();
    match Range::of(address) {
        Some(range) => add(Span::new(range.word(), Role::Accent)),
        None if geo.is_empty() => {}
        None => {
            match (geo.country(address).known(), geo.city(address).known()) {
                (Some(country), Some(city)) => add(text(format!("{country}, {city}"))),
                (Some(word), None) | (None, Some(word)) => add(text(word)),
                (None, None) => add(dim("country n/a")),
            }
            match (geo.asn(address).known(), geo.org(address).known()) {
                (Some(asn), org) => add(text(format!("AS{asn} {}", org.unwrap_or("")).trim_end().to_owned())),
                (None, Some(org)) => add(text(org)),
                (None, None) => add(dim("network n/a")),
            }
        }
    }
    if let Some(mac) = enricher.mac(known.node, address) {
        add(text(mac.to_string()));
    }
    if let Some(link) = link(known.host, address) {
        place.extend([dim(format!(" {DOT} ")), text(link)]);
    }
    let Some(name) = enricher.name(known.node, address) else {
        place.push(dim(format!(" {DOT} {}", nameless(known, address))));
        return vec![line(word, place)];
    };
    let age = name.age(known.now).map(|age| format!(", {} ago", duration(millis(age))));
    let file = match name.from {
        NameSource::Collector => {
            enricher.hosts().name(known.node, address).map(|(_, from)| format!(" ({})", file_of(from)))
        }
        _ => None,
    };
    let by = format!("  by {}{}{}", name.from.word(), file.unwrap_or_default(), age.unwrap_or_default());
    vec![line(word, place), line("", vec![text(name.text), Span::new(by, Role::Label)])]
}

/// Why an address has no name here.
fn nameless(known: Known<'_>, address: IpAddr) -> String {
    let names = known.enricher.names();
    if !known.asks || !names.is_open(address) {
        return "name n/a".to_owned();
    }
    match names.trouble() {
        _ if names.is_answered(address) => "nobody has a name for it".to_owned(),
        Some(trouble) => format!("name n/a: {}", trouble.word()),
        None => "asking for its name".to_owned(),
    }
}

/// The interface behind which an address is, where the node's own network says so.
fn link(host: &Host, address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let name = |index: u32| {
        let interface = host.interfaces.iter().find(|interface| interface.index == index)?;
        Some(interface.name.as_str())
    };
    let own = host.addresses.iter().find(|own| own.address.to_canonical() == address);
    if let Some(own) = own {
        return Some(format!("own address on {}", name(own.interface)?));
    }
    if let Some(neighbour) = host.neighbours.iter().find(|n| n.address.to_canonical() == address) {
        return Some(format!("neighbour on {}", name(neighbour.interface)?));
    }
    let around =
        |own: &HostAddress| Net::new(own.address, own.prefix).is_some_and(|net| net.contains(address));
    let near = host.addresses.iter().filter(|own| around(own)).max_by_key(|own| own.prefix)?;
    Some(format!("in the network of {}", name(near.interface)?))
}

/// Where a router has a name from.
fn file_of(from: NameOrigin) -> &'static str {
    match from {
        NameOrigin::Hosts => "its hosts file",
        NameOrigin::Dnsmasq => "lease of dnsmasq",
        NameOrigin::Odhcpd => "lease of odhcpd",
        NameOrigin::Dhcpd => "lease of dhcpd",
        NameOrigin::Kea => "lease of kea",
        NameOrigin::Mac => "lease of another address",
    }
}

/// The processes at those ends that are this machine's.
pub(super) fn processes(row: &FlowRow, enricher: &Enricher) -> Vec<Spans> {
    // Where nobody looks at processes there is nothing to say about them.
    let Some(processes) = enricher.processes() else { return Vec::new() };
    match processes.ends(&row.identity.orig, &row.identity.reply) {
        [Fact::Known(opener), Fact::Known(server)] => {
            [of_process("opened by", opener), of_process("served by", server)].concat()
        }
        [Fact::Known(process), _] | [_, Fact::Known(process)] => of_process("process", process),
        [Fact::Absent, Fact::Absent] => {
            vec![line("process", vec![dim("none here, both ends are elsewhere")])]
        }
        _ => vec![line("process", vec![dim("n/a")])],
    }
}

fn of_process(word: &str, process: &Process) -> Vec<Spans> {
    let Process { pid, name, user, uid, unit, command } = process;
    let name = name.as_ref().map_or_else(|| dim("n/a"), text);
    let pid = pid.map_or_else(|| ", pid n/a".to_owned(), |pid| format!(", pid {pid}"));
    let user =
        if *user == uid.to_string() { format!(", uid {uid}") } else { format!(", user {user} ({uid})") };
    let unit = match unit {
        Fact::Known(unit) => text(unit),
        Fact::Unknown => dim("n/a"),
        Fact::Absent => dim("none"),
    };
    vec![
        line(word, vec![name, text(format!("{pid}{user}"))]),
        line("command", vec![command.as_ref().map_or_else(|| dim("n/a"), text)]),
        line("unit", vec![unit]),
    ]
}

fn line(word: &str, mut spans: Vec<Span>) -> Spans {
    spans.insert(0, label(word));
    spans
}

fn text(text: impl Into<String>) -> Span {
    Span::new(text, Role::Text)
}

fn dim(text: impl Into<String>) -> Span {
    Span::new(text, Role::Dim)
}
