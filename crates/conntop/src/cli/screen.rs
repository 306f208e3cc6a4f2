//! From the options to the screen.

use std::env;

use super::{Cli, Command, Common, LookOptions, Session, ViewKind, open_screen};
use crate::activate::{Leftovers, Repair};
use crate::columns::{self, Preset};
use crate::enrich::geo::shown;
use crate::geoip::offer::Offer;
use crate::output::exit::{CONFIG, FAILURE, Failure, USAGE};
use crate::output::terminal_size;
use crate::sort::Sort;
use crate::source::{Speed, Switch};
use crate::tui::app::{App, Options};
use crate::tui::draw::Look;
use crate::tui::glyphs::Charset;
use crate::tui::run::{Exit, Repairs, run as run_app};
use crate::tui::theme::Theme;
use crate::tui::zone::Zone;

/// Runs the screen until somebody quits.
pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let common = &cli.common;
    let speed = match &cli.command {
        Some(Command::Replay(args)) => args.speed,
        _ => Speed::NORMAL,
    };
    let session = open_screen(common, speed).await?;
    let options = options(common, &session)?;
    let Session { sources, nodes, active, switch, lookups, .. } = session;
    let repair = Repair::new(super::open::netns(common), active);
    let mut repair = Keys { repair, switch };
    let size = terminal_size().unwrap_or((80, 24));
    let app = App::of(nodes, options, size);
    let exit = run_app(app, sources, look(&common.look), &mut repair, lookups).await;
    let restored = repair.repair.end();
    match exit.map_err(|error| Failure::new(FAILURE, format!("terminal: {error}")))? {
        Exit::Quit => Ok(restored?),
        Exit::Failed(error) => Err(error.into()),
    }
}

fn options(common: &Common, session: &Session) -> Result<Options, Failure> {
    let sort = common.sort.as_deref().map(Sort::parse).transpose().map_err(|error| usage(&error))?;
    let columns = columns::parse_list(&common.columns.join(",")).map_err(|error| usage(&error))?;
    let preset = common.view.map(|view| match view {
        ViewKind::Workstation => Preset::Workstation,
        ViewKind::Router => Preset::Router,
    });
    Ok(Options {
        source: session.label.clone(),
        local: session.local,
        recording: session.recording,
        preset,
        columns,
        filter: common.filter.clone(),
        sort,
        offer_places: session.lookups.has_places() && Offer::of_user().is_some_and(|offer| offer.is_open()),
        leftover: session.leftovers.as_ref().map(Leftovers::text),
        names: common.no_hostname != Some(true),
        asks_names: session.lookups.asks(),
        hide_own: common.hide_own == Some(true),
        services: common.no_servname != Some(true),
        keymap: common.look.keymap().map_err(|error| Failure::new(CONFIG, error.to_string()))?,
        zone: Zone::system(env::var("TZ").ok().as_deref()),
        ..Options::default()
    })
}

fn usage(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(USAGE, error.to_string())
}

/// Colours and signs that somebody wants or the environment allows.
fn look(options: &LookOptions) -> Look {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).ok());
    let colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let usual = if colour { Theme::Palette } else { Theme::Monochrome };
    let charset = match options.ascii {
        Some(true) => Charset::Ascii,
        Some(false) => Charset::Unicode,
        None => Charset::of_locale(names.each_ref().map(|name| name.as_deref())),
    };
    Look { theme: options.theme.unwrap_or(usual), charset }
}

/// The keys that change the kernel.
struct Keys {
    repair: Repair,
    switch: Option<Switch>,
}

impl Repairs for Keys {
    fn activate(&mut self) -> Result<String, String> {
        let done = self.repair.activate().map_err(|error| error.to_string())?;
        match self.switch.take().map(Switch::to_conntrack) {
            Some(Err(error)) => Ok(format!("{done}; but the sockets go on being shown: {error}")),
            Some(Ok(())) | None => Ok(done),
        }
    }

    fn remove_leftover(&mut self) -> Result<String, String> {
        self.repair.remove_leftovers().map_err(|error| error.to_string())
    }

    fn refuse_places(&mut self) -> Result<(), String> {
        let Some(offer) = Offer::of_user() else { return Ok(()) };
        offer.refuse().map_err(|error| {
            let note = shown(offer.note());
            format!("This cannot be remembered in {note} ({error}): it is asked again at the next start.")
        })
    }
}
