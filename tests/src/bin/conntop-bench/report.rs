//! What was measured, as Markdown.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use conntop_tests::tools::tell;

/// CPU and memory of one program while it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Percent of one core.
    pub(crate) percent: f64,
    /// Bytes at the end.
    pub(crate) rss: u64,
    /// Most bytes since its start.
    pub(crate) peak: u64,
}

/// Whether the table stands still or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Idle,
    Changing,
}

/// One line of the table of targets.
struct Target {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

/// A table of results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Names its place in a document, see [`Report::placed_in`].
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) head: &'static [&'static str],
}

/// Everything that was found out so far.
#[derive(Default)]
pub(crate) struct Report {
    machine: String,
    costs: BTreeMap<(State, usize, u32), Cost>,
    programs: Vec<String>,
    targets: Vec<Target>,
    rows: Vec<(Form, Vec<Vec<String>>)>,
    failures: Vec<String>,
}

impl Report {
    /// Nothing yet, on this machine.
    pub(crate) fn on(machine: String) -> Self {
        tell(&machine);
        Report { machine, ..Report::default() }
    }

    /// Notes what a program costs at so many flows.
    pub(crate) fn cost(&mut self, state: State, program: &str, flows: u32, cost: Cost) {
        let found = self.programs.iter().position(|known| known == program);
        let number = found.unwrap_or_else(|| {
            self.programs.push(program.to_owned());
            self.programs.len() - 1
        });
        tell(&format!("{flows} flows, {state:?}: {program}: {}", shown(cost)));
        self.costs.insert((state, number, flows), cost);
    }

    /// Holds a measured value against the target that it must not exceed.
    pub(crate) fn target(&mut self, what: impl Into<String>, most: f64, measured: f64, unit: &str) {
        let what = what.into();
        let (wanted, measured, met) =
            (format!("<= {}", value(most, unit)), value(measured, unit), measured <= most);
        tell(&format!("{what}: {measured}, wanted {wanted}"));
        self.targets.push(Target { what, wanted, measured, met });
    }

    /// Adds a row to this table.
    pub(crate) fn row(&mut self, form: &Form, row: Vec<String>) {
        tell(&format!("{}: {}", form.title, row.join(" | ")));
        match self.rows.iter_mut().find(|(known, _)| known.key == form.key) {
            Some((_, rows)) => rows.push(row),
            None => self.rows.push((*form, vec![row])),
        }
    }

    /// Runs a part of the measurements; a failure is noted, and the rest goes on.
    pub(crate) fn attempt(&mut self, what: &str, part: impl FnOnce(&mut Self) -> Result<()>) {
        if crate::stop::is_wanted() {
            return;
        }
        if let Err(error) = part(self) {
            tell(&format!("{what}: {error:#}"));
            let first = format!("{error:#}").lines().take(3).collect::<Vec<_>>().join(" / ");
            self.failures.push(format!("{what}: {first}"));
        }
    }

    /// All of it, for reading.
    pub(crate) fn markdown(&self) -> String {
        let parts = self.parts();
        parts.iter().map(|(_, title, body)| format!("### {title}\n\n{body}\n")).collect()
    }

    /// A document with the results in their places, each between `<!-- bench: KEY -->` and
    /// `<!-- /bench -->`. Names the keys that have no place.
    pub(crate) fn placed_in(&self, document: &str) -> (String, Vec<&'static str>) {
        let mut text = document.to_owned();
        let mut homeless = Vec::new();
        for (key, _, body) in self.parts() {
            let (begin, end) = (format!("<!-- bench: {key} -->\n"), "<!-- /bench -->");
            let place = text.split_once(&begin).and_then(|(before, rest)| {
                let (_, after) = rest.split_once(end)?;
                Some(format!("{before}{begin}{body}{end}{after}"))
            });
            match place {
                Some(new) => text = new,
                None => homeless.push(key),
            }
        }
        (text, homeless)
    }

