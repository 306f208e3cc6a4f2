//! Which process has which socket of this machine, its network namespaces included.
//!
//! [`Processes`] is a map without I/O: a thread of [`crate::here`] reads the kernel's sockets and /proc, and tells
//! what changed as [`Seen`]. A socket is found by its own ends, so a flow is asked twice: who opened it has
//! a socket with the ends of the original tuple, who serves it one with those of the reply tuple. That is
//! how a process in a container is found on either side of a translation.
//!
//! What was seen is kept for a while after the socket is gone, as the flow outlives it in the table.

mod end;
#[cfg(test)]
pub(crate) mod tests;

use std::net::{IpAddr, SocketAddr};

use conntop_proto::tuple::{L4, Proto, Tuple};
use hashbrown::HashMap;

pub use self::end::{Key, Space};
use super::Fact;

/// Namespaces that may bear the same address and still be told apart. More of them (all containers of a
/// kind) are not asked one after the other for each row.
const SAME_ADDRESS: usize = 16;

/// A process at one end of a flow. All texts are sanitized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number; unknown where it may not be looked at, and of sockets of the kernel itself.
    pub pid: Option<u32>,
    /// Its short name.
    pub name: Option<String>,
    /// Name of the user whose it is, or his number.
    pub user: String,
    /// Number of the user.
    pub uid: u32,
    /// The unit or container in which it runs.
    pub unit: Fact<String>,
    /// Command line.
    pub command: Option<String>,
}

/// Number of a process among those that were seen; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// Why some processes stay unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Those of other users may not be looked at.
    pub others: bool,
    /// Other network namespaces may not be entered.
    pub spaces: bool,
}

/// What a scan has found: only what is different from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// New processes, and such that call themselves otherwise now.
    pub processes: Vec<(ProcessId, Process)>,
    /// Whose the sockets are.
    pub sockets: Vec<(Key, ProcessId)>,
    /// Sockets that were kept long enough.
    pub forgotten: Vec<Key>,
    /// Processes that have none of the sockets any more.
    pub left: Vec<ProcessId>,
    /// All addresses of this machine and the namespaces that bear them, if they changed.
    pub addresses: Option<Vec<(IpAddr, Space)>>,
    /// What stays unknown.
    pub hidden: Hidden,
}

impl Seen {
    /// The same in parts of at most so many sockets, to be taken in one after the other.
    pub fn parts(mut self, most: usize) -> impl Iterator<Item = Self> {
        let rest = self.sockets.split_off(most.min(self.sockets.len()));
        let hidden = self.hidden;
        // Who has left may still be named by what is told last.
        let left = std::mem::take(&mut self.left);
        let part =
            move |sockets: &[(Key, ProcessId)]| Self { sockets: sockets.to_vec(), hidden, ..Self::default() };
        let rest: Vec<Self> = rest.chunks(most.max(1)).map(part).collect();
        std::iter::once(self).chain(rest).chain((!left.is_empty()).then_some(Self {
            left,
            hidden,
            ..Self::default()
        }))
    }
}

/// Processes by sockets.
#[derive(Debug, Default)]
pub struct Processes {
    pub(crate) processes: HashMap<ProcessId, Process>,
    pub(crate) sockets: HashMap<Key, ProcessId>,
    addresses: HashMap<IpAddr, Vec<Space>>,
    hidden: Hidden,
}

/// What is at one end of a flow.
enum Found<'a> {
    This(&'a Process),
    /// A socket of this machine whose process is not known.
    Nobody,
    /// Not of this machine.
    Elsewhere,
}

impl Processes {
    /// The process at this machine's end of a flow: of those who opened it first, as everywhere.
    #[must_use]
    pub fn of(&self, orig: &Tuple, reply: &Tuple) -> Fact<&Process> {
        match self.ends(orig, reply) {
            [Fact::Known(process), _] | [_, Fact::Known(process)] => Fact::Known(process),
            [Fact::Absent, Fact::Absent] => Fact::Absent,
            _ => Fact::Unknown,
        }
    }

