//! Several nodes: their ids and slots are the same numbers and mean different flows, and each has a
//! clock of its own.

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::FlowId;

use super::{new, query, with, world};
use crate::flow::testing::{World, ended, flow, traffic};
use crate::flow::{FlowKey, NodeId, Source};
use crate::view::{Motion, View};

/// Both as nodes, the second with the name `there`.
fn sources<'a>(here: &'a World, there: &'a World) -> [Source<'a>; 2] {
    [here.source(), Source { node: NodeId(1), name: "there", ..there.source() }]
}

/// Rows from top to bottom as node and id, ended ones with a minus.
fn shown(view: &mut View) -> Vec<String> {
    let text = |row: &crate::view::Row| {
        format!("{}{}.{}", if row.ghost { "-" } else { "" }, row.id.node().0, row.id.id().0)
    };
    view.rows(0, 100).iter().map(text).collect()
}

#[test]
fn rows_of_all_in_one_order() {
    // Another machine, up for longer.
    let mut there = world();
    there.now += 900_000;
    let more = [(1, 55), (2, 210), (9, 1000)];
    let rows = more.map(|(id, bytes)| with(flow(id, "10.9.0.1:1", "9.9.9.9:53"), traffic(bytes, 0, 0)));
    there.pass(new(rows.to_vec()));
    let mut here = world();
    let mut view = View::default();
    let check = |view: &mut View, here: &World, there: &World, filter: &str, motion, wanted: &[&str]| {
        view.refresh(&sources(here, there), &query(filter, "bytes", motion));
        assert_eq!(shown(view), wanted, "{filter} {motion:?}");
        for step in [1, 3] {
            let mut parts = View::default();
            parts.begin(&sources(here, there), &query(filter, "bytes", Motion::Live));
            while !parts.advance(&sources(here, there), step) {}
            assert_eq!(parts.totals(), view.totals(), "{filter} in parts of {step}");
        }
    };
    let all = ["1.9", "0.3", "1.3", "1.2", "0.2", "0.1", "1.1", "0.4", "1.4"];
    check(&mut view, &here, &there, "", Motion::Live, &all);
    assert_eq!(view.totals().all().flows, 9);
    assert_eq!(view.rank_of(FlowKey::new(NodeId(1), FlowId(2))), Some(3));
    check(&mut view, &here, &there, "node here", Motion::Live, &["0.3", "0.2", "0.1", "0.4"]);
    check(&mut view, &here, &there, "node there and bytes > 250", Motion::Live, &["1.9", "1.3"]);
    check(&mut view, &here, &there, "", Motion::Live, &all);

    // One ends here; the flow of the same id and slot over there goes on.
    let gone = ended(2, here.now + 1000, traffic(120, 80, here.now));
    here.pass(DeltaRows { ended: vec![gone], ..DeltaRows::default() });
    let left = ["1.9", "0.3", "1.3", "1.2", "-0.2", "0.1", "1.1", "0.4", "1.4"];
    check(&mut view, &here, &there, "", Motion::Frozen, &left);
    check(&mut view, &here, &there, "", Motion::Live, &left);
    // It fades by the clock of its own node.
    there.now += 60_000;
    there.pass(DeltaRows::default());
    check(&mut view, &here, &there, "", Motion::Live, &left);
    here.now += 11_000;
    let faded: Vec<&str> = left.iter().copied().filter(|row| *row != "-0.2").collect();
    check(&mut view, &here, &there, "", Motion::Live, &faded);
}

#[test]
fn sorted_by_node() {
    let (here, there) = (world(), world());
    let mut view = View::default();
    let mut check = |sort: &str, wanted: &[&str]| {
        view.refresh(&sources(&here, &there), &query("dport 443 and bytes < 300", sort, Motion::Live));
        assert_eq!(shown(&mut view), wanted, "{sort}");
    };
    check("node", &["0.1", "0.2", "1.1", "1.2"]);
    check("node:desc", &["1.1", "1.2", "0.1", "0.2"]);
}
