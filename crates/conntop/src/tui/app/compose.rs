//! Makes the screen out of the state.

use std::time::{Duration, Instant};

use super::App;
use super::help;
use super::layers::{Open, Question};
use super::listing::{Ask, direction, headings, sortable};
use crate::columns::Order;
use crate::engine::Connection;
use crate::sort::Sort;
use crate::source::SourceEnd;
use crate::tui::details::{self, Subject};
use crate::tui::format::{self, grouped};
use crate::tui::glyphs::{ASCENDING, DESCENDING};
use crate::tui::screen::{FilterLine, Footer, Header, Layer, Screen, Span, Spans, Table};
use crate::tui::theme::Role;
use crate::tui::wrap::wrap;

/// Rounds to the nearest second.
const HALF: Duration = Duration::from_millis(500);

impl App {
    pub(super) fn compose(&mut self, ask: &Ask, now: Instant) -> Screen {
        Screen {
            header: self.header(now),
            filter: self.filter_line(),
            table: self.table(ask, now),
            layer: self.layer(now),
            footer: Footer { context: self.context(), order: self.order_word(ask), state: self.state_word() },
        }
    }

    fn header(&self, now: Instant) -> Header {
        let mirror = self.engine.mirror();
        let total = mirror.total_rates();
        let rate = |bytes: u64| format::rate(bytes, self.unit);
        let heard = self.engine.hello().is_some();
        let shown = |bytes: Option<u64>| match bytes {
            Some(bytes) => Some(rate(bytes)),
            None => heard.then(|| format!("{:>width$}", "n/a", width = rate(0).len())),
        };
        let mut others = Vec::new();
        if let Some(total) = &total {
            for (word, rates) in [("internal", total.internal), ("transit", total.transit)] {
                let sum = rates.orig.saturating_add(rates.reply);
                if sum > 0 {
                    others.push((word, rate(sum)));
                }
            }
        }
        let kernel_max = self.engine.kernel().and_then(|kernel| kernel.max);
        let turnover = self.pace.per_second();
        Header {
            node: self.engine.hello().map_or_else(String::new, |hello| hello.name.clone()),
            source: self.options.source.clone(),
            input: shown(total.map(|t| t.down)),
            output: shown(total.map(|t| t.up)),
            words: ("in", "out"),
            history: self.pace.history(),
            quiet_outside: total.is_some_and(|t| t.down == 0 && t.up == 0),
            others,
            window: if heard { self.window_word() } else { String::new() },
            clock: self.clock(),
            flows: heard.then(|| self.live()),
            max: self.engine.table().and_then(|table| table.max).or(kernel_max),
            begun: turnover.map(|(begun, _)| begun),
            ended: turnover.map(|(_, ended)| ended),
            abnormal: self.abnormal(now),
        }
    }

    /// The window that rates are of, and what was wished for while not so much has been seen.
    fn window_word(&self) -> String {
        let asked = super::WINDOWS.get(self.window).copied().unwrap_or(2);
        let Some(window) = self.engine.mirror().window() else { return format!("{asked}s") };
        let seconds = window.length().saturating_add(HALF).as_secs();
        if window.falls_short_of(Duration::from_secs(asked)) {
            format!("{seconds}s of {asked}s")
        } else {
            format!("{}s", seconds.max(asked))
        }
    }

    fn clock(&self) -> Option<String> {
        let at = self.engine.mirror().position().at;
        let micros = self.engine.wall_micros(at).filter(|_| at.0 > 0)?;
        Some(format::clock(self.options.zone.local(micros / 1_000_000)))
    }

