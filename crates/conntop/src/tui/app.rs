//! The state of the terminal front end, changed only by [`App::update`] (what a person does),
//! [`App::apply`] (what the source tells) and [`App::refresh`] (the moment moves on). Pure: no I/O;
//! time is an argument; what the world has to do comes back as [`Effect`]s.
//!
//! `refresh` turns the state into a [`Screen`]; nothing is drawn from anything else. It consists of
//! parts, for over a million flows it takes longer than a person at the keyboard is to wait:
//! [`App::begin`], [`App::work`] until the rows are up to date, [`App::show`]. Keys may come in
//! between, and `show` makes a screen of the rows before; messages wait.

pub(crate) mod boards;
mod choice;
mod chooser;
mod choosing;
mod compose;
mod copying;
mod cursor;
mod details;
mod ending;
mod facts;
mod filtering;
mod groups;
mod heard;
mod help;
mod hints;
mod layers;
mod listing;
mod looking;
mod looks;
mod marking;
mod only;
mod pace;
mod playback;
mod pointing;
mod whois;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use conntop_proto::message::Act;
use ratatui::layout::Rect;

use self::boards::{Board, Boards, Chosen, Scene};
use self::cursor::Cursor;
pub use self::ending::Surroundings;
use self::filtering::Filtering;
use self::layers::{Open, Question};
use self::listing::{Ask, Listing};
use self::looks::default_sort;
use self::pace::Pace;
pub use self::pointing::Gesture;
use self::pointing::Pointer;
use super::action::{Action, Effect, Motion};
use super::bindings::Context;
use super::draw::Areas;
use super::key::Key;
use super::keymap::Keymap;
use super::outlook::Outlook;
use super::pane::Pane;
use super::screen::Screen;
use super::zone::Zone;
use crate::columns::{Picked, Preset};
use crate::engine::{Connection, Engine};
use crate::flow::{FlowKey, NodeId};
use crate::groups::{GroupSort, Grouping};
use crate::nodes::Nodes;
use crate::sort::Sort;
use crate::source::{SourceEnd, SourceError};
use crate::units::RateUnit;
use crate::view;

/// Windows of the rates, in seconds; `w` takes the next.
pub const WINDOWS: [u64; 3] = [2, 10, 40];
/// How long ended flows stay in view unless something else is said.
pub const GHOST: Duration = Duration::from_secs(10);
/// How long re-sorting waits after a person has moved: time to read a row and decide.
const HOLD: Duration = Duration::from_millis(1500);

/// What the application is told when it begins.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the flows come from, for the header: `conntrack`, `replay flows.ndjson`.
    pub source: String,
    /// Whether the collector runs in this process, so that its kernel can be changed from here.
    pub local: bool,
    /// Whether this is root, who may lack the capability nevertheless.
    pub root: bool,
    /// Whether it is a recording that is shown.
    pub recording: bool,
    /// Whose default columns; when not chosen, those that suit the first flows of this machine, and of
    /// a remote one those of a router.
    pub preset: Option<Preset>,
    /// Chosen columns; empty means the default ones.
    pub columns: Vec<Picked>,
    /// Unit of rates.
    pub unit: RateUnit,
    /// Filter to begin with.
    pub filter: Option<String>,
    /// Order to begin with.
    pub sort: Option<Sort>,
    /// Groups to begin with, and their order.
    pub group: Option<(Grouping, Option<GroupSort>)>,
    /// What an earlier run left in the kernel, for people.
    pub leftover: Option<String>,
    /// Whether to offer databases of places if there are none.
    pub offer_places: bool,
    /// Time zone of the person at the terminal.
    pub zone: Zone,
    /// Whether hosts are shown by their names to begin with.
    pub names: bool,
    /// Whether anybody is asked for names.
    pub asks_names: bool,
    /// The same of ports.
    pub services: bool,
    /// Whether conntop's own questions for names are left out.
    pub hide_own: bool,
    /// Window of the rates in seconds, one of [`WINDOWS`]; when not said, the first.
    pub window: Option<u64>,
    /// How long ended flows stay in view, [`GHOST`] when not said; 0 is not at all.
    pub ghost: Option<Duration>,
    /// What is remembered of earlier times; what of it holds is in the other options already.
    pub remembered: Outlook,
    /// What went wrong before the screen began, for people: heading and text.
    pub told: Option<(&'static str, String)>,
    /// Whether no flow is ever ended.
    pub read_only: bool,
    /// What keys do.
    pub keymap: Keymap,
}

