//! A stage for the application: the recording of an office, a clock of its own, keys by name.

#![expect(clippy::expect_used, clippy::panic, reason = "a test support module")]
#![allow(dead_code, reason = "not every test needs everything")]

use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop::enrich::Enricher;
use conntop::nodes::Nodes;
use conntop::source::{Messages, Playing, SourceEnd, SourceError, SourceErrorKind, SourceEvent, Speed};
use conntop::tui::action::{Action, Edit, Effect};
use conntop::tui::app::{App, Gesture, Options};
use conntop::tui::bindings::Context;
use conntop::tui::draw::{self, Look};
pub(crate) use conntop::tui::glyphs::Charset as charset;
use conntop::tui::key::Key;
use conntop::tui::theme::Theme;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Lost, ServerMessage, Synced};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The office's clock when the recording begins.
const OFFICE_BOOT: u64 = 86_400_000 * 12;
const OFFICE: &str = include_str!("../fixtures/office.ndjson");

/// An application on a screen of text.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) charset: charset,
    pub(crate) effects: Vec<Effect>,
    now: Instant,
    size: (u16, u16),
    /// Messages that are still to come, by the second.
    seconds: std::vec::IntoIter<Vec<ServerMessage>>,
    /// Where the recording stands, if it is shown as one.
    recording: Option<Duration>,
}

impl Stage {
    pub(crate) fn new(columns: u16, lines: u16) -> Self {
        Self::knowing(columns, lines, Enricher::default())
    }

    /// One that looks at another machine.
    pub(crate) fn remote(columns: u16, lines: u16) -> Self {
        let mut stage = Self::new(columns, lines);
        let options = Options { source: "router1".into(), ..Options::default() };
        stage.app = App::of(Nodes::one(Engine::default(), "router1"), options, (columns, lines));
        stage.app.refresh(stage.now);
        stage
    }

    /// The moment on this stage.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The same with something known beside the flows.
    pub(crate) fn knowing(columns: u16, lines: u16, enricher: Enricher) -> Self {
        Self::with(columns, lines, enricher, Options::default())
    }

    /// The same with wishes.
    pub(crate) fn with(columns: u16, lines: u16, enricher: Enricher, options: Options) -> Self {
        Self::of(columns, lines, enricher, Options { source: "replay".into(), local: true, ..options })
    }

    /// The same with everything said; a recording is shown as `conntop replay` does.
    pub(crate) fn of(columns: u16, lines: u16, enricher: Enricher, options: Options) -> Self {
        let recording = options.recording.then(Duration::default);
        let nodes = Nodes::one(Engine::default(), options.source.clone());
        let mut stage = Self {
            app: App::of(nodes.with(enricher), options, (columns, lines)),
            charset: charset::Unicode,
            effects: Vec::new(),
            now: Instant::now(),
            size: (columns, lines),
            seconds: seconds().into_iter(),
            recording,
        };
        stage.app.refresh(stage.now);
        stage
    }

