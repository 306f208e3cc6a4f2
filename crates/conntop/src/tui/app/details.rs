//! Everything about one flow: kept while it is open even when the flow is forgotten, and handed on to the
//! flow above or below without being closed.

use std::time::Instant;

use conntop_proto::flow::{BootMillis, FlowRow};
use conntop_proto::message::{KernelFacts, Origin};

use super::App;
use super::layers::{End, Open};
use super::listing::direction;
use crate::flow::FlowKey;
use crate::mirror::Mirror;
use crate::tui::action::{Action, Motion};
use crate::tui::bindings::{BINDINGS, Context};
use crate::tui::details::{self, Known, Subject, Trace};
use crate::tui::format;
use crate::tui::pane::Pane;
use crate::tui::screen::Spans;

impl App {
    pub(super) fn open_details(&mut self) {
        self.select_something();
        if let Some(id) = self.cursor.selected {
            self.look_into(id, 0);
        }
    }

    /// Opens the details of a flow at a line.
    pub(super) fn look_into(&mut self, id: FlowKey, top: usize) {
        let Some((row, end)) = self.look_up(id) else { return };
        let mut trace = Trace::default();
        if let Some(mirror) = self.mirror_of(id)
            && let Some(flow) = mirror.get(id.id())
        {
            mirror.samples(flow).for_each(|(at, orig, reply)| trace.note(at, orig, reply));
        }
        self.layers.push(Open::Details { id, top, row: Box::new(row), end, trace });
    }

    /// Goes on to the flow above or below, at the same line of the text.
    pub(super) fn look_beside(&mut self, motion: Motion) {
        let Some(Open::Details { top, .. }) = self.layers.last() else { return };
        let (top, height) = (*top, usize::from(self.areas().body.height));
        let beside = match self.pane {
            Pane::Flows => {
                self.cursor.step(&mut self.listing, height, motion);
                self.cursor.selected
            }
            Pane::Groups => self.boards.groups.flow_beside(motion, height),
            Pane::Listeners | Pane::Interfaces | Pane::Table => None,
        };
        if let Some(id) = beside {
            self.layers.pop();
            self.look_into(id, top);
        }
    }

    fn mirror_of(&self, key: FlowKey) -> Option<&Mirror> {
        Some(self.nodes.get(key.node())?.engine().mirror())
    }

    fn look_up(&self, key: FlowKey) -> Option<(FlowRow, Option<End>)> {
        let mirror = self.mirror_of(key)?;
        let id = key.id();
        if let Some(flow) = mirror.get(id) {
            return Some((flow.row(), None));
        }
        let ended = mirror.ended().rev().find(|ended| ended.flow.id() == id)?;
        Some((ended.flow.row(), Some((ended.at, ended.reason, ended.stop))))
    }

    /// Brings open details up to date.
    pub(super) fn keep_details(&mut self) {
        let Some(Open::Details { id, .. }) = self.layers.last() else { return };
        let id = *id;
        let Some((fresh, end_now)) = self.look_up(id) else { return };
        let read = self.mirror_of(id).map(|mirror| read_at(mirror, id, &fresh));
        if let Some(Open::Details { row, end, trace, .. }) = self.layers.last_mut() {
            if let (Some(at), Some(orig), Some(reply)) = (read, fresh.traffic.orig, fresh.traffic.reply) {
                trace.note(at, orig.bytes, reply.bytes);
            }
            **row = fresh;
            *end = end_now;
        }
    }

    /// Heading and lines of the open details.
    pub(super) fn details(&self, now: Instant) -> Option<(String, Vec<Spans>)> {
        let Some(Open::Details { row, end, trace, id: key, .. }) = self.layers.last() else { return None };
        let node = self.nodes.get(key.node())?;
        let (engine, id) = (node.engine(), key.id());
        let mirror = engine.mirror();
        let rate = |bytes| format::rate(bytes, self.unit).trim_start().to_owned();
        let flow = mirror.get(id);
        let rates = flow.and_then(|flow| mirror.own_rates(flow));
        let since = || match mirror.marked() {
            Some(_) => "the mark".to_owned(),
            None => "conntop began".to_owned(),
        };
        let seen = flow.and_then(|flow| mirror.seen(flow)).map(|seen| (seen.orig, seen.reply, since()));
        let silent = engine.silent(now);
        let subject = Subject {
            row,
            read: read_at(mirror, *key, row),
            node: self.nodes.several().then(|| format!("{} ({})", node.name(), node.place())),
            now: silent.map_or_else(|| engine.collector_time(now), |_| engine.last_word()),
            boot_wall_ms: engine.wall_micros(BootMillis::default()).map(|us| us / 1000),
            rates: rates.map(|rates| [rate(rates.orig), rate(rates.reply)]),
            trace,
            seen,
            direction: Some(direction(engine, row)),
            ended: *end,
            zone: &self.options.zone,
            known: Known {
                enricher: self.nodes.enricher(),
                node: key.node(),
                now,
                host: engine.host(),
                asks: self.options.asks_names,
            },
            silent,
            uncounted: engine.kernel().and_then(uncounted),
            actions: self.actions(),
        };
        Some((details::title(row), details::lines(&subject)))
    }

    /// What can be done with the flow that is looked at.
    fn actions(&self) -> Vec<(String, &'static str)> {
        let about = |action: &Action| {
            let row = BINDINGS.iter().find(|row| row.action == *action)?;
            Some((self.options.keymap.key_for(Context::Details, action)?, row.help))
        };
        [
            Action::Whois,
            Action::Copy,
            Action::End,
            Action::Only,
            Action::Not,
            Action::NextFlow,
            Action::PreviousFlow,
        ]
        .iter()
        .filter(|action| **action != Action::End || self.may_end())
        .filter_map(about)
        .collect()
    }
}

/// Why a flow has no counters.
fn uncounted(kernel: &KernelFacts) -> Option<&'static str> {
    match (kernel.origin, kernel.acct) {
        (Origin::Sockets, _) => Some("the kernel counts no bytes of such a socket"),
        (_, Some(true)) => Some("it began before bytes were counted"),
        (_, Some(false)) => Some("bytes are not counted here (nf_conntrack_acct is off)"),
        (_, None) => None,
    }
}

/// When the counters were read last, whether they had moved or not.
fn read_at(mirror: &Mirror, key: FlowKey, row: &FlowRow) -> BootMillis {
    let sampled = row.traffic.sampled;
    let all = mirror.get(key.id()).and_then(|_| mirror.covered_since());
    all.map_or(sampled, |all| all.max(sampled))
}
