//! Subscribers and their frames. A frame is made when its subscriber has asked for one, and only
//! then; subscribers in the same state share it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conntop_proto::columns::Ids;
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::message::{
    Host, Interfaces, Listeners, Lost, Reset, ResetReason, ServerMessage, Synced, TableStats,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::clock;
use super::handle::{Call, Look, Opened, Wish};
use crate::frame::Frame;
use crate::table::{CHUNK_ROWS, Chunk, CursorId, CursorKey, FlowTable, How};

/// An empty delta tells, while a long pass runs, that the collector is alive and how far it is.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Between frames of a subscriber that waits for the first pass: rows stream while it runs.
const STREAM: Duration = Duration::from_millis(50);

/// For each name and neighbour of a `host`, until the next one: 64 bytes or so at 1 KB/s.
const HOST_PACE: Duration = Duration::from_millis(64);
/// Until a `host` comes only because some have gone.
const GONE: Duration = Duration::from_secs(600);

struct Sub {
    wish: watch::Receiver<Wish>,
    changed: Arc<AtomicBool>,
    frames: mpsc::Sender<Arc<Frame>>,
    cursor: CursorId,
    interest: Arc<crate::table::Interest>,
    reset: Option<ResetReason>,
    look: Look,
    seen: Seen,
    asked: bool,
    /// The last chunk did not reach the head.
    lagging: bool,
    /// `synced` has not been said yet.
    waiting: bool,
    /// A tick came since the last frame.
    due: bool,
    /// Ticks between two frames, and until the next one.
    every: u32,
    countdown: u32,
    not_before: Instant,
    last: Instant,
    /// The latest whole pass it was told of.
    pass: u64,
}

/// Versions of what a subscriber has got besides deltas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    host: u64,
    table: u64,
    lost: u64,
    interfaces: u64,
    listeners: u64,
}

#[derive(PartialEq, Eq, Hash)]
struct FrameKey {
    cursor: CursorKey,
    seen: Seen,
    reset: Option<&'static str>,
    heartbeat: bool,
}

/// A frame that others may share: with it the cursor behind it.
struct Shared {
    frame: Option<Arc<Frame>>,
    after: CursorId,
    chunk: Chunk,
}

pub(super) struct Desk {
    subs: BTreeMap<u64, Sub>,
    interval: Duration,
    host: Host,
    /// When it was taken, if not at the start.
    host_since: Option<Instant>,
    table: TableStats,
    lost: Lost,
    /// What somebody looks at; nothing while nobody does.
    interfaces: Option<Interfaces>,
    listeners: Option<Listeners>,
    now: Seen,
    shared: HashMap<FrameKey, Shared>,
    shared_head: u64,
}

