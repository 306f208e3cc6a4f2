//! Names that somebody configured, of addresses and of networks.

use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::config::Alias;
use crate::orient::Net;

/// Names by address and by network.
#[derive(Debug, Default)]
pub(super) struct Known {
    addresses: HashMap<IpAddr, Box<str>, FixedState>,
    /// The smallest networks first.
    networks: Vec<(Net, Box<str>)>,
}

impl Known {
    pub(super) fn new(aliases: &[Alias]) -> Self {
        let mut known = Self::default();
        for Alias { net, name } in aliases {
            match net.only() {
                Some(address) => {
                    known.addresses.entry(address.to_canonical()).or_insert_with(|| name.as_str().into());
                }
                None => known.networks.push((*net, name.as_str().into())),
            }
        }
        // Stable: the first of two for the same network stays before the other.
        known.networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix()));
        known
    }

    /// What the address itself is called.
    pub(super) fn address(&self, address: IpAddr) -> Option<&str> {
        self.addresses.get(&address).map(AsRef::as_ref)
    }

    /// What the smallest network is called that it is in.
    pub(super) fn network(&self, address: IpAddr) -> Option<&str> {
        self.networks.iter().find(|(net, _)| net.contains(address)).map(|(_, name)| name.as_ref())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.addresses.len() + self.networks.len()
    }
}
