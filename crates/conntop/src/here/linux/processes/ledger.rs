//! What is known of sockets, and what of that has to be told. Pure state with time as an argument.
//!
//! An entry is found by the ends of a socket and stays for a while when the socket is gone. What was told
//! of it stays true until there is something better: a socket whose process has ended is looked for again
//! under the name that it had.

use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use crate::enrich::processes::{Key, Process, ProcessId, Seen, Space};

/// How long the process of a connection is remembered when its socket is gone: its flow outlives it for two
/// minutes, or for a few more where the last packets were lost.
const KEEP_CONNECTED: Duration = Duration::from_secs(600);
/// The same of a port, which another process may get soon: as long as a flow of UDP lasts.
const KEEP_BOUND: Duration = Duration::from_secs(180);
/// Sockets that are kept at a time, there or gone: a machine with more shows the rest without processes.
const SOCKETS: usize = 1 << 18;
/// Those of them that may be gone. A busy server closes some hundred a second.
const GONE: usize = 1 << 16;
/// Longest time until a socket that no process has is looked for again.
const LONGEST: Duration = Duration::from_secs(64);

/// What the kernel tells of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) key: Key,
    pub(super) inode: u32,
    pub(super) uid: u32,
}

/// How thoroughly a socket is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// In the processes that are likely to have it. Most sockets are found there, and most of the others
    /// are gone by the next turn.
    Likely,
    /// In all.
    All,
}

/// One socket.
#[derive(Clone, Copy, Debug)]
struct Entry {
    inode: u32,
    uid: u32,
    /// The turn in which it was seen last.
    turn: u64,
    gone: Option<Instant>,
    process: Option<ProcessId>,
    search: Search,
}

/// Whether it has to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Done,
    First,
    All { tries: u32, from: Instant },
}

/// A process that has, or had, sockets.
#[derive(Debug)]
struct Held {
    process: Process,
    sockets: usize,
}

/// All sockets.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<Key, Entry>,
    processes: HashMap<ProcessId, Held>,
    /// Sockets of which only the user is known.
    users: HashMap<u32, ProcessId>,
    last: u32,
    turn: u64,
    /// The turn in which each namespace was read last.
    read: HashMap<Space, u64>,
    out: Seen,
}

impl Ledger {
    pub(super) fn begin(&mut self) {
        self.turn += 1;
    }

    /// A namespace is read, or is no more: what is not seen in it from now on is gone.
    pub(super) fn read(&mut self, space: Space) {
        self.read.insert(space, self.turn);
    }