/// The application.
pub struct App {
    nodes: Nodes,
    listing: Listing,
    /// What is shown.
    pane: Pane,
    boards: Boards,
    options: Options,
    size: (u16, u16),
    pointer: Pointer,
    cursor: Cursor,
    filtering: Filtering,
    layers: Vec<Open>,
    sort: Sort,
    preset: Preset,
    /// Chosen columns; empty means the default ones.
    picked: Vec<Picked>,
    /// How flows were looked at when the program began, and what of it is to be remembered.
    start: Outlook,
    remembered: Outlook,
    /// The columns wait for the first flows to suit them.
    suits: bool,
    hide_local: bool,
    hide_own: bool,
    unit: RateUnit,
    /// Whether hosts and ports are shown by their names.
    names: bool,
    services: bool,
    window: usize,
    paused: Option<Instant>,
    frozen: bool,
    hold_until: Option<Instant>,
    paces: Vec<Pace>,
    /// Whether the facts of the hello about tracking are out of date.
    activated: bool,
    /// How far a download of databases is.
    download: Option<String>,
    /// Number of the latest order to end a flow.
    orders: u32,
    visible: Vec<FlowKey>,
    /// Hosts that are on the screen without a flow of theirs.
    visible_hosts: Vec<(NodeId, IpAddr)>,
    screen: Screen,
}

impl App {
    /// An application that has heard nothing yet, on a screen of that size (columns, lines).
    #[must_use]
    pub fn new(engine: Engine, options: Options, size: (u16, u16)) -> Self {
        Self::of(Nodes::one(engine, options.source.clone()), options, size)
    }

    /// The same for any number of nodes.
    #[must_use]
    pub fn of(nodes: Nodes, options: Options, size: (u16, u16)) -> Self {
        let mut filtering = Filtering::default();
        if let Some(filter) = &options.filter {
            filtering.begin_with(filter);
        }
        let leftover = options.leftover.iter().map(|_| Open::Question(Question::Leftover));
        let told = options.told.iter().map(|(title, text)| Open::Notice { title, text: text.clone() });
        let layers = leftover.chain(told).collect();
        let last_group = options.remembered.group.map(|grouping| (grouping, None));
        let mut app = Self {
            paces: (0..nodes.len()).map(|_| Pace::default()).collect(),
            nodes,
            listing: Listing::default(),
            pane: if options.group.is_some() { Pane::Groups } else { Pane::default() },
            boards: Boards::beginning_with(options.group.or(last_group)),
            size,
            pointer: Pointer::default(),
            cursor: Cursor::default(),
            filtering,
            layers,
            sort: options.sort.unwrap_or_else(default_sort),
            preset: options.preset.unwrap_or_default(),
            suits: options.preset.is_none() && (options.local || options.recording),
            picked: options.columns.clone(),
            start: Outlook::default(),
            remembered: options.remembered.clone(),
            hide_local: false,
            hide_own: options.hide_own,
            unit: options.unit,
            names: options.names,
            services: options.services,
            window: options.window.map_or(0, looks::window),
            paused: None,
            frozen: false,
            hold_until: None,
            activated: false,
            download: None,
            orders: 0,
            visible: Vec::new(),
            visible_hosts: Vec::new(),
            screen: Screen::default(),
            options,
        };
        app.set_window();
        app.start = app.outlook();
        app
    }

