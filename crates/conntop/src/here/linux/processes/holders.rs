//! The processes of this machine, as those that may hold sockets.
//!
//! A process is known by its number and the inode of its directory in /proc; where that changes, its start
//! decides whether it is another one.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use super::procfs::{Listed, NetId, Procfs};
use super::users::Users;
use crate::enrich::processes::{Key, Process, ProcessId};

/// So long after it was asked first a process is asked again what it is: it may have become another
/// program, as those do that a shell starts.
const YOUNG: Duration = Duration::from_secs(1);
/// And so long after that each time.
const SETTLED: Duration = Duration::from_secs(30);
/// How many processes are likely to have a new socket, by what they did before.
const LIKELY: usize = 24;
/// Descriptors of a process that are remembered, so that they need not be read again while their sockets
/// are there.
const DESCRIPTORS: usize = 1 << 17;

/// The first process, which holds sockets for others until they want them.
const INIT: u32 = 1;

/// A process.
#[derive(Debug)]
struct Holder {
    inode: u64,
    start: Option<u64>,
    net: Option<NetId>,
    id: Option<ProcessId>,
    /// The turn in which a socket was found in it; 0 if none ever was.
    lucky: u64,
    scanned: bool,
    hidden: bool,
    /// When it was asked what it is, and when it has to be asked again.
    asked: Option<(Instant, Instant)>,
    /// Inodes of its sockets by descriptor; 0 for what was no socket.
    descriptors: Vec<u32>,
}

/// All processes.
#[derive(Debug, Default)]
pub(super) struct Holders {
    holders: HashMap<u32, Holder>,
    pids: HashMap<ProcessId, u32>,
    listed: Vec<Listed>,
    turn: u64,
    /// Whether the namespace of some process may not be known.
    pub(super) netless: bool,
}

impl Holders {
    /// Reads who is there. Returns those who are not any more.
    pub(super) fn refresh(&mut self, proc: &mut Procfs) -> HashSet<ProcessId> {
        self.turn += 1;
        let mut ended = HashSet::new();
        if proc.list(&mut self.listed).is_err() {
            return ended;
        }
        let there: HashMap<u32, u64> = self.listed.iter().map(|listed| (listed.pid, listed.inode)).collect();
        let pids = &mut self.pids;
        self.holders.retain(|pid, holder| {
            let inode = there.get(pid).copied();
            let same = inode == Some(holder.inode)
                || inode.is_some_and(|inode| {
                    let same = holder.start.is_some() && proc.start(*pid) == holder.start;
                    holder.inode = inode;
                    same
                });
            if let Some(id) = holder.id.filter(|_| !same) {
                pids.remove(&id);
                ended.insert(id);
            }
            same
        });
        self.netless = false;
        for Listed { pid, inode } in self.listed.iter().copied() {
            let holder = self.holders.entry(pid).or_insert_with(|| Holder {
                inode,
                start: None,
                net: None,
                id: None,
                lucky: 0,
                scanned: false,
                hidden: false,
                asked: None,
                descriptors: Vec::new(),
            });
            if holder.net.is_none() && !holder.hidden {
                match proc.net(pid) {
                    Ok(net) => holder.net = Some(net),
                    Err(error) => holder.hidden = error.kind() == ErrorKind::PermissionDenied,
                }
            }
            self.netless |= holder.net.is_none() && holder.hidden;
        }
        ended
    }

    /// Tries again those that may not be looked at: a process may have become another user's.
    pub(super) fn retry(&mut self, proc: &Procfs) {
        for (pid, holder) in self.holders.iter_mut().filter(|(_, holder)| holder.hidden) {
            if let Ok(net) = proc.net(*pid) {
                (holder.net, holder.hidden, holder.scanned) = (Some(net), false, false);
            }
        }
    }

    /// The network namespaces in which processes are, each with one of them.
    pub(super) fn nets(&self) -> HashMap<NetId, u32> {
        let mut nets = HashMap::new();
        for (pid, holder) in &self.holders {
            if let Some(net) = holder.net {
                let least = nets.entry(net).or_insert(*pid);
                *least = (*pid).min(*least);
            }
        }
        nets
    }

    /// Whether there are processes that may not be looked at.
    pub(super) fn hidden(&self) -> bool {
        self.holders.values().any(|holder| holder.hidden)
    }

