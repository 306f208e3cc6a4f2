//! Columns of the table's occupants.

use super::super::sheet::{Head, Value};
use super::super::words;
use super::Item;
use crate::tui::screen::{Align, Order, Span};
use crate::tui::theme::Role;
use crate::units;

/// Cells of the longest bar.
const BAR: u64 = 20;

fn source(item: &Item) -> Span {
    match (&item.name, item.key.source) {
        (Some(name), _) => Span::new(name.as_str(), Role::Text),
        (None, Some(source)) => Span::new(source.to_string(), Role::Text),
        (None, None) => Span::new("any", Role::Dim),
    }
}

fn state(item: &Item) -> Span {
    match item.key.state {
        Some((_, "?")) => Span::new("?", Role::Dim),
        Some((_, word)) => Span::new(word, Role::Text),
        None => Span::new("any", Role::Dim),
    }
}

fn part(item: &Item, of: u64) -> Option<u64> {
    let max = item.max.filter(|max| *max > 0)?;
    u64::try_from(u128::from(item.flows) * u128::from(of) / u128::from(max)).ok()
}

fn share(item: &Item) -> Span {
    match part(item, 1000) {
        None => words::unknown(),
        Some(tenths) => {
            let role = if tenths >= 250 { Role::Warning } else { Role::Text };
            Span::new(words::percent(tenths.into()), role)
        }
    }
}

fn bar(item: &Item) -> Span {
    let filled = part(item, BAR).map_or(0, |filled| filled.clamp(1, BAR));
    Span::new("|".repeat(usize::try_from(filled).unwrap_or(0)), Role::Accent)
}

const WORD: Head<Item> = Head {
    key: "",
    title: "",
    width: (8, 8),
    priority: 10,
    align: Align::Left,
    order: Order::Ascending,
    offered: |_| true,
    value: |_| Value::Unknown,
    cell: |_, _| words::unknown(),
};
const NUMBER: Head<Item> = Head { width: (7, 7), align: Align::Right, order: Order::Descending, ..WORD };

pub(super) static HEADS: &[Head<Item>] = &[
    Head {
        key: "node",
        title: "NODE",
        width: (8, 16),
        priority: 95,
        offered: |scene| scene.nodes.several(),
        value: |item| Value::Text(&item.node_name),
        cell: |item, _| Span::new(item.node_name.as_str(), Role::Text),
        ..WORD
    },
    Head {
        key: "src",
        title: "SOURCE",
        width: (15, 39),
        priority: 98,
        value: |item| item.key.source.map_or(Value::Unknown, Value::address),
        cell: |item, _| source(item),
        ..WORD
    },
    Head {
        key: "state",
        title: "STATE",
        width: (5, 6),
        priority: 90,
        value: |item| Value::of(item.key.state.map(|(rank, _)| rank)),
        cell: |item, _| state(item),
        ..WORD
    },
    Head {
        key: "flows",
        title: "FLOWS",
        width: (6, 7),
        priority: 100,
        value: |item| Value::Number(item.flows.into()),
        cell: |item, _| words::amount(Some(item.flows), units::count_short),
        ..NUMBER
    },
    Head {
        key: "share",
        title: "% MAX",
        width: (6, 6),
        priority: 80,
        value: |item| Value::of(part(item, 1_000_000_000)),
        cell: |item, _| share(item),
        ..NUMBER
    },
    Head {
        key: "timeout",
        title: "TIMEOUT",
        width: (7, 8),
        priority: 70,
        value: |item| Value::of(item.timeout),
        cell: |item, _| words::amount(item.timeout, units::duration_short),
        ..NUMBER
    },
    Head {
        key: "bar",
        title: "",
        width: (10, 20),
        priority: 20,
        order: Order::Descending,
        value: |item| Value::Number(item.flows.into()),
        cell: |item, _| bar(item),
        ..WORD
    },
];
