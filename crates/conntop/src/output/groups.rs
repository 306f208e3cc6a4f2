//! Groups of flows, printed once: with what exactly the flows of each satisfy, so that a script or a
//! person can go on from there.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::csv;
use super::exit::{Failure, USAGE, write_failure};
use crate::cli::{Common, Format, ListArgs};
use crate::columns::{Look, fit, width};
use crate::filter::Filter;
use crate::groups::columns::{COLUMNS, Shown, layout};
use crate::groups::{self, By, Figure, Group, GroupColumn, GroupSort, Groups, Tally};
use crate::nodes::Nodes;
use crate::orient::Orientation;
use crate::platform::terminal_size;
use crate::view::Motion;

/// Columns that one look at the table can tell; the others need some time.
const AT_ONCE: &str = "flows";
/// Processes of other users may be hidden from these keys.
const PROCESS: [&str; 3] = ["process", "user", "unit"];

/// What is asked for.
#[derive(Debug)]
pub struct Query {
    query: groups::Query,
    /// Whether somebody named the order.
    sorted: bool,
    /// Whether hosts are shown by their names.
    names: bool,
    /// Chosen columns; empty means all that are known.
    columns: Vec<&'static GroupColumn>,
}

impl Query {
    /// Reads the options; `None` when no groups are asked for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(common: &Common, args: &ListArgs) -> Result<Option<Self>, Failure> {
        let Some(grouping) = common.group else { return Ok(None) };
        let usage =
            |option: &str, error: &dyn std::fmt::Display| Failure::new(USAGE, format!("{option}: {error}"));
        let sort = common.sort.as_deref().map(|text| GroupSort::parse(text, &grouping)).transpose();
        let sort = sort.map_err(|error| usage("--sort", &error))?;
        let column = |key: &String| {
            let found =
                GroupSort::parse(key.trim(), &grouping).map_err(|error| usage("--columns", &error))?;
            Ok(match found.by {
                By::Column(column) => Some(column),
                By::Name => None,
            })
        };
        let columns: Vec<Option<_>> = common.columns.iter().map(column).collect::<Result<_, Failure>>()?;
        let query = groups::Query {
            // A wrong one has been refused by now.
            filter: common.filter.as_deref().and_then(|text| Filter::parse(text).ok()),
            hide_internal: false,
            hide_own: common.hide_own == Some(true),
            grouping,
            sort: sort.unwrap_or_default(),
            motion: Motion::Live,
        };
        let columns = columns.into_iter().flatten().collect();
        Ok(Some(Self { query, sorted: sort.is_some(), names: args.names, columns }))
    }

    /// Whether something is sorted by or shown, because somebody named it, that takes some time to learn.
    #[must_use]
    pub fn wants_rates(&self) -> bool {
        let sorted = match self.query.sort.by {
            By::Column(column) if self.sorted => Some(column),
            _ => None,
        };
        sorted.into_iter().chain(self.columns.iter().copied()).any(|column| column.key != AT_ONCE)
    }

    /// Whether flows are grouped by what is told by their processes.
    #[must_use]
    pub fn wants_processes(&self) -> bool {
        self.query.grouping.keys().any(|key| PROCESS.contains(&key.key))
    }
}

/// What is printed of each group.
struct Printed<'a> {
    nodes: &'a Nodes,
    query: &'a groups::Query,
    names: bool,
    columns: Vec<&'static GroupColumn>,
    /// Whether the table was watched for a while.
    sampled: bool,
}

impl Printed<'_> {
    fn figure(&self, column: &GroupColumn, tally: &Tally) -> Figure {
        match self.sampled || column.key == AT_ONCE {
            true => (column.figure)(tally),
            false => Figure::Unknown,
        }
    }

    fn name(&self, group: &Group, key: usize) -> String {
        let Some(part) = group.parts().get(key) else { return String::new() };
        let named = match part {
            groups::part::Part::Address(address) if self.names => {
                self.nodes.enricher().name(group.node, *address)
            }
            _ => None,
        };
        named.map_or_else(|| groups::words(part), |name| name.text.to_owned())
    }

    fn raw(&self, groups: &Groups, group: &Group) -> Vec<(&'static str, Value)> {
        let keys = self.query.grouping.keys().zip(group.parts());
        let mut fields: Vec<(&'static str, Value)> =
            keys.map(|(key, part)| (key.key, groups::json(part))).collect();
        let figure =
            |column: &&'static GroupColumn| (column.json_key(), self.figure(column, &group.tally).json());
        fields.extend(self.columns.iter().map(figure));
        let share = groups.share(&group.tally).map(thousandths);
        fields.push(("share", json!(share)));
        let only = self.query.grouping.only(group).map(|expr| expr.to_string());
        fields.push(("filter", json!(only)));
        fields
    }
}

fn thousandths(share: u64) -> f64 {
    u32::try_from(share).map_or(f64::INFINITY, |share| f64::from(share) / 1000.0)
}

