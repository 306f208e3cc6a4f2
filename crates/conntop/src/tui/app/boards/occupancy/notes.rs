//! How full the table is and was, when it will be full, and what it refuses: for each machine.

use std::time::Duration;

use conntop_proto::message::Origin;

use super::super::{Scene, words};
use crate::flow::Now;
use crate::nodes::Node;
use crate::tui::format::grouped;
use crate::tui::glyphs::SPARK;
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;
use crate::units;

/// Moments of the history, and the time between two of them: ten minutes.
const MOMENTS: usize = 20;
const APART: Duration = Duration::from_secs(30);
/// What is refused is counted over that: the numbers come every two seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// Growth per second below which a table stands still.
const STILL: f64 = 0.05;

/// Two lines; of several machines one for each of the first two.
pub(super) fn lines(scene: &Scene<'_>) -> Vec<Spans> {
    let nodes = || scene.nodes.iter().map(|(_, node)| node).zip(scene.ask.now.iter().copied());
    if !scene.nodes.several() {
        return nodes().flat_map(|(node, now)| [fill(node, now), refusals(node, now)]).collect();
    }
    let line = |(node, now): (&Node, Now)| {
        let mut line = vec![Span::new(format!("{}: ", node.name()), Role::Title)];
        line.extend(fill(node, now));
        line.push(label("  "));
        line.extend(refusals(node, now));
        line
    };
    nodes().take(2).map(line).collect()
}

fn label(text: impl Into<String>) -> Span {
    Span::new(text, Role::Label)
}

fn fill(node: &Node, now: Now) -> Spans {
    let engine = node.engine();
    let Some(table) = engine.table() else { return vec![label("entries n/a")] };
    if engine.kernel().is_some_and(|kernel| kernel.origin == Origin::Sockets) {
        return vec![label(format!("{} sockets; no table that could be full", grouped(table.flows)))];
    }
    let history = engine.machine().fill();
    let max = table.max.or(engine.kernel().and_then(|kernel| kernel.max)).filter(|max| *max > 0);
    let mut parts = vec![label("entries "), entries(table.count)];
    if let (Some(max), Some(count)) = (max, table.count) {
        let tenths = u128::from(count) * 1000 / u128::from(max);
        let role = match tenths {
            0..700 => Role::Text,
            700..900 => Role::Warning,
            _ => Role::Error,
        };
        parts.push(label(format!(" of {} ", grouped(max))));
        parts.push(Span::new(words::percent(tenths), role));
        parts.push(label("  10 min "));
        parts.push(Span::new(sparkline(&history.history(now.boot, MOMENTS, APART)), Role::Accent));
    }
    if let Some(growth) = history.growth(now.boot) {
        parts.push(label(match growth {
            growth if growth.abs() < STILL => "  steady".to_owned(),
            growth => format!("  {growth:+.1}/s"),
        }));
    }
    if let Some(time) = max.and_then(|max| history.full_in(now.boot, max)) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let role = if time < Duration::from_secs(3600) { Role::Warning } else { Role::Text };
        parts.push(Span::new(format!(", full in {} at this pace", units::duration_short(millis)), role));
    }
    parts
}

fn entries(count: Option<u64>) -> Span {
    count.map_or_else(words::unknown, |count| Span::new(grouped(count), Role::Text))
}

/// From the least to the most of what was seen, so that a change shows however small it is beside the
/// most that the table takes.
fn sparkline(past: &[Option<u64>]) -> String {
    let known = || past.iter().flatten().copied();
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let span = most.saturating_sub(least).max(1);
    let sign = |count: &Option<u64>| {
        let level = u128::from(count.as_ref()?.saturating_sub(least)) * 7 / u128::from(span);
        SPARK.get(usize::try_from(level).ok()?).copied()
    };
    past.iter().map(|count| sign(count).unwrap_or(' ')).collect()
}

fn refusals(node: &Node, now: Now) -> Spans {
    let engine = node.engine();
    if engine.kernel().is_some_and(|kernel| kernel.origin == Origin::Sockets) {
        return Vec::new();
    }
    let rates = engine.machine().fill().refusals(now.boot, WINDOW);
    let table = engine.table().copied().unwrap_or_default();
    let mut parts = vec![label("refused (since boot)")];
    for (word, rate, total) in [
        ("drop", rates.drop, table.drop),
        ("insert_failed", rates.insert_failed, table.insert_failed),
        ("early_drop", rates.early_drop, table.early_drop),
    ] {
        let shown = words::alarm(rate);
        parts.push(label(format!("  {word} ")));
        parts.push(match rate {
            Some(_) => Span::new(format!("{}/s", shown.text), shown.role),
            None => shown,
        });
        if let Some(total) = total {
            parts.push(label(format!(" ({})", units::count_short(total))));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn the_past_fits_its_own_range() {
        let check = |past: &[Option<u64>], expected: &str| assert_eq!(sparkline(past), expected);
        check(&[], "");
        check(&[None, Some(5), Some(5)], " ▁▁");
        check(&[Some(1_000_000), Some(1_000_007), None], "▁█ ");
        check(&[Some(0), Some(u64::MAX)], "▁█");
    }
}
