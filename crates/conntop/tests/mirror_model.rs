//! The mirror against a map: whatever the order of changes and resets, both hold the same flows,
//! what was carried never falls, no rate is absurd, and what single flows, ended ones included, are seen
//! to have carried since the mark is what all together have.

mod common;

use std::collections::BTreeMap;

use common::{apply, delta, ended, flow, reset, rows, synced, traffic};
use conntop::mirror::{Class, Mirror};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{FlowId, FlowRow, State, StateRow, Status};
use conntop_proto::message::ResetReason;
use proptest::prelude::*;

/// What happens in one tick.
#[derive(Clone, Debug)]
enum Step {
    New(Vec<u64>),
    End(Vec<u64>),
    Short(u64),
    Traffic(u64, u32),
    State(u64, bool),
    Nothing,
    Mark,
    /// All flows follow anew, in this epoch or in a new one, where `lost` of them are not there
    /// any more.
    Reset {
        restart: bool,
        lost: Vec<u64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..12_u64;
    let ids = prop::collection::vec(1..12_u64, 0..6);
    prop_oneof![
        3 => ids.clone().prop_map(Step::New),
        2 => ids.clone().prop_map(Step::End),
        1 => (100..110_u64).prop_map(Step::Short),
        6 => (id.clone(), any::<u32>()).prop_map(|(id, n)| Step::Traffic(id, n)),
        2 => (id, any::<bool>()).prop_map(|(id, up)| Step::State(id, up)),
        2 => Just(Step::Nothing),
        1 => Just(Step::Mark),
        1 => (any::<bool>(), ids).prop_map(|(restart, lost)| Step::Reset { restart, lost }),
    ]
}

/// Bytes that single flows carried since the mark, as (original, reply).
fn seen(mirror: &Mirror) -> (u64, u64) {
    let live = mirror.flows().filter_map(|(_, flow)| mirror.seen(flow));
    let past = mirror.past().iter().map(|past| past.seen);
    live.chain(past).fold((0, 0), |(orig, reply), seen| (orig + seen.orig, reply + seen.reply))
}

proptest! {
    #[test]
    fn holds_what_was_said(steps in prop::collection::vec(step(), 1..60)) {
        let mut mirror = Mirror::default();
        mirror.set_classify(Box::new(|_, _| Class::Out));
        let mut model: BTreeMap<u64, FlowRow> = BTreeMap::new();
        let mut epoch = 1;
        // Ids that were used: a collector never uses one again, so every life gets a fresh one.
        let mut lives: BTreeMap<u64, u64> = BTreeMap::new();
        apply(&mut mirror, &[reset(epoch, ResetReason::Start), synced()]);
        let mut up = 0;
        for (tick, step) in (1..).zip(steps) {
            let now = tick * 1000 + 50;
            let mut changes = DeltaRows::default();
            let live = |model: &BTreeMap<u64, FlowRow>, key: u64, lives: &BTreeMap<u64, u64>| {
                lives.get(&key).copied().filter(|id| model.contains_key(id))
            };
            match step {
                Step::New(keys) => for key in keys {
                    if live(&model, key, &lives).is_none() {
                        let id = tick * 1000 + key;
                        lives.insert(key, id);
                        let mut row = flow(id);
                        row.identity.orig = common::tuple(u16::try_from(key).unwrap());
                        row.identity.born = key % 2 == 0;
                        model.insert(id, row.clone());
                        changes.new.push(row);
                    }
                },
                Step::End(keys) => for key in keys {
                    if let Some(id) = live(&model, key, &lives) {
                        let last = model.remove(&id).unwrap().traffic;
                        changes.ended.push(ended(id, now, last));
                    }
                },
                Step::Short(key) => {
                    let id = tick * 1000 + key;
                    let mut row = ended(id, now, traffic(now, 7, 7));
                    row.short = Some(Box::new(flow(id)));
                    changes.ended.push(row);
                }
                Step::Traffic(key, grown) => if let Some(id) = live(&model, key, &lives) {
                    let row = model.get_mut(&id).unwrap();
                    let before = row.traffic.orig.map_or(0, |c| c.bytes);
                    row.traffic = traffic(now, before + u64::from(grown), 3);
                    changes.traffic.push((FlowId(id), row.traffic));
                },
                Step::State(key, open) => if let Some(id) = live(&model, key, &lives) {
                    let state = if open { State::Established } else { State::TimeWait };
                    let row = StateRow { state, status: Status(14) };
                    model.get_mut(&id).unwrap().state = row;
                    changes.state.push((FlowId(id), row));
                },
                Step::Nothing => {}
                Step::Mark => mirror.mark(),
                Step::Reset { restart, lost } => {
                    for key in lost {
                        if let Some(id) = live(&model, key, &lives) {
                            model.remove(&id);
                        }
                    }
                    if restart {
                        epoch += 1;
                        let old = std::mem::take(&mut model);
                        for mut row in old.into_values() {
                            // Ids begin anew, and mean other flows.
                            let id = FlowId(row.identity.id.0 / 2 + 1);
                            row.identity.id = id;
                            model.insert(id.0, row);
                        }
                        for (key, id) in &mut lives {
                            let port = common::tuple(u16::try_from(*key).unwrap());
                            let now = model.values().find(|row| row.identity.orig == port);
                            *id = now.map_or(0, |row| row.identity.id.0);
                        }
                    }
                    apply(&mut mirror, &[reset(epoch, ResetReason::Restart)]);
                    changes.new = model.values().cloned().collect();
                    apply(&mut mirror, &[delta(tick, changes), synced()]);
                    changes = DeltaRows::default();
                }
            }
            // Twice, for it makes no difference.
            let message = delta(tick, changes);
            apply(&mut mirror, &[message.clone(), message]);
            let wanted: Vec<FlowRow> = model.values().cloned().collect();
            prop_assert_eq!(rows(&mirror), wanted);
            prop_assert!(mirror.ledger().up >= up, "what was carried falls");
            up = mirror.ledger().up;
            prop_assert_eq!(seen(&mirror), (mirror.ledger_since().up, mirror.ledger_since().down));
            for (_, flow) in mirror.flows() {
                if let Some(rates) = mirror.rates(flow) {
                    let total = flow.orig_counters().unwrap().bytes;
                    prop_assert!(rates.orig <= total, "{rates:?} of {total} bytes in passes a second apart");
                }
            }
        }
    }
}