/// Prints the groups that are asked for.
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
    let mut asked = query.query.clone();
    if !query.sorted && !sampled {
        let flows = COLUMNS.iter().find(|column| column.key == AT_ONCE);
        asked.sort = flows.map_or(asked.sort, GroupSort::by);
    }
    let mut groups = Groups::default();
    groups.refresh(&nodes.sources(&nodes.now(Instant::now())), &asked);
    let limit = args.limit.unwrap_or(usize::MAX);
    // The order is put up before anything else reads the groups.
    let ids: Vec<_> = groups.rows(0, limit).map(|group| group.id).collect();
    let rows: Vec<&Group> = ids.iter().filter_map(|id| groups.get(*id)).collect();
    let columns = match query.columns.is_empty() {
        true => COLUMNS.iter().collect(),
        false => query.columns.clone(),
    };
    let printed = Printed { nodes, query: &asked, names: query.names, columns, sampled };
    let written = match args.format {
        Format::Json => {
            let objects: Vec<Value> = rows.iter().map(|group| object(printed.raw(&groups, group))).collect();
            serde_json::to_writer(&mut *out, &objects)
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
        }
        Format::Ndjson => rows.iter().try_for_each(|group| {
            serde_json::to_writer(&mut *out, &object(printed.raw(&groups, group)))?;
            out.write_all(b"\n")
        }),
        Format::Csv => comma_separated(out, &printed, &groups, &rows),
        Format::Table => table(out, &printed, &groups, &rows),
    };
    written.and_then(|()| out.flush()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn object(fields: Vec<(&'static str, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn comma_separated(
    out: &mut dyn Write,
    printed: &Printed<'_>,
    groups: &Groups,
    rows: &[&Group],
) -> io::Result<()> {
    let keys = printed.query.grouping.keys().map(|key| key.key);
    let columns = printed.columns.iter().map(|column| column.json_key());
    csv::record(out, keys.chain(columns).chain(["share", "filter"]).map(Value::from))?;
    rows.iter().try_for_each(|group| {
        csv::record(out, printed.raw(groups, group).into_iter().map(|(_, value)| value))
    })
}

/// A percentage in four columns, without a fraction.
fn percent(share: Option<u64>) -> String {
    share.map_or_else(|| "n/a".to_owned(), |share| format!("{}%", share / 10))
}

fn table(out: &mut dyn Write, printed: &Printed<'_>, groups: &Groups, rows: &[&Group]) -> io::Result<()> {
    let grouping = &printed.query.grouping;
    let terminal = terminal_size().map(|(columns, _)| columns);
    let told = |column: &GroupColumn| printed.sampled || column.key == AT_ONCE;
    let chosen = |column: &GroupColumn| printed.columns.iter().any(|own| own.key == column.key);
    let mut columns = layout(grouping, printed.query.sort, terminal.unwrap_or(u16::MAX / 2));
    columns.retain(|(shown, _)| match shown {
        Shown::Figure(column) => told(column) && chosen(column),
        _ => true,
    });
    let total = if groups.overlap() { "total, shares overlap" } else { "total" };
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 2);
    lines.push(columns.iter().map(|(shown, _)| heading(*shown, printed.nodes.orientation())).collect());
    let line = |tally: &Tally, name: &dyn Fn(usize) -> String| -> Vec<String> {
        let cell = |shown: &Shown| match shown {
            Shown::Key(at, _) => name(*at),
            Shown::Figure(column) => printed.figure(column, tally).text(Look::default()),
            Shown::Share => percent(groups.share(tally)),
        };
        columns.iter().map(|(shown, _)| cell(shown)).collect()
    };
    lines.push(line(groups.total(), &|at| if at == 0 { total.to_owned() } else { String::new() }));
    lines.extend(rows.iter().map(|group| line(&group.tally, &|at| printed.name(group, at))));
    for (at, (shown, wide)) in columns.iter_mut().enumerate() {
        let longest = lines.iter().filter_map(|line| line.get(at)).map(|cell| width(cell)).max().unwrap_or(0);
        match (&shown, terminal) {
            (Shown::Key(..), Some(_)) => *wide = longest.min(*wide),
            _ => *wide = longest,
        }
    }
    for line in &lines {
        let mut text = String::new();
        for ((shown, wide), cell) in columns.iter().zip(line) {
            if !text.is_empty() {
                text.push(' ');
            }
            let (cell, left) = match shown {
                Shown::Key(_, key) => (fit(cell, *wide, key.cut, false), true),
                _ => (cell.clone(), false),
            };
            let blank = " ".repeat(usize::from(wide.saturating_sub(width(&cell))));
            text.extend(if left { [cell.as_str(), &blank] } else { [blank.as_str(), &cell] });
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn heading(shown: Shown, orientation: Orientation) -> String {
    match shown {
        Shown::Key(_, key) => key.header,
        Shown::Figure(column) => column.heading(orientation),
        Shown::Share => "SHARE",
    }
    .to_owned()
}
