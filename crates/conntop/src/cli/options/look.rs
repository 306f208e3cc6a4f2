//! How the screen looks and what keys do.

use clap::Args;

use super::SWITCH;
use crate::config::Keys;
use crate::tui::keymap::{Keymap, KeymapError, Rebinding, Scheme};
use crate::tui::theme::Theme;

/// Options of the screen.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Screen")]
pub struct LookOptions {
    /// Colours: the terminal's own when nothing is said, none where NO_COLOR is set
    #[arg(long, value_enum, value_name = "THEME", env = "CONNTOP_THEME")]
    pub theme: Option<Theme>,
    /// Draw with ASCII alone, as it is done under LANG=C
    #[arg(long, env = "CONNTOP_ASCII", value_name = SWITCH)]
    pub ascii: Option<bool>,
    /// Leave the mouse to the terminal
    #[arg(long, env = "CONNTOP_NO_MOUSE", value_name = SWITCH)]
    pub no_mouse: Option<bool>,
    /// What keys do to begin with
    #[arg(long, value_enum, value_name = "SCHEME", env = "CONNTOP_KEYS")]
    pub keys: Option<Scheme>,
    /// Other keys, such as 'quit=X F10'; ? shows the keys, the manual their names
    #[arg(long, value_name = "NAME=KEY...,...", value_delimiter = ',', env = "CONNTOP_BIND")]
    pub bind: Vec<Rebinding>,
}

impl LookOptions {
    /// The keys, with what the configuration file says of them.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn keymap(&self) -> Result<Keymap, KeymapError> {
        Keymap::new(self.keys.unwrap_or_default(), &self.bind)
    }

    /// Takes what neither an option nor the environment says from the file.
    pub(super) fn settle(
        &mut self,
        theme: Option<Theme>,
        ascii: Option<bool>,
        no_mouse: Option<bool>,
        keys: Keys,
    ) {
        self.theme = self.theme.or(theme);
        self.ascii = self.ascii.or(ascii);
        self.no_mouse = self.no_mouse.or(no_mouse);
        self.keys = self.keys.or(keys.scheme);
        // One by one: of two for the same row the first counts.
        self.bind.extend(keys.own);
    }
}
