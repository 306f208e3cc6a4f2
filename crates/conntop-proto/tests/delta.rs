//! Rows survive the way over the wire, and contradicting columns are refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod support;

use conntop_proto::codec::{Message as _, Validate, decode_line, encode_line};
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::{
    BootMillis, Counters, EndReason, FlowId, FlowRow, MAX_SAFE_INTEGER, MetaRow, State, StateRow, Status,
    TrafficRow,
};
use conntop_proto::message::ServerMessage;
use proptest::prelude::*;

fn line(message: &ServerMessage) -> Vec<u8> {
    let mut line = Vec::new();
    encode_line(message, &mut line).unwrap();
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn rows_come_back(rows in support::rows(6), header in support::header()) {
        let delta = rows.clone().into_delta(header);
        prop_assert_eq!(&delta.rows().unwrap(), &rows);
        let message = ServerMessage::Delta(Box::new(delta));
        let back: ServerMessage = decode_line(&line(&message), Validate::All).unwrap();
        prop_assert_eq!(back, message);
    }

    #[test]
    fn order_of_rows_does_not_matter(rows in support::rows(6), header in support::header()) {
        let mut shuffled = rows.clone();
        shuffled.new.reverse();
        shuffled.ended.reverse();
        shuffled.traffic.reverse();
        prop_assert_eq!(shuffled.into_delta(header), rows.into_delta(header));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_split_delta_fits_a_line(rows in support::rows(4), header in support::header()) {
        let many = repeat(&rows, 500);
        let deltas = many.clone().into_deltas(header);
        let mut joined = DeltaRows::default();
        for (i, delta) in deltas.iter().enumerate() {
            prop_assert_eq!(delta.in_step, header.in_step && i + 1 == deltas.len());
            let line = line(&ServerMessage::Delta(Box::new(delta.clone())));
            prop_assert!(line.len() <= ServerMessage::MAX_LINE);
            let rows = delta.rows().unwrap();
            joined.ended.extend(rows.ended);
            joined.new.extend(rows.new);
            joined.state.extend(rows.state);
            joined.traffic.extend(rows.traffic);
            joined.meta.extend(rows.meta);
        }
        prop_assert_eq!(joined, many);
    }
}

#[test]
fn the_longest_changes_fit_a_line() {
    let huge = Counters { packets: MAX_SAFE_INTEGER, bytes: MAX_SAFE_INTEGER };
    let at = BootMillis(MAX_SAFE_INTEGER);
    // Different from row to row, so that no column has a short form.
    let traffic = |i: u64| {
        let less = |c: Counters| Counters { packets: c.packets - i, bytes: c.bytes - i };
        let expires = Some(BootMillis(i + 1000 * (u64::from(u32::MAX) - i)));
        let resets = u32::MAX - i as u32;
        TrafficRow {
            orig: Some(less(huge)),
            reply: Some(less(huge)),
            resets,
            expires,
            sampled: BootMillis(i),
        }
    };
    let state = |i: u64| StateRow { state: State::ShutdownAckSent, status: Status(u32::MAX - i as u32) };
    let id = |i: u64| FlowId(if i == 0 { 0 } else { (1 << 52) + i * 1_000_000_000_000 });
    for (states, counters) in [(0, 1000), (0, 1001), (1000, 0), (400, 900), (1000, 1000)] {
        let rows = DeltaRows {
            state: (0..states).map(|i| (id(i), state(i))).collect(),
            traffic: (0..counters).map(|i| (id(i), traffic(i))).collect(),
            ..DeltaRows::default()
        };
        let deltas = rows.clone().into_deltas(DeltaHeader { at, ..DeltaHeader::default() });
        let mut back = DeltaRows::default();
        for delta in deltas {
            let line = line(&ServerMessage::Delta(Box::new(delta.clone())));
            assert!(line.len() <= ServerMessage::MAX_LINE, "{} bytes", line.len());
            let rows = delta.rows().unwrap();
            back.state.extend(rows.state);
            back.traffic.extend(rows.traffic);
        }
        assert_eq!(back.state, rows.state);
        assert_eq!(back.traffic.len(), rows.traffic.len());
    }
}

/// The same rows again and again under other ids.
fn repeat(rows: &DeltaRows, times: u64) -> DeltaRows {
    let mut many = DeltaRows::default();
    for n in 0..times {
        let id = |i: usize| FlowId((1 << 50) + n * 10 + i as u64);
        many.ended.extend(rows.ended.iter().enumerate().map(|(i, r)| {
            let mut row = EndedRow { id: id(i), ..r.clone() };
            row.short.iter_mut().for_each(|f| f.identity.id = id(i));
            row
        }));
        many.new.extend(rows.new.iter().enumerate().map(|(i, r)| {
            let mut row: FlowRow = r.clone();
            row.identity.id = id(i);
            row
        }));
        many.state.extend(rows.state.iter().enumerate().map(|(i, r)| (id(i), r.1)));
        many.traffic.extend(rows.traffic.iter().enumerate().map(|(i, r)| (id(i), r.1)));
        many.meta.extend(rows.meta.iter().enumerate().map(|(i, r)| (id(i), r.1.clone())));
    }
    many
}

#[test]
fn of_equal_ids_the_last_row_counts() {
    let row = |n| (FlowId(3), StateRow { status: conntop_proto::flow::Status(n), ..StateRow::default() });
    let rows = DeltaRows { state: vec![row(1), row(2), row(3)], ..DeltaRows::default() };
    let rows = rows.into_delta(DeltaHeader::default()).rows().unwrap();
    assert_eq!(rows.state, [row(3)]);
}

#[test]
fn what_the_wire_rounds() {
    let at = BootMillis(10_000);
    let header = DeltaHeader { at, ..DeltaHeader::default() };
    let sent = |expires, sampled| TrafficRow {
        expires: Some(BootMillis(expires)),
        sampled: BootMillis(sampled),
        ..TrafficRow::default()
    };
    for (row, expected) in [
        (sent(12_498, 9_999), sent(11_999, 9_999)),
        (sent(12_499, 9_999), sent(12_999, 9_999)),
        (sent(12_500, 10_000), sent(13_000, 10_000)),
        (sent(9_000, 10_500), sent(10_000, 10_000)),
    ] {
        let rows = DeltaRows { traffic: vec![(FlowId(1), row)], ..DeltaRows::default() };
        assert_eq!(rows.into_delta(header).rows().unwrap().traffic, [(FlowId(1), expected)]);
    }
}

#[test]
fn many_lags_are_rounded_a_little() {
    let at = BootMillis(100_000);
    let header = DeltaHeader { at, ..DeltaHeader::default() };
    // Rows, the longest lag, and by how much each may be off: below a second, and above.
    for (rows, longest, near, far) in [
        (199, 25_000, 0, 0),
        (1000, 90, 0, 0),
        (1000, 250, 1, 1),
        (1000, 1000, 6, 6),
        (1000, 2000, 12, 12),
        (1000, 25_000, 12, 267),
        (1000, 100_000, 12, 1100),
    ] {
        let lag = |i: u64| (i * 7919) % (longest + 1);
        let row = |i| {
            let sampled = BootMillis(at.0 - lag(i));
            let expires = Some(BootMillis(sampled.0 + 30_000));
            (FlowId(i), TrafficRow { sampled, expires, ..TrafficRow::default() })
        };
        let traffic = (0..rows).map(row).collect();
        let delta = DeltaRows { traffic, ..DeltaRows::default() }.into_delta(header);
        for (id, row) in delta.rows().unwrap().traffic {
            let (lag, expected) = (at.since(row.sampled), lag(id.0));
            let off = if expected < 1000 { near } else { far };
            assert!(
                lag.abs_diff(expected) <= off,
                "{rows} rows to {longest} ms: {expected} ms became {lag} ms"
            );
            assert_eq!(row.expires, Some(BootMillis(row.sampled.0 + 30_000)));
        }
    }
}

#[test]
fn columns_take_their_shortest_form() {
    let rows = |values: &[u32]| {
        let row = |(i, n): (usize, &u32)| (FlowId(i as u64), MetaRow { mark: *n, ..MetaRow::default() });
        let rows = DeltaRows { meta: values.iter().enumerate().map(row).collect(), ..DeltaRows::default() };
        let message = ServerMessage::Delta(Box::new(rows.clone().into_delta(DeltaHeader::default())));
        let json = line(&message);
        let back: ServerMessage = decode_line(&json, Validate::All).unwrap();
        let ServerMessage::Delta(delta) = &back else { panic!("no delta") };
        assert_eq!(delta.rows().unwrap(), rows);
        let json = String::from_utf8(json).unwrap();
        json.split_once(r#""mark":"#).map_or(String::new(), |(_, mark)| mark[..mark.len() - 5].to_owned())
    };
    let many: Vec<u32> = (0..1000).map(|i| i % 91).collect();
    for (values, expected) in [
        (&[0, 0][..], ""),
        (&[7], "[7]"),
        (&[7, 7], "7"),
        (&[7, 0], "[7,0]"),
        (&[7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 9, 7], r##"{"of":[7,8,9],"row":"#$#$#$#$#$#$%#"}"##),
    ] {
        assert_eq!(rows(values), expected, "{values:?}");
    }
    let coded = rows(&many);
    let alphabet: String = ('#'..='~').filter(|c| *c != '\\').collect();
    assert!(coded.contains(&format!(r#""row":"{alphabet}{alphabet}"#)), "{coded}");
    let too_many: Vec<u32> = (0..1000).map(|i| i % 92).collect();
    assert!(rows(&too_many).starts_with("[0,1,2,"));
}

#[test]
fn contradictions_are_named() {
    for line in include_str!("data/columns.tsv").lines().filter(|l| !l.starts_with('#')) {
        let (json, expected) = line.split_once('\t').unwrap();
        let message = decode_line(json.as_bytes(), Validate::All)
            .unwrap_or_else(|e| panic!("{json}\n  is refused before its columns are looked at: {e}"));
        let ServerMessage::Delta(delta) = message else { panic!("{json}\n  is no delta") };
        let error = delta.rows().expect_err(json).to_string();
        assert_eq!(error, expected, "{json}");
    }
}

#[test]
fn end_reasons_are_left_out_when_all_were_destroyed() {
    let ended = |reason| EndedRow {
        id: FlowId(1),
        at: BootMillis(1),
        reason,
        stop: None,
        traffic: TrafficRow::default(),
        short: None,
    };
    for (reason, shown) in [(EndReason::Destroyed, false), (EndReason::Missing, true)] {
        let rows = DeltaRows { ended: vec![ended(reason)], ..DeltaRows::default() };
        let json = line(&ServerMessage::Delta(Box::new(rows.into_delta(DeltaHeader::default()))));
        assert_eq!(String::from_utf8(json).unwrap().contains("reason"), shown);
    }
}