    /// Does what a script says: keys by name, `"..."` types text, `+N` lets N seconds pass.
    pub(crate) fn play(&mut self, script: &str) {
        let mut rest = script.trim();
        while !rest.is_empty() {
            let (word, after) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = quoted.find('"').expect("closing quote");
                    for ch in quoted[..end].chars() {
                        self.act(Action::Edit(Edit::Insert(ch)));
                    }
                    ("", &quoted[end + 1..])
                }
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            rest = after.trim_start();
            if let Some(seconds) = word.strip_prefix('+').filter(|n| !n.is_empty()) {
                for _ in 0..seconds.parse().expect("seconds") {
                    self.second();
                }
            } else if !word.is_empty() {
                self.key(word);
            }
        }
    }

    pub(crate) fn key(&mut self, name: &str) {
        let key = Key::parse(name).unwrap_or_else(|| panic!("no key {name}"));
        let action = self
            .app
            .dispatch(key)
            .unwrap_or_else(|| panic!("{name} does nothing in {:?}", self.app.context()));
        self.act(action);
    }

    /// A key, and the screen as it is before the rows have been brought up to date.
    pub(crate) fn half_key(&mut self, name: &str) {
        let action = match self.app.context() {
            Context::Prompt => Action::Edit(Edit::Insert(name.chars().next().expect("a character"))),
            _ => self.app.dispatch(Key::parse(name).expect("a key")).expect("an action"),
        };
        self.app.update(action, self.now);
        self.app.begin(self.now);
        let _up_to_date = self.app.work(1);
        self.app.show(self.now);
    }

    pub(crate) fn act(&mut self, action: Action) {
        let effects = self.app.update(action, self.now);
        self.effects.extend(effects);
        self.app.refresh(self.now);
    }

    /// The mouse does something.
    pub(crate) fn point(&mut self, gesture: Gesture) {
        let effects = self.app.point(gesture, self.now);
        self.effects.extend(effects);
        self.app.refresh(self.now);
    }

    /// Time passes in which nothing happens.
    pub(crate) fn wait_ms(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.app.refresh(self.now);
    }

    pub(crate) fn apply(&mut self, event: SourceEvent) {
        self.app.apply(event, self.now).expect("a sound recording");
    }

    /// Something that is not in the recording happens; false when there is no such thing.
    pub(crate) fn event(&mut self, name: &str) -> bool {
        match name {
            "stale" => self.apply(SourceEvent::Stale {
                cause: "router1:55555: the server has not answered for 20 s".into(),
                retry_in: Duration::from_secs(8),
            }),
            "wait" => self.now += Duration::from_secs(5),
            "failed" => self.apply(SourceEvent::Ended(SourceEnd::Failed(SourceError {
                kind: SourceErrorKind::Protocol,
                text: "router1:55555 speaks protocol 2, conntop 1; update conntop".into(),
            }))),
            "inactive" => {
                let mut messages = self.seconds.next().expect("the first second");
                let ServerMessage::Hello(mut hello) = messages.remove(0) else {
                    panic!("a recording begins with hello")
                };
                hello.kernel.tracking = Some(false);
                hello.kernel.acct = Some(false);
                messages.retain(|m| !matches!(m, ServerMessage::Delta(_)));
                messages.push(ServerMessage::Synced(Synced { cursor: 1 }));
                self.apply(SourceEvent::Connected(hello));
                self.apply(SourceEvent::Messages(Messages::new(messages)));
            }
            "activated" => self.app.activated("activated: nft table inet conntop-1".into()),
            "lost" => {
                let lost = Lost { overruns: 1, events: Some(3_120), since: Some(BootMillis(1)) };
                self.apply(SourceEvent::Messages(Messages::new([ServerMessage::Lost(lost)])));
            }
            _ => return false,
        }
        self.app.refresh(self.now);
        true
    }

    /// One second of the recording passes; a paused application takes nothing in.
    pub(crate) fn second(&mut self) {
        self.now += Duration::from_secs(1);
        if self.stands() {
            self.playing(Duration::ZERO);
        } else if !self.app.paused() {
            let messages = self.seconds.next();
            match messages {
                Some(mut messages) => {
                    if let Some(ServerMessage::Hello(hello)) = messages.first() {
                        let hello = hello.clone();
                        messages.remove(0);
                        self.apply(SourceEvent::Connected(hello));
                    }
                    self.apply(SourceEvent::Messages(Messages::new(messages)));
                    self.playing(Duration::from_secs(1));
                }
                None => self.apply(SourceEvent::Ended(SourceEnd::Finished)),
            }
        }
        self.app.refresh(self.now);
    }

    /// Whether it is a recording that somebody has paused.
    fn stands(&self) -> bool {
        let pauses = |effect: &&Effect| matches!(effect, Effect::Pause(_));
        self.recording.is_some() && self.effects.iter().rfind(pauses) == Some(&Effect::Pause(true))
    }

    /// Tells where the recording stands, so much further than before.
    fn playing(&mut self, further: Duration) {
        let Some(at) = self.recording else { return };
        let millis = u64::try_from(at.as_millis()).expect("a short recording");
        self.apply(SourceEvent::Playing(Playing {
            at,
            length: Some(Duration::from_secs(24)),
            speed: Speed::NORMAL,
            paused: self.stands(),
            rewinds: true,
            boot: BootMillis(OFFICE_BOOT + millis),
        }));
        self.recording = Some(at + further);
    }

    pub(crate) fn resize(&mut self, columns: u16, lines: u16) {
        self.size = (columns, lines);
        self.app.resize(columns, lines);
        self.app.refresh(self.now);
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        let mut buffer = Buffer::empty(area);
        let look = Look { theme: Theme::Palette, charset: self.charset, ..Look::default() };
        let cursor = draw::draw(self.app.screen(), look, area, &mut buffer);
        assert!(cursor.is_none_or(|at| area.contains(at)), "cursor {cursor:?} outside {area:?}");
        buffer
    }

    /// The screen as text; the right end of each line is trimmed.
    pub(crate) fn text(&self) -> String {
        let buffer = self.buffer();
        (0..self.size.1)
            .map(|y| {
                let line: String =
                    (0..self.size.0).map(|x| buffer[(x, y)].symbol()).collect::<Vec<_>>().concat();
                format!("{}\n", line.trim_end())
            })
            .collect()
    }
}

/// The recording cut behind each table message.
fn seconds() -> Vec<Vec<ServerMessage>> {
    let mut out = vec![Vec::new()];
    for line in OFFICE.lines() {
        let message: ServerMessage = serde_json::from_str(line).expect("a message");
        let last = matches!(message, ServerMessage::Table(_) | ServerMessage::Synced(_));
        out.last_mut().expect("never empty").push(message);
        if last && out.last().expect("never empty").iter().any(|m| matches!(m, ServerMessage::Delta(_))) {
            out.push(Vec::new());
        }
    }
    out.retain(|messages| !messages.is_empty());
    out
}
