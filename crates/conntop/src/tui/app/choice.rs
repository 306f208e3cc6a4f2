//! A list to choose from, whatever it is for.

use super::App;
use super::groups::Keys;
use super::only::Picks;
use crate::tui::action::Effect;
use crate::tui::screen::Layer;

/// What is chosen.
pub(crate) enum Of {
    /// By what flows are grouped.
    Keys(Keys),
    /// What of a row is to be shown alone, or not.
    Only(Picks),
    /// Which text goes to the clipboard.
    Copy(Vec<String>),
}

/// A list to choose from.
pub(crate) struct Choice {
    pub(crate) title: String,
    pub(crate) items: Vec<String>,
    /// The marked line.
    pub(crate) at: usize,
    pub(crate) of: Of,
}

impl Choice {
    pub(crate) fn layer(&self) -> Layer {
        Layer::Menu { title: self.title.clone(), items: self.items.clone(), at: self.at }
    }
}

impl App {
    /// A line was taken.
    pub(super) fn chosen(&mut self, choice: Choice) -> Option<Effect> {
        match choice.of {
            Of::Keys(keys) => self.group_by(&keys, choice.at),
            Of::Only(picks) => self.take_only(&picks, choice.at),
            Of::Copy(texts) => return self.copy(&texts, choice.at),
        }
        None
    }
}
