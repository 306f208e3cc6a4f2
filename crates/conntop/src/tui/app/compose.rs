//! Makes the screen out of the state.

use std::time::{Duration, Instant};

use super::App;
use super::boards::Scene;
use super::help;
use super::layers::{Open, Question};
use super::listing::{Ask, headings, sortable};
use super::pace::{self, Pace};
use conntop_proto::message::Origin;

use crate::columns::Order;
use crate::engine::{Connection, Engine};
use crate::filter::Filter;
use crate::mirror::Rates;
use crate::nodes::{Health, Node, NodeId};
use crate::sort::Sort;
use crate::source::SourceEnd;
use crate::tui::action::Action;
use crate::tui::bindings::Context;
use crate::tui::details;
use crate::tui::format::{self, grouped};
use crate::tui::glyphs::{ASCENDING, DESCENDING};
use crate::tui::keymap::Keymap;
use crate::tui::pane::Pane;
use crate::tui::screen::{FilterLine, Footer, Header, Layer, Screen, Span, Spans, Table};
use crate::tui::theme::Role;
use crate::tui::wrap::wrap;

/// Rounds to the nearest second.
const HALF: Duration = Duration::from_millis(500);

/// Bytes per second of all flows.
#[derive(Clone, Copy, Default)]
struct Total {
    down: u64,
    up: u64,
    internal: u64,
    transit: u64,
}

impl App {
    pub(super) fn compose(&mut self, ask: &Ask, now: Instant) -> Screen {
        Screen {
            header: self.header(now),
            pane: self.pane,
            filter: self.filter_line(),
            table: self.table(ask, now),
            layer: self.layer(ask, now),
            footer: Footer { keys: self.hints(), order: self.order_word(ask), state: self.state_word() },
        }
    }

    fn header(&self, now: Instant) -> Header {
        let total = self.total();
        let rate = |bytes: u64| format::rate(bytes, self.unit);
        let heard = self.nodes.engines().any(|engine| engine.hello().is_some());
        let shown = |bytes: Option<u64>| match bytes {
            Some(bytes) => Some(rate(bytes)),
            None => heard.then(|| format!("{:>width$}", "n/a", width = rate(0).len())),
        };
        let mut others = Vec::new();
        if let Some(total) = &total {
            for (word, sum) in [("internal", total.internal), ("transit", total.transit)] {
                if sum > 0 {
                    others.push((word, rate(sum)));
                }
            }
        }
        let max = |engine: &Engine| {
            let kernel_max = engine.kernel().and_then(|kernel| kernel.max);
            engine.table().and_then(|table| table.max).or(kernel_max)
        };
        let mut known = self.nodes.engines().filter(|engine| engine.hello().is_some()).peekable();
        let max = known.peek().is_some().then(|| known.map(max).sum()).flatten();
        let turnover = self.turnover();
        let (node, source) = self.whose();
        Header {
            node,
            source,
            replayed: self.engine().playing().is_some(),
            input: shown(total.map(|t| t.down)),
            output: shown(total.map(|t| t.up)),
            words: self.words(),
            history: pace::sum(self.live_paces()),
            quiet_outside: total.is_some_and(|t| t.down == 0 && t.up == 0),
            others,
            window: if heard { self.window_word() } else { String::new() },
            clock: self.clock(),
            flows: heard.then(|| self.live()),
            max,
            begun: turnover.map(|(begun, _)| begun),
            ended: turnover.map(|(_, ended)| ended),
            seen: self.seen(),
            abnormal: self.abnormal(now),
        }
    }

