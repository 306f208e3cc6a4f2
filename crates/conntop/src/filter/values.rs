//! What flows have in a field, as a filter would write it.

use std::cmp::Reverse;

use hashbrown::HashMap;

use super::fields::{Field, Getter, Kind};
use crate::columns::{STATUSES, Value, end_reason, state_short};
use crate::enrich::services::Services;
use crate::flow::FlowView;

/// Different values that are counted at most.
const MOST: usize = 20_000;

/// What these flows have in a field, the most frequent first.
#[must_use]
pub fn values<'a>(field: &'static Field, flows: impl Iterator<Item = FlowView<'a>>) -> Vec<String> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for view in flows {
        if counts.len() >= MOST {
            break;
        }
        let mut count = |word: String| *counts.entry(word).or_default() += 1;
        match field.get {
            Getter::One(get) => words(get(&view), field.kind, &view, &mut count),
            Getter::Two(get) => get(&view).into_iter().for_each(|v| words(v, field.kind, &view, &mut count)),
            Getter::Four(get) => get(&view).into_iter().for_each(|v| words(v, field.kind, &view, &mut count)),
        }
    }
    let mut words: Vec<(String, u32)> = counts.into_iter().collect();
    // Names before addresses, as they are easier to tell apart.
    let is_address = |word: &str| word.parse::<std::net::IpAddr>().is_ok();
    words.sort_by_cached_key(|(word, count)| (Reverse(*count), is_address(word), word.clone()));
    words.into_iter().map(|(word, _)| word).collect()
}

fn words(value: Value<'_>, kind: Kind, view: &FlowView<'_>, count: &mut impl FnMut(String)) {
    match value {
        Value::Proto(proto) => count(proto.name().map_or_else(|| proto.0.to_string(), str::to_owned)),
        Value::State(state) => count(state_short(state).to_owned()),
        Value::Dir(dir) => count(dir.word().to_owned()),
        Value::Flags(flags) => {
            let letters = flags.letters();
            if !letters.is_empty() {
                count(letters);
            }
        }
        Value::Address(address) => {
            if kind == Kind::Host
                && let Some(name) = view.name(address)
            {
                count(name.to_owned());
            }
            count(address.to_string());
        }
        Value::Port(port) => {
            let name = view.known.service(view.orig().proto, port);
            let name = name.filter(|name| Services::of_machine().port(name) == Some(port));
            count(name.map_or_else(|| port.to_string(), str::to_owned));
        }
        Value::Status(status) => {
            STATUSES
                .iter()
                .filter(|(bit, _)| status.has(*bit))
                .for_each(|(_, word)| count((*word).to_owned()));
        }
        Value::Offload(offload) => count(offload.word().to_owned()),
        Value::Mark(mark) => count(format!("{mark:#x}")),
        Value::Labels(labels) => {
            (0..128_u32).filter(|bit| labels >> bit & 1 == 1).for_each(|bit| count(bit.to_string()));
        }
        Value::Number(number) if kind == Kind::Asn => count(format!("AS{number}")),
        Value::Number(number) => count(number.to_string()),
        Value::Text(text) => count(text.to_owned()),
        Value::Range(range) => count(range.word().to_owned()),
        Value::EndReason(reason) => count(end_reason(reason).to_owned()),
        Value::Unknown
        | Value::Absent
        | Value::End(_)
        | Value::Rate(_)
        | Value::Bytes(_)
        | Value::Count(_)
        | Value::Time(_)
        | Value::Left(_) => {}
    }
}
