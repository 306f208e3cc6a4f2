//! The state of the terminal front end, changed only by [`App::update`] (what a person does),
//! [`App::apply`] (what the source tells) and [`App::refresh`] (the moment moves on). Pure: no I/O;
//! time is an argument; what the world has to do comes back as [`Effect`]s.
//!
//! `refresh` turns the state into a [`Screen`]; nothing is drawn from anything else.

mod compose;
mod cursor;
mod facts;
mod filtering;
mod help;
mod layers;
mod listing;
mod pace;

use std::time::{Duration, Instant};

use conntop_proto::flow::FlowId;
use ratatui::layout::Rect;

use self::cursor::{Cursor, Ranks};
use self::filtering::Filtering;
use self::layers::{Open, Question};
use self::listing::{Ask, Layout, Listing, Sort};
use self::pace::Pace;
use super::action::{Action, Effect, Motion};
use super::bindings::Context;
use super::draw::Areas;
use super::format::RateUnit;
use super::screen::{Order, Screen};
use super::zone::Zone;
use crate::engine::{Connection, Engine};
use crate::mirror::MirrorError;
use crate::source::SourceEvent;

/// Windows of the rates, in seconds; `w` takes the next.
pub const WINDOWS: [u64; 3] = [2, 10, 40];
/// How long re-sorting waits after a person has moved: time to read a row and decide.
const HOLD: Duration = Duration::from_millis(1500);

/// What the application is told when it begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the flows come from, for the header: `conntrack`, `replay flows.ndjson`.
    pub source: String,
    /// Whether the collector runs in this process, so that its kernel can be changed from here.
    pub local: bool,
    /// Default columns of a router, or of a workstation.
    pub router: bool,
    /// Whether rates are in bytes.
    pub bytes: bool,
    /// Filter to begin with.
    pub filter: Option<String>,
    /// Column key to sort by, and whether the smallest comes first.
    pub sort: Option<(String, bool)>,
    /// Whether an earlier run left something in the kernel.
    pub leftover: bool,
    /// Time zone of the person at the terminal.
    pub zone: Zone,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: String::new(),
            local: false,
            router: true,
            bytes: false,
            filter: None,
            sort: None,
            leftover: false,
            zone: Zone::default(),
        }
    }
}

/// The application.
pub struct App {
    engine: Engine,
    listing: Listing,
    options: Options,
    size: (u16, u16),
    cursor: Cursor,
    filtering: Filtering,
    layers: Vec<Open>,
    sort: Sort,
    layout: Layout,
    hide_local: bool,
    unit: RateUnit,
    window: usize,
    paused: Option<Instant>,
    frozen: bool,
    hold_until: Option<Instant>,
    pace: Pace,
    failure: Option<String>,
    /// Whether the facts of the hello about tracking are out of date.
    activated: bool,
    screen: Screen,
}

impl App {
    /// An application that has heard nothing yet, on a screen of that size (columns, lines).
    #[must_use]
    pub fn new(engine: Engine, options: Options, size: (u16, u16)) -> Self {
        let mut sort = Listing::default_sort();
        if let Some((key, ascending)) = &options.sort
            && let Some(column) = Listing::sortable().iter().find(|c| c.key == key)
        {
            let order = if *ascending { Order::Ascending } else { Order::Descending };
            sort = Sort { column: column.key, order };
        }
        let mut filtering = Filtering::default();
        if let Some(filter) = &options.filter {
            filtering.begin_with(filter);
        }
        let layers = if options.leftover { vec![Open::Question(Question::Leftover)] } else { vec![] };
        Self {
            engine,
            listing: Listing::default(),
            size,
            cursor: Cursor::default(),
            filtering,
            layers,
            sort,
            layout: if options.router { Layout::Router } else { Layout::Workstation },
            hide_local: false,
            unit: if options.bytes { RateUnit::Bytes } else { RateUnit::Bits },
            window: 0,
            paused: None,
            frozen: false,
            hold_until: None,
            pace: Pace::default(),
            failure: None,
            activated: false,
            screen: Screen::default(),
            options,
        }
    }

    /// What is on the screen since the last [`App::refresh`].
    #[must_use]
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Whether the display stands; events are not to be applied then.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The state behind the screen.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Who gets the keys.
    #[must_use]
    pub fn context(&self) -> Context {
        if self.filtering.open {
            return Context::Prompt;
        }
        self.layers.last().map_or(Context::Flows, Open::context)
    }

    /// Flows whose rows are in view, for the collector to keep fresh.
    pub fn visible(&self) -> impl Iterator<Item = FlowId> {
        let height = usize::from(self.areas().body.height);
        (self.cursor.top..self.cursor.top.saturating_add(height)).map_while(|rank| self.listing.at(rank))
    }

