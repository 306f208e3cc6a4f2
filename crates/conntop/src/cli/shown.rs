//! Options of how flows are shown, and from where each of them was taken.

use std::time::Duration;

use clap::Args;

use super::options::SWITCH;
use crate::config::{self, Config};
use crate::orient::Orientation;
use crate::tui::app::WINDOWS;
use crate::tui::outlook::Outlook;
use crate::units::RateUnit;

/// How flows are shown.
#[derive(Clone, Debug, Default, Args)]
pub struct Shown {
    /// Unit of rates: bits when nothing is said
    #[arg(long, value_enum, value_name = "UNIT", env = "CONNTOP_UNITS", help_heading = "What")]
    pub units: Option<RateUnit>,
    /// Window of rates: 2s, 10s or 40s; 2s when nothing is said
    #[arg(
        long,
        value_name = "TIME",
        value_parser = config::window,
        env = "CONNTOP_WINDOW",
        help_heading = "What"
    )]
    pub window: Option<u64>,
    /// How long ended flows stay in view: 10s when nothing is said, 0 not at all
    #[arg(
        long,
        value_name = "TIME",
        value_parser = config::ghost,
        env = "CONNTOP_GHOST",
        help_heading = "What"
    )]
    pub ghost: Option<Duration>,
    /// From whose side directions are told: local (down and up) when nothing is said, initiator (reply and
    /// original direction)
    #[arg(long, value_enum, value_name = "SIDE", env = "CONNTOP_ORIENTATION", help_heading = "What")]
    pub orientation: Option<Orientation>,
    /// Neither take up how flows were looked at the last time nor remember it
    #[arg(long, env = "CONNTOP_NO_REMEMBER", value_name = SWITCH, help_heading = "What")]
    pub no_remember: Option<bool>,
    /// Order of flows in the configuration. It is no order of groups, so it is not [`super::Common::sort`].
    #[arg(skip)]
    pub usual_sort: Option<String>,
    /// Columns of flows in the configuration.
    #[arg(skip)]
    pub usual_columns: Vec<String>,
    /// What was said on the command line or by the environment, and so holds whatever is remembered.
    #[arg(skip)]
    pub(super) said: Said,
}

/// Which options were said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    pub(super) sort: bool,
    pub(super) columns: bool,
    pub(super) view: bool,
    pub(super) units: bool,
    pub(super) window: bool,
    pub(super) names: bool,
    pub(super) services: bool,
}

impl Shown {
    /// Takes what nobody said from the configuration.
    pub(super) fn settle(&mut self, config: &Config) {
        self.usual_sort.clone_from(&config.sort);
        self.usual_columns.clone_from(&config.columns);
        self.units = self.units.or(config.units);
        self.window = self.window.or(config.window);
        self.ghost = self.ghost.or(config.ghost);
        self.orientation = self.orientation.or(config.orientation);
        self.no_remember = self.no_remember.or(config.no_remember);
    }

    /// What of the remembered holds: that of which nothing was said.
    #[must_use]
    pub(super) fn left_of(&self, remembered: &Outlook) -> Outlook {
        fn unless<T: Clone>(said: bool, value: &Option<T>) -> Option<T> {
            value.clone().filter(|_| !said)
        }
        let Said { sort, columns, view, units, window, names, services } = self.said;
        Outlook {
            columns: unless(columns, &remembered.columns),
            view: unless(view, &remembered.view),
            sort: unless(sort, &remembered.sort),
            units: unless(units, &remembered.units),
            window: unless(window, &remembered.window).filter(|window| WINDOWS.contains(window)),
            names: unless(names, &remembered.names),
            services: unless(services, &remembered.services),
            group: remembered.group,
        }
    }
}
