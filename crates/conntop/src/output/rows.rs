//! Which flows are printed, in which order, and how.

use std::io::{self, IsTerminal as _, Write};
use std::time::Instant;

use serde::ser::{SerializeSeq as _, Serializer as _};

use super::csv;
use super::exit::{Failure, USAGE, write_failure};
use super::json::FlowJson;
use crate::cli::{Common, Format, ListArgs};
use crate::columns::{Align, Column, Layout, Look, Picked, Preset, find, width};
use crate::filter::{Filter, FilterError, Tri};
use crate::flow::{FlowKey, FlowView, Source};
use crate::nodes::Nodes;
use crate::platform::terminal_size;
use crate::sort::{Sort, SortKey};
use crate::units::RateUnit;

/// Width of a table that is not on a terminal; longer texts are not cut there.
const PIPE_WIDTH: u16 = 120;
/// Columns of CSV when none are chosen: the default ones of a wide terminal.
const WIDE: u16 = 200;

/// What is asked for.
#[derive(Debug)]
pub struct Query {
    filter: Option<Filter>,
    /// Whether the filter tests rates.
    filters_rates: bool,
    /// Whether the filter asks for processes.
    filters_processes: bool,
    sort: Option<Sort>,
    columns: Vec<&'static Column>,
    /// The same with their widths.
    picked: Vec<Picked>,
    view: Option<Preset>,
    unit: RateUnit,
    hide_own: bool,
    /// Whether hosts are shown by their names.
    names: bool,
}

impl Query {
    /// Reads filter, order and columns of the options.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(common: &Common) -> Result<Self, Failure> {
        let usage =
            |option: &str, error: &dyn std::fmt::Display| Failure::new(USAGE, format!("{option}: {error}"));
        let filter = common.filter.as_deref().map(|text| {
            let wrong = |error: FilterError| format!("{error}\n{}", error.caret(text));
            Filter::parse(text).map_err(|error| usage("--filter", &wrong(error)))
        });
        let sort = common.sort.as_ref().or(common.shown.usual_sort.as_ref());
        let sort = sort.map(|text| Sort::parse(text)).transpose();
        let usual = &common.shown.usual_columns;
        let columns = if common.columns.is_empty() { usual } else { &common.columns };
        let picked = columns.iter().map(|key| key.parse()).collect::<Result<Vec<Picked>, _>>();
        let picked = picked.map_err(|error| usage("--columns", &error))?;
        Ok(Self {
            filter: filter.transpose()?,
            filters_rates: common.filter.as_deref().is_some_and(names_a_rate),
            filters_processes: common.filter.as_deref().is_some_and(names_a_process),
            sort: sort.map_err(|error| usage("--sort", &error))?,
            columns: picked.iter().map(|picked| picked.column).collect(),
            picked,
            view: common.view,
            unit: common.shown.units.unwrap_or_default(),
            hide_own: common.hide_own == Some(true),
            names: false,
        })
    }

    /// Whether rates are sorted by, filtered or shown because somebody named them.
    #[must_use]
    pub fn wants_rates(&self) -> bool {
        let sorted = self.sort.iter().map(|sort| sort.column);
        self.filters_rates || sorted.chain(self.columns.iter().copied()).any(is_rate)
    }

    /// The same with hosts by their names.
    #[must_use]
    pub fn with_names(self, names: bool) -> Self {
        Self { names, ..self }
    }

    /// Whether the filter asks what hosts are called.
    pub(crate) fn asks_names(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::asks_names)
    }

    /// Whether processes are sorted by, filtered or shown because somebody named them.
    #[must_use]
    pub fn wants_processes(&self) -> bool {
        let sorted = self.sort.iter().map(|sort| sort.column);
        let is_one = |column: &Column| PROCESS.contains(&column.key);
        self.filters_processes || sorted.chain(self.columns.iter().copied()).any(is_one)
    }

    /// The columns that were chosen.
    #[must_use]
    pub fn columns(&self) -> &[&'static Column] {
        &self.columns
    }

    /// Whether a flow is asked for.
    #[must_use]
    pub fn matches(&self, view: &FlowView<'_>) -> bool {
        !(self.hide_own && view.is_own())
            && self.filter.as_ref().is_none_or(|filter| filter.matches(view) == Tri::True)
    }

    fn preset(&self, nodes: &Nodes) -> Preset {
        match self.view {
            Some(preset) => preset,
            None if nodes.engines().all(|engine| engine.ends_here()) => Preset::Workstation,
            None => Preset::Router,
        }
    }
}

fn is_rate(column: &Column) -> bool {
    column.json_key().ends_with("_Bps")
}

/// Columns and filter fields of processes.
const PROCESS: [&str; 5] = ["process", "pid", "user", "unit", "command"];

/// Whether a filter's text has the name of one of these among its words.
fn names_a_process(filter: &str) -> bool {
    filter.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| PROCESS.contains(&word))
}

/// Whether a filter's text has the name of a rate among its words.
fn names_a_rate(filter: &str) -> bool {
    let mut words = filter.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| find(word).is_ok_and(is_rate))
}

/// The flows of all nodes, now.
#[must_use]
pub fn sources(nodes: &Nodes, now: Instant) -> Vec<Source<'_>> {
    nodes.sources(&nodes.now(now))
}

