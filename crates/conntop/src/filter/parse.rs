//! The grammar, over the tokens of a text:
//!
//! ```text
//! any    = all { ("or" | "||") all }
//! all    = one { ("and" | "&&") one }
//! one    = ("not" | "!") one | "(" any ")" | test | text
//! test   = field [compare | ["not"] "in"] ( value | "{" value { "," value } "}" )
//! ```

use std::ops::Range;

use super::error::FilterError;
use super::expr::{Expr, Op, Test, is_keyword};
use super::fields::{FIELDS, Field, Kind as FieldKind, field};
use super::lexer::{self, Kind, Token};
use super::operand::Operand;
use super::{MAX_DEPTH, MAX_LENGTH};
use crate::columns::nearest;

pub(super) fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.len() > MAX_LENGTH {
        let mut from = MAX_LENGTH;
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let problem = format!("a filter has at most {MAX_LENGTH} bytes");
        return Err(FilterError::problem(from..text.len(), problem));
    }
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len() };
    let expr = parser.any(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.trailing()),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Length of the text.
    end: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    fn accept(&mut self, wanted: impl Fn(&Token) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    /// Place of the next token, or the end of the text.
    fn here(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |token| token.span.clone())
    }

    fn any(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all(depth)?];
        while self.accept(|token| token.is("or") || token.kind == Kind::Or) {
            parts.push(self.all(depth)?);
        }
        Ok(Expr::any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one(depth)?];
        while self.accept(|token| token.is("and") || token.kind == Kind::And) {
            parts.push(self.one(depth)?);
        }
        Ok(Expr::all(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let here = self.here();
        if depth > MAX_DEPTH {
            let problem = format!("nested deeper than {MAX_DEPTH} parentheses and negations");
            return Err(FilterError::problem(here, problem));
        }
        let Some(token) = self.next() else {
            return Err(FilterError::expected(here, "a test such as `dport 443`, or a text"));
        };
        match &token.kind {
            Kind::Not => Ok(self.one(depth + 1)?.negated()),
            Kind::Word(_) if token.is("not") => Ok(self.one(depth + 1)?.negated()),
            Kind::Open => {
                let inner = self.any(depth + 1)?;
                if self.accept(|token| token.kind == Kind::Close) {
                    return Ok(inner);
                }
                match self.peek() {
                    None => Err(FilterError::expected(self.here(), "`)`, `and` or `or`")),
                    Some(_) => Err(self.trailing()),
                }
            }
            Kind::Quoted(text) => Ok(Expr::Word(text.clone())),
            Kind::Word(word) if !is_keyword(word) => match field(word) {
                Some(field) => self.test(field),
                None => self.text(token, word),
            },
            _ => Err(FilterError::expected(here, "a test such as `dport 443`, or a text")),
        }
    }

    /// A bare word; before a comparison it was meant as a field.
    fn text(&mut self, token: &Token, word: &str) -> Result<Expr, FilterError> {
        let compared =
            self.peek().is_some_and(|next| next.is("in") || matches!(next.kind, Kind::Compare(..)));
        if compared {
            let problem = format!("there is no field `{word}`");
            return Err(FilterError::problem(token.span.clone(), problem).hint(similar_field(word)));
        }
        Ok(Expr::Word(word.to_owned()))
    }

    fn test(&mut self, field: &'static Field) -> Result<Expr, FilterError> {
        let here = self.here();
        let (op, negated) = match self.peek() {
            Some(Token { kind: Kind::Compare(op, negated), .. }) => {
                self.at += 1;
                (*op, *negated)
            }
            Some(token) if token.is("not") => {
                self.at += 1;
                if !self.accept(|token| token.is("in")) {
                    return Err(FilterError::expected(self.here(), "`in` after `not`"));
                }
                (Op::Equal, true)
            }
            // `dir in` is a value, `dir in {in, out}` a set.
            Some(token) if token.is("in") && !(field.kind == FieldKind::Dir && self.ends_after()) => {
                self.at += 1;
                (Op::Equal, false)
            }
            _ => (Op::Equal, false),
        };
        if !matches!(op, Op::Equal | Op::Contains) && !field.kind.is_ordered() {
            let problem = format!("`{}` has no order", field.name);
            return Err(FilterError {
                expected: Some("= != in ~".into()),
                ..FilterError::problem(here, problem)
            });
        }
        let operands = if self.peek().is_some_and(|token| token.kind == Kind::OpenSet) {
            self.set(field, op)?
        } else {
            vec![self.value(field, op)?]
        };
        let test = Expr::Test(Test { field, op, operands });
        Ok(if negated { test.negated() } else { test })
    }

    /// Whether the test is complete with the next token.
    fn ends_after(&self) -> bool {
        match self.tokens.get(self.at + 1) {
            None => true,
            Some(token) => {
                matches!(token.kind, Kind::Close | Kind::And | Kind::Or) || token.is("and") || token.is("or")
            }
        }
    }

    fn set(&mut self, field: &'static Field, op: Op) -> Result<Vec<Operand>, FilterError> {
        if op != Op::Equal {
            return Err(FilterError::expected(self.here(), "one value; sets go with =, != and in"));
        }
        self.at += 1;
        let mut operands = Vec::new();
        loop {
            operands.push(self.value(field, op)?);
            let here = self.here();
            match self.next().map(|token| &token.kind) {
                Some(Kind::Comma) => {}
                Some(Kind::CloseSet) => return Ok(operands),
                _ => return Err(FilterError::expected(here, "`,` or `}`")),
            }
        }
    }

    fn value(&mut self, field: &'static Field, op: Op) -> Result<Operand, FilterError> {
        let here = self.here();
        let what = if op == Op::Contains { "a text to search for" } else { field.kind.expects() };
        let missing = || {
            let bare = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
            let is_bare = bare.is_some_and(|token| token.is(field.name));
            let hint = is_bare.then(|| format!("for the text itself write \"{}\"", field.name));
            FilterError::expected(here.clone(), what).hint(hint)
        };
        let (text, is_quoted) = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(word)) => (word, false),
            Some(Kind::Quoted(text)) => (text, true),
            _ => return Err(missing()),
        };
        let is_dir = field.kind == FieldKind::Dir && text.eq_ignore_ascii_case("in");
        if !is_quoted && is_keyword(text) && !is_dir {
            return Err(missing());
        }
        self.at += 1;
        if op == Op::Contains {
            return Ok(Operand::text(text));
        }
        if is_quoted && field.kind == FieldKind::Text {
            return Ok(Operand::text(text));
        }
        let operand = Operand::parse(field.kind, text)
            .map_err(|wrong| FilterError::expected(here.clone(), wrong.expected).hint(wrong.hint))
            .map_err(FilterError::may_be_begun)?;
        match (&operand, op) {
            (_, Op::Equal) => Ok(operand),
            (Operand::Range(from, to), _) if from == to => Ok(operand),
            _ => Err(FilterError::expected(here, "one value, not a range")),
        }
    }

    /// The error about a token that no rule takes.
    fn trailing(&self) -> FilterError {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let hint = match before.map(|token| &token.kind) {
            Some(Kind::Word(word)) if field(word).is_none() => similar_field(word),
            _ => None,
        };
        let close = self.peek().is_some_and(|token| token.kind == Kind::Close);
        if close {
            return FilterError::problem(self.here(), "nothing is open here");
        }
        FilterError::expected(self.here(), "`and` or `or`").hint(hint)
    }
}

fn similar_field(word: &str) -> Option<String> {
    let names = FIELDS.iter().flat_map(|field| field.aliases.iter().chain([&field.name]));
    nearest(word, names.copied()).map(|near| format!("did you mean `{near}`?"))
}