impl Desk {
    pub(super) fn new(interval: Duration, host: Host) -> Self {
        Self {
            subs: BTreeMap::new(),
            interval,
            host,
            host_since: None,
            table: TableStats::default(),
            lost: Lost::default(),
            interfaces: None,
            listeners: None,
            now: Seen { host: 1, ..Seen::default() },
            shared: HashMap::new(),
            shared_head: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.subs.is_empty()
    }

    pub(super) fn host(&mut self, host: Host, now: Instant) {
        let since = self.host_since.map_or(Duration::MAX, |told| now.saturating_duration_since(told));
        if is_news(&self.host, &host, since) {
            self.host = host;
            self.host_since = Some(now);
            self.now.host += 1;
        }
    }

    pub(super) fn table(&mut self, table: TableStats) {
        if self.now.table == 0 || (TableStats { at: self.table.at, ..table }) != self.table {
            self.table = table;
            self.now.table += 1;
        }
    }

    pub(super) fn call(&mut self, call: Call, table: &mut FlowTable) {
        match call {
            Call::Open(opened) => self.open(opened, table),
            Call::Changed(id) => self.changed(id, table),
            Call::Next(id) => {
                if let Some(sub) = self.subs.get_mut(&id) {
                    sub.asked = true;
                }
            }
            Call::Closed(id) => {
                if let Some(sub) = self.subs.remove(&id) {
                    table.close_cursor(sub.cursor);
                }
                self.forget_unseen();
            }
            // The hub's own business.
            Call::Edit(_) | Call::Inspect(_) | Call::Facts(_) | Call::Configure(..) | Call::Terminate(_) => {}
        }
    }

    /// What a subscriber looks at: nothing while it takes nothing.
    pub(super) fn focus(&self, id: u64) -> Option<Ids> {
        let wish = self.subs.get(&id)?.wish.borrow();
        Some(if wish.paused { Ids::default() } else { wish.focus.clone() })
    }

    /// What subscribers look at besides flows: nothing while they take nothing.
    pub(super) fn look(&self) -> Look {
        let looks = self.subs.values().filter(|sub| !sub.wish.borrow().paused).map(|sub| sub.look);
        looks.fold(Look::default(), Look::and)
    }

    /// What nobody looks at any more is old when somebody looks again.
    fn forget_unseen(&mut self) {
        let look = self.look();
        if !look.interfaces {
            (self.interfaces, self.now.interfaces) = (None, 0);
        }
        if !look.listeners {
            (self.listeners, self.now.listeners) = (None, 0);
        }
    }

    /// What was read of it. Those who have got none yet get it at once.
    pub(super) fn sighted(&mut self, interfaces: Option<Interfaces>, listeners: Option<Listeners>) {
        let look = self.look();
        if look.interfaces && interfaces.is_some() {
            self.interfaces = interfaces;
            self.now.interfaces += 1;
        }
        let known = |old: &Listeners, new: &Listeners| (&old.list, old.left_out) == (&new.list, new.left_out);
        if look.listeners
            && let Some(new) = listeners
            && !self.listeners.as_ref().is_some_and(|old| known(old, &new))
        {
            self.listeners = Some(new);
            self.now.listeners += 1;
        }
        for sub in self.subs.values_mut() {
            let first = sub.look.interfaces && sub.seen.interfaces == 0
                || sub.look.listeners && sub.seen.listeners == 0;
            sub.due |= first;
        }
    }

    fn open(&mut self, opened: Opened, table: &mut FlowTable) {
        let wish = opened.wish.borrow().clone();
        let resume = opened.resume.filter(|resume| resume.epoch == table.epoch());
        let (cursor, how) = table.open_cursor(resume.map(|resume| resume.cursor), wish.interest.clone());
        let reset = match how {
            How::Resumed => None,
            How::Reset if resume.is_some() => Some(ResetReason::Behind),
            How::Reset => Some(ResetReason::Start),
        };
        let now = Instant::now();
        let every = self.ticks(wish.interval_ms);
        let sub = Sub {
            wish: opened.wish,
            changed: opened.changed,
            frames: opened.frames,
            cursor,
            interest: wish.interest,
            reset,
            look: wish.look,
            seen: Seen::default(),
            asked: false,
            lagging: true,
            waiting: true,
            due: true,
            every,
            countdown: every,
            not_before: now,
            last: now,
            pass: 0,
        };
        self.subs.insert(opened.id, sub);
    }

    fn ticks(&self, interval_ms: u32) -> u32 {
        let own = self.interval.as_millis().max(1);
        u32::try_from(u128::from(interval_ms).div_ceil(own)).unwrap_or(u32::MAX).max(1)
    }

    fn changed(&mut self, id: u64, table: &mut FlowTable) {
        let Some(sub) = self.subs.get_mut(&id) else { return };
        // Cleared first: a wish that changes from here on is told again.
        sub.changed.store(false, Ordering::Release);
        let wish = sub.wish.borrow_and_update().clone();
        // What begins to be looked at is told even if others have it already.
        if wish.look.interfaces && !sub.look.interfaces {
            sub.seen.interfaces = 0;
        }
        if wish.look.listeners && !sub.look.listeners {
            sub.seen.listeners = 0;
        }
        sub.look = wish.look;
        let renewed = wish.interest != sub.interest;
        if renewed {
            table.close_cursor(sub.cursor);
            (sub.cursor, _) = table.open_cursor(None, wish.interest.clone());
            sub.interest = wish.interest;
            sub.reset = Some(ResetReason::Subscription);
            (sub.lagging, sub.waiting) = (true, true);
        }
        let every = self.ticks(wish.interval_ms);
        if let Some(sub) = self.subs.get_mut(&id)
            && sub.every != every
        {
            (sub.every, sub.countdown) = (every, every);
        }
        self.forget_unseen();
    }

    /// A pass is done: whoever waits for the first one gets the rest now.
    pub(super) fn pass_done(&mut self) {
        let now = Instant::now();
        for sub in self.subs.values_mut().filter(|sub| sub.waiting) {
            (sub.due, sub.not_before) = (true, now);
        }
    }

    pub(super) fn tick(&mut self) {
        for sub in self.subs.values_mut() {
            sub.countdown = sub.countdown.saturating_sub(1);
            if sub.countdown == 0 {
                (sub.countdown, sub.due) = (sub.every, true);
            }
        }
        self.shared_head = u64::MAX;
    }

    /// Whether a subscriber waits for something that could be made at once.
    pub(super) fn is_busy(&self, table: &FlowTable) -> bool {
        let now = Instant::now();
        self.subs.values().any(|sub| sub.wants(now) && sub.lagging && !table.is_in_step(sub.cursor))
    }

    /// When a waiting subscriber may get its next frame.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.subs.values().filter(|sub| sub.asked && sub.waiting).map(|sub| sub.not_before + STREAM).min()
    }

