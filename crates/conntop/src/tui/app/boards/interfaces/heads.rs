//! Columns of interfaces.

use conntop_proto::message::{LinkCounters, LinkState};

use super::super::sheet::{Head, Value};
use super::super::words;
use super::Item;
use crate::machine::Throughput;
use crate::tui::screen::{Align, Order, Span};
use crate::tui::theme::Role;
use crate::units;

fn received(item: &Item) -> Option<&LinkCounters> {
    item.state.as_ref().map(|state| &state.received)
}

fn sent(item: &Item) -> Option<&LinkCounters> {
    item.state.as_ref().map(|state| &state.sent)
}

fn coming(item: &Item) -> Option<Throughput> {
    item.rates.map(|rates| rates.received)
}

fn going(item: &Item) -> Option<Throughput> {
    item.rates.map(|rates| rates.sent)
}

/// Errors or drops of both directions.
fn both(item: &Item, of: fn(&LinkCounters) -> u64) -> Option<u64> {
    received(item).zip(sent(item)).map(|(received, sent)| of(received).saturating_add(of(sent)))
}

fn both_rates(item: &Item, of: fn(&Throughput) -> f64) -> Option<f64> {
    item.rates.map(|rates| of(&rates.received) + of(&rates.sent))
}

fn total(total: Option<u64>) -> Span {
    words::amount(total, units::bytes_short)
}

fn state_of(item: &Item) -> Span {
    let Some(state) = &item.state else { return words::unknown() };
    let (word, role) = match state.state {
        LinkState::Up => ("up", Role::Text),
        LinkState::Dormant => ("dormant", Role::Warning),
        LinkState::Down => ("down", Role::Ending),
        LinkState::Off => ("off", Role::Dim),
        LinkState::Unknown => ("?", Role::Dim),
    };
    Span::new(word, role)
}

fn text(text: &str) -> Span {
    Span::new(text, Role::Text)
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
        key: "name",
        title: "INTERFACE",
        width: (9, 15),
        priority: 100,
        value: |item| Value::Text(&item.name),
        cell: |item, _| text(&item.name),
        ..WORD
    },
    Head {
        key: "state",
        title: "STATE",
        width: (5, 7),
        priority: 70,
        value: |item| item.state.as_ref().map_or(Value::Unknown, |one| Value::Number(one.state as u128)),
        cell: |item, _| state_of(item),
        ..WORD
    },
    Head {
        key: "rx",
        title: "RX",
        priority: 98,
        value: |item| Value::of(coming(item).map(|rate| rate.bytes)),
        cell: |item, scene| words::rate(coming(item).map(|rate| rate.bytes), scene),
        ..NUMBER
    },
    Head {
        key: "tx",
        title: "TX",
        priority: 97,
        value: |item| Value::of(going(item).map(|rate| rate.bytes)),
        cell: |item, scene| words::rate(going(item).map(|rate| rate.bytes), scene),
        ..NUMBER
    },
    Head {
        key: "rx_packets",
        title: "RXPKT/S",
        width: (7, 7),
        priority: 40,
        value: |item| Value::rate(coming(item).map(|rate| rate.packets)),
        cell: |item, _| words::pace(coming(item).map(|rate| rate.packets)),
        ..NUMBER
    },
    Head {
        key: "tx_packets",
        title: "TXPKT/S",
        width: (7, 7),
        priority: 39,
        value: |item| Value::rate(going(item).map(|rate| rate.packets)),
        cell: |item, _| words::pace(going(item).map(|rate| rate.packets)),
        ..NUMBER
    },
    Head {
        key: "errors",
        title: "ERR/S",
        priority: 60,
        value: |item| Value::rate(both_rates(item, |rate| rate.errors)),
        cell: |item, _| words::alarm(both_rates(item, |rate| rate.errors)),
        ..NUMBER
    },
    Head {
        key: "drops",
        title: "DROP/S",
        priority: 61,
        value: |item| Value::rate(both_rates(item, |rate| rate.drops)),
        cell: |item, _| words::alarm(both_rates(item, |rate| rate.drops)),
        ..NUMBER
    },
    Head {
        key: "rx_total",
        title: "RXTOT",
        priority: 50,
        value: |item| Value::of(received(item).map(|counters| counters.bytes)),
        cell: |item, _| total(received(item).map(|counters| counters.bytes)),
        ..NUMBER
    },
    Head {
        key: "tx_total",
        title: "TXTOT",
        priority: 49,
        value: |item| Value::of(sent(item).map(|counters| counters.bytes)),
        cell: |item, _| total(sent(item).map(|counters| counters.bytes)),
        ..NUMBER
    },
    Head {
        key: "errors_total",
        title: "ERRORS",
        priority: 30,
        value: |item| Value::of(both(item, |counters| counters.errors)),
        cell: |item, _| words::amount(both(item, |counters| counters.errors), units::count_short),
        ..NUMBER
    },
    Head {
        key: "drops_total",
        title: "DROPS",
        priority: 31,
        value: |item| Value::of(both(item, |counters| counters.drops)),
        cell: |item, _| words::amount(both(item, |counters| counters.drops), units::count_short),
        ..NUMBER
    },
    Head {
        key: "mtu",
        title: "MTU",
        width: (5, 5),
        priority: 20,
        value: |item| Value::of(item.state.as_ref().map(|state| state.mtu.into())),
        cell: |item, _| match &item.state {
            Some(state) => Span::new(state.mtu.to_string(), Role::Text),
            None => words::unknown(),
        },
        ..NUMBER
    },
    Head {
        key: "kind",
        title: "KIND",
        width: (6, 10),
        priority: 25,
        value: |item| kind(item).map_or(Value::Unknown, Value::Text),
        cell: |item, _| kind(item).map_or_else(|| Span::new("-", Role::Dim), text),
        ..WORD
    },
    Head {
        key: "address",
        title: "ADDRESSES",
        width: (18, 90),
        priority: 65,
        value: |item| match item.address.as_str() {
            "" => Value::Unknown,
            address => Value::Text(address),
        },
        cell: |item, _| match item.address.as_str() {
            "" => Span::new("-", Role::Dim),
            address => text(address),
        },
        ..WORD
    },
];

fn kind(item: &Item) -> Option<&str> {
    item.state.as_ref()?.kind.as_deref()
}
