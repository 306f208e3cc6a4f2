//! Which flows are printed, in which order, and how.

use std::io::{self, Write};
use std::time::Instant;

use conntop_proto::flow::BootMillis;
use serde::ser::{SerializeSeq as _, Serializer as _};

use super::exit::{Failure, USAGE, write_failure};
use super::json::FlowJson;
use crate::cli::{Common, Format, ListArgs};
use crate::engine::Engine;
use crate::mirror::{EndedFlow, Flow};

/// What is asked for.
#[derive(Debug)]
pub struct Query {}

impl Query {
    /// Reads filter, order and columns of the options.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(common: &Common) -> Result<Self, Failure> {
        if common.filter.is_some() || common.sort.is_some() || !common.columns.is_empty() {
            return Err(Failure::new(USAGE, "--filter, --sort and --columns are not ready yet"));
        }
        Ok(Self {})
    }

    /// Whether rates are shown, sorted by or filtered.
    #[must_use]
    pub fn wants_rates(&self) -> bool {
        false
    }

    /// Whether a live flow is asked for.
    #[must_use]
    pub fn matches(&self, _engine: &Engine, _flow: &Flow, _now: BootMillis) -> bool {
        true
    }

    /// Whether an ended flow is asked for.
    #[must_use]
    pub fn matches_ended(&self, _engine: &Engine, _ended: &EndedFlow, _now: BootMillis) -> bool {
        true
    }
}

/// Prints the flows that are asked for.
///
/// # Errors
/// A failing writer; a reader that is gone is none.
pub fn print(
    engine: &Engine,
    query: &Query,
    args: &ListArgs,
    sampled: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let now = engine.collector_time(Instant::now());
    let flows = engine.mirror().flows().map(|(_, flow)| flow);
    let flows = flows.filter(|flow| query.matches(engine, flow, now));
    let flows = flows.take(args.limit.unwrap_or(usize::MAX));
    let json = flows.map(|flow| {
        let rates = if sampled { engine.mirror().rates(flow) } else { None };
        FlowJson::live(engine, flow, rates, now)
    });
    let written = match args.format {
        Format::Json => array(out, json),
        Format::Ndjson | Format::Table | Format::Csv => lines(out, json),
    };
    written.and_then(|()| out.flush()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn array<'a>(out: &mut dyn Write, flows: impl Iterator<Item = FlowJson<'a>>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *out);
    let mut seq = serializer.serialize_seq(None)?;
    for flow in flows {
        seq.serialize_element(&flow)?;
    }
    seq.end()?;
    out.write_all(b"\n")
}

fn lines<'a>(out: &mut dyn Write, flows: impl Iterator<Item = FlowJson<'a>>) -> io::Result<()> {
    for flow in flows {
        serde_json::to_writer(&mut *out, &flow)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