    /// Makes the frames that are wanted.
    pub(super) fn serve(&mut self, table: &mut FlowTable, now: Instant) {
        let lost = table.lost_events();
        if lost != self.lost {
            self.lost = lost;
            self.now.lost += 1;
        }
        if self.shared_head != table.head() {
            for (_, shared) in self.shared.drain() {
                table.close_cursor(shared.after);
            }
            self.shared_head = table.head();
        }
        let ids: Vec<u64> = self.subs.iter().filter(|(_, sub)| sub.wants(now)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(mut sub) = self.subs.remove(&id) {
                self.serve_one(&mut sub, table, now);
                self.subs.insert(id, sub);
            }
        }
    }

    fn serve_one(&mut self, sub: &mut Sub, table: &mut FlowTable, now: Instant) {
        sub.overlook(self.now);
        // A pass that changed nothing is news: the rates are 0.
        let pass = table.pass();
        let passed = sub.due && pass.finished.is_some() && pass.number != sub.pass;
        let heartbeat = passed || now >= sub.last + HEARTBEAT;
        let nothing = sub.seen == self.now && sub.reset.is_none() && !heartbeat;
        if nothing && table.is_in_step(sub.cursor) {
            (sub.due, sub.lagging) = (false, false);
            sub.not_before = now + STREAM;
            return;
        }
        let Some(cursor) = table.cursor_key(sub.cursor) else { return };
        let reset = sub.reset.map(name);
        let key = FrameKey { cursor, seen: sub.seen, reset, heartbeat };
        let (frame, chunk) = if let Some(shared) = self.shared.get(&key) {
            table.follow_cursor(sub.cursor, shared.after);
            (shared.frame.clone(), shared.chunk)
        } else {
            let (frame, chunk) = self.make(sub, heartbeat, table);
            if self.subs.len() > 1
                && let Some(after) = table.fork_cursor(sub.cursor)
            {
                self.shared.insert(key, Shared { frame: frame.clone(), after, chunk });
            }
            (frame, chunk)
        };
        (sub.reset, sub.seen) = (None, self.now);
        sub.lagging = !chunk.in_step;
        sub.waiting &= chunk.synced.is_none();
        sub.not_before = if sub.waiting && !sub.lagging { now + STREAM } else { now };
        if chunk.in_step {
            sub.due = false;
            if pass.finished.is_some() {
                sub.pass = pass.number;
            }
        }
        if let Some(frame) = frame {
            sub.last = now;
            // Full only if it asked twice, closed if it is gone, which `Closed` tells.
            sub.asked = sub.frames.try_send(frame).is_err() && !sub.frames.is_closed();
        }
    }