    /// A socket that is there.
    pub(super) fn see(&mut self, socket: Socket) {
        let Socket { key, inode, uid } = socket;
        let turn = self.turn;
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.inode == inode {
                entry.turn = turn;
                entry.gone = None;
            } else if entry.turn != turn {
                // Several may share a port: the first one counts. Another one has to be looked for.
                *entry = Entry { inode, uid, turn, gone: None, search: Search::First, ..*entry };
            }
        } else if self.entries.len() < SOCKETS {
            let search = Search::First;
            self.entries.insert(key, Entry { inode, uid, turn, gone: None, process: None, search });
        }
    }

    /// Processes have ended: their sockets that are still there belong to others.
    pub(super) fn orphan(&mut self, ended: &HashSet<ProcessId>) {
        if ended.is_empty() {
            return;
        }
        for entry in self.entries.values_mut() {
            if entry.process.is_some_and(|id| ended.contains(&id)) {
                entry.search = Search::First;
            }
        }
    }

    /// Marks what is gone, and forgets what was so for long.
    pub(super) fn settle(&mut self, now: Instant) {
        let mut gone = Vec::new();
        let mut forgotten = Vec::new();
        for (key, entry) in &mut self.entries {
            if entry.turn >= self.read.get(&key.space()).copied().unwrap_or(0) {
                continue;
            }
            let since = *entry.gone.get_or_insert(now);
            let keep = if key.is_connected() { KEEP_CONNECTED } else { KEEP_BOUND };
            // What was never found has nothing that could be kept.
            if entry.process.is_none() || now.duration_since(since) >= keep {
                forgotten.push(*key);
            } else {
                gone.push((since, *key));
            }
        }
        if let Some(excess) = gone.len().checked_sub(GONE).filter(|excess| *excess > 0) {
            gone.select_nth_unstable(excess);
            forgotten.extend(gone.iter().take(excess).map(|(_, key)| *key));
        }
        for key in forgotten {
            if let Some(id) = self.entries.remove(&key).and_then(|entry| entry.process) {
                self.out.forgotten.push(key);
                self.release(id);
            }
        }
    }

    /// The sockets that have to be looked for now, by inode.
    pub(super) fn wanted(&self, effort: Effort, now: Instant) -> HashMap<u32, Key> {
        let due = |entry: &Entry| match entry.search {
            Search::First => effort == Effort::Likely,
            Search::All { from, .. } => effort == Effort::All && now >= from,
            Search::Done => false,
        };
        let entries = self.entries.iter().filter(|(_, entry)| entry.gone.is_none() && due(entry));
        entries.map(|(key, entry)| (entry.inode, *key)).collect()
    }

    /// The inodes of all that are there.
    pub(super) fn alive(&self) -> HashSet<u32> {
        self.entries.values().filter(|entry| entry.gone.is_none()).map(|entry| entry.inode).collect()
    }

    /// Whose a socket is.
    pub(super) fn process(&self, key: &Key) -> Option<ProcessId> {
        self.entries.get(key)?.process
    }

    /// These were not found. As soon as it is known that it stays so (at once for users whose processes
    /// may not be looked at), at least the user is told.
    pub(super) fn missed(
        &mut self,
        keys: impl Iterator<Item = Key>,
        now: Instant,
        is_hidden: impl Fn(u32) -> bool,
        user: impl Fn(u32) -> Process,
    ) {
        for key in keys {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let tries = match entry.search {
                Search::All { tries, .. } => tries + 1,
                Search::First | Search::Done => 0,
            };
            let wait = Duration::from_secs(if tries == 0 { 0 } else { 1 << tries.min(6) }).min(LONGEST);
            entry.search = Search::All { tries, from: now + wait };
            let uid = entry.uid;
            let named =
                entry.process.is_some_and(|id| self.processes.get(&id).is_some_and(|p| p.sockets > 0));
            if (tries > 0 || is_hidden(uid)) && !named {
                let id = match self.users.get(&uid) {
                    Some(id) => *id,
                    None => self.add(user(uid)),
                };
                self.users.insert(uid, id);
                self.assign(key, id);
            }
        }
    }

    /// Whether there are sockets of which only the user is known, and he is another than this one.
    pub(super) fn knows_only_users_but(&self, own: u32) -> bool {
        let has_sockets = |id| self.processes.get(id).is_some_and(|held| held.sockets > 0);
        self.users.iter().any(|(uid, id)| *uid != own && has_sockets(id))
    }

    /// A process that was not known.
    pub(super) fn add(&mut self, process: Process) -> ProcessId {
        self.last = self.last.saturating_add(1);
        let id = ProcessId(self.last);
        self.out.processes.push((id, process.clone()));
        self.processes.insert(id, Held { process, sockets: 0 });
        id
    }

    /// Whether a process is still one of those that have sockets.
    pub(super) fn has(&self, id: ProcessId) -> bool {
        self.processes.contains_key(&id)
    }

    /// A process that may call itself otherwise now.
    pub(super) fn rename(&mut self, id: ProcessId, process: Process) {
        if let Some(held) = self.processes.get_mut(&id).filter(|held| held.process != process) {
            held.process = process.clone();
            self.out.processes.push((id, process));
        }
    }

    /// A socket was found in a process.
    pub(super) fn found(&mut self, key: Key, id: ProcessId) {
        self.assign(key, id);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.search = Search::Done;
        }
    }

    /// All sockets of some processes as these have them now: one may have handed a socket on to another.
    pub(super) fn verify(&mut self, held: &HashMap<ProcessId, HashSet<u32>>) {
        for entry in self.entries.values_mut().filter(|entry| entry.search == Search::Done) {
            let inodes = entry.process.and_then(|id| held.get(&id));
            if inodes.is_some_and(|inodes| !inodes.contains(&entry.inode)) && entry.gone.is_none() {
                entry.search = Search::First;
            }
        }
    }

    fn assign(&mut self, key: Key, id: ProcessId) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let before = entry.process.replace(id);
        if before == Some(id) {
            return;
        }
        self.out.sockets.push((key, id));
        if let Some(held) = self.processes.get_mut(&id) {
            held.sockets += 1;
        }
        if let Some(before) = before {
            self.release(before);
        }
    }

    fn release(&mut self, id: ProcessId) {
        let Some(held) = self.processes.get_mut(&id) else { return };
        held.sockets = held.sockets.saturating_sub(1);
        if held.sockets == 0 {
            self.processes.remove(&id);
            self.users.retain(|_, user| *user != id);
            self.out.left.push(id);
        }
    }

    /// What is to be told since the last time.
    pub(super) fn take(&mut self) -> Seen {
        std::mem::take(&mut self.out)
    }
}
