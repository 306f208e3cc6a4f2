//! Every order of every column is one order: rows with equal values stand by their ids, however they came.

use proptest::prelude::*;

use super::*;
use crate::columns::{COLUMNS, Order};
use crate::flow::FlowView;
use crate::sort::SortKey;

/// Flows that have much in common; some have no counters, and one in three has ended.
fn world(ids: &[u64]) -> World {
    let mut world = World::default();
    let row = |id: &u64| {
        let row = flow(*id, &format!("10.0.0.{}:1000", id % 3 + 1), "8.8.8.8:443");
        if id.is_multiple_of(4) { row } else { with(row, traffic(id % 2 * 100, 7, 0)) }
    };
    world.pass(new(ids.iter().map(row).collect()));
    world.pass(DeltaRows::default());
    let gone = ids.iter().filter(|id| *id % 3 == 0).map(|id| ended(*id, 2_000, TrafficRow::default()));
    let ended = gone.collect();
    world.pass(DeltaRows { ended, ..DeltaRows::default() });
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_sort_is_stable(ids in Just((1_u64..=40).collect::<Vec<_>>()).prop_shuffle()) {
        let world = world(&ids);
        let source = world.source();
        for column in COLUMNS {
            for order in [Order::Ascending, Order::Descending] {
                let sort = Sort { column, order };
                let mut view = View::default();
                let query = Query { sort, ..query("", "id", Motion::Live) };
                view.refresh(&[source], &query);
                let place = |view: FlowView<'_>| (sort.key(&view), view.key());
                let mut wanted: Vec<(SortKey, FlowKey)> =
                    source.live().chain(source.ended()).map(place).collect();
                wanted.sort_unstable();
                let rows: Vec<FlowKey> = view.rows(0, 100).iter().map(|row| row.id).collect();
                let wanted: Vec<FlowKey> = wanted.into_iter().map(|(_, id)| id).collect();
                prop_assert_eq!(rows, wanted, "{} {:?}", column.key, order);
            }
        }
    }
}