    /// The process that opened a flow, and the one that serves it. An end that is another machine's has
    /// none.
    #[must_use]
    pub fn ends(&self, orig: &Tuple, reply: &Tuple) -> [Fact<&Process>; 2] {
        [self.end(orig, Role::Opens), self.end(reply, Role::Serves)].map(|found| match found {
            Found::This(process) => Fact::Known(process),
            Found::Nobody => Fact::Unknown,
            // It may be in a namespace that nobody could look into.
            Found::Elsewhere if self.hidden.spaces || self.addresses.is_empty() => Fact::Unknown,
            Found::Elsewhere => Fact::Absent,
        })
    }

    /// The process that has a socket which is bound and waits, in the namespace that is watched.
    #[must_use]
    pub fn bound(&self, proto: Proto, local: SocketAddr) -> Option<&Process> {
        let id = self.sockets.get(&Key::bound(Space::BASE, proto, local))?;
        self.processes.get(id)
    }

    /// What cannot be seen.
    #[must_use]
    pub fn hidden(&self) -> Hidden {
        self.hidden
    }

    /// The one at the source of a tuple.
    fn end(&self, tuple: &Tuple, role: Role) -> Found<'_> {
        let (from, to) = (tuple.src.to_canonical(), tuple.dst.to_canonical());
        let ours = self.spaces(from);
        let nobody = if ours.is_empty() { Found::Elsewhere } else { Found::Nobody };
        let (Proto::TCP | Proto::UDP, L4::Ports { src, dst }) = (tuple.proto, tuple.l4) else {
            return nobody;
        };
        let proto = tuple.proto;
        let (local, remote) = (SocketAddr::new(from, src), SocketAddr::new(to, dst));
        // A transparent proxy has sockets of addresses that are not this machine's.
        let anywhere = [Space::BASE].into_iter().chain(ours.iter().copied().filter(|s| *s != Space::BASE));
        let connected = anywhere.clone().map(|space| Key::connected(space, proto, local, remote));
        match self.only(connected) {
            Some(found) => return found,
            // Nobody opens a connection from a socket that listens.
            None if proto == Proto::TCP && role == Role::Opens => return nobody,
            None => {}
        }
        if let Some(found) = self.only(anywhere.map(|space| Key::bound(space, proto, local))) {
            return found;
        }
        let listening = if is_group(from) { &[Space::BASE] } else { ours };
        for any in Key::wildcards(from) {
            let any = SocketAddr::new(*any, src);
            if let Some(found) = self.only(listening.iter().map(|space| Key::bound(*space, proto, any))) {
                return found;
            }
        }
        nobody
    }

    /// The one process that has one of these sockets. That of the namespace that is watched wins; among
    /// others it cannot be told whose the flow is.
    fn only(&self, keys: impl Iterator<Item = Key>) -> Option<Found<'_>> {
        let mut found = None;
        for key in keys {
            let Some(process) = self.sockets.get(&key).and_then(|id| self.processes.get(id)) else {
                continue;
            };
            if key.space() == Space::BASE {
                return Some(Found::This(process));
            }
            if found.replace(process).is_some_and(|before| before != process) {
                return Some(Found::Nobody);
            }
        }
        found.map(Found::This)
    }

    /// Namespaces that bear an address.
    fn spaces(&self, address: IpAddr) -> &[Space] {
        if address.is_loopback() {
            // What others say to themselves is not seen from here.
            return &[Space::BASE];
        }
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Takes in what a scan has found.
    pub fn learn(&mut self, seen: Seen) {
        let Seen { processes, sockets, forgotten, left, addresses, hidden } = seen;
        for key in forgotten {
            self.sockets.remove(&key);
        }
        self.processes.extend(processes);
        self.sockets.extend(sockets);
        for id in left {
            self.processes.remove(&id);
        }
        if let Some(addresses) = addresses {
            self.addresses.clear();
            for (address, space) in addresses {
                let spaces = self.addresses.entry(address.to_canonical()).or_default();
                if spaces.len() < SAME_ADDRESS && !spaces.contains(&space) {
                    spaces.push(space);
                }
            }
        }
        self.hidden = hidden;
    }
}

/// What the source of a tuple does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Opens,
    Serves,
}

/// Whether packets for it may have come to a socket that is bound to no address, though it is nobody's.
fn is_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}
