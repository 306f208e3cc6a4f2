//! The filter: what is typed, what of it applies, and where it is wrong.
//!
//! While one types, the rows follow every valid expression. An invalid one points at the mistake, and
//! what applied before one began to type applies meanwhile: what stands before the mistake is no
//! filter that anybody asked for.

use super::listing::{Filter, parse_filter};
use crate::tui::action::Edit;
use crate::tui::prompt::Prompt;
use crate::tui::screen::Caret;

#[derive(Default)]
pub(crate) struct Filtering {
    pub(crate) prompt: Prompt,
    /// Whether it is being typed.
    pub(crate) open: bool,
    pub(crate) error: Option<Caret>,
    applied: Option<(String, Filter)>,
    /// What applied when typing began.
    before: Option<(String, Filter)>,
}

impl Filtering {
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.applied.as_ref().map(|(_, filter)| filter)
    }

    /// The expression that applies.
    pub(crate) fn text(&self) -> Option<&str> {
        self.applied.as_ref().map(|(text, _)| text.as_str())
    }

    /// Lines that it takes on the screen.
    pub(crate) fn lines(&self) -> u16 {
        match (self.open, &self.applied) {
            (true, _) => 2,
            (false, Some(_)) => 1,
            (false, None) => 0,
        }
    }

    pub(crate) fn begin(&mut self) {
        self.before.clone_from(&self.applied);
        let text = self.text().unwrap_or("").to_owned();
        self.prompt.open(&text);
        self.open = true;
        self.error = None;
    }

    /// A filter of the command line; a wrong one opens the prompt at the mistake.
    pub(crate) fn begin_with(&mut self, text: &str) {
        self.begin();
        self.prompt.open(text);
        self.parse();
        if self.error.is_none() {
            self.accept();
        }
    }

    pub(crate) fn edit(&mut self, edit: &Edit) {
        if self.prompt.edit(edit) {
            self.parse();
        }
    }

    /// Takes what is typed; a wrong expression stays open.
    pub(crate) fn accept(&mut self) {
        if self.error.is_none() {
            self.prompt.accept();
            self.open = false;
        }
    }

    pub(crate) fn cancel(&mut self) {
        self.applied = self.before.take();
        self.error = None;
        self.open = false;
    }

    pub(crate) fn clear(&mut self) {
        self.applied = None;
    }

    fn parse(&mut self) {
        let text = self.prompt.text();
        self.error = None;
        if text.trim().is_empty() {
            self.applied = None;
            return;
        }
        match parse_filter(text) {
            Ok(filter) => self.applied = Some((text.to_owned(), filter)),
            Err(caret) => {
                self.applied.clone_from(&self.before);
                self.error = Some(caret);
            }
        }
    }
}
