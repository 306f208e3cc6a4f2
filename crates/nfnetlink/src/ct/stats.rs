//! Statistics of the table and of each CPU.

use super::attr::*;
use crate::wire::{Attrs, ParseError};

/// How full the table of this namespace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Entries in this namespace.
    pub entries: u32,
    /// Limit of each namespace; absent on kernels before 4.18.
    pub max: Option<u32>,
}

/// Counts of one CPU since the namespace was made; those that the kernel does not tell are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Number of the CPU.
    pub cpu: u16,
    /// Look-ups that found an entry.
    pub found: u32,
    /// Packets that could not be tracked.
    pub invalid: u32,
    /// Entries put into the table.
    pub insert: u32,
    /// Entries that could not be put into it, mostly because another packet was faster.
    pub insert_failed: u32,
    /// Packets dropped because the table was full or an entry could not be made.
    pub drop: u32,
    /// Entries removed to make room for new ones.
    pub early_drop: u32,
    /// ICMP errors that belong to no flow, and the like.
    pub error: u32,
    /// Look-ups repeated because the table was resized.
    pub search_restart: u32,
    /// Clashes resolved.
    pub clash_resolve: u32,
    /// Entries refused because their hash chain was too long.
    pub chain_too_long: u32,
}

fn numbers(attributes: &[u8], mut each: impl FnMut(u16, u32)) -> Result<(), ParseError> {
    let name = |problem: crate::wire::Problem| problem.at("conntrack statistics", "CTA_STATS");
    for attr in Attrs::new(attributes) {
        let attr = attr.map_err(name)?;
        each(attr.kind, attr.be32().map_err(name)?);
    }
    Ok(())
}

impl TableStats {
    pub(crate) fn parse(attributes: &[u8]) -> Result<Self, ParseError> {
        let mut stats = TableStats::default();
        numbers(attributes, |kind, value| match kind {
            CTA_STATS_GLOBAL_ENTRIES => stats.entries = value,
            CTA_STATS_GLOBAL_MAX_ENTRIES => stats.max = Some(value),
            _ => {}
        })?;
        Ok(stats)
    }
}

impl CpuStats {
    pub(crate) fn parse(cpu: u16, attributes: &[u8]) -> Result<Self, ParseError> {
        let mut stats = CpuStats { cpu, ..CpuStats::default() };
        numbers(attributes, |kind, value| match kind {
            CTA_STATS_FOUND => stats.found = value,
            CTA_STATS_INVALID => stats.invalid = value,
            CTA_STATS_INSERT => stats.insert = value,
            CTA_STATS_INSERT_FAILED => stats.insert_failed = value,
            CTA_STATS_DROP => stats.drop = value,
            CTA_STATS_EARLY_DROP => stats.early_drop = value,
            CTA_STATS_ERROR => stats.error = value,
            CTA_STATS_SEARCH_RESTART => stats.search_restart = value,
            CTA_STATS_CLASH_RESOLVE => stats.clash_resolve = value,
            CTA_STATS_CHAIN_TOOLONG => stats.chain_too_long = value,
            _ => {}
        })?;
        Ok(stats)
    }
}
