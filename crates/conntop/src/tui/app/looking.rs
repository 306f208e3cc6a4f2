//! What collectors are to tell besides flows: only what is on the screen.

use conntop_proto::message::Sight;

use super::App;
use crate::tui::pane::Pane;

impl App {
    /// What is looked at besides flows.
    #[must_use]
    pub fn look(&self) -> Vec<Sight> {
        match self.pane {
            Pane::Listeners => vec![Sight::Listeners],
            Pane::Interfaces => vec![Sight::Interfaces],
            Pane::Flows | Pane::Groups | Pane::Table => Vec::new(),
        }
    }

    /// The collectors were told of this.
    pub fn looked(&mut self, at: &[Sight]) {
        self.nodes.engines_mut().for_each(|engine| engine.set_look(at));
    }
}