/// Prints the flows that are asked for.
///
/// # Errors
/// A failing writer; a reader that is gone is none.
pub fn print(
    nodes: &Nodes,
    query: &Query,
    args: &ListArgs,
    sampled: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let sources = sources(nodes, Instant::now());
    let order = order(&sources, query, args.limit);
    let views = order.iter().filter_map(|key| {
        let view = sources.get(usize::from(key.node().0))?.get(key.id())?;
        // Not asked for: what two passes happen to show is not what `--sample` would.
        Some(if sampled { view } else { FlowView { rates: None, ..view } })
    });
    let written = match args.format {
        Format::Json => array(out, views.map(|view| FlowJson::new(view, &query.columns))),
        Format::Ndjson => lines(out, views.map(|view| FlowJson::new(view, &query.columns))),
        Format::Csv => {
            let layout = preset(nodes, query, WIDE);
            let preset: Vec<&'static Column> = layout.columns.iter().map(|placed| placed.column).collect();
            let columns = if query.columns.is_empty() { &preset } else { &query.columns };
            comma_separated(out, columns, views)
        }
        Format::Table => {
            let look = Look {
                names: query.names,
                unit: query.unit,
                orientation: nodes.orientation(),
                ..Look::default()
            };
            table(out, &layout(nodes, query, sampled), look, views)
        }
    };
    written.and_then(|()| out.flush()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

/// The flows that are asked for, in order.
fn order(sources: &[Source<'_>], query: &Query, limit: Option<usize>) -> Vec<FlowKey> {
    let limit = limit.unwrap_or(usize::MAX);
    let matching = || sources.iter().flat_map(|source| source.live()).filter(|view| query.matches(view));
    let Some(sort) = &query.sort else {
        return matching().map(|view| view.key()).take(limit).collect();
    };
    let mut keys: Vec<(SortKey, FlowKey)> = matching().map(|view| (sort.key(&view), view.key())).collect();
    if limit < keys.len() {
        if limit > 0 {
            keys.select_nth_unstable(limit - 1);
        }
        keys.truncate(limit);
    }
    keys.sort_unstable();
    keys.into_iter().map(|(_, key)| key).collect()
}

fn array<'a>(out: &mut dyn Write, flows: impl Iterator<Item = FlowJson<'a>>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *out);
    let mut seq = serializer.serialize_seq(None)?;
    for flow in flows {
        seq.serialize_element(&flow)?;
    }
    seq.end()?;
    out.write_all(b"\n")
}

fn lines<'a>(out: &mut dyn Write, flows: impl Iterator<Item = FlowJson<'a>>) -> io::Result<()> {
    for flow in flows {
        serde_json::to_writer(&mut *out, &flow)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn comma_separated<'a>(
    out: &mut dyn Write,
    columns: &[&'static Column],
    mut flows: impl Iterator<Item = FlowView<'a>>,
) -> io::Result<()> {
    csv::heading(out, columns)?;
    flows.try_for_each(|view| csv::flow(out, columns, &view))
}

/// The default columns.
fn preset(nodes: &Nodes, query: &Query, width: u16) -> Layout {
    Layout::preset(query.preset(nodes), nodes.offers(), width)
}

/// Columns with their widths; rates only where they were learnt.
fn layout(nodes: &Nodes, query: &Query, sampled: bool) -> Layout {
    let terminal = terminal_size();
    let width = terminal.map_or(PIPE_WIDTH, |(columns, _)| columns);
    let mut layout = match query.columns.is_empty() {
        true => preset(nodes, query, width),
        false => Layout::of(&query.picked, if terminal.is_some() { width } else { u16::MAX / 2 }),
    };
    if terminal.is_none() {
        for placed in &mut layout.columns {
            placed.width = placed.width.min(placed.column.width.ideal);
        }
    }
    if query.columns.is_empty() && !sampled {
        layout.columns.retain(|placed| !is_rate(placed.column));
    }
    layout
}

fn table<'a>(
    out: &mut dyn Write,
    layout: &Layout,
    look: Look,
    flows: impl Iterator<Item = FlowView<'a>>,
) -> io::Result<()> {
    let cut = io::stdout().is_terminal();
    line(out, layout, |column, _| column.heading(look.orientation).to_owned())?;
    for view in flows {
        line(out, layout, |column, width| match cut {
            true => column.cell(&view, width, look).text,
            false => (column.value)(&view).text(look),
        })?;
    }
    Ok(())
}

fn line(
    out: &mut dyn Write,
    layout: &Layout,
    cell: impl Fn(&'static Column, u16) -> String,
) -> io::Result<()> {
    let mut text = String::new();
    for (n, placed) in layout.columns.iter().enumerate() {
        if n > 0 {
            text.push(' ');
        }
        let cell = cell(placed.column, placed.width);
        let blank = " ".repeat(usize::from(placed.width.saturating_sub(width(&cell))));
        match placed.column.align {
            Align::Left => text.extend([cell.as_str(), &blank]),
            Align::Right => text.extend([blank.as_str(), &cell]),
        }
    }
    writeln!(out, "{}", text.trim_end())
}
