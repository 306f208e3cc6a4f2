//! The event loop: one task, one `select!`. Input is drawn at once; data is drawn at most every
//! [`DATA_INTERVAL`], and more seldom when making the screen takes long; an idle program waits.
//!
//! Nothing keeps a key waiting: bringing the rows up to date and taking in messages are done for
//! `SLICE` at a time. Either is finished before the other goes on, so rows are made of one state.

mod around;
mod ask;
mod focus;
mod inbox;
mod keys;
mod pacer;
mod registries;

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use self::focus::Focus;
use self::inbox::Inbox;
use self::keys::Keys;
pub use self::pacer::DATA_INTERVAL;
use self::pacer::Pacer;
use self::registries::Registries;
use super::action::{Action, Edit, Effect};
use super::app::{App, Gesture};
use super::background::Said;
use super::bindings::Context;
use super::draw::{self, Look};
use super::hangup;
use super::key::Key;
use super::terminal::{Guard, Mouse};
use super::theme::{Background, Theme};
use crate::enrich::Learned;
use crate::enrich::lookups::Lookups;
use crate::flow::FlowKey;
use crate::geoip::{self, News};
use crate::platform::{Control, Signals, stop, suspend, terminal_size};
use crate::source::{NodeId, Request, SourceError, SourceEvent, Sources};
use crate::whois::Answer;

/// Time between two looks at the keyboard while there is something to do; input waits for this, for
/// one message and for one drawing at most.
const SLICE: Duration = Duration::from_millis(10);
/// Flows that are asked between two looks at the clock: even the longest filter takes only a part of
/// a slice for them.
const STEP: usize = 64;
/// Keys that are taken in before the screen is drawn.
const BATCH: usize = 16;

/// How the loop ended.
#[derive(Debug)]
pub enum Exit {
    /// Somebody or something asked for it.
    Quit,
    /// The source failed before anything could be shown.
    Failed(SourceError),
}

/// What only the surroundings of the application can do; each says how it went.
pub trait Repairs {
    /// Makes the kernel of this machine track connections.
    ///
    /// # Errors
    /// What went wrong and what to do, for people.
    fn activate(&mut self) -> Result<String, String>;

    /// Removes what an earlier run left in the kernel.
    ///
    /// # Errors
    /// What went wrong and what to do, for people.
    fn remove_leftover(&mut self) -> Result<String, String>;

    /// Remembers that nobody wants databases of places.
    ///
    /// # Errors
    /// What went wrong and what to do, for people.
    fn refuse_places(&mut self) -> Result<(), String>;

    /// Remembers how flows were looked at, soon.
    fn remember(&mut self, text: String);
}

