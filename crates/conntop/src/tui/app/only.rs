//! Only what has something in common with the selected row, or everything but that: a menu of what the
//! row has, of which a line becomes part of the filter.

use super::App;
use super::choice::{Choice, Of};
use super::layers::Open;
use crate::filter::Expr;
use crate::flow::FlowView;
use crate::groups::part::{Part, Seen};
use crate::groups::{GroupKey, KEYS, words};
use crate::tui::pane::Pane;

/// Which side of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Only that.
    Only,
    /// All but that.
    Not,
}

/// What each line of the menu asks for.
pub(crate) struct Picks {
    want: Want,
    tests: Vec<Expr>,
}

/// A flow's values that are offered first; the others follow in the order of the table.
const FIRST: &[&str] = &["local", "remote", "service", "process", "nataddr", "backend"];
/// Keys whose values other keys say as well.
const LEFT_OUT: &[&str] = &["host", "port"];

/// Something that a row has, in words, and what finds it.
type Common = (String, Expr);

impl App {
    pub(super) fn open_only(&mut self, want: Want) {
        let found = match self.pane {
            Pane::Groups => self.boards.groups.selected_group(&self.nodes).or_else(|| self.of_flow()),
            _ => self.of_flow(),
        };
        let Some(mut found) = found.filter(|found| !found.is_empty()) else { return };
        if found.len() == 1
            && let Some((_, test)) = found.pop()
        {
            return self.take(want, test);
        }
        let title = match want {
            Want::Only => "Only flows with",
            Want::Not => "No flows with",
        };
        let (items, tests) = found.into_iter().unzip();
        let of = Of::Only(Picks { want, tests });
        self.layers.push(Open::Choice(Choice { title: title.to_owned(), items, at: 0, of }));
    }

    /// What the selected flow has.
    fn of_flow(&mut self) -> Option<Vec<Common>> {
        let key = match self.pane {
            Pane::Groups => self.boards.groups.selected_flow()?,
            _ => {
                self.select_something();
                self.cursor.selected?
            }
        };
        let sources = self.nodes.sources(&[]);
        let view = sources.get(usize::from(key.node().0))?.get(key.id())?;
        let first = FIRST.iter().filter_map(|name| KEYS.iter().find(|key| key.key == *name));
        let several = self.nodes.several();
        let offered = |key: &&GroupKey| {
            !FIRST.contains(&key.key) && !LEFT_OUT.contains(&key.key) && (several || key.key != "node")
        };
        let others = KEYS.iter().filter(offered);
        Some(first.chain(others).flat_map(|key| of_key(key, &view)).collect())
    }

    pub(super) fn take_only(&mut self, picks: &Picks, at: usize) {
        if let Some(test) = picks.tests.get(at) {
            self.take(picks.want, test.clone());
        }
    }

    fn take(&mut self, want: Want, test: Expr) {
        self.narrow(match want {
            Want::Only => test,
            Want::Not => test.negated(),
        });
    }

    /// Adds a test to the filter.
    pub(super) fn narrow(&mut self, test: Expr) {
        let before = self.filtering.filter().map(|filter| filter.expr().clone());
        let has = match &before {
            Some(Expr::And(parts)) => parts.contains(&test),
            Some(other) => *other == test,
            None => false,
        };
        if !has {
            let all = Expr::all(before.into_iter().chain([test]).collect());
            self.filtering.begin_with(&all.to_string());
        }
        self.hold_until = None;
    }
}

/// Whether it is a value at all, and not the one that nearly all flows have.
fn is_telling(part: &Seen<'_>) -> bool {
    part.is_value() && !matches!(part, Part::Mark(0) | Part::Number(0))
}

/// A flow's values of a key; none where nobody knows one, or it has none.
fn of_key(key: &GroupKey, view: &FlowView<'_>) -> Vec<Common> {
    let (one, other) = key.values(view);
    let values = [Some(one), other].into_iter().flatten().filter(is_telling);
    let line = |part: Seen<'_>| {
        let part = part.keep();
        let named = match &part {
            Part::Address(address) => view.name(*address),
            _ => None,
        };
        let text = match named {
            Some(name) => format!("{:<9} {} ({name})", key.key, words(&part)),
            None => format!("{:<9} {}", key.key, words(&part)),
        };
        Some((text, key.only(&part)?))
    };
    values.filter_map(line).collect()
}
