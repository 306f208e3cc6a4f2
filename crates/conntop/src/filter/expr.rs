//! What a filter says, and its print.

use std::fmt::{self, Write as _};

use super::fields::{Field, Getter, Kind, field};
use super::lexer::is_word;
use super::operand::Operand;

/// A filter as a tree. `x != v` is `not x = v`; `and` and `or` never stand directly in their like.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// A test of a field.
    Test(Test),
    /// Any visible text contains this, in any case.
    Word(String),
}

/// How a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Equal to, or within, any of the operands.
    Equal,
    /// Less than the operand.
    Less,
    /// At most the operand.
    AtMost,
    /// More than the operand.
    More,
    /// At least the operand.
    AtLeast,
    /// Its text contains the operand, in any case.
    Contains,
}

impl Op {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Contains => "~",
        }
    }
}

/// A test of a field.
#[derive(Clone, Debug)]
pub struct Test {
    /// Field.
    pub field: &'static Field,
    /// Comparison.
    pub op: Op,
    /// What to compare with; several only with [`Op::Equal`].
    pub operands: Vec<Operand>,
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        self.field.name == other.field.name && self.op == other.op && self.operands == other.operands
    }
}

impl Expr {
    /// All of them.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::And(parts) => parts,
            other => vec![other],
        });
        Self::single(flat.collect()).unwrap_or_else(Self::And)
    }

    /// Any of them.
    #[must_use]
    pub fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Or(parts) => parts,
            other => vec![other],
        });
        Self::single(flat.collect()).unwrap_or_else(Self::Or)
    }

    /// The negation, kept as it was written.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether that holds for any test or word in it.
    pub(super) fn has(&self, holds: &impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.has(holds)),
            Self::Not(inner) => inner.has(holds),
            Self::Test(_) | Self::Word(_) => holds(self),
        }
    }

    /// Takes the last value as the beginning of one; false when there is none that may be.
    pub(super) fn begin_last(&mut self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.last_mut().is_some_and(Self::begin_last),
            Self::Test(Test { field, op: Op::Equal, operands }) => match operands.last_mut() {
                Some(Operand::Glob(glob)) => {
                    glob.push('*');
                    true
                }
                Some(operand @ (Operand::Host(_) | Operand::Text(_)))
                    if matches!(field.kind, Kind::Text | Kind::Host) =>
                {
                    let (Operand::Host(text) | Operand::Text(text)) = &*operand else { return false };
                    *operand = Operand::Begun(text.clone());
                    true
                }
                _ => false,
            },
            // What begins so is not to vanish while it is typed.
            Self::Not(_) | Self::Test(_) | Self::Word(_) => false,
        }
    }

    fn single(mut parts: Vec<Self>) -> Result<Self, Vec<Self>> {
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                Err(parts)
            }
            None => Err(parts),
        }
    }

    /// Puts cheap tests before expensive ones; the result stays the same.
    pub(super) fn cheap_first(&mut self) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter_mut().for_each(Self::cheap_first);
                parts.sort_by_key(Self::cost);
            }
            Self::Not(inner) => inner.cheap_first(),
            Self::Test(_) | Self::Word(_) => {}
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::cost).sum(),
            Self::Not(inner) => inner.cost(),
            Self::Word(_) => 200,
            Self::Test(test) => {
                let values = match test.field.get {
                    Getter::One(_) => 1,
                    Getter::Two(_) => 2,
                    Getter::Four(_) => 4,
                };
                let each = if test.op == Op::Contains { 30 } else { test.field.kind.cost() };
                values * each * test.operands.len().max(1)
            }
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, inside: Inside) -> fmt::Result {
        let parenthesized =
            matches!((self, inside), (Self::And(_), Inside::Not) | (Self::Or(_), Inside::Not | Inside::And));
        if parenthesized {
            f.write_char('(')?;
        }
        match self {
            Self::And(parts) => print_list(f, parts, " and ", Inside::And)?,
            Self::Or(parts) => print_list(f, parts, " or ", Inside::Or)?,
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.print(f, Inside::Not)?;
            }
            Self::Test(test) => write!(f, "{test}")?,
            Self::Word(word) if is_word(word) && !is_reserved(word) => f.write_str(word)?,
            Self::Word(word) => quote(f, word)?,
        }
        if parenthesized { f.write_char(')') } else { Ok(()) }
    }
}

#[derive(Clone, Copy)]
enum Inside {
    Nothing,
    Or,
    And,
    Not,
}

fn print_list(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str, inside: Inside) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        part.print(f, inside)?;
    }
    Ok(())
}

/// Words with a meaning of their own.
pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in"].iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

fn is_reserved(word: &str) -> bool {
    is_keyword(word) || field(word).is_some()
}

/// Text between quotes, as the lexer reads it back.
pub(super) fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if c == '"' || c == '\\' {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, Inside::Nothing)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.field.name, self.op.sign())?;
        match self.operands.as_slice() {
            [only] => only.print(f, self.field.kind),
            several => {
                for (at, operand) in several.iter().enumerate() {
                    f.write_str(if at == 0 { "{" } else { ", " })?;
                    operand.print(f, self.field.kind)?;
                }
                f.write_char('}')
            }
        }
    }
}
