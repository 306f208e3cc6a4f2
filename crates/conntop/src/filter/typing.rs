//! A filter while it is typed: what of it holds already.
//!
//! An expression that may still become right with the next key is unfinished, not wrong; what stands
//! before the test that is being typed holds meanwhile, so that rows do not jump from key to key.

use super::error::FilterError;
use super::fields::FIELDS;
use super::lexer::{self, Kind, Token};
use super::{Filter, parse};

/// Tests and words that are left out of an unfinished filter at most, to find what holds of it.
const MOST_CUTS: usize = 16;
const QUOTES: [char; 2] = ['"', '\''];
/// Names of fields that a hint tells at most.
const MOST_NAMES: usize = 6;

/// What a text is that is being typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// A filter.
    Whole(Filter),
    /// A filter, but its last word may be the beginning of a field's name or of a value.
    Beginning {
        /// With that word as it is.
        whole: Filter,
        /// What stands before it, if anything does; where it is a value, with all that begin so.
        so_far: Option<Filter>,
        /// What the word may become, where that is not seen from the rows.
        hint: Option<String>,
    },
    /// Something that is missing is still to come.
    Unfinished {
        /// What stands before it, if anything does.
        so_far: Option<Filter>,
        /// Where and what.
        missing: FilterError,
    },
    /// Nothing that is typed behind it makes it right.
    Wrong(FilterError),
}

impl Filter {
    /// Reads a filter that is being typed at its end.
    #[must_use]
    pub fn typed(text: &str) -> Typed {
        match Self::parse(text) {
            Ok(whole) => match (beginning(text), begun(text, &whole)) {
                (Some(hint), _) => Typed::Beginning { whole, so_far: so_far(text), hint: Some(hint) },
                (None, Some(begun)) => Typed::Beginning { whole, so_far: Some(begun), hint: None },
                (None, None) => Typed::Whole(whole),
            },
            Err(error) if may_go_on(text, &error) => {
                Typed::Unfinished { so_far: so_far(text), missing: error }
            }
            Err(error) => Typed::Wrong(error),
        }
    }
}

/// The fields whose names begin with the last word, which stands at the very end.
fn beginning(text: &str) -> Option<String> {
    let tokens = lexer::tokens(text).ok()?;
    let last = tokens.last().filter(|token| token.span.end == text.len())?;
    let Kind::Word(word) = &last.kind else { return None };
    // Behind a field or a comparison it is a value.
    let before = tokens.len().checked_sub(2).and_then(|at| tokens.get(at));
    let starts_a_test = before.is_none_or(|token| {
        matches!(token.kind, Kind::And | Kind::Or | Kind::Not | Kind::Open)
            || ["and", "or", "not"].iter().any(|keyword| token.is(keyword))
    });
    let is_beginning = |name: &str| {
        name.len() > word.len() && name.get(..word.len()).is_some_and(|n| n.eq_ignore_ascii_case(word))
    };
    let names = FIELDS.iter().map(|field| field.name).filter(|name| is_beginning(name));
    let names: Vec<&str> = names.take(MOST_NAMES + 1).collect();
    if !starts_a_test || names.is_empty() {
        return None;
    }
    let more = if names.len() > MOST_NAMES { ", …" } else { "" };
    let names = names.get(..MOST_NAMES).unwrap_or(&names).join(", ");
    Some(format!("field {names}{more}, or Enter for the text"))
}

/// Whether more at the end of the text may make it right.
fn may_go_on(text: &str, error: &FilterError) -> bool {
    let missing = error.span.start >= text.trim_end().len();
    let last_word = error.span.end == text.len();
    let written = text.get(error.span.clone()).unwrap_or("").to_ascii_lowercase();
    let joins = ["and", "or", "in", "&&", "||"].iter().any(|word| word.starts_with(&written));
    let quoted = written.starts_with(QUOTES);
    missing || (last_word && (joins || quoted || error.may_be_begun))
}

/// The longest part from the beginning that is a filter without its end.
fn so_far(text: &str) -> Option<Filter> {
    let readable = match lexer::tokens(text) {
        Ok(tokens) => tokens,
        // What cannot be read is a quote or a sign at the end.
        Err(error) => {
            let before = lexer::tokens(text.get(..error.span.start)?).ok()?;
            let quoted = text.get(error.span.start..).filter(|rest| rest.starts_with(QUOTES));
            let closed =
                quoted.and_then(|rest| Some(format!("{text}{}{}", rest.chars().next()?, closing(&before))));
            let closed = closed.and_then(|closed| parse::parse(&closed).ok()).map(Filter::from);
            if let Some(begun) = closed.and_then(|filter| begun(text, &filter)) {
                return Some(begun);
            }
            before
        }
    };
    let begins = beginning(text).is_some();
    (0..=readable.len()).rev().take(MOST_CUTS).find_map(|kept| {
        let kept = readable.get(..kept)?;
        let end = kept.last()?.span.end;
        if end == text.len() && begins {
            return None;
        }
        let closed = format!("{}{}", text.get(..end)?, closing(kept));
        let filter = parse::parse(&closed).ok().map(Filter::from)?;
        Some(if end == text.len() { begun(text, &filter).unwrap_or(filter) } else { filter })
    })
}

/// The same with every value that begins like the one at the very end of the text; `None` when no such
/// value stands there.
fn begun(text: &str, filter: &Filter) -> Option<Filter> {
    let open = match lexer::tokens(text) {
        Ok(tokens) => {
            let last = tokens.last().filter(|token| token.span.end == text.len());
            last.is_some_and(|token| matches!(token.kind, Kind::Word(_)))
        }
        Err(error) => text.get(error.span.start..).is_some_and(|rest| rest.starts_with(QUOTES)),
    };
    let mut expr = filter.expr().clone();
    (open && expr.begin_last()).then(|| Filter::from(expr))
}

/// What closes everything that is open.
fn closing(tokens: &[Token]) -> String {
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Open => open.push(')'),
            Kind::OpenSet => open.push('}'),
            Kind::Close | Kind::CloseSet => drop(open.pop()),
            _ => {}
        }
    }
    open.iter().rev().collect()
}
