//! Words and signs of the filter language.

use std::ops::Range;

use winnow::combinator::{alt, delimited, preceded, repeat};
use winnow::error::{ContextError, ErrMode};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any, none_of, take_while};

use super::error::FilterError;
use super::expr::Op;

type Input<'a> = LocatingSlice<&'a str>;
type Lexed<T> = Result<T, ErrMode<ContextError>>;

/// What stands in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word without quotes: a field, a value, `and`, `or`, `not`, `in`, or text.
    Word(String),
    /// Text in quotes.
    Quoted(String),
    /// A comparison and whether it is negated.
    Compare(Op, bool),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `{`
    OpenSet,
    /// `}`
    CloseSet,
    /// `,`
    Comma,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Not,
}

/// A word or sign and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

impl Token {
    /// Whether it is that unquoted word, in any case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(&self.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Characters that end a word.
const SIGNS: &str = "(){},!=<>~&|\"'";

/// Whether a text can stand without quotes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(in_word)
}

fn in_word(c: char) -> bool {
    !c.is_whitespace() && !SIGNS.contains(c)
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut input = Input::new(text);
    let mut found = Vec::new();
    loop {
        blank(&mut input).ok();
        let start = input.current_token_start();
        if input.is_empty() {
            return Ok(found);
        }
        let Ok(kind) = token(&mut input) else {
            return Err(unreadable(text, start));
        };
        found.push(Token { kind, span: start..input.previous_token_end() });
    }
}

fn unreadable(text: &str, start: usize) -> FilterError {
    let rest = text.get(start..).unwrap_or("");
    let next = start + rest.chars().next().map_or(0, char::len_utf8);
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => FilterError::expected(start..text.len(), format!("a closing {quote}")),
        Some(sign @ ('&' | '|')) => FilterError::expected(start..next, format!("`{sign}{sign}`")),
        _ => FilterError::problem(start..next, "this sign means nothing here"),
    }
}

fn blank(input: &mut Input<'_>) -> Lexed<()> {
    take_while(0.., char::is_whitespace).void().parse_next(input)
}

fn token(input: &mut Input<'_>) -> Lexed<Kind> {
    alt((
        take_while(1.., in_word).map(|word: &str| Kind::Word(word.to_owned())),
        quoted('"').map(Kind::Quoted),
        quoted('\'').map(Kind::Quoted),
        compare,
        sign,
    ))
    .parse_next(input)
}

fn compare(input: &mut Input<'_>) -> Lexed<Kind> {
    alt((
        "==".value((Op::Equal, false)),
        "!=".value((Op::Equal, true)),
        "!~".value((Op::Contains, true)),
        "<=".value((Op::AtMost, false)),
        ">=".value((Op::AtLeast, false)),
        "=".value((Op::Equal, false)),
        "<".value((Op::Less, false)),
        ">".value((Op::More, false)),
        "~".value((Op::Contains, false)),
    ))
    .map(|(op, negated)| Kind::Compare(op, negated))
    .parse_next(input)
}

fn sign(input: &mut Input<'_>) -> Lexed<Kind> {
    alt((
        "(".value(Kind::Open),
        ")".value(Kind::Close),
        "{".value(Kind::OpenSet),
        "}".value(Kind::CloseSet),
        ",".value(Kind::Comma),
        "&&".value(Kind::And),
        "||".value(Kind::Or),
        "!".value(Kind::Not),
    ))
    .parse_next(input)
}

/// Text in quotes; a backslash takes the next character as it is.
fn quoted<'a>(quote: char) -> impl Parser<Input<'a>, String, ErrMode<ContextError>> {
    let letter = move |input: &mut Input<'a>| -> Lexed<char> {
        alt((preceded('\\', any), none_of(move |c| c == quote || c == '\\'))).parse_next(input)
    };
    delimited(quote, repeat(0.., letter), quote)
}
