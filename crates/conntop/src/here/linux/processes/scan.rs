//! One turn: the sockets of this machine as the kernel lists them, and who has those that are new.
//!
//! A socket that is known costs a look into a map. One that is new is looked for in the processes that are
//! likely to have it: those that listen where it came in, new ones, and those that had new ones lately. What
//! is not found there and is still there at the next turn is looked for in all, and then ever more seldom.
//! From time to time all sockets that processes have are compared with what is known, as they can be handed
//! on.

use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use rustix::process::geteuid;

use super::holders::Holders;
use super::ledger::{Effort, Ledger, Socket};
use super::procfs::{NetId, Procfs};
use super::users::Users;
use crate::enrich::Fact;
use crate::enrich::processes::{Hidden, Key, Process, ProcessId, Seen, Space};

/// Time between two looks whether processes still have the sockets that they had.
const VERIFY: Duration = Duration::from_secs(30);

/// Who has which socket.
#[derive(Debug)]
pub(super) struct Scanner {
    proc: Procfs,
    users: Users,
    holders: Holders,
    ledger: Ledger,
    verified: Option<Instant>,
    /// Our own user.
    own: u32,
}

impl Scanner {
    pub(super) fn new(proc: Procfs, users: Users) -> Self {
        let (holders, ledger) = (Holders::default(), Ledger::default());
        Self { proc, users, holders, ledger, verified: None, own: geteuid().as_raw() }
    }

    /// Begins a turn. Returns the network namespaces in which processes are, each with one of them.
    pub(super) fn begin(&mut self) -> HashMap<NetId, u32> {
        self.ledger.begin();
        let ended = self.holders.refresh(&mut self.proc);
        self.ledger.orphan(&ended);
        self.holders.nets()
    }

    /// A namespace is read now, or is no more.
    pub(super) fn read(&mut self, space: Space) {
        self.ledger.read(space);
    }

    /// A socket of the namespace that is read.
    pub(super) fn see(&mut self, socket: Socket) {
        self.ledger.see(socket);
    }

    /// Ends the turn. Returns what is different from before.
    pub(super) fn end(&mut self, now: Instant) -> Seen {
        self.ledger.settle(now);
        let all = self.ledger.wanted(Effort::All, now);
        let new = self.ledger.wanted(Effort::Likely, now);
        if !new.is_empty() {
            let parents = new.values().flat_map(|key| key.parents());
            let parents: HashSet<ProcessId> = parents.filter_map(|key| self.ledger.process(&key)).collect();
            let alive = self.ledger.alive();
            self.search(self.holders.likely(&parents), new, &alive, now);
        }
        if !all.is_empty() {
            // Descriptors of which something is known may be others by now: none is passed over.
            self.search(self.holders.all(), all, &HashSet::new(), now);
        }
        for pid in self.holders.stale(now) {
            self.rename(pid, now);
        }
        if now.duration_since(*self.verified.get_or_insert(now)) >= VERIFY {
            self.verified = Some(now);
            self.users.refresh();
            self.holders.retry(&self.proc);
            self.verify();
        }
        // A process that nobody may look at, such as a container's first, hides nothing if it has no socket.
        let others = self.holders.hidden() && self.ledger.knows_only_users_but(self.own);
        let hidden = Hidden { others, spaces: self.holders.netless };
        Seen { hidden, ..self.ledger.take() }
    }

    /// Looks for sockets in processes, one after the other.
    fn search(&mut self, pids: Vec<u32>, mut wanted: HashMap<u32, Key>, alive: &HashSet<u32>, now: Instant) {
        let mut lost = Vec::new();
        for pid in pids {
            if wanted.is_empty() {
                break;
            }
            let found = self.holders.search(&mut self.proc, pid, &mut wanted, alive);
            if found.is_empty() {
                continue;
            }
            match self.identify(pid, now) {
                Some(id) => found.into_iter().for_each(|key| self.ledger.found(key, id)),
                // It has ended meanwhile. Another one may have them.
                None => lost.extend(found),
            }
        }
        let users = &self.users;
        let hidden = self.holders.hidden();
        let is_hidden = |uid| hidden && uid != self.own;
        self.ledger.missed(wanted.into_values().chain(lost), now, is_hidden, |uid| Process {
            pid: None,
            name: None,
            user: users.name(uid),
            uid,
            unit: Fact::Unknown,
            command: None,
        });
    }

    /// The id of a process in which sockets were found.
    fn identify(&mut self, pid: u32, now: Instant) -> Option<ProcessId> {
        if let Some(id) = self.holders.id(pid).filter(|id| self.ledger.has(*id)) {
            if !self.holders.is_fresh(pid, now) {
                self.rename(pid, now);
            }
            return Some(id);
        }
        let process = self.holders.ask(&self.proc, &self.users, pid, now)?;
        let id = self.ledger.add(process);
        self.holders.set_id(pid, id);
        Some(id)
    }

    fn rename(&mut self, pid: u32, now: Instant) {
        let process = self.holders.ask(&self.proc, &self.users, pid, now);
        if let (Some(process), Some(id)) = (process, self.holders.id(pid)) {
            self.ledger.rename(id, process);
        }
    }

    fn verify(&mut self) {
        let named: Vec<(u32, ProcessId)> = self.holders.named().collect();
        let mut held: HashMap<ProcessId, HashSet<u32>> = HashMap::new();
        for (pid, id) in named {
            let mut inodes = HashSet::new();
            if self.proc.sockets(pid, |_| false, |_, inode| _ = inodes.insert(inode)).is_ok() {
                held.insert(id, inodes);
            }
        }
        self.ledger.verify(&held);
    }
}
