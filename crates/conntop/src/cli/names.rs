//! Names for those who print: they wait for them, but not for long.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Session;
use crate::enrich::names::cache::{MOST_HOSTS, MOST_WANTED};
use crate::nodes::Nodes;
use crate::source::NodeId;

impl Session {
    /// The hosts of all flows, as many as names are remembered of.
    pub(crate) fn hosts(&self) -> Vec<(NodeId, IpAddr)> {
        let mut hosts = HashSet::new();
        for (id, node) in self.nodes.iter() {
            for (_, flow) in node.engine().mirror().flows() {
                hosts.extend([(id, flow.orig().src), (id, flow.orig().dst)]);
                if hosts.len() >= MOST_HOSTS {
                    break;
                }
            }
        }
        hosts.into_iter().collect()
    }

    /// Asks for the names of hosts until all are answered, nobody answers, or it has taken too long.
    /// Returns for how many nobody has answered.
    pub(crate) async fn find_names(&mut self, mut hosts: Vec<(NodeId, IpAddr)>, time: Duration) -> usize {
        hosts.sort_unstable();
        hosts.dedup();
        let end = Instant::now() + time;
        let open = |nodes: &Nodes, (node, host): (NodeId, IpAddr)| {
            let known = nodes.enricher();
            known.is_nameless(node, host) && !known.names().is_answered(host)
        };
        hosts.retain(|host| open(&self.nodes, *host));
        while !hosts.is_empty() && self.lookups.asks() && self.nodes.enricher().names().trouble().is_none() {
            let some = hosts.get(..MOST_WANTED.min(hosts.len())).unwrap_or_default();
            self.lookups.look_at(some);
            match tokio::time::timeout_at(end.into(), self.lookups.next()).await {
                Ok(learned) => self.nodes.learn(learned),
                Err(_) => break,
            }
            hosts.retain(|host| open(&self.nodes, *host));
        }
        hosts.len()
    }
}
