//! What boards say alike.

use conntop_proto::message::Sight;

use super::Scene;
use crate::engine::Connection;
use crate::nodes::{Health, Node};
use crate::source::SourceEnd;
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;
use crate::units;

/// What is not known.
pub(super) fn unknown() -> Span {
    Span::new("n/a", Role::Dim)
}

/// An amount; dim where it is nothing.
pub(super) fn amount(amount: Option<u64>, text: impl Fn(u64) -> String) -> Span {
    match amount {
        Some(0) => Span::new(text(0), Role::Dim),
        Some(amount) => Span::new(text(amount), Role::Text),
        None => unknown(),
    }
}

/// Tenths of a percent, cut off: what is there is never nothing.
pub(super) fn percent(tenths: u128) -> String {
    match tenths {
        0 => "<0.1%".to_owned(),
        tenths => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

/// Bytes per second in the unit that is wanted.
pub(super) fn rate(rate: Option<u64>, scene: &Scene<'_>) -> Span {
    amount(rate, |rate| units::rate(rate, scene.ask.unit))
}

/// Things per second.
pub(super) fn pace(rate: Option<f64>) -> Span {
    rate.map_or_else(unknown, |rate| {
        Span::new(pace_text(rate), if rate > 0.0 { Role::Text } else { Role::Dim })
    })
}

/// Things per second of which there should be none.
pub(super) fn alarm(rate: Option<f64>) -> Span {
    match rate {
        Some(rate) if rate > 0.0 => Span::new(pace_text(rate), Role::Warning),
        other => pace(other),
    }
}

/// Never `0` for something that happens.
fn pace_text(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 0.1 => "<0.1".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}"),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate, and rates are not negative"
        )]
        rate => units::count_short(rate.round() as u64),
    }
}

/// Why a node does not tell of something, if it never will.
pub(super) fn unable(node: &Node, sight: Sight) -> Option<String> {
    let hello = node.engine().hello()?;
    let what = match sight {
        Sight::Interfaces => "counters of interfaces",
        Sight::Listeners => "listening sockets",
    };
    if !node.engine().shows(sight) {
        return Some(format!("{} ({}) does not tell of {what}", node.name(), hello.server));
    }
    let finished = matches!(node.engine().connection(), Connection::Ended(SourceEnd::Finished));
    finished.then(|| format!("the recording holds no {what}"))
}

/// Why there are no rows.
pub(super) fn nothing(scene: &Scene<'_>, sight: Sight) -> Vec<Spans> {
    let line = |text: String, role: Role| vec![Span::new(text, role)];
    let mut lines = Vec::new();
    for (_, node) in scene.nodes.iter() {
        let told = match sight {
            Sight::Interfaces => node.engine().machine().links().latest().is_some(),
            Sight::Listeners => node.engine().machine().listeners().is_some(),
        };
        let said = match (node.health(), unable(node, sight)) {
            (_, Some(why)) => line(why, Role::Warning),
            (Health::Connecting, _) => line(format!("connecting to {}", node.place()), Role::Dim),
            (Health::Stale | Health::Ended, _) => {
                line(node.cause().unwrap_or("nothing more is heard").to_owned(), Role::Error)
            }
            (Health::Live, None) if told => line("none".to_owned(), Role::Dim),
            (Health::Live, None) => line("reading".to_owned(), Role::Dim),
        };
        lines.push(said);
    }
    lines
}
