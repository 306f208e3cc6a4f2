//! Flows as JSON: the raw values of the columns under their keys, and what the kernel says about
//! the flow as it says it. What is unknown is null.

use std::net::IpAddr;

use conntop_proto::flow::{Counters, State};
use conntop_proto::tuple::{L4, Tuple};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::columns::{COLUMNS, Column};
use crate::flow::FlowView;

/// Keys of the kernel's own values; columns of the same name are left out.
const KERNEL: &[&str] =
    &["flow", "id", "state", "timeout", "start", "stop", "status", "mark", "zone", "reply_zone", "helper"];

/// One flow.
#[derive(Clone, Copy)]
pub struct FlowJson<'a> {
    view: FlowView<'a>,
    columns: &'a [&'static Column],
}

impl<'a> FlowJson<'a> {
    /// A flow with these columns; all of them when there are none.
    #[must_use]
    pub fn new(view: FlowView<'a>, columns: &'a [&'static Column]) -> Self {
        Self { view, columns }
    }
}

impl Serialize for FlowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { view, columns } = self;
        let flow = view.flow;
        let mut map = serializer.serialize_map(None)?;
        // Ours, unique in the collector's epoch; `id` is the kernel's and is not.
        map.serialize_entry("flow", &flow.id())?;
        map.serialize_entry("id", &flow.ct_id())?;
        // With the kernel's own state names, in lower case.
        map.serialize_entry("state", &known(flow.state()))?;
        // Whole seconds, as the kernel has them.
        map.serialize_entry("timeout", &view.timeout().map(|millis| (millis + 500) / 1000))?;
        // Microseconds since 1970.
        map.serialize_entry("start", &flow.start())?;
        if let Some(ended) = view.ended {
            map.serialize_entry("stop", &ended.stop)?;
        }
        map.serialize_entry("status", &flow.status())?;
        map.serialize_entry("mark", &flow.mark())?;
        map.serialize_entry("zone", &flow.zone())?;
        map.serialize_entry("reply_zone", &flow.reply_zone())?;
        map.serialize_entry("helper", &flow.helper())?;
        let mut column = |column: &Column| match KERNEL.contains(&column.json_key()) {
            true => Ok(()),
            false => map.serialize_entry(column.json_key(), &column.json(view)),
        };
        match columns.is_empty() {
            true => COLUMNS.iter().try_for_each(&mut column)?,
            false => columns.iter().copied().try_for_each(&mut column)?,
        }
        map.serialize_entry("orig", &Direction(&flow.orig(), flow.orig_counters()))?;
        map.serialize_entry("reply", &Direction(&flow.reply(), flow.reply_counters()))?;
        if let Some(master) = flow.master() {
            map.serialize_entry("master", &Direction(master, None))?;
        }
        map.end()
    }
}

fn known(state: State) -> Option<State> {
    (state != State::Unknown).then_some(state)
}

/// One direction with its counters.
struct Direction<'a>(&'a Tuple, Option<Counters>);

impl Serialize for Direction<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tuple, counters) = self;
        let mut map = serializer.serialize_map(None)?;
        let mut address = |key, address: &IpAddr| map.serialize_entry(key, address);
        address("src", &tuple.src)?;
        address("dst", &tuple.dst)?;
        map.serialize_entry("protonum", &tuple.proto.0)?;
        match tuple.l4 {
            L4::None => {}
            L4::Ports { src, dst } => {
                map.serialize_entry("sport", &src)?;
                map.serialize_entry("dport", &dst)?;
            }
            L4::Icmp { id, ty, code } => {
                map.serialize_entry("icmp_id", &id)?;
                map.serialize_entry("icmp_type", &ty)?;
                map.serialize_entry("icmp_code", &code)?;
            }
        }
        map.serialize_entry("packets", &counters.map(|c| c.packets))?;
        map.serialize_entry("bytes", &counters.map(|c| c.bytes))?;
        map.end()
    }
}
