//! Sockets that wait for connections, and how many flows lead to each at the moment.

mod count;
mod heads;

use std::net::{IpAddr, SocketAddr};

use conntop_proto::message::{Listener, Sight};
use conntop_proto::tuple::Proto;

use self::count::{Count, Counting};
use self::heads::HEADS;
use super::sheet::Sheet;
use super::{Board, Chosen, Reorder, Scene, words};
use crate::flow::Source;
use crate::nodes::{Node, NodeId};
use crate::tui::action::Motion;
use crate::tui::screen::{Span, Spans, Table};
use crate::tui::theme::Role;

/// Own addresses that a filter names one by one.
const NAMED: usize = 24;

/// What a listener is known by: several sockets may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    node: NodeId,
    proto: u8,
    port: u16,
    address: IpAddr,
    /// Index of the only interface that it listens on.
    interface: Option<u32>,
}

/// One place at which something listens.
struct Item {
    place: Place,
    node_name: String,
    /// The address, and the interface if it is only one.
    at: String,
    proto: String,
    service: Option<String>,
    process: Option<String>,
    pid: Option<u32>,
    /// By name where that is known, else by number.
    user: String,
    unit: Option<String>,
    /// How many sockets share it.
    sockets: u64,
    waiting: u64,
    backlog: Option<u64>,
    count: Count,
}

/// Sockets that wait for connections.
pub(crate) struct Listeners {
    sheet: Sheet<Item, Place>,
    counting: Counting,
    /// Own addresses of the nodes.
    own: Vec<(NodeId, IpAddr)>,
}

impl Default for Listeners {
    fn default() -> Self {
        let sheet = Sheet::new(HEADS, |item| item.place, "flows");
        Self { sheet, counting: Counting::default(), own: Vec::new() }
    }
}

impl Board for Listeners {
    fn begin(&mut self, scene: &Scene<'_>) {
        self.own = scene
            .nodes
            .iter()
            .flat_map(|(id, node)| node.engine().host().addresses.iter().map(move |own| (id, own.address)))
            .collect();
        self.counting.begin(scene, &self.own);
        if self.sheet.items().is_empty() {
            self.fill(scene);
        }
    }

    fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        self.counting.advance(sources, flows)
    }

    fn notes(&self) -> u16 {
        1
    }

    fn table(&mut self, scene: &Scene<'_>) -> Table {
        self.fill(scene);
        let (columns, rows) = self.sheet.table(scene);
        let empty = if rows.is_empty() { words::nothing(scene, Sight::Listeners) } else { Vec::new() };
        Table { columns, rows, empty, notes: vec![note(scene)] }
    }

    fn step(&mut self, motion: Motion, height: usize) -> bool {
        self.sheet.step(motion, height);
        true
    }

    fn choose(&mut self) -> Chosen {
        self.sheet.selected().map_or(Chosen::Here, |item| Chosen::Flows(self.flows_to(item)))
    }

    fn reorder(&mut self, how: Reorder) {
        self.sheet.reorder(how);
    }
}

impl Listeners {
    /// Rows of what was told last, with the flows that were counted last.
    fn fill(&mut self, scene: &Scene<'_>) {
        let mut items: Vec<Item> = Vec::new();
        for (id, node) in scene.nodes.iter() {
            let told = node.engine().machine().listeners().map_or(&[][..], |told| told.list.as_slice());
            for one in told {
                let place = place(id, one);
                // Sockets that share a place stand together.
                match items.last_mut().filter(|last| last.place == place) {
                    Some(last) => {
                        last.sockets += 1;
                        last.waiting = last.waiting.saturating_add(one.waiting.into());
                    }
                    None => items.push(item(scene, node, place, one)),
                }
            }
        }
        for item in &mut items {
            item.count = self.counting.of(&item.place);
        }
        self.sheet.set(items);
    }

    /// The flows that were opened to it.
    fn flows_to(&self, item: &Item) -> String {
        let Place { node, port, address, .. } = item.place;
        let own = self.own.iter().filter(|(of, own)| {
            *of == node && (own.is_ipv4() == address.is_ipv4() || !item.is_of_one_family())
        });
        let mut own: Vec<String> = own.map(|(_, own)| own.to_string()).collect();
        let to = if !address.is_unspecified() {
            format!("dst {address}")
        } else if own.len() <= NAMED {
            own.push("127.0.0.0/8".to_owned());
            if !address.is_ipv4() {
                own.push("::1".to_owned());
            }
            own.sort();
            own.dedup();
            format!("dst {{{}}}", own.join(", "))
        } else {
            "dir {in, internal}".to_owned()
        };
        let node = if item.node_name.is_empty() { String::new() } else { of_node(&item.node_name) };
        format!("proto {} and dport {port} and {to}{node}", item.proto)
    }
}

impl Item {
    /// Whether it takes no connections of the other family.
    fn is_of_one_family(&self) -> bool {
        self.place.address.is_ipv4() || !self.place.address.is_unspecified()
    }
}

/// The part of a filter that leaves one of several nodes.
pub(super) fn of_node(name: &str) -> String {
    format!(" and node \"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn place(node: NodeId, one: &Listener) -> Place {
    let Listener { proto, port, address, interface, .. } = *one;
    Place { node, proto, port, address, interface }
}

fn item(scene: &Scene<'_>, node: &Node, place: Place, one: &Listener) -> Item {
    let proto = Proto(one.proto);
    let known = scene.nodes.enricher();
    let process = known.processes().and_then(|all| all.bound(proto, SocketAddr::new(one.address, one.port)));
    let at = match one.interface {
        None if one.address.is_unspecified() && one.v6_only => format!("{} (IPv6 only)", one.address),
        None => one.address.to_string(),
        Some(index) => {
            let names = &node.engine().host().interfaces;
            let name = names.iter().find(|one| one.index == index).map(|one| one.name.as_str());
            format!("{}%{}", one.address, name.map_or_else(|| index.to_string(), str::to_owned))
        }
    };
    Item {
        place,
        node_name: if scene.nodes.several() { node.name().to_owned() } else { String::new() },
        at,
        proto: match proto {
            Proto::TCP => "tcp".to_owned(),
            Proto::UDP => "udp".to_owned(),
            Proto(number) => number.to_string(),
        },
        service: known.service(proto, one.port).map(str::to_owned),
        process: process.and_then(|process| process.name.clone()),
        pid: process.and_then(|process| process.pid),
        user: process.map_or_else(|| one.uid.to_string(), |process| process.user.clone()),
        unit: process.and_then(|process| process.unit.as_ref().known().cloned()),
        sockets: 1,
        waiting: one.waiting.into(),
        backlog: one.backlog.map(u64::from),
        count: Count::default(),
    }
}

fn note(scene: &Scene<'_>) -> Spans {
    let all = scene.nodes.iter().filter_map(|(_, node)| node.engine().machine().listeners());
    let left_out: u32 = all.map(|told| told.left_out).sum();
    let mut parts =
        vec![Span::new("FLOWS, IN and OUT: flows that were opened to it and are in the table", Role::Label)];
    if left_out > 0 {
        parts.push(Span::new(format!("  and {left_out} more listeners"), Role::Warning));
    }
    if scene.nodes.enricher().processes().is_some_and(|processes| processes.hidden().others) {
        parts.push(Span::new("  processes of others are hidden", Role::Warning));
    }
    for (_, node) in scene.nodes.iter() {
        if let Some(why) = words::unable(node, Sight::Listeners).filter(|_| scene.nodes.several()) {
            parts.push(Span::new(format!("  {why}"), Role::Warning));
        }
    }
    parts
}