    /// Key, title and text of every table that has rows.
    fn parts(&self) -> Vec<(&'static str, &str, String)> {
        let mut parts = vec![("machine", "Machine", format!("{}\n", self.machine))];
        if !self.targets.is_empty() {
            let rows = self.targets.iter().map(|t| {
                let met = if t.met { "met" } else { "**missed**" };
                vec![t.what.clone(), t.wanted.clone(), t.measured.clone(), met.to_owned()]
            });
            let head = ["", "target", "measured", ""].map(str::to_owned);
            parts.push(("targets", "Targets", grid(&head, rows)));
        }
        for (state, key, title) in [
            (State::Idle, "idle", "Nothing changes: % of a core / MB resident (most)"),
            (State::Changing, "changing", "1,000 flows change per second: % of a core / MB resident (most)"),
        ] {
            let body = self.beside(state);
            if !body.is_empty() {
                parts.push((key, title, body));
            }
        }
        for (form, rows) in &self.rows {
            let head: Vec<String> = form.head.iter().map(|cell| (*cell).to_owned()).collect();
            parts.push((form.key, form.title, grid(&head, rows.iter().cloned())));
        }
        if !self.failures.is_empty() {
            let lines = self.failures.iter().map(|failure| format!("- {failure}\n")).collect();
            parts.push(("failures", "Not measured", lines));
        }
        parts
    }

    fn beside(&self, state: State) -> String {
        let of_state = || self.costs.iter().filter(move |((s, ..), _)| *s == state);
        let mut sizes: Vec<u32> = of_state().map(|((_, _, flows), _)| *flows).collect();
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.is_empty() {
            return String::new();
        }
        let mut head = vec!["flows".to_owned()];
        head.extend(sizes.iter().map(|flows| count(u64::from(*flows))));
        let rows = self.programs.iter().enumerate().filter_map(|(number, program)| {
            let cost = |flows: &u32| self.costs.get(&(state, number, *flows)).copied();
            sizes.iter().any(|flows| cost(flows).is_some()).then(|| {
                let cells = sizes.iter().map(|flows| cost(flows).map_or("-".to_owned(), shown));
                std::iter::once(program.clone()).chain(cells).collect()
            })
        });
        let mut text = grid(&head, rows);
        let Some((base, rest)) = self.ratios(state, &sizes) else { return text };
        if let Some(corner) = head.first_mut() {
            *corner = format!("CPU, as multiples of {base}");
        }
        text.push('\n');
        text.push_str(&grid(&head, rest.into_iter()));
        text
    }

    /// The CPU of each program over that of the daemon with the program's own client.
    fn ratios(&self, state: State, sizes: &[u32]) -> Option<(String, Vec<Vec<String>>)> {
        let base = self.programs.iter().position(|name| name.starts_with("conntopd and its screen"))?;
        let percent = |number, flows| self.costs.get(&(state, number, flows)).map(|cost| cost.percent);
        let rows = self.programs.iter().enumerate().filter(|(number, _)| *number != base);
        let rows = rows.filter_map(|(number, name)| {
            let cells = sizes.iter().map(|flows| {
                let ratio = percent(number, *flows)? / percent(base, *flows)?.max(1e-6);
                Some(if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") })
            });
            let cells: Vec<Option<String>> = cells.collect();
            cells.iter().any(Option::is_some).then(|| {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                std::iter::once(name.clone()).chain(cells).collect()
            })
        });
        Some((self.programs.get(base)?.clone(), rows.collect()))
    }
}

fn grid(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head) + &line(&vec!["---".to_owned(); head.len()]);
    for row in rows {
        text.push_str(&line(&row));
    }
    text
}

fn shown(cost: Cost) -> String {
    let (rss, peak) = (megabytes(cost.rss), megabytes(cost.peak));
    let memory = if cost.peak > cost.rss + cost.rss / 10 { format!("{rss} ({peak})") } else { rss };
    format!("{} / {memory}", percent(cost.percent))
}

/// Three digits.
pub(crate) fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn value(value: f64, unit: &str) -> String {
    match unit {
        "x" => format!("{value:.2} x"),
        unit => format!("{} {unit}", digits(value)),
    }
}

fn percent(value: f64) -> String {
    if value < 0.1 { format!("{value:.3}") } else { digits(value) }
}

/// Bytes in units of 10^6, as the targets are.
pub(crate) fn in_mb(bytes: u64) -> f64 {
    count_of(bytes) / 1e6
}

/// Bytes as text in units of 10^6.
pub(crate) fn megabytes(bytes: u64) -> String {
    digits(in_mb(bytes))
}

/// A time in milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number for divisions; no count here is beyond 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of bytes and flows are far below 2^53")]
pub(crate) fn count_of(value: u64) -> f64 {
    value as f64
}

/// 1k, 10k, 1M.
pub(crate) fn count(flows: u64) -> String {
    match flows {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 1000 && n.is_multiple_of(1000) => format!("{}k", n / 1000),
        n => n.to_string(),
    }
}
