//! Which keys the footer names: those of the place that do something there now.

use super::App;
use crate::tui::action::Action;
use crate::tui::keymap::Hint;

impl App {
    pub(super) fn hints(&self) -> Vec<Hint> {
        let mut hints = self.options.keymap.footer(self.context());
        hints.retain(|hint| self.does_something(&hint.action));
        hints
    }

    fn does_something(&self, action: &Action) -> bool {
        match action {
            Action::End => !self.options.read_only && !self.options.recording,
            _ => true,
        }
    }
}