/// Runs the application on the terminal until somebody quits.
///
/// # Errors
/// When the terminal cannot be taken, or is lost.
pub async fn run(
    mut app: App,
    mut sources: Sources,
    mut look: Look,
    mouse: Mouse,
    repairs: &mut dyn Repairs,
    mut lookups: Lookups,
) -> io::Result<Exit> {
    let mut signals = Signals::of_screen()?;
    let mut guard = Guard::take(mouse)?;
    let mut gone = hangup::watch()?;
    let mut asked = Said { complete: true, ..Said::default() };
    if look.background == Background::Unknown && look.theme != Theme::Monochrome {
        asked = ask::background()?;
        look.background = asked.background;
    }
    // Whether there are colours is decided here alone, not by the library that writes them.
    crossterm::style::force_color_output(true);
    let mut keys = Keys::listen(&asked)?;
    fit(&mut app);
    let mut pace = Pacer::default();
    let mut inbox = Inbox::default();
    let mut focus: Vec<Focus> = app.nodes().iter().map(|_| Focus::default()).collect();
    let mut look_at = Vec::new();
    let mut registries = Registries::default();
    let mut open = true;
    let mut stopped_here = false;
    loop {
        if !guard.is_held() {
            return Err(io::Error::other("a part of the program has failed; its message is above"));
        }
        let now = Instant::now();
        if pace.is_due(now) {
            app.begin(now);
            pace.begun(now);
        }
        if pace.is_busy() {
            let done = for_a_while(|| app.work(STEP));
            if done || pace.is_awaited() {
                app.show(Instant::now());
                guard.fit(app.size())?;
                guard.screen().draw(|frame| draw::frame(app.screen(), look, frame))?;
                pace.drawn();
                want(&mut focus, &app.focus());
                lookups.look_at(&app.hosts());
                if app.look() != look_at {
                    look_at = app.look();
                    app.looked(&look_at);
                    sources.request_all(&Request::Look(look_at.clone()));
                }
            }
            if done {
                pace.done(Instant::now());
            }
        }
        let now = Instant::now();
        for (node, focus) in (0..).map(NodeId).zip(&mut focus) {
            if let Some(flows) = focus.take(now) {
                app.focused(node, &flows);
                sources.request(node, Request::Focus(flows));
            }
        }
        let due = app.due(now);
        let wake =
            [pace.next(due)].into_iter().chain(focus.iter().map(|focus| focus.due(now))).flatten().min();
        let goes_on = pace.is_busy() || (!inbox.is_empty() && !app.paused());
        let happened = tokio::select! {
            biased;
            _ = &mut gone => return Ok(Exit::Quit),
            heard = signals.next() => Happened::Signal(heard),
            event = keys.next() => Happened::Terminal(event.transpose()?),
            // Whoever feeds the source gets a turn as well.
            () = tokio::task::yield_now(), if goes_on => Happened::Nothing,
            event = sources.next(), if !goes_on && open && !app.paused() => Happened::Source(event),
            (address, said) = registries.answer() => Happened::Whois(address, said),
            learned = lookups.next(), if !goes_on && !app.paused() => Happened::Learned(learned),
            () = at(wake), if !goes_on => Happened::Time,
        };
        let effects = match happened {
            Happened::Signal(Control::Quit) => return Ok(Exit::Quit),
            Happened::Signal(Control::Stop) => {
                guard.while_away(stop)?;
                stopped_here = true;
                fit(&mut app);
                pace.now();
                Vec::new()
            }
            Happened::Signal(Control::Continued) => {
                // Whoever stopped the process from outside left the terminal in any state.
                if !std::mem::take(&mut stopped_here) {
                    guard.while_away(|| {})?;
                }
                fit(&mut app);
                pace.now();
                Vec::new()
            }
            Happened::Terminal(None) => return Ok(Exit::Quit),
            Happened::Terminal(Some(event)) => {
                pace.now();
                let mut effects = input(&mut app, event);
                // What was typed while the screen was made is drawn once.
                for _ in 0..BATCH {
                    if !effects.is_empty() {
                        break;
                    }
                    match keys.try_next() {
                        Some(event) => effects = input(&mut app, event?),
                        None => break,
                    }
                }
                effects
            }
            Happened::Source(None) => {
                open = false;
                Vec::new()
            }
            Happened::Source(Some(event)) => {
                if let Some(error) = apply(&mut app, &mut sources, &mut inbox, Some(event)) {
                    return Ok(Exit::Failed(error));
                }
                pace.data();
                Vec::new()
            }
            Happened::Nothing => {
                if !pace.is_busy() {
                    if let Some(error) = apply(&mut app, &mut sources, &mut inbox, None) {
                        return Ok(Exit::Failed(error));
                    }
                    pace.data();
                }
                Vec::new()
            }
            Happened::Learned(learned) => {
                if matches!(learned, Learned::Download(News::Done)) {
                    lookups.look_at_places();
                }
                app.learn(learned);
                pace.data();
                Vec::new()
            }
            Happened::Whois(address, said) => {
                app.whois(address, said);
                pace.now();
                Vec::new()
            }
            Happened::Time => {
                pace.time(Instant::now(), due);
                Vec::new()
            }
        };
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(Exit::Quit),
                Effect::Suspend => suspend(),
                Effect::Repaint => guard.repaint()?,
                Effect::Pause(on) => sources.request_all(&Request::Pause(on)),
                Effect::Play(control) => sources.request_all(&Request::Play(control)),
                Effect::Activate => match repairs.activate() {
                    Ok(text) => app.activated(text),
                    Err(text) => app.report("Activate tracking", text),
                },
                Effect::Copy(text) => guard.copy(&text)?,
                Effect::LookAround => app.look_around(&around::look()),
                Effect::Terminate { node, terminate, until } => {
                    sources.request(node, Request::Terminate { terminate, until });
                }
                Effect::Whois(address) => registries.ask(address),
                Effect::FetchPlaces => geoip::start(lookups.finder()),
                Effect::RefusePlaces => {
                    if let Err(text) = repairs.refuse_places() {
                        app.report("Places of addresses", text);
                    }
                }
                Effect::Remember(text) => repairs.remember(text),
                Effect::RemoveLeftover => {
                    let (Ok(text) | Err(text)) = repairs.remove_leftover();
                    app.report("Left over from an earlier run", text);
                }
            }
        }
    }
}