    /// Name of the machine and where the flows come from; of several nodes how each is.
    fn whose(&self) -> (String, String) {
        if let Some(place) = self.recording_place() {
            let name = self.engine().hello().map_or_else(String::new, |hello| hello.name.clone());
            return (name, place);
        }
        if !self.nodes.several() {
            let hello = self.engine().hello();
            let name = hello.map_or_else(String::new, |hello| hello.name.clone());
            let place = self.options.source.as_str();
            let sockets = hello.is_some_and(|hello| hello.kernel.origin == Origin::Sockets);
            return match place.strip_prefix("conntrack") {
                Some(rest) if sockets => (name, format!("sockets of this machine{rest}")),
                None if sockets => (name, format!("{place}, its sockets")),
                _ => (name, place.to_owned()),
            };
        }
        let state = |(_, node): (NodeId, &Node)| {
            let word = match node.health() {
                Health::Connecting => "connecting",
                Health::Live => "live",
                Health::Stale => "stale",
                Health::Ended => "ended",
            };
            format!("{} {word}", node.name())
        };
        let states: Vec<String> = self.nodes.iter().map(state).collect();
        (format!("{} nodes", self.nodes.len()), states.join(", "))
    }

    /// What nodes carry at the moment, those apart of which nothing is heard while others are.
    fn total(&self) -> Option<Total> {
        let counts = |node: &Node| !self.nodes.several() || node.health() == Health::Live;
        let nodes = self.nodes.iter().map(|(_, node)| node).filter(|node| counts(node));
        let both = |rates: Rates| rates.orig.saturating_add(rates.reply);
        nodes.filter_map(|node| node.engine().mirror().total_rates()).fold(None, |sum, ledger| {
            let Total { down, up, internal, transit } = sum.unwrap_or_default();
            Some(Total {
                down: down.saturating_add(ledger.down),
                up: up.saturating_add(ledger.up),
                internal: internal.saturating_add(both(ledger.internal)),
                transit: transit.saturating_add(both(ledger.transit)),
            })
        })
    }

    fn live_paces(&self) -> impl Iterator<Item = &Pace> {
        let counts = |node: &Node| !self.nodes.several() || node.health() == Health::Live;
        self.nodes.iter().zip(&self.paces).filter(move |((_, node), _)| counts(node)).map(|(_, pace)| pace)
    }

    fn turnover(&self) -> Option<(f64, f64)> {
        let rates = self.live_paces().filter_map(Pace::per_second);
        rates.reduce(|(begun, ended), more| (begun + more.0, ended + more.1))
    }

    /// The window that rates are of, and what was wished for while not so much has been seen.
    fn window_word(&self) -> String {
        let asked = self.window_seconds();
        let window = self.nodes.engines().find_map(|engine| engine.mirror().window());
        let Some(window) = window else { return format!("{asked}s") };
        let seconds = window.length().saturating_add(HALF).as_secs();
        if window.falls_short_of(Duration::from_secs(asked)) {
            format!("{seconds}s of {asked}s")
        } else {
            format!("{}s", seconds.max(asked))
        }
    }

    fn clock(&self) -> Option<String> {
        let time = |engine: &Engine| {
            let at = engine.mirror().position().at;
            engine.wall_micros(at).filter(|_| at.0 > 0)
        };
        let micros = self.nodes.engines().filter_map(time).max()?;
        Some(format::clock(self.options.zone.local(micros / 1_000_000)))
    }

    fn filter_line(&self) -> Option<FilterLine> {
        let of_flows = matches!(self.pane, Pane::Flows | Pane::Groups);
        if !self.filtering.open {
            let text = self.filtering.text().filter(|_| of_flows)?;
            return Some(FilterLine {
                label: "filter",
                text: text.to_owned(),
                totals: self.totals(),
                ..FilterLine::default()
            });
        }
        let prompt = &self.filtering.prompt;
        let hint = "such as: dport 443 and not dst in 10.0.0.0/8";
        let totals = match prompt.text().trim() {
            "" => vec![Span::new(hint, Role::Dim)],
            _ => self.totals(),
        };
        Some(FilterLine {
            label: "filter",
            text: prompt.text().to_owned(),
            cursor: Some(prompt.cursor_column()),
            totals,
            candidates: self.filtering.candidates(),
            error: self.filtering.error.clone(),
        })
    }