    /// What is on the screen since the last [`App::refresh`].
    #[must_use]
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Columns and lines of the terminal.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// Whether the display stands; events are not to be applied then.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The state behind the screen, of the first node, which mostly is the only one.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.nodes.first().engine()
    }

    /// The state of all nodes.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Why there is nothing to show, and never will be.
    #[must_use]
    pub fn hopeless(&self) -> Option<&SourceError> {
        let mut causes = self.nodes.engines().map(|engine| match engine.connection() {
            Connection::Ended(SourceEnd::Failed(error)) if engine.hello().is_none() => Some(error),
            _ => None,
        });
        let first = causes.next()??;
        causes.all(|cause| cause.is_some()).then_some(first)
    }

    /// Who gets the keys.
    #[must_use]
    pub fn context(&self) -> Context {
        if self.filtering.open {
            return Context::Prompt;
        }
        self.layers.last().map_or_else(|| self.pane_context(), Open::context)
    }

    /// What a key asks for now.
    #[must_use]
    pub fn dispatch(&self, key: Key) -> Option<Action> {
        self.options.keymap.dispatch(self.context(), key)
    }

    /// When the screen has to be made anew although nothing happens; `None` while nothing is due.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let waits = |engine: &Engine| {
            matches!(engine.connection(), Connection::Connecting | Connection::Stale { .. })
        };
        let waits = self.nodes.engines().any(waits);
        let second = waits.then(|| now + Duration::from_secs(1));
        let ending = self.layers.last().and_then(Open::due).filter(|due| *due > now);
        [self.hold_until, second, ending].into_iter().flatten().min()
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.size = (columns, lines);
    }

    /// Does what a person asks.
    pub fn update(&mut self, action: Action, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match action {
            Action::Quit => effects.push(Effect::Quit),
            Action::End => effects.extend(self.begin_ending(now)),
            Action::Forget => effects.extend(self.order_end(Act::Forget, now)),
            Action::CloseSocket => effects.extend(self.order_end(Act::Close, now)),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Redraw => effects.push(Effect::Repaint),
            Action::Close => self.close(),
            Action::Help => self.layers.push(Open::help()),
            Action::Details => self.open_details(),
            Action::NextFlow => self.look_beside(Motion::Down),
            Action::PreviousFlow => self.look_beside(Motion::Up),
            Action::Cursor => self.toggle_cursor(),
            Action::Move(motion) => self.step(motion, now),
            Action::Pane(pane) => self.go_to(pane),
            Action::NextPane => self.go_to(self.pane.beside(1)),
            Action::PreviousPane => self.go_to(self.pane.beside(-1)),
            Action::GroupMenu => self.open_group_menu(),
            Action::Uplink => self.uplink(),
            Action::Unfold => self.fold(true),
            Action::Fold => self.fold(false),
            Action::Pick => self.pick(),
            Action::Only => self.open_only(only::Want::Only),
            Action::Not => self.open_only(only::Want::Not),
            Action::Copy => self.open_copy(now),
            Action::Columns => {
                let ask = self.ask_at(now);
                self.open_chooser(&ask);
            }
            Action::Choose(how) => self.choose_column(how),
            Action::Mark => self.mark(),
            Action::Regroup => self.regroup(),
            Action::Filter => self.filtering.begin(),
            Action::Search => self.search_help(),
            Action::SortMenu => self.open_sort(),
            Action::SortRight => self.sort_beside(1),
            Action::SortLeft => self.sort_beside(-1),
            Action::SortInvert => self.invert(),
            Action::Pause => effects.push(self.pause(now)),
            Action::Play(control) => effects.extend(self.play(control)),
            Action::Freeze => self.frozen = !self.frozen,
            Action::Window => self.next_window(),
            Action::Bits => self.next_unit(),
            Action::Names => self.names = !self.names,
            Action::Services => self.services = !self.services,
            Action::HideLocal => {
                self.hide_local = !self.hide_local;
                self.hold_until = None;
            }
            Action::HideOwn => self.hide_own = !self.hide_own,
            Action::Layout => self.next_preset(),
            Action::Activate => self.layers.push(self.activation()),
            Action::Whois => effects.extend(self.ask_whois()),
            Action::Edit(edit) => self.edit(&edit, now),
            Action::Accept => effects.extend(self.accept()),
            Action::Yes => effects.extend(self.answer(true)),
            Action::No => effects.extend(self.answer(false)),
        }
        effects.extend(self.remember());
        effects
    }

    /// Makes the screen of that moment, however long it takes.
    pub fn refresh(&mut self, now: Instant) {
        self.begin(now);
        while !self.work(usize::MAX) {}
        self.show(now);
    }

    /// Begins to bring the rows up to date; what was begun before goes on unless something else is
    /// asked for now.
    pub fn begin(&mut self, now: Instant) {
        let ask = self.ask_at(now);
        let height = usize::from(self.areas().body.height);
        match self.boards.of(self.pane) {
            None => self.listing.begin(&self.nodes, &ask),
            Some(board) => board.begin(&Scene { nodes: &self.nodes, ask: &ask, height }),
        }
    }

    /// Goes on with that, by so many flows; true when the rows are up to date.
    pub fn work(&mut self, flows: usize) -> bool {
        let sources = self.nodes.sources(&[]);
        match self.boards.of(self.pane) {
            None => self.listing.advance(&sources, flows),
            Some(board) => board.advance(&sources, flows),
        }
    }

    /// Makes the screen of that moment, with the rows as they are.
    pub fn show(&mut self, now: Instant) {
        let ask = self.ask_at(now);
        let height = usize::from(self.areas().body.height);
        if self.pane == Pane::Flows {
            self.cursor.follow(&mut self.listing, height);
        }
        self.keep_details();
        self.screen = self.compose(&ask, self.paused.unwrap_or(now));
    }

    fn ask_at(&mut self, now: Instant) -> Ask {
        let hold = self.hold_until.is_some_and(|until| now < until);
        if !hold {
            self.hold_until = None;
        }
        let motion = match (hold, self.frozen) {
            (true, _) => view::Motion::Held,
            (false, true) => view::Motion::Frozen,
            (false, false) => view::Motion::Live,
        };
        self.ask(now, motion)
    }

    fn ask(&self, now: Instant, motion: view::Motion) -> Ask {
        Ask {
            filter: self.filtering.filter().cloned(),
            sort: self.sort,
            preset: self.preset,
            columns: self.picked.clone(),
            hide_local: self.hide_local,
            hide_own: self.hide_own,
            ghost: self.options.ghost.unwrap_or(GHOST),
            unit: self.unit,
            width: self.size.0,
            motion,
            now: self.nodes.now(self.paused.unwrap_or(now)),
            offers: self.nodes.offers(),
            names: self.names,
            services: self.services,
        }
    }

    fn areas(&self) -> Areas {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        let above = match self.pane {
            Pane::Flows | Pane::Groups => self.filtering.lines(),
            Pane::Listeners | Pane::Interfaces | Pane::Table => self.notes(),
        };
        Areas::of(area, above)
    }

    fn step(&mut self, motion: Motion, now: Instant) {
        if self.step_layer(motion) {
            return;
        }
        let height = usize::from(self.areas().body.height);
        if let Some(board) = self.boards.of(self.pane) {
            self.hold_until = board.step(motion, height).then_some(now + HOLD);
            return;
        }
        if motion == Motion::Top && self.cursor.rank() == Some(0) {
            // Already there: from now on the top of the list is in view, whatever it is.
            self.cursor.release();
            return;
        }
        self.cursor.step(&mut self.listing, height, motion);
        self.hold_until = Some(now + HOLD);
    }

    fn close(&mut self) {
        self.hold_until = None;
        if self.filtering.open {
            if !self.filtering.leave_choice() {
                self.filtering.cancel();
            }
            return;
        }
        if self.layers.last_mut().is_some_and(Open::close_inner) || self.layers.pop().is_some() {
            return;
        }
        if self.boards.of(self.pane).is_some_and(Board::close) {
            return;
        }
        if self.pane != Pane::Flows {
            return self.go_to(Pane::Flows);
        }
        if self.filtering.filter().is_some() {
            self.filtering.clear();
        } else {
            self.cursor.release();
        }
    }

    fn pane_context(&self) -> Context {
        match self.pane {
            Pane::Flows => Context::Flows,
            Pane::Groups => Context::Groups,
            Pane::Listeners | Pane::Interfaces | Pane::Table => Context::Tables,
        }
    }

    fn go_to(&mut self, pane: Pane) {
        self.pane = pane;
        self.hold_until = None;
    }

    /// Takes the selected row of a board.
    fn choose(&mut self) {
        let Some(board) = self.boards.of(self.pane) else { return };
        match board.choose() {
            Chosen::Here => {}
            Chosen::Flow(key) => self.look_into(key, 0),
            Chosen::Flows(filter) => {
                self.filtering.begin_with(&filter);
                self.go_to(Pane::Flows);
            }
        }
    }
}
