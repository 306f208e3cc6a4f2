//! Screens of a machine: listeners, interfaces, and who fills the table. Keys in, screens out.
//! `INSTA_UPDATE=always cargo test -p conntop --test tui_boards` takes the new ones.

mod stage;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntop::source::{Messages, SourceEvent};
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::message::{Listener, Listeners, Pass, ServerMessage, Sight};
use conntop_proto::tuple::{L4, Proto, Tuple};
use stage::{Stage, charset};

/// As those of the flows.
const CASES: &[(&str, u16, u16, &str)] = &[
    ("listeners_80x24", 80, 24, "+12 3"),
    ("listeners_120x40", 120, 40, "+12 3"),
    ("listeners_200x60", 200, 60, "+12 3"),
    ("listeners_20x3", 20, 3, "+12 3"),
    ("listeners_by_port_80x24", 80, 24, "+12 3 j < < <"),
    ("listeners_numbers_80x24", 80, 24, "+12 3 N"),
    ("listeners_early_80x24", 80, 24, "3"),
    ("interfaces_80x24", 80, 24, "+12 4"),
    ("interfaces_120x40", 120, 40, "+12 4"),
    ("interfaces_200x60", 200, 60, "+12 4"),
    ("interfaces_20x3", 20, 3, "+12 4"),
    ("interfaces_bytes_80x24", 80, 24, "+12 4 b w"),
    ("interfaces_by_name_80x24", 80, 24, "+12 4 G < <"),
    ("table_80x24", 80, 24, "+12 5"),
    ("table_120x40", 120, 40, "+12 5"),
    ("table_200x60", 200, 60, "+12 5"),
    ("table_20x3", 20, 3, "+12 5"),
    ("table_by_source_80x24", 80, 24, "+12 5 t"),
    ("table_by_state_80x24", 80, 24, "+12 5 t t > >"),
    ("table_of_a_row_80x24", 80, 24, "+12 5 j Enter"),
];

#[test]
fn screens_are_as_committed() {
    for (name, columns, lines, script) in CASES {
        let mut stage = Stage::new(*columns, *lines);
        stage.play(script);
        insta::assert_snapshot!(*name, stage.text());
    }
}

#[test]
fn no_size_panics() {
    for script in ["+3 3 j", "+3 4 G", "+3 5 j", "3", "4", "5", "+3 5 / \"port 4\" Enter 5"] {
        let mut stage = Stage::new(80, 24);
        stage.play(&script.replace('/', "1 /"));
        stage.charset = charset::Ascii;
        for columns in (1..=30).chain([39, 59, 79, 81, 120, 220]) {
            for lines in (1..=16).chain([24, 70]) {
                stage.resize(columns, lines);
                assert!(stage.text().is_ascii());
            }
        }
    }
}

#[test]
fn only_what_is_looked_at_is_asked_for() {
    let check = |script: &str, looks: &[Sight]| {
        let mut stage = Stage::new(80, 24);
        stage.play(script);
        assert_eq!(stage.app.look(), looks, "{script}");
    };
    check("+1", &[]);
    check("+1 3", &[Sight::Listeners]);
    check("+1 3 4", &[Sight::Interfaces]);
    check("+1 4 Tab", &[]);
    check("+1 3 Esc", &[]);
}

/// Every row of the table leads to exactly the flows that it counts.
#[test]
fn rows_lead_to_their_flows() {
    for by in ["", "t", "t t"] {
        let mut stage = Stage::new(120, 40);
        stage.play(&format!("+12 5 {by} g"));
        let rows = stage.app.screen().table.rows.len();
        assert!(rows > 3, "{by}: {rows} rows");
        for rank in 0..rows {
            let mut stage = Stage::new(120, 60);
            stage.play(&format!("+12 5 {by} g"));
            (0..rank).for_each(|_| stage.key("j"));
            let table = &stage.app.screen().table;
            let row = table.rows.iter().find(|row| row.selected).unwrap_or_else(|| panic!("none at {rank}"));
            let at = table.columns.iter().position(|column| column.key == "flows").unwrap_or(0);
            let wanted = row.cells.get(at).map(|cell| cell.text.clone()).unwrap_or_default();
            stage.key("Enter");
            let filter = stage.app.screen().filter.clone().unwrap_or_default();
            let total = filter.totals.first().map(|span| span.text.clone()).unwrap_or_default();
            let found = total.split(' ').next().unwrap_or_default().to_owned();
            assert_eq!(found, wanted, "{}", filter.text);
        }
    }
}