    /// What the filter shows.
    fn totals(&self) -> Spans {
        if !self.answered() {
            return vec![Span::new("…", Role::Label)];
        }
        let totals = match self.pane {
            Pane::Groups => self.boards.groups.totals(),
            _ => self.listing.totals(),
        };
        let part = |text: String| Span::new(text, Role::Label);
        let rate = |bytes| format::rate(bytes, self.unit);
        let all = totals.all();
        let mut parts = vec![part(format!("{} of {} flows", grouped(all.flows), grouped(self.live())))];
        if totals.unknown > 0 {
            parts.push(part(format!("{} unknown", grouped(totals.unknown))));
        }
        if self.filtering.filter().is_some_and(Filter::asks_names) {
            let named = u64::try_from(self.nodes.enricher().named()).unwrap_or(u64::MAX);
            parts.push(part(format!("names of {} hosts known", grouped(named))));
        }
        let outside = totals.outside;
        if outside.has_rates {
            parts.push(part(format!("in {}  out {}", rate(outside.down), rate(outside.up))));
        }
        for (word, sum) in [("internal", totals.internal), ("transit", totals.transit)] {
            if sum.has_rates {
                parts.push(part(format!("{word} {}", rate(sum.down.saturating_add(sum.up)))));
            }
        }
        parts
    }

    fn live(&self) -> u64 {
        u64::try_from(self.nodes.flows()).unwrap_or(u64::MAX)
    }

    fn table(&mut self, ask: &Ask, now: Instant) -> Table {
        let height = usize::from(self.areas().body.height);
        self.visible_hosts.clear();
        if let Some(board) = self.boards.of(self.pane) {
            let mut table = board.table(&Scene { nodes: &self.nodes, ask, height });
            let seen = board.visible();
            (self.visible, self.visible_hosts) = (seen.flows, seen.hosts);
            if table.rows.is_empty() && self.pane == Pane::Groups {
                table.empty = self.emptiness(now);
            }
            if self.notes() == 0 {
                table.notes.clear();
            }
            return table;
        }
        let mut ids = Vec::with_capacity(height);
        let rows = self
            .listing
            .rows(&self.nodes, ask, self.cursor.top, height)
            .into_iter()
            .map(|(id, mut row)| {
                ids.push(id);
                row.selected = self.cursor.selected == Some(id);
                row
            })
            .collect::<Vec<_>>();
        self.visible = ids;
        let empty = if rows.is_empty() { self.emptiness(now) } else { Vec::new() };
        Table { columns: headings(ask, self.nodes.orientation()), rows, empty, notes: Vec::new() }
    }

    /// The column that is sorted by, when it is not on the screen.
    fn order_word(&self, ask: &Ask) -> Span {
        let Sort { column, order } = self.sort;
        if self.pane != Pane::Flows
            || headings(ask, self.nodes.orientation()).iter().any(|heading| heading.sorted.is_some())
        {
            return Span::default();
        }
        let sign = match order {
            Order::Ascending => ASCENDING,
            Order::Descending => DESCENDING,
        };
        Span::new(format!("by {}{sign}", column.key), Role::Label)
    }

    fn state_word(&self) -> Span {
        if self.paused.is_some() {
            return Span::new("paused", Role::Warning);
        }
        if self.nodes.several() {
            let live = self.nodes.iter().filter(|(_, node)| node.health() == Health::Live).count();
            if live < self.nodes.len() {
                return Span::new(format!("{live} of {} live", self.nodes.len()), Role::Error);
            }
        }
        match self.engine().connection() {
            Connection::Connecting => Span::new("connecting", Role::Warning),
            Connection::Stale { .. } if self.engine().hello().is_none() => {
                Span::new("connecting", Role::Warning)
            }
            Connection::Stale { .. } => Span::new("stale", Role::Error),
            Connection::Ended(SourceEnd::Finished) => Span::new("end of recording", Role::Label),
            Connection::Ended(SourceEnd::Failed(_)) => Span::new("ended", Role::Error),
            Connection::Live if self.engine().playing().is_some() => self.recording_word(),
            Connection::Live if self.nodes.first().failure().is_some() => Span::new("ended", Role::Error),
            Connection::Live if self.frozen => Span::new("order frozen", Role::Accent),
            Connection::Live => Span::new("live", Role::Label),
        }
    }

    /// Lines of the scrolling text on top.
    pub(super) fn text_len(&self) -> usize {
        match &self.screen.layer {
            Some(Layer::Text { lines, .. }) => lines.len(),
            _ => 0,
        }
    }

