//! The filter: what is typed, what of it applies, and where it is wrong.
//!
//! While one types, the rows follow every valid expression. Of one that is not finished, what stands
//! before the test that is being typed applies, so that no row jumps back and forth from key to key. A
//! wrong one points at the mistake, and what applied before one began to type applies meanwhile: what
//! stands before a mistake is no filter that anybody asked for.

use super::choosing::Choosing;
use crate::filter::{Completion, Filter, FilterError, Typed};
use crate::tui::action::Edit;
use crate::tui::prompt::Prompt;
use crate::tui::screen::{Candidates, Caret};

#[derive(Default)]
pub(crate) struct Filtering {
    pub(crate) prompt: Prompt,
    /// Whether it is being typed.
    pub(crate) open: bool,
    pub(crate) error: Option<Caret>,
    applied: Option<(String, Filter)>,
    /// What applied when typing began.
    before: Option<(String, Filter)>,
    /// What is meant when it is taken as it is, if that is not what applies.
    meant: Option<Filter>,
    /// What somebody chooses from.
    choosing: Option<Choosing>,
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
        self.meant = None;
        self.choosing = None;
    }

    /// A filter of the command line; a wrong one opens the prompt at the mistake.
    pub(crate) fn begin_with(&mut self, text: &str) {
        self.begin();
        self.prompt.open(text);
        self.parse();
        self.accept();
    }

    pub(crate) fn edit(&mut self, edit: &Edit) {
        self.choosing = None;
        if self.prompt.edit(edit) {
            self.parse();
        }
    }

    /// The candidates from which one is chosen.
    pub(crate) fn candidates(&self) -> Option<Candidates> {
        self.choosing.as_ref().map(Choosing::shown)
    }

    /// Offers the next candidate, if there are any; false when they have to be found first.
    pub(crate) fn choose_next(&mut self, step: isize) -> bool {
        let Some(choosing) = &mut self.choosing else { return false };
        let text = choosing.step(step);
        self.prompt.replace_before(&text);
        self.parse();
        true
    }

    /// Begins to choose from what may stand before the cursor.
    pub(crate) fn offer(&mut self, completion: Option<Completion>, step: isize) {
        let before = self.prompt.before().to_owned();
        let none = || format!("nothing that is known begins so: {}", before.trim_start());
        let Some(completion) = completion.filter(|found| !found.candidates.is_empty()) else {
            let caret = Caret { message: none(), unfinished: true, ..Caret::default() };
            self.error.get_or_insert(caret);
            return;
        };
        let mut choosing = Choosing::new(before, completion);
        let text = choosing.begin(step);
        self.choosing = (choosing.words.len() > 1).then_some(choosing);
        self.prompt.replace_before(&text);
        self.parse();
    }

    /// Goes back to what was typed before somebody chose; false when nobody does.
    pub(crate) fn leave_choice(&mut self) -> bool {
        let Some(choosing) = self.choosing.take() else { return false };
        self.prompt.replace_before(&choosing.typed);
        self.parse();
        true
    }

    /// Takes what is typed; a wrong or unfinished expression stays open, and its end is a mistake now.
    pub(crate) fn accept(&mut self) {
        self.choosing = None;
        if let Some(meant) = self.meant.take() {
            self.applied = Some((self.prompt.text().to_owned(), meant));
            self.error = None;
        }
        match &mut self.error {
            Some(error) => error.unfinished = false,
            None => {
                self.prompt.accept();
                self.open = false;
            }
        }
    }

    pub(crate) fn cancel(&mut self) {
        self.choosing = None;
        self.applied = self.before.take();
        self.error = None;
        self.meant = None;
        self.open = false;
    }

    pub(crate) fn clear(&mut self) {
        self.applied = None;
    }

    fn parse(&mut self) {
        let text = self.prompt.text();
        self.error = None;
        self.meant = None;
        if text.trim().is_empty() {
            self.applied = None;
            return;
        }
        let with_text = |filter: Filter| (filter.to_string(), filter);
        match Filter::typed(text) {
            Typed::Whole(filter) => self.applied = Some((text.to_owned(), filter)),
            Typed::Beginning { whole, so_far, hint } => {
                self.applied = so_far.map(with_text);
                self.meant = Some(whole);
                self.error = hint.map(|message| Caret { message, unfinished: true, ..Caret::default() });
            }
            Typed::Unfinished { so_far, missing } => {
                self.applied = so_far.map(with_text);
                self.error = Some(Caret { unfinished: true, ..caret(&missing, text) });
            }
            Typed::Wrong(mistake) => {
                self.applied.clone_from(&self.before);
                self.error = Some(caret(&mistake, text));
            }
        }
    }
}

fn caret(error: &FilterError, text: &str) -> Caret {
    let columns = error.columns(text);
    let (from, to) = (columns.start.into(), columns.end.into());
    Caret { from, to, message: error.to_string(), unfinished: false }
}