    fn filter_line(&self) -> Option<FilterLine> {
        if !self.filtering.open {
            let text = self.filtering.text()?;
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
            error: self.filtering.error.clone(),
        })
    }

    /// What the filter shows.
    fn totals(&self) -> Spans {
        if !self.listing.answers(self.filtering.filter(), self.hide_local) {
            return vec![Span::new("…", Role::Label)];
        }
        let totals = self.listing.totals();
        let part = |text: String| Span::new(text, Role::Label);
        let rate = |bytes| format::rate(bytes, self.unit);
        let all = totals.all();
        let mut parts = vec![part(format!("{} of {} flows", grouped(all.flows), grouped(self.live())))];
        if totals.unknown > 0 {
            parts.push(part(format!("{} unknown", grouped(totals.unknown))));
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
        u64::try_from(self.engine.mirror().len()).unwrap_or(u64::MAX)
    }

    fn table(&mut self, ask: &Ask, now: Instant) -> Table {
        let height = usize::from(self.areas().body.height);
        let mut ids = Vec::with_capacity(height);
        let rows = self
            .listing
            .rows(&self.engine, ask, self.cursor.top, height)
            .into_iter()
            .map(|(id, mut row)| {
                ids.push(id);
                row.selected = self.cursor.selected == Some(id);
                row
            })
            .collect::<Vec<_>>();
        self.visible = ids;
        let empty = if rows.is_empty() { self.emptiness(now) } else { Vec::new() };
        Table { columns: headings(ask), rows, empty }
    }

    /// The column that is sorted by, when it is not on the screen.
    fn order_word(&self, ask: &Ask) -> Span {
        let Sort { column, order } = self.sort;
        if headings(ask).iter().any(|heading| heading.sorted.is_some()) {
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
        match self.engine.connection() {
            Connection::Connecting => Span::new("connecting", Role::Warning),
            Connection::Stale { .. } if self.engine.hello().is_none() => {
                Span::new("connecting", Role::Warning)
            }
            Connection::Stale { .. } => Span::new("stale", Role::Error),
            Connection::Ended(SourceEnd::Finished) => Span::new("end of recording", Role::Label),
            Connection::Ended(SourceEnd::Failed(_)) => Span::new("ended", Role::Error),
            Connection::Live if self.failure.is_some() => Span::new("ended", Role::Error),
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

    fn layer(&self, now: Instant) -> Option<Layer> {
        let scrolled = |lines: Vec<Spans>, indent: u16, top: usize, title: String| {
            let lines = wrap(&lines, self.size.0, indent);
            let last = lines.len().saturating_sub(self.areas().text_lines());
            Layer::Text { title, top: top.min(last), lines }
        };
        Some(match self.layers.last()? {
            Open::Details { top, row, end, id } => {
                let mirror = self.engine.mirror();
                let rate = |bytes| format::rate(bytes, self.unit).trim_start().to_owned();
                let rates = mirror.get(*id).and_then(|flow| mirror.own_rates(flow));
                let subject = Subject {
                    row,
                    now: self.engine.collector_time(now),
                    boot_wall_ms: self.engine.wall_micros(Default::default()).map(|us| us / 1000),
                    rates: rates.map(|r| (rate(r.orig), rate(r.reply))),
                    direction: Some(direction(&self.engine, row)),
                    ended: *end,
                    zone: &self.options.zone,
                };
                scrolled(details::lines(&subject), details::INDENT, *top, details::title(row))
            }
            Open::Help { top, search, searching } => {
                let title = match (search.text(), *searching) {
                    ("", false) => "Help".to_owned(),
                    (text, true) => format!("Help, lines with: {text}_"),
                    (text, false) => format!("Help, lines with: {text}"),
                };
                scrolled(help::lines(search.text()), help::INDENT, *top, title)
            }
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
            Open::Question(question) => ask_for(*question, self.options.leftover.as_deref()),
            Open::Notice { title, text } => {
                let text = vec![vec![Span::new(text.clone(), Role::Text)]];
                Layer::Dialog { title: (*title).to_owned(), text }
            }
        })
    }
}

fn ask_for(question: Question, leftover: Option<&str>) -> Layer {
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
    };
    let mut text: Vec<Spans> = Vec::new();
    for paragraph in paragraphs {
        text.push(vec![Span::new(*paragraph, Role::Text)]);
        text.push(Vec::new());
    }
    let verb = match question {
        Question::Activate => " activate   ",
        Question::Leftover => " remove it   ",
    };
    text.push(vec![
        Span::new("y", Role::Key),
        Span::new(verb, Role::Text),
        Span::new("n", Role::Key),
        Span::new(" leave it as it is", Role::Text),
    ]);
    Layer::Dialog { title: title.to_owned(), text }
}