    fn layer(&self, ask: &Ask, now: Instant) -> Option<Layer> {
        let scrolled = |lines: Vec<Spans>, indent: u16, top: usize, title: String| {
            let lines = wrap(&lines, self.size.0, indent);
            let last = lines.len().saturating_sub(self.areas().text_lines());
            Layer::Text { title, top: top.min(last), lines }
        };
        Some(match self.layers.last()? {
            Open::Details { top, .. } => {
                let (title, lines) = self.details(now)?;
                scrolled(lines, details::INDENT, *top, title)
            }
            Open::Whois(asked) => {
                let lines = asked.lines(self.size.0);
                let last = lines.len().saturating_sub(self.areas().text_lines());
                Layer::Text { title: asked.title(), top: asked.top.min(last), lines }
            }
            Open::Help { top, search, searching } => {
                let title = match (search.text(), *searching) {
                    ("", false) => "Help".to_owned(),
                    (text, true) => format!("Help, lines with: {text}_"),
                    (text, false) => format!("Help, lines with: {text}"),
                };
                let geo = self.nodes.enricher().geo();
                scrolled(help::lines(search.text(), &self.options.keymap, geo), help::INDENT, *top, title)
            }
            Open::Chooser(chooser) => chooser.layer(&ask.layout()),
            Open::Sort { at } => {
                let items = sortable()
                    .iter()
                    .map(|c| {
                        let mark = match (c.key == self.sort.column.key, self.sort.order) {
                            (false, _) => " ",
                            (true, Order::Ascending) => ASCENDING,
                            (true, Order::Descending) => DESCENDING,
                        };
                        format!("{mark} {:<12} {}", c.header, c.help)
                    })
                    .collect();
                Layer::Menu { title: "Sort by".to_owned(), items, at: *at }
            }
            Open::Choice(choice) => choice.layer(),
            Open::Ending(ending) => ending.layer(&self.ending_keys(), self.size.1, now),
            Open::Question(question) => {
                ask_for(*question, self.options.leftover.as_deref(), &self.options.keymap)
            }
            Open::Notice { title, text } => {
                let text = text.lines().map(|line| vec![Span::new(line, Role::Text)]).collect();
                Layer::Dialog { title: (*title).to_owned(), text }
            }
        })
    }
}

fn ask_for(question: Question, leftover: Option<&str>, keymap: &Keymap) -> Layer {
    let (title, paragraphs): (&str, &[&str]) = match question {
        Question::Activate => (
            "Activate tracking",
            &[
                "conntop can make the kernel track the connections of this network namespace.",
                "It adds an nftables table of its own whose only rules look at the state of \
                 connections, and turns on byte counters and start times for new flows. No packet \
                 is dropped or changed. Flows that exist already get no counters.",
                "The last conntop that ends here undoes it.",
            ],
        ),
        Question::Leftover => (
            "Left over from an earlier run",
            &[
                leftover.unwrap_or("something of an earlier conntop"),
                "It does no harm. Removing it restores what was before.",
            ],
        ),
        Question::Places => (
            "Places of addresses",
            &[
                "Countries, cities and networks are not known: there is no database of them here.",
                "conntop can download DB-IP Lite from db-ip.com now, some tens of megabytes, while you \
                 go on. `conntop geoip update` does it at any time.",
            ],
        ),
    };
    let mut text: Vec<Spans> = Vec::new();
    for paragraph in paragraphs {
        text.push(vec![Span::new(*paragraph, Role::Text)]);
        text.push(Vec::new());
    }
    let verb = match question {
        Question::Activate => " activate   ",
        Question::Leftover => " remove it   ",
        Question::Places => " download   ",
    };
    let no = match question {
        Question::Activate | Question::Leftover => " leave it as it is",
        Question::Places => " never",
    };
    let key = |action| Span::new(keymap.key_for(Context::Dialog, &action).unwrap_or_default(), Role::Key);
    text.push(vec![
        key(Action::Yes),
        Span::new(verb, Role::Text),
        key(Action::No),
        Span::new(no, Role::Text),
    ]);
    Layer::Dialog { title: title.to_owned(), text }
}
