//! Columns of listeners.

use super::super::sheet::{Head, Value};
use super::super::words;
use super::Item;
use crate::tui::screen::{Align, Order, Span};
use crate::tui::theme::Role;
use crate::units;

fn text(text: &str) -> Span {
    Span::new(text, Role::Text)
}

/// What nobody may be told, or there is not.
fn perhaps(text: Option<&str>) -> Span {
    text.map_or_else(|| Span::new("-", Role::Dim), |text| Span::new(text, Role::Text))
}

fn value(text: Option<&String>) -> Value<'_> {
    text.map_or(Value::Unknown, |text| Value::Text(text))
}

/// A queue that is full refuses whoever comes next.
fn queue(item: &Item) -> Span {
    let Some(backlog) = item.backlog else {
        return words::amount(Some(item.waiting), units::bytes_short);
    };
    let text = format!("{}/{}", units::count_short(item.waiting), units::count_short(backlog));
    let role = match item.waiting {
        0 => Role::Dim,
        waiting if waiting >= backlog => Role::Error,
        _ => Role::Warning,
    };
    Span::new(text, role)
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
const NUMBER: Head<Item> = Head { width: (6, 6), align: Align::Right, order: Order::Descending, ..WORD };

pub(super) static HEADS: &[Head<Item>] = &[
    Head {
        key: "node",
        title: "NODE",
        width: (8, 16),
        priority: 95,
        offered: |scene| scene.nodes.several(),
        value: |item| Value::Text(&item.node_name),
        cell: |item, _| text(&item.node_name),
        ..WORD
    },
    Head {
        key: "proto",
        title: "PROT",
        width: (4, 4),
        priority: 90,
        value: |item| Value::Number(item.place.proto.into()),
        cell: |item, _| text(&item.proto),
        ..WORD
    },
    Head {
        key: "address",
        title: "ADDRESS",
        width: (15, 40),
        priority: 85,
        value: |item| Value::address(item.place.address),
        cell: |item, _| text(&item.at),
        ..WORD
    },
    Head {
        key: "port",
        title: "PORT",
        width: (5, 5),
        priority: 100,
        order: Order::Ascending,
        value: |item| Value::Number(item.place.port.into()),
        cell: |item, _| text(&item.place.port.to_string()),
        ..NUMBER
    },
    Head {
        key: "service",
        title: "SERVICE",
        width: (8, 12),
        priority: 50,
        value: |item| value(item.service.as_ref()),
        cell: |item, _| perhaps(item.service.as_deref()),
        ..WORD
    },
    Head {
        key: "process",
        title: "PROCESS",
        width: (12, 18),
        priority: 80,
        offered: |scene| scene.nodes.offers().processes,
        value: |item| value(item.process.as_ref()),
        cell: |item, _| perhaps(item.process.as_deref()),
        ..WORD
    },
    Head {
        key: "pid",
        title: "PID",
        width: (7, 7),
        priority: 35,
        offered: |scene| scene.nodes.offers().processes,
        order: Order::Ascending,
        value: |item| Value::of(item.pid.map(u64::from)),
        cell: |item, _| perhaps(item.pid.map(|pid| pid.to_string()).as_deref()),
        ..NUMBER
    },
    Head {
        key: "user",
        title: "USER",
        width: (8, 14),
        priority: 45,
        value: |item| Value::Text(&item.user),
        cell: |item, _| text(&item.user),
        ..WORD
    },
    Head {
        key: "unit",
        title: "UNIT",
        width: (12, 30),
        priority: 25,
        offered: |scene| scene.nodes.offers().processes,
        value: |item| value(item.unit.as_ref()),
        cell: |item, _| perhaps(item.unit.as_deref()),
        ..WORD
    },
    Head {
        key: "flows",
        title: "FLOWS",
        priority: 98,
        value: |item| Value::Number(item.count.flows.into()),
        cell: |item, _| words::amount(Some(item.count.flows), units::count_short),
        ..NUMBER
    },
    Head {
        key: "in",
        title: "IN",
        priority: 60,
        value: |item| Value::of(item.count.rates.map(|(come, _)| come)),
        cell: |item, scene| words::rate(item.count.rates.map(|(come, _)| come), scene),
        ..NUMBER
    },
    Head {
        key: "out",
        title: "OUT",
        priority: 59,
        value: |item| Value::of(item.count.rates.map(|(_, go)| go)),
        cell: |item, scene| words::rate(item.count.rates.map(|(_, go)| go), scene),
        ..NUMBER
    },
    Head {
        key: "queue",
        title: "QUEUE",
        width: (9, 11),
        priority: 40,
        value: |item| Value::Number(item.waiting.into()),
        cell: |item, _| queue(item),
        ..NUMBER
    },
    Head {
        key: "sockets",
        title: "SOCKS",
        width: (5, 5),
        priority: 15,
        value: |item| Value::Number(item.sockets.into()),
        cell: |item, _| text(&item.sockets.to_string()),
        ..NUMBER
    },
];