enum Happened {
    Signal(Control),
    Terminal(Option<Event>),
    Source(Option<(NodeId, SourceEvent)>),
    Learned(Learned),
    Whois(IpAddr, Result<Answer, String>),
    Time,
    /// What has been begun goes on.
    Nothing,
}

/// These flows are on the screen now; each node is told of its own.
fn want(focus: &mut [Focus], flows: &[FlowKey]) {
    for (node, focus) in (0..).map(NodeId).zip(focus) {
        let of_node = flows.iter().filter(|key| key.node() == node);
        focus.want(&of_node.map(|key| key.id()).collect::<Vec<_>>());
    }
}

/// Takes in an event of the terminal.
fn input(app: &mut App, event: Event) -> Vec<Effect> {
    if let Event::Mouse(mouse) = event {
        return gesture(mouse).map_or_else(Vec::new, |gesture| app.point(gesture, Instant::now()));
    }
    match action(app, event) {
        Some(action) => app.update(action, Instant::now()),
        None => Vec::new(),
    }
}

fn gesture(mouse: MouseEvent) -> Option<Gesture> {
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            Some(Gesture::Press(Position::new(mouse.column, mouse.row)))
        }
        MouseEventKind::ScrollUp => Some(Gesture::WheelUp),
        MouseEventKind::ScrollDown => Some(Gesture::WheelDown),
        _ => None,
    }
}

/// The action that an event of the terminal asks for. A new size is taken in here.
fn action(app: &mut App, event: Event) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => app.dispatch(Key::from(key)),
        Event::Paste(text) if app.context() == Context::Prompt => Some(Action::Edit(Edit::Paste(text))),
        Event::Resize(columns, lines) => {
            app.resize(columns, lines);
            None
        }
        _ => None,
    }
}

/// Does something again and again until it is done, true, or it is time to look at the keyboard.
fn for_a_while(mut step: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + SLICE;
    loop {
        if step() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
    }
}

/// Applies an event and what waits behind it; an error is one that leaves nothing to show.
fn apply(
    app: &mut App,
    sources: &mut Sources,
    inbox: &mut Inbox,
    first: Option<(NodeId, SourceEvent)>,
) -> Option<SourceError> {
    let mut next = first;
    for_a_while(|| {
        let now = Instant::now();
        let applied = match next.take() {
            Some((node, event)) => inbox.begin(node, event, app, now),
            None => inbox.step(app, now),
        };
        if let Err((node, error)) = applied {
            app.fail(node, format!("the source contradicts itself: {error}"));
            sources.end(node);
            return true;
        }
        if inbox.is_empty() {
            next = sources.try_next();
        }
        inbox.is_empty() && next.is_none()
    });
    if let Some((node, event)) = next
        && let Err((node, error)) = inbox.begin(node, event, app, Instant::now())
    {
        app.fail(node, format!("the source contradicts itself: {error}"));
        sources.end(node);
    }
    app.hopeless().cloned()
}

fn fit(app: &mut App) {
    if let Some((columns, lines)) = terminal_size() {
        app.resize(columns, lines);
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
