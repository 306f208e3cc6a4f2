//! The filter language, the same wherever flows are chosen.
//!
//! `dst in 10/8 and rate > 1Mbit and not proto udp`. A text is read into an [`Expr`] (read back from
//! its own print, it is the same), which is evaluated in three-valued logic: what is unknown
//! satisfies neither a test nor its negation. Fields are one table, [`FIELDS`].
//!
//! A filter's text is bounded in length and nesting, so reading, printing, evaluating and dropping
//! it take bounded time and stack.

mod complete;
mod error;
mod eval;
mod expr;
mod fields;
mod lexer;
mod manual;
mod operand;
mod parse;
mod search;
mod typing;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::columns::Column;
use crate::flow::FlowView;

pub use self::complete::{Completion, complete, context};
pub use self::error::FilterError;
pub use self::expr::{Expr, Op, Test};
pub use self::fields::{FIELDS, Field, Kind, field};
pub use self::manual::manual;
pub use self::operand::Operand;
pub use self::typing::Typed;
pub use self::values::values;

/// Longest text of a filter, bytes: a line of a person or a script, never a file.
pub const MAX_LENGTH: usize = 4096;
/// Deepest nesting of parentheses and negations: no reader follows more, no stack is in danger.
pub const MAX_DEPTH: usize = 64;

/// Truth of a test: what is unknown is neither true nor false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tri {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl Tri {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, Self::False) => Self::False,
            _ => Self::Unknown,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Tri {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A filter, ready to be asked about flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    expr: Expr,
    /// The same with cheap tests first.
    plan: Expr,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where it is wrong, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(Self::from)
    }

    /// What was read.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Whether time alone may change which flows satisfy it.
    #[must_use]
    pub fn asks_the_time(&self) -> bool {
        self.expr.has(&|part| matches!(part, Expr::Test(test) if test.field.kind == Kind::Duration))
    }

    /// Whether something that is found out beside the flows may change which of them satisfy it.
    #[must_use]
    pub fn asks_what_is_learned(&self) -> bool {
        self.expr.has(&|part| match part {
            Expr::Test(test) => {
                let named = |operand: &Operand| {
                    matches!(operand, Operand::Host(_) | Operand::Glob(_) | Operand::Begun(_))
                };
                test.field.is_learned() || test.operands.iter().any(named)
            }
            _ => true,
        })
    }

    /// Whether it asks what hosts are called, apart from its words.
    #[must_use]
    pub fn asks_names(&self) -> bool {
        const NAMES: &[&str] = &["name", "remote_name", "src_name", "dst_name"];
        self.expr.has(&|part| match part {
            Expr::Test(test) => {
                let named =
                    |o: &Operand| matches!(o, Operand::Host(_) | Operand::Glob(_) | Operand::Begun(_));
                let host = test.field.kind == Kind::Host && test.operands.iter().any(named);
                host || NAMES.contains(&test.field.name)
            }
            _ => false,
        })
    }

    /// Whether a flow satisfies it.
    #[must_use]
    pub fn matches(&self, view: &FlowView<'_>) -> Tri {
        eval::matches(&self.plan, view)
    }
}

/// Whether time alone changes the values of a column: whether durations test it.
#[must_use]
pub fn tells_the_time(column: &Column) -> bool {
    column.field.and_then(field).is_some_and(|field| field.kind == Kind::Duration)
}

/// Whether something that is found out beside the flows changes the values of a column.
#[must_use]
pub fn is_learned(column: &Column) -> bool {
    column.field.and_then(field).is_some_and(Field::is_learned)
}

impl From<Expr> for Filter {
    fn from(expr: Expr) -> Self {
        let mut plan = expr.clone();
        plan.cheap_first();
        Self { expr, plan }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}
