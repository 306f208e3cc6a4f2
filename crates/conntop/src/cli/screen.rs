//! From the options to the screen.

use std::env;
use std::path::{Path, PathBuf};

use conntop_proto::text::sanitize;

use super::{Cli, Command, Common, LookOptions, Session, open_screen};
use crate::columns;
use crate::enrich::geo::shown;
use crate::geoip::offer::Offer;
use crate::groups::{GroupSort, Grouping};
use crate::here::{self, Machine};
use crate::output::exit::{CONFIG, FAILURE, Failure, USAGE};
use crate::output::say;
use crate::places::{self, Base};
use crate::platform::{self, terminal_size};
use crate::sort::Sort;
use crate::source::Speed;
use crate::tui::app::{App, Options};
use crate::tui::background;
use crate::tui::draw::Look;
use crate::tui::glyphs::Charset;
use crate::tui::keeper::Keeper;
use crate::tui::outlook::Outlook;
use crate::tui::run::{Exit, Repairs, run as run_app};
use crate::tui::terminal::Mouse;
use crate::tui::theme::{Background, Theme};
use crate::tui::zone::Zone;

/// Runs the screen until somebody quits.
pub(super) async fn run(cli: &Cli) -> Result<(), Failure> {
    let common = &cli.common;
    let speed = match &cli.command {
        Some(Command::Replay(args)) => args.speed,
        _ => Speed::NORMAL,
    };
    let session = open_screen(common, speed).await?;
    let memory = view_file().filter(|_| common.shown.no_remember != Some(true));
    let options = options(common, &session, memory.as_deref())?;
    let Session { sources, nodes, machine, lookups, .. } = session;
    let mut keys = Keys { machine, keeper: memory.map(Keeper::of) };
    let size = terminal_size().unwrap_or((80, 24));
    let app = App::of(nodes, options, size);
    let exit = run_app(app, sources, look(&common.look), mouse(&common.look), &mut keys, lookups).await;
    let restored = keys.machine.map_or(Ok(()), Machine::end);
    if let Some(Err(error)) = keys.keeper.map(Keeper::end) {
        say(&format_args!("{error}"));
    }
    match exit.map_err(|error| Failure::new(FAILURE, format!("terminal: {error}")))? {
        Exit::Quit => restored,
        Exit::Failed(error) => Err(error.into()),
    }
}

/// Where it is remembered how flows were looked at.
fn view_file() -> Option<PathBuf> {
    Some(places::of_user(Base::State)?.join("view.toml"))
}

fn options(common: &Common, session: &Session, memory: Option<&Path>) -> Result<Options, Failure> {
    let shown = &common.shown;
    let mut told = None;
    let remembered = match memory.map(|path| (path, Outlook::load(path))) {
        Some((_, Ok(remembered))) => remembered,
        Some((path, Err(error))) => {
            let text = format!(
                "What is remembered in {} is not understood: {error}.\nIt is left aside, and written anew when \
                 columns, order or units are changed.",
                sanitize(&path.to_string_lossy())
            );
            told = Some(("Remembered view", text));
            Outlook::default()
        }
        None => Outlook::default(),
    };
    let last = shown.left_of(&remembered);
    // With groups the order is theirs.
    let of_groups = |grouping: &Grouping| {
        let sort = common.sort.as_deref().map(|text| GroupSort::parse(text, grouping)).transpose();
        sort.map_err(|error| usage(&error)).map(|sort| (*grouping, sort))
    };
    let group = common.group.as_ref().map(of_groups).transpose()?;
    let sort = common.sort.as_deref().filter(|_| group.is_none()).map(Sort::parse).transpose();
    let sort = sort.map_err(|error| usage(&error))?;
    let usual = |text: &String| Sort::parse(text).ok();
    let columns = columns::parse_list(&common.columns.join(",")).map_err(|error| usage(&error))?;
    let usual_columns = || columns::parse_list(&shown.usual_columns.join(",")).unwrap_or_default();
    let columns = match (columns.is_empty(), shown.said.view) {
        (true, false) => last.columns.unwrap_or_else(usual_columns),
        _ => columns,
    };
    Ok(Options {
        source: session.label.clone(),
        local: session.machine.is_some(),
        root: here::is_root(),
        recording: session.recording,
        preset: last.view.or(common.view),
        columns,
        unit: last.units.or(shown.units).unwrap_or_default(),
        window: last.window.or(shown.window),
        ghost: shown.ghost,
        remembered,
        told,
        filter: common.filter.clone(),
        sort: sort.or(last.sort).or_else(|| shown.usual_sort.as_ref().and_then(usual)),
        group,
        offer_places: session.lookups.has_places() && Offer::of_user().is_some_and(|offer| offer.is_open()),
        leftover: session.machine.as_ref().and_then(Machine::leftover),
        names: last.names.unwrap_or(common.no_hostname != Some(true)),
        asks_names: session.lookups.asks(),
        hide_own: common.hide_own == Some(true),
        services: last.services.unwrap_or(common.no_servname != Some(true)),
        read_only: common.read_only == Some(true),
        keymap: common.look.keymap().map_err(|error| Failure::new(CONFIG, error.to_string()))?,
        zone: Zone::system(env::var("TZ").ok().as_deref()),
    })
}

fn usage(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(USAGE, error.to_string())
}

/// Colours and signs that somebody wants or the environment allows.
fn look(options: &LookOptions) -> Look {
    let variable = |name| env::var(name).ok();
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
    let term = variable("TERM").unwrap_or_default();
    let colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && Theme::has_colours(&term);
    let usual = if colour { Theme::Palette } else { Theme::Monochrome };
    let charset = match options.ascii {
        Some(true) => Charset::Ascii,
        Some(false) => Charset::Unicode,
        None => Charset::of_locale(names.each_ref().map(|name| name.as_deref().or(platform::LOCALE))),
    };
    // The console of the kernel is dark, and does not know the question.
    let background = match term.as_str() {
        "linux" => Background::Dark,
        _ => background::of_environment(variable("COLORFGBG").as_deref()),
    };
    Look { theme: options.theme.unwrap_or(usual), background, charset }
}

fn mouse(options: &LookOptions) -> Mouse {
    if options.no_mouse == Some(true) { Mouse::Terminal } else { Mouse::Program }
}

/// The keys that change the kernel.
struct Keys {
    machine: Option<Machine>,
    keeper: Option<Keeper>,
}

/// What the keys say that would change this machine, if it is not what is looked at.
const ELSEWHERE: &str = "the flows are not of this machine: nothing here is changed for them";

impl Repairs for Keys {
    fn activate(&mut self) -> Result<String, String> {
        self.machine.as_mut().map_or_else(|| Err(ELSEWHERE.to_owned()), Machine::activate)
    }

    fn remember(&mut self, text: String) {
        if let Some(keeper) = &self.keeper {
            keeper.keep(text);
        }
    }

    fn remove_leftover(&mut self) -> Result<String, String> {
        self.machine.as_ref().map_or_else(|| Err(ELSEWHERE.to_owned()), Machine::remove_leftover)
    }

    fn refuse_places(&mut self) -> Result<(), String> {
        let Some(offer) = Offer::of_user() else { return Ok(()) };
        offer.refuse().map_err(|error| {
            let note = shown(offer.note());
            format!("This cannot be remembered in {note} ({error}): it is asked again at the next start.")
        })
    }
}