    fn make(&mut self, sub: &Sub, heartbeat: bool, table: &mut FlowTable) -> (Option<Arc<Frame>>, Chunk) {
        let mut messages = Vec::new();
        if sub.seen.host != self.now.host {
            messages.push(ServerMessage::Host(self.host.clone()));
        }
        let mut rows = DeltaRows::default();
        let chunk = table.next_chunk(sub.cursor, CHUNK_ROWS, &mut rows);
        let reason = if chunk.reset { Some(ResetReason::Behind) } else { sub.reset };
        if let Some(reason) = reason {
            messages.push(ServerMessage::Reset(Reset { epoch: table.epoch(), reason }));
        }
        if sub.seen.lost != self.now.lost {
            messages.push(ServerMessage::Lost(self.lost));
        }
        if sub.seen.table != self.now.table {
            messages.push(ServerMessage::Table(self.table));
        }
        if sub.seen.interfaces != self.now.interfaces {
            messages.extend(self.interfaces.clone().map(ServerMessage::Interfaces));
        }
        if sub.seen.listeners != self.now.listeners {
            messages.extend(self.listeners.clone().map(ServerMessage::Listeners));
        }
        if !rows.is_empty() || chunk.synced.is_some() || heartbeat {
            let header = DeltaHeader {
                cursor: chunk.cursor,
                in_step: chunk.in_step,
                at: clock::now(),
                pass: table.pass(),
            };
            let deltas = std::mem::take(&mut rows).into_deltas(header);
            messages.extend(deltas.into_iter().map(|delta| ServerMessage::Delta(Box::new(delta))));
        }
        if let Some(cursor) = chunk.synced {
            messages.push(ServerMessage::Synced(Synced { cursor }));
        }
        ((!messages.is_empty()).then(|| Arc::new(Frame::new(messages))), chunk)
    }
}

impl Sub {
    /// What it does not look at is no news to it.
    fn overlook(&mut self, now: Seen) {
        if !self.look.interfaces {
            self.seen.interfaces = now.interfaces;
        }
        if !self.look.listeners {
            self.seen.listeners = now.listeners;
        }
    }

    /// Whether a frame is to be made for it now.
    fn wants(&self, now: Instant) -> bool {
        self.asked
            && !self.wish.borrow().paused
            && (self.lagging || self.due || self.waiting && now >= self.not_before)
    }
}

/// Whether another `host` is worth its bytes. The place is told at once. New hosts wait as the message is
/// large, so that they cost about 1 KB/s where they come and go; those that only went away wait longer,
/// as most of them come back.
fn is_news(old: &Host, new: &Host, since: Duration) -> bool {
    if (&old.addresses, &old.networks, &old.interfaces) != (&new.addresses, &new.networks, &new.interfaces) {
        return true;
    }
    let here = new.names.iter().all(|name| old.names.binary_search(name).is_ok())
        && new.neighbours.iter().all(|neighbour| old.neighbours.binary_search(neighbour).is_ok());
    let hosts = u32::try_from(new.names.len() + new.neighbours.len()).unwrap_or(u32::MAX);
    match here {
        true => since >= GONE && old != new,
        false => since >= HOST_PACE.saturating_mul(hosts),
    }
}

fn name(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::Start => "start",
        ResetReason::Behind => "behind",
        ResetReason::Subscription => "subscription",
        ResetReason::Restart => "restart",
    }
}

#[cfg(test)]
mod tests {
    use super::is_news;
    use conntop_proto::message::{Host, HostName, Mac, NameOrigin, Neighbour};
    use std::time::Duration;

    /// `N` is a network, `a` to `z` are names, `0` to `9` neighbours.
    fn host(text: &str) -> Host {
        let mut host = Host::default();
        for c in text.chars() {
            let address = std::net::IpAddr::from([10, 0, 0, u8::try_from(c).unwrap()]);
            let name = HostName { address, name: c.into(), from: NameOrigin::Kea };
            match c {
                'N' => host.networks.push("10.0.0.0/8".into()),
                'a'..='z' => host.names.push(name),
                _ => host.neighbours.push(Neighbour { address, mac: Mac([1; 6]), interface: 1 }),
            }
        }
        host
    }

    #[track_caller]
    fn check(old: &str, new: &str, millis: u64, expected: bool) {
        assert_eq!(is_news(&host(old), &host(new), Duration::from_millis(millis)), expected, "{old} {new}");
    }

    #[test]
    fn what_is_told_anew() {
        check("ab12", "ab12", u64::MAX, false);
        check("ab12", "Nab12", 0, true);
        check("ab", "abc", 3 * 64, true);
        check("ab", "abc", 3 * 64 - 1, false);
        check("ab12", "ab123", 5 * 64, true);
        check("ab12", "a2", 599_999, false);
        check("ab12", "a2", 600_000, true);
        check("ab12", "bc", 2 * 64, true);
        check("", "a", 64, true);
    }
}