    /// Processes that may have a new socket, the likeliest first: `parents` listen where it came in.
    pub(super) fn likely(&self, parents: &HashSet<ProcessId>) -> Vec<u32> {
        let rank = |pid: u32, holder: &Holder| match holder {
            _ if pid == INIT => None,
            Holder { hidden: true, .. } => None,
            Holder { id: Some(id), .. } if parents.contains(id) => Some((0, 0)),
            Holder { scanned: false, .. } => Some((1, 0)),
            Holder { lucky: 0, .. } => None,
            Holder { lucky, .. } => Some((2, self.turn.saturating_sub(*lucky))),
        };
        let ranked = self.holders.iter().filter_map(|(pid, holder)| Some((rank(*pid, holder)?, *pid)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        let sure = ranked.iter().filter(|((class, _), _)| *class < 2).count();
        ranked.truncate(sure + LIKELY);
        ranked.into_iter().map(|(_, pid)| pid).collect()
    }

    /// All processes that may be looked at, the oldest first: who shares a socket with those he started
    /// is the one to name. The first of all is the last: it keeps sockets for others.
    pub(super) fn all(&self) -> Vec<u32> {
        let seen = self.holders.iter().filter(|(_, holder)| !holder.hidden);
        let mut pids: Vec<u32> = seen.map(|(pid, _)| *pid).collect();
        pids.sort_unstable_by_key(|pid| (*pid == INIT, *pid));
        pids
    }

    /// Looks for sockets in a process; what is found is taken out of `wanted`.
    pub(super) fn search(
        &mut self,
        proc: &mut Procfs,
        pid: u32,
        wanted: &mut HashMap<u32, Key>,
        alive: &HashSet<u32>,
    ) -> Vec<Key> {
        let mut found = Vec::new();
        let Some(holder) = self.holders.get_mut(&pid) else { return found };
        let before = std::mem::take(&mut holder.descriptors);
        let after = &mut holder.descriptors;
        let mut keep = |fd: u32, inode: u32| {
            let Some(at) = usize::try_from(fd).ok().filter(|at| *at < DESCRIPTORS) else { return };
            if after.len() <= at {
                after.resize(at + 1, 0);
            }
            if let Some(place) = after.get_mut(at) {
                *place = inode;
            }
        };
        let of = |fd: u32| usize::try_from(fd).ok().and_then(|at| before.get(at)).copied();
        let known =
            |fd: u32| of(fd).is_some_and(|inode| alive.contains(&inode) && !wanted.contains_key(&inode));
        let mut sockets = Vec::new();
        let result = proc.sockets(pid, known, |fd, inode| sockets.push((fd, inode)));
        for (fd, inode) in before.iter().enumerate().filter(|(_, inode)| alive.contains(*inode)) {
            keep(u32::try_from(fd).unwrap_or(u32::MAX), *inode);
        }
        for (fd, inode) in sockets {
            keep(fd, inode);
            found.extend(wanted.remove(&inode));
        }
        holder.scanned = true;
        if !found.is_empty() {
            holder.lucky = self.turn;
        }
        holder.hidden |= result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        found
    }

    /// What a process is now.
    pub(super) fn ask(&mut self, proc: &Procfs, users: &Users, pid: u32, now: Instant) -> Option<Process> {
        let holder = self.holders.get_mut(&pid)?;
        let about = proc.about(pid)?;
        if holder.start.is_none() {
            holder.start = proc.start(pid);
        }
        holder.asked = Some((now, now + if holder.asked.is_some() { SETTLED } else { YOUNG }));
        Some(about.process(pid, users))
    }

    /// The id under which a process was told of.
    pub(super) fn id(&self, pid: u32) -> Option<ProcessId> {
        self.holders.get(&pid)?.id
    }

    /// A process is told of.
    pub(super) fn set_id(&mut self, pid: u32, id: ProcessId) {
        if let Some(holder) = self.holders.get_mut(&pid) {
            if let Some(before) = holder.id.replace(id) {
                self.pids.remove(&before);
            }
            self.pids.insert(id, pid);
        }
    }

    /// Processes with sockets that may be called otherwise by now.
    pub(super) fn stale(&self, now: Instant) -> Vec<u32> {
        let old = |holder: &Holder| holder.asked.is_some_and(|(_, again)| now >= again);
        let named = self.holders.iter().filter(|(_, holder)| holder.id.is_some() && old(holder));
        named.map(|(pid, _)| *pid).collect()
    }

    /// Whether it was asked so short a while ago that it is still that.
    pub(super) fn is_fresh(&self, pid: u32, now: Instant) -> bool {
        let asked = self.holders.get(&pid).and_then(|holder| holder.asked);
        asked.is_some_and(|(asked, _)| now.duration_since(asked) < YOUNG)
    }

    /// All processes with sockets.
    pub(super) fn named(&self) -> impl Iterator<Item = (u32, ProcessId)> {
        self.pids.iter().map(|(id, pid)| (*pid, *id))
    }
}
