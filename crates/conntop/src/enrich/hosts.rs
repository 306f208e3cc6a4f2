//! What nodes know of the hosts in their networks: names from hosts files and leases, MAC addresses.
//!
//! Each node speaks of its own network only: the same private address may be another host elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;

use conntop_proto::message::{Host, Mac, NameOrigin};

use crate::source::NodeId;

/// Hosts as the nodes know them.
#[derive(Debug, Default)]
pub struct KnownHosts {
    nodes: HashMap<NodeId, HashMap<IpAddr, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    name: Option<(Box<str>, NameOrigin)>,
    mac: Option<Mac>,
}

impl KnownHosts {
    /// Takes in what a node tells, in place of what it told before.
    pub fn set(&mut self, node: NodeId, host: &Host) {
        let mut hosts: HashMap<IpAddr, Known> = HashMap::new();
        for named in host.names.iter().filter(|named| !named.name.is_empty()) {
            let name = (named.name.as_str().into(), named.from);
            hosts.entry(named.address).or_default().name = Some(name);
        }
        for neighbour in &host.neighbours {
            hosts.entry(neighbour.address).or_default().mac = Some(neighbour.mac);
        }
        self.nodes.insert(node, hosts);
    }

    /// What a node calls a host, sanitized, and how it knows.
    #[must_use]
    pub fn name(&self, node: NodeId, address: IpAddr) -> Option<(&str, NameOrigin)> {
        let (name, from) = self.known(node, address)?.name.as_ref()?;
        Some((name, *from))
    }

    /// The MAC address of a host on a link of a node.
    #[must_use]
    pub fn mac(&self, node: NodeId, address: IpAddr) -> Option<Mac> {
        self.known(node, address)?.mac
    }

    /// Hosts whose names nodes know.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.values().flat_map(HashMap::values).filter(|host| host.name.is_some()).count()
    }

    fn known(&self, node: NodeId, address: IpAddr) -> Option<&Known> {
        self.nodes.get(&node)?.get(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::KnownHosts;
    use crate::source::NodeId;
    use conntop_proto::codec::{Validate, decode_line};
    use conntop_proto::message::ServerMessage;

    /// What is known of 10.0.0.1 after the nodes have told these (names, neighbours).
    #[track_caller]
    fn check(told: &[(u16, &str, &str)], node: u16, expected: &str) {
        let mut hosts = KnownHosts::default();
        for (node, names, neighbours) in told {
            let line = format!(
                r#"{{"host":{{"addresses":[],"networks":[],"interfaces":[],"names":[{names}],"neighbours":[{neighbours}]}}}}"#
            );
            match decode_line(line.as_bytes(), Validate::All) {
                Ok(ServerMessage::Host(host)) => hosts.set(NodeId(*node), &host),
                other => panic!("{other:?}"),
            }
        }
        let address = "10.0.0.1".parse().unwrap();
        let (name, mac) = (hosts.name(NodeId(node), address), hosts.mac(NodeId(node), address));
        assert_eq!(format!("{name:?} {mac:?}"), expected);
    }

    #[test]
    fn each_node_speaks_of_its_own_network() {
        let name = r#"{"address":"10.0.0.1","name":"pc","from":"dnsmasq"}"#;
        let mac = r#"{"address":"10.0.0.1","mac":"52:54:00:12:34:56","interface":2}"#;
        check(&[(0, name, mac)], 0, r#"Some(("pc", Dnsmasq)) Some(52:54:00:12:34:56)"#);
        check(&[(0, name, "")], 0, r#"Some(("pc", Dnsmasq)) None"#);
        check(&[(0, name, mac)], 1, "None None");
        check(&[(0, name, mac), (0, "", mac)], 0, "None Some(52:54:00:12:34:56)");
        check(&[(0, r#"{"address":"10.0.0.1","name":"","from":"kea"}"#, "")], 0, "None None");
        check(
            &[(0, r#"{"address":"10.0.0.1","name":"a\u001b[2Jb","from":"hosts"}"#, "")],
            0,
            r#"Some(("a\\x1b[2Jb", Hosts)) None"#,
        );
    }
}
