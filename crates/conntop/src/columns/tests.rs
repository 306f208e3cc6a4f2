//! Cells, JSON and the manual, by the whole row of a few flows.

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, State, Status};
use conntop_proto::tuple::{L4, Proto};
use serde_json::json;

use super::{COLUMNS, Layout, Look, Offers, Preset, find, width};
use crate::flow::testing::{World, check_page, ended, flow, traffic};
use crate::units::RateUnit;

fn world() -> World {
    let mut world = World::default();
    world.now = 600_000;
    let mut web = flow(1, "192.168.1.5:40000", "93.184.216.34:443");
    web.identity.reply.dst = "203.0.113.1".parse().unwrap();
    web.identity.first_seen = BootMillis(600_000);
    web.identity.born = true;
    web.traffic = traffic(1_000, 2_000, 601_000);
    let mut v6 = flow(
        2,
        "[2001:db8:1234:5678:9abc:def0:1234:5678]:2222",
        "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:80",
    );
    v6.state.state = State::Unknown;
    v6.state.status = Status(0x4008);
    let mut ping = flow(3, "127.0.0.1:0", "127.0.0.1:0");
    ping.identity.orig.proto = Proto::ICMP;
    ping.identity.orig.l4 = L4::Icmp { id: 7, ty: 8, code: 0 };
    ping.identity.reply = ping.identity.orig.inverse();
    ping.state.state = State::Unreplied;
    ping.meta.helper = Some("a helper with a long name".into());
    ping.meta.labels = Some(1 << 5 | 1 << 70);
    ping.meta.mark = 255;
    ping.traffic = traffic(84, 0, 601_000);
    ping.traffic.resets = 2;
    world.pass(DeltaRows { new: vec![web, v6, ping], ..DeltaRows::default() });
    world.pass(DeltaRows::default());
    let more = traffic(26_000, 502_000, 603_000);
    world.pass(DeltaRows { traffic: vec![(FlowId(1), more)], ..DeltaRows::default() });
    world
}

fn line(world: &World, id: u64, layout: &Layout, look: Look) -> String {
    let view = world.source().get(FlowId(id)).unwrap();
    let cells = layout.columns.iter().map(|p| p.column.cell(&view, p.width, look).text);
    cells.collect::<Vec<_>>().join("|")
}

#[test]
fn rows_by_default() {
    let world = world();
    let check = |preset, terminal, id, wanted: &str| {
        let layout = Layout::preset(preset, Offers::default(), terminal);
        assert_eq!(line(&world, id, &layout, Look::default()), wanted, "{preset:?} {terminal}");
    };
    check(Preset::Router, 80, 1, "tcp|EST|S|192.168.1.5|93.184.216.34|443|2.00Mb|100kb|528kB");
    check(Preset::Router, 80, 2, "tcp|n/a|O|2001:db…34:5678|2001:db8:aa…d:eeee:ffff|80|n/a|n/a|n/a");
    check(Preset::Router, 80, 3, "icmp|UNREP|RH|127.0.0.1|127.0.0.1||0b|0b|84B");
    check(
        Preset::Router,
        120,
        1,
        "tcp|EST|S|192.168.1.5|40000|93.184.216.34|443|203.0.113.1:40000|2.00Mb|100kb|528kB|3s",
    );
    check(Preset::Workstation, 80, 1, "tcp|EST|>|93.184.216.34|443|2.00Mb|100kb|528kB");
    check(Preset::Workstation, 80, 3, "icmp|UNREP|=|127.0.0.1||0b|0b|84B");
    check(Preset::Router, 20, 1, "93.184.216.34|2.00Mb");
    let bytes = Look { unit: RateUnit::Bytes, ascii: true, ..Look::default() };
    let layout = Layout::preset(Preset::Router, Offers::default(), 80);
    assert_eq!(
        line(&world, 2, &layout, bytes),
        "tcp|n/a|O|2001:db~34:5678|2001:db8:aa~d:eeee:ffff|80|n/a|n/a|n/a"
    );
    assert_eq!(line(&world, 1, &layout, bytes), "tcp|EST|S|192.168.1.5|93.184.216.34|443|250kB|12.5kB|528kB");
}

#[test]
fn no_cell_is_wider_than_its_column() {
    let mut world = world();
    let end = ended(3, world.now + 1000, traffic(u64::from(u32::MAX), 1, 604_000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    for column in COLUMNS {
        for id in [1, 2, 3] {
            let view = world.source().get(FlowId(id)).unwrap();
            for room in 0..50 {
                let cell = column.cell(&view, room, Look::default());
                assert!(width(&cell.text) <= room, "{} {cell:?}", column.key);
            }
        }
    }
}

#[test]
fn raw_values() {
    let mut world = world();
    let end = ended(3, world.now + 1500, traffic(84, 84, 604_000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    let check = |id: u64, key: &str, wanted: serde_json::Value| {
        let view = world.source().get(FlowId(id)).unwrap();
        let column = find(key).unwrap();
        assert_eq!(column.json(&view), wanted, "{key} of {id}");
    };
    for (key, wanted) in [
        ("proto", json!("tcp")),
        ("state", json!("established")),
        ("flags", json!("S")),
        ("dir", json!("out")),
        ("src", json!("192.168.1.5")),
        ("sport", json!(40000)),
        ("nat", json!("203.0.113.1:40000")),
        ("backend", json!(null)),
        ("bytes", json!(528_000)),
        ("bytes_down", json!(502_000)),
        ("packets", json!(20)),
        ("age", json!(4)),
        ("end", json!(null)),
        ("labels", json!(null)),
        ("id", json!(1)),
        ("status", json!(["seen_reply", "assured", "confirmed"])),
    ] {
        check(1, key, wanted);
    }
    for (key, wanted) in [
        ("state", json!(null)),
        ("down", json!(null)),
        ("bytes", json!(null)),
        ("age", json!(null)),
        ("idle", json!(null)),
        ("timeout", json!(null)),
        ("offload", json!("sw")),
    ] {
        check(2, key, wanted);
    }
    for (key, wanted) in [
        ("proto", json!("icmp")),
        ("sport", json!(null)),
        ("labels", json!([5, 70])),
        ("mark", json!(255)),
        ("helper", json!("a helper with a long name")),
        ("end", json!("destroyed")),
        ("down", json!(null)),
        ("timeout", json!(null)),
        ("bytes", json!(168)),
    ] {
        check(3, key, wanted);
    }
    assert_eq!(find("down").unwrap().json_key(), "down_Bps");
}

#[test]
fn manual_is_up_to_date() {
    check_page("columns.md", &super::manual());
}
