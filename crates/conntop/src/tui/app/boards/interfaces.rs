//! Interfaces and what passes them.

mod heads;

use std::net::IpAddr;

use conntop_proto::message::{Host, InterfaceState, Sight};

use self::heads::HEADS;
use super::sheet::Sheet;
use super::{Board, Chosen, Reorder, Scene, words};
use crate::machine::LinkRates;
use crate::nodes::{Health, Node, NodeId};
use crate::tui::action::Motion;
use crate::tui::screen::{Span, Spans, Table};
use crate::tui::theme::Role;

/// One interface.
struct Item {
    node: NodeId,
    node_name: String,
    index: u32,
    name: String,
    /// What has passed it, where that is told.
    state: Option<InterfaceState>,
    rates: Option<LinkRates>,
    /// Its addresses with their networks.
    addresses: Vec<(IpAddr, u8)>,
    /// The same as text, for the order too.
    address: String,
}

/// Interfaces and what passes them.
pub(crate) struct Interfaces(Sheet<Item, (NodeId, u32)>);

impl Default for Interfaces {
    fn default() -> Self {
        Self(Sheet::new(HEADS, |item| (item.node, item.index), "rx"))
    }
}

impl Board for Interfaces {
    fn begin(&mut self, scene: &Scene<'_>) {
        self.0.set(scene.nodes.iter().flat_map(|(id, node)| of_node(id, node)).collect());
    }

    fn notes(&self) -> u16 {
        1
    }

    fn table(&mut self, scene: &Scene<'_>) -> Table {
        let (columns, rows) = self.0.table(scene);
        let empty = if rows.is_empty() { words::nothing(scene, Sight::Interfaces) } else { Vec::new() };
        Table { columns, rows, empty, notes: vec![note(scene)] }
    }

    fn step(&mut self, motion: Motion, height: usize) -> bool {
        self.0.step(motion, height);
        true
    }

    fn choose(&mut self) -> Chosen {
        self.0.selected().and_then(flows_beside).map_or(Chosen::Here, Chosen::Flows)
    }

    fn reorder(&mut self, how: Reorder) {
        self.0.reorder(how);
    }
}

fn note(scene: &Scene<'_>) -> Spans {
    let told = |node: &Node| node.engine().machine().links().latest().map(|all| all.left_out);
    let mut parts = vec![Span::new(
        "link layer: whole frames as the drivers count them, not the IP bytes of flows",
        Role::Label,
    )];
    let left_out: u32 = scene.nodes.iter().filter_map(|(_, node)| told(node)).sum();
    if left_out > 0 {
        parts.push(Span::new(format!("  and {left_out} more"), Role::Warning));
    }
    let silent = |node: &Node| told(node).is_none() && node.health() == Health::Live;
    for (_, node) in scene.nodes.iter().filter(|(_, node)| silent(node)) {
        if let Some(why) = words::unable(node, Sight::Interfaces) {
            parts.push(Span::new(format!("  {why}"), Role::Warning));
        }
    }
    parts
}

/// Interfaces of a node: with counters if it tells of them, else by name and address alone.
fn of_node(id: NodeId, node: &Node) -> Vec<Item> {
    let (host, links) = (node.engine().host(), node.engine().machine().links());
    let item = |index: u32, name: &str, state: Option<InterfaceState>| {
        let addresses = addresses_of(host, index);
        let text: Vec<String> =
            addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
        Item {
            node: id,
            node_name: node.name().to_owned(),
            index,
            name: name.to_owned(),
            rates: state.as_ref().and_then(|state| links.rates(state)),
            state,
            address: text.join(" "),
            addresses,
        }
    };
    match links.latest() {
        Some(told) => told.list.iter().map(|one| item(one.index, &one.name, Some(one.clone()))).collect(),
        None => host.interfaces.iter().map(|one| item(one.index, &one.name, None)).collect(),
    }
}

/// Those of IPv4 first, and those that are only good on the link last.
fn addresses_of(host: &Host, index: u32) -> Vec<(IpAddr, u8)> {
    let of_link = host.addresses.iter().filter(|address| address.interface == index);
    let mut all: Vec<_> = of_link.map(|address| (address.address, address.prefix)).collect();
    all.sort_by_key(|(address, _)| (is_link_local(*address), *address));
    all
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Flows with an end in the networks of an interface. Which way flows take is not known; these are its
/// neighbours', and those of its own addresses.
fn flows_beside(item: &Item) -> Option<String> {
    let nets = item.addresses.iter().filter(|(address, _)| !is_link_local(*address));
    let nets: Vec<String> = nets.map(|(address, prefix)| format!("{address}/{prefix}")).collect();
    match nets.as_slice() {
        [] => None,
        [net] => Some(format!("addr {net}")),
        nets => Some(format!("addr {{{}}}", nets.join(", "))),
    }
}
