//! Completing what is typed into a filter: Tab takes what all candidates have in common, then one after
//! the other; behind the last comes again what was typed.

use std::time::Instant;

use super::App;
use crate::filter::{self, Completion, Tri};
use crate::flow::FlowView;
use crate::tui::screen::Candidates;

/// Flows that are looked at for their values: as many as are read in a moment.
const ASKED: usize = 5_000;

/// Candidates, and which of them stands in the text.
pub(crate) struct Choosing {
    /// What was typed before the cursor.
    pub(crate) typed: String,
    /// What stands before the candidate.
    start: String,
    pub(crate) words: Vec<String>,
    then: &'static str,
    at: Option<usize>,
}

impl Choosing {
    pub(crate) fn new(typed: String, completion: Completion) -> Self {
        let Completion { span, candidates, then } = completion;
        let start = typed.get(..span.start).unwrap_or("").to_owned();
        Self { typed, start, words: candidates, then, at: None }
    }

    /// The text with the only candidate, with what all have in common if that is more than was typed, or
    /// else with the first.
    pub(crate) fn begin(&mut self, step: isize) -> String {
        if let [only] = self.words.as_slice() {
            return format!("{}{only}{}", self.start, self.then);
        }
        let common = common(&self.words);
        let text = format!("{}{common}", self.start);
        let more =
            text.len() > self.typed.len() && text.to_lowercase().starts_with(&self.typed.to_lowercase());
        if more { text } else { self.step(step) }
    }

    /// The text with the candidate so many further; before the first and behind the last with none.
    pub(crate) fn step(&mut self, step: isize) -> String {
        let places = self.words.len().saturating_add(1);
        let here = self.at.map_or(0, |at| at + 1);
        let further = if step < 0 { places.saturating_sub(1) } else { 1 };
        let there = (here + further) % places;
        self.at = there.checked_sub(1);
        match self.at.and_then(|at| self.words.get(at)) {
            Some(word) => format!("{}{word}", self.start),
            None => self.typed.clone(),
        }
    }

    pub(crate) fn shown(&self) -> Candidates {
        Candidates { words: self.words.clone(), at: self.at }
    }
}

/// What all words begin with.
fn common(words: &[String]) -> String {
    let mut words = words.iter();
    let Some(first) = words.next() else { return String::new() };
    words.fold(first.clone(), |common, word| {
        common.chars().zip(word.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

impl App {
    /// Completes the word before the cursor, or offers what it may become.
    pub(super) fn complete(&mut self, step: isize, now: Instant) {
        if self.filtering.choose_next(step) {
            return;
        }
        let now = self.nodes.now(self.paused.unwrap_or(now));
        let sources = self.nodes.sources(&now);
        let seen = self.visible.iter().filter_map(|key| {
            let source = sources.get(usize::from(key.node().0))?;
            source.get(key.id())
        });
        let live = sources.iter().flat_map(|source| source.live().take(ASKED));
        let before = self.filtering.prompt.before();
        let filter = filter::context(before);
        let shown =
            |view: &FlowView<'_>| filter.as_ref().is_none_or(|filter| filter.matches(view) == Tri::True);
        let flows: Vec<FlowView<'_>> = seen.chain(live).filter(shown).take(ASKED).collect();
        let found = filter::complete(before, &mut |field| filter::values(field, flows.iter().copied()));
        self.filtering.offer(found, step);
    }
}