    /// When the screen has to be made anew although nothing happens; `None` while nothing is due.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let waits = matches!(self.engine.connection(), Connection::Connecting | Connection::Stale { .. });
        let second = waits.then(|| now + Duration::from_secs(1));
        [self.hold_until, second].into_iter().flatten().min()
    }

    /// Takes in what the source told.
    ///
    /// # Errors
    /// When a message contradicts itself; [`App::fail`] shows it.
    pub fn apply(&mut self, event: SourceEvent, now: Instant) -> Result<(), MirrorError> {
        self.engine.apply(event, now)?;
        self.pace.note(self.engine.mirror());
        Ok(())
    }

    /// Shows that the stream cannot be trusted any more; what is on the screen stays.
    pub fn fail(&mut self, text: String) {
        self.failure = Some(text);
    }

    /// Shows how an effect ended.
    pub fn report(&mut self, title: &'static str, text: String) {
        self.layers.push(Open::Notice { title, text });
    }

    /// Shows that the kernel tracks connections now.
    pub fn activated(&mut self, text: String) {
        self.activated = true;
        self.report("Activate tracking", text);
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
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Redraw => effects.push(Effect::Repaint),
            Action::Close => self.close(),
            Action::Help => self.layers.push(Open::help()),
            Action::Details => self.open_details(),
            Action::Move(motion) => self.step(motion, now),
            Action::Filter => self.filtering.begin(),
            Action::Search => self.search_help(),
            Action::SortMenu => self.open_sort(),
            Action::SortRight => self.sort_beside(1),
            Action::SortLeft => self.sort_beside(-1),
            Action::SortInvert => self.invert(),
            Action::Pause => {
                self.paused = if self.paused.is_some() { None } else { Some(now) };
                effects.push(Effect::Pause(self.paused.is_some()));
            }
            Action::Freeze => self.frozen = !self.frozen,
            Action::Window => self.next_window(),
            Action::Bits => {
                self.unit = match self.unit {
                    RateUnit::Bits => RateUnit::Bytes,
                    RateUnit::Bytes => RateUnit::Bits,
                };
            }
            Action::HideLocal => self.hide_local = !self.hide_local,
            Action::Layout => {
                self.layout = match self.layout {
                    Layout::Router => Layout::Workstation,
                    Layout::Workstation => Layout::Router,
                };
            }
            Action::Activate => self.layers.push(self.activation()),
            Action::Edit(edit) => self.edit(&edit),
            Action::Accept => self.accept(),
            Action::Yes => effects.extend(self.answer(true)),
            Action::No => effects.extend(self.answer(false)),
        }
        effects
    }

    /// Makes the screen of that moment.
    pub fn refresh(&mut self, now: Instant) {
        let hold = self.hold_until.is_some_and(|until| now < until);
        if !hold {
            self.hold_until = None;
        }
        let ask = self.ask();
        self.listing.refresh(&self.engine, &ask, hold || self.frozen);
        let height = usize::from(self.areas().body.height);
        self.cursor.follow(&self.listing, height);
        self.keep_details();
        self.screen = self.compose(&ask, self.paused.unwrap_or(now));
    }

    fn ask(&self) -> Ask {
        Ask {
            filter: self.filtering.filter().cloned(),
            sort: self.sort,
            layout: self.layout,
            hide_local: self.hide_local,
            unit: self.unit,
            width: self.size.0,
        }
    }

    fn areas(&self) -> Areas {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        Areas::of(area, self.filtering.lines())
    }

    fn step(&mut self, motion: Motion, now: Instant) {
        if self.step_layer(motion) {
            return;
        }
        let height = usize::from(self.areas().body.height);
        if motion == Motion::Top && self.cursor.rank() == Some(0) {
            // Already there: from now on the top of the list is in view, whatever it is.
            self.cursor.release();
            return;
        }
        self.cursor.step(&self.listing, height, motion);
        self.hold_until = Some(now + HOLD);
    }

    fn close(&mut self) {
        if self.filtering.open {
            return self.filtering.cancel();
        }
        if self.layers.last_mut().is_some_and(Open::close_inner) || self.layers.pop().is_some() {
            return;
        }
        if self.filtering.filter().is_some() {
            self.filtering.clear();
        } else {
            self.cursor.release();
        }
    }

    fn sort_beside(&mut self, step: isize) {
        let columns = self.listing.columns(&self.ask());
        let sortable = Listing::sortable();
        let keys: Vec<&'static str> = columns
            .iter()
            .map(|column| column.key)
            .filter(|key| sortable.iter().any(|s| s.key == *key))
            .collect();
        let here = keys.iter().position(|key| *key == self.sort.column);
        let last = keys.len().saturating_sub(1);
        let to = match here {
            Some(at) => at.saturating_add_signed(step).min(last),
            None => 0,
        };
        if let Some(key) = keys.get(to).filter(|_| here != Some(to)) {
            self.sort_by(key);
        }
    }

    fn sort_by(&mut self, key: &'static str) {
        self.sort = Sort { column: key, order: Listing::natural_order(key) };
        self.resort();
    }

    fn invert(&mut self) {
        self.sort.order = match self.sort.order {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        };
        self.resort();
    }

    /// Another order was asked for: nothing holds the old one.
    fn resort(&mut self) {
        self.hold_until = None;
        self.frozen = false;
    }

    fn next_window(&mut self) {
        self.window = (self.window + 1) % WINDOWS.len();
        let seconds = WINDOWS.get(self.window).copied().unwrap_or(2);
        self.engine.set_window(Duration::from_secs(seconds));
    }
}
