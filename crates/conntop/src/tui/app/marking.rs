//! What all flows carried since conntop began, or since the mark.

use super::App;
use crate::engine::Engine;
use crate::mirror::{Ledger, Rates};
use crate::nodes::{Health, Node};
use crate::tui::screen;
use crate::units::{bytes_short, duration_short};

impl App {
    /// Counts from now on.
    pub(super) fn mark(&mut self) {
        self.nodes.mark();
    }

    /// What the header says of it. Ended flows are in it, for it does not come from single ones.
    pub(super) fn seen(&self) -> Option<screen::Seen> {
        let counts = |node: &&Node| !self.nodes.several() || node.health() == Health::Live;
        let engines = || self.nodes.iter().map(|(_, node)| node).filter(counts).map(Node::engine);
        let span = |engine: &Engine| {
            let mirror = engine.mirror();
            Some(mirror.position().at.since(mirror.counted_since()?))
        };
        let longest = engines().filter_map(span).max()?;
        let carried: Vec<Ledger> = engines().map(|engine| engine.mirror().ledger_since()).collect();
        let sum = |of: &dyn Fn(&Ledger) -> u64| carried.iter().map(of).fold(0, u64::saturating_add);
        let both = |bytes: Rates| bytes.orig.saturating_add(bytes.reply);
        let (down, up) = self.words();
        let outside = [(down, sum(&|ledger| ledger.down)), (up, sum(&|ledger| ledger.up))];
        let others = [
            ("internal", sum(&|ledger| both(ledger.internal))),
            ("transit", sum(&|ledger| both(ledger.transit))),
        ];
        let quiet = outside.iter().all(|(_, bytes)| *bytes == 0);
        // What is nothing takes no room, unless all is.
        let parts: Vec<_> = match (quiet, others.iter().any(|(_, bytes)| *bytes > 0)) {
            (true, true) => others.into_iter().filter(|(_, bytes)| *bytes > 0).collect(),
            _ => outside.to_vec(),
        };
        let marked = engines().any(|engine| engine.mirror().marked().is_some());
        Some(screen::Seen {
            word: if marked { "mark" } else { "seen" },
            span: duration_short(longest),
            parts: parts.into_iter().map(|(word, bytes)| (word, bytes_short(bytes))).collect(),
        })
    }
}