/// A flow of TCP or UDP that was opened to an address and port, and perhaps translated to another.
fn flow(id: u64, proto: u8, to: ([u8; 4], u16), real: ([u8; 4], u16)) -> FlowRow {
    let from = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
    let port = 40_000 + u16::try_from(id % 1000).unwrap_or(0);
    let tuple = |src, dst, ports: (u16, u16)| Tuple {
        src,
        dst,
        proto: Proto(proto),
        l4: L4::Ports { src: ports.0, dst: ports.1 },
    };
    let (to, real) = ((IpAddr::from(to.0), to.1), (IpAddr::from(real.0), real.1));
    let at = BootMillis(86_400_000 * 12 + 12_000);
    let count = |bytes| Some(Counters { packets: 1, bytes });
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig: tuple(from, to.0, (port, to.1)),
            reply: tuple(real.0, from, (real.1, port)),
            reply_zone: 0,
            ct_id: None,
            start: None,
            first_seen: at,
            born: true,
            master: None,
        },
        state: StateRow { state: State::Assured, status: Status(0) },
        traffic: TrafficRow {
            orig: count(1),
            reply: count(2),
            resets: 0,
            expires: Some(BootMillis(at.0 + 30_000)),
            sampled: at,
        },
        meta: Default::default(),
    }
}

#[test]
fn flows_are_counted_at_who_serves_them() {
    let wan = [203, 0, 113, 7];
    let lan = [192, 168, 1, 1];
    let flows = vec![
        // To the listener of all addresses.
        flow(5001, 6, (wan, 22), (wan, 22)),
        flow(5002, 6, (lan, 22), (lan, 22)),
        // Through the machine, to the same port of another one.
        flow(5003, 6, ([192, 0, 2, 1], 22), ([192, 0, 2, 1], 22)),
        // Redirected to a proxy here.
        flow(5004, 6, ([192, 0, 2, 1], 80), (lan, 3128)),
        // To an address where nobody listens.
        flow(5005, 6, (wan, 53), (wan, 53)),
        // To one of two protocols.
        flow(5006, 17, (lan, 53), (lan, 53)),
    ];
    let mut stage = Stage::new(120, 40);
    stage.play("+11");
    let at = BootMillis(86_400_000 * 12 + 12_000);
    let header = DeltaHeader { cursor: 900, in_step: true, at, pass: Pass::default() };
    let rows = DeltaRows { new: flows, ..DeltaRows::default() };
    let delta = ServerMessage::Delta(Box::new(rows.into_delta(header)));
    let any = Ipv6Addr::UNSPECIFIED.into();
    let listener = |proto, address, port| Listener {
        proto,
        address,
        port,
        v6_only: false,
        interface: None,
        uid: 0,
        inode: None,
        waiting: 0,
        backlog: None,
    };
    let own = IpAddr::from(lan);
    let list = vec![
        listener(6, any, 22),
        Listener { v6_only: true, ..listener(6, any, 53) },
        listener(6, own, 53),
        listener(6, own, 3128),
        // Two sockets share a place.
        listener(17, own, 53),
        listener(17, own, 53),
    ];
    let told = ServerMessage::Listeners(Listeners { at, list, left_out: 0 });
    stage.apply(SourceEvent::Messages(Messages::new([delta, told])));
    stage.key("3");
    let table = &stage.app.screen().table;
    let text = |row: &conntop::tui::screen::Row, key: &str| {
        let at = table.columns.iter().position(|column| column.key == key);
        at.and_then(|at| row.cells.get(at)).map(|cell| cell.text.clone()).unwrap_or_default()
    };
    let mut found: Vec<_> = table
        .rows
        .iter()
        .map(|row| format!("{} {} {}", text(row, "proto"), text(row, "port"), text(row, "flows")))
        .collect();
    found.sort();
    assert_eq!(found, ["tcp 22 2", "tcp 3128 1", "tcp 53 0", "tcp 53 0", "udp 53 1"]);
}
