//! What may stand where somebody types: fields, signs, and values that flows have.
//!
//! Pure: what flows have is asked of the caller. Whatever is offered is read by the grammar as what was
//! expected there.

use std::ops::Range;

use super::expr::{Op, is_keyword};
use super::fields::{FIELDS, Field, Kind as FieldKind, field};
use super::lexer::{self, Kind, Token, is_word};
use super::operand::Operand;
use super::{Filter, Typed};
use crate::columns::{FlowFlags, Offload, STATES, STATUSES};
use crate::enrich::services::Services;
use crate::orient::Dir;
use conntop_proto::tuple;

/// Candidates at most: a person types another letter rather than go through more.
const MOST: usize = 200;
/// Longest value that is offered, bytes; longer ones are asked for by `~`.
const LONGEST: usize = 80;

/// What may stand before the cursor instead of the word that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Bytes of the text that a candidate takes the place of.
    pub span: Range<usize>,
    /// What may stand there, as it is written.
    pub candidates: Vec<String>,
    /// What is to follow if there is no other candidate.
    pub then: &'static str,
}

/// What is expected.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A test.
    Test,
    /// A comparison or a value.
    Behind(&'static Field),
    /// `in`.
    NotIn(&'static Field),
    /// A value, in a set or alone.
    Value(&'static Field, Op, bool),
    /// What joins values of a set.
    InSet(&'static Field),
    /// What joins tests.
    Join,
}

impl Place {
    /// What is expected behind a token; `None` where it makes no sense.
    fn behind(self, token: &Token, open: &mut usize) -> Option<Self> {
        let value = matches!(token.kind, Kind::Word(_) | Kind::Quoted(_));
        Some(match (self, &token.kind) {
            (Self::Test, Kind::Not) => Self::Test,
            (Self::Test, Kind::Open) => {
                *open += 1;
                Self::Test
            }
            (Self::Test, Kind::Word(_)) if token.is("not") => Self::Test,
            (Self::Test, Kind::Word(word)) => field(word).map_or(Self::Join, Self::Behind),
            (Self::Test, Kind::Quoted(_)) => Self::Join,
            (Self::Behind(field), Kind::Compare(op, _)) => Self::Value(field, *op, false),
            (Self::Behind(field), Kind::Word(_)) if token.is("in") => Self::Value(field, Op::Equal, false),
            (Self::Behind(field), Kind::Word(_)) if token.is("not") => Self::NotIn(field),
            (Self::NotIn(field), Kind::Word(_)) if token.is("in") => Self::Value(field, Op::Equal, false),
            (Self::Behind(field) | Self::Value(field, Op::Equal, false), Kind::OpenSet) => {
                Self::Value(field, Op::Equal, true)
            }
            (Self::Behind(_) | Self::Value(_, _, false), _) if value => Self::Join,
            (Self::Value(field, _, true), _) if value => Self::InSet(field),
            (Self::InSet(field), Kind::Comma) => Self::Value(field, Op::Equal, true),
            (Self::InSet(_), Kind::CloseSet) => Self::Join,
            (Self::Join, Kind::And | Kind::Or) => Self::Test,
            (Self::Join, Kind::Word(_)) if token.is("and") || token.is("or") => Self::Test,
            (Self::Join, Kind::Close) => {
                *open = open.checked_sub(1)?;
                Self::Join
            }
            _ => return None,
        })
    }
}

/// The word that is being typed.
struct Begun {
    span: Range<usize>,
    /// Without quotes.
    text: String,
    /// The quote that it begins with.
    quote: Option<char>,
}

impl Begun {
    /// The tokens before the word at the very end of a text, and that word.
    fn of(text: &str) -> Option<(Vec<Token>, Self)> {
        match lexer::tokens(text) {
            Ok(mut tokens) => {
                let at_end = |token: &&Token| token.span.end == text.len();
                let begun = tokens.last().filter(at_end).and_then(|token| match &token.kind {
                    Kind::Word(word) => {
                        Some(Self { span: token.span.clone(), text: word.clone(), quote: None })
                    }
                    _ => None,
                });
                if begun.is_some() {
                    tokens.pop();
                }
                let here = || Self { span: text.len()..text.len(), text: String::new(), quote: None };
                Some((tokens, begun.unwrap_or_else(here)))
            }
            Err(error) => {
                let start = error.span.start;
                let mut letters = text.get(start..)?.chars();
                let quote = letters.next().filter(|c| matches!(c, '"' | '\''))?;
                let inside = letters.as_str().replace('\\', "");
                let tokens = lexer::tokens(text.get(..start)?).ok()?;
                Some((tokens, Self { span: start..text.len(), text: inside, quote: Some(quote) }))
            }
        }
    }
}

/// What flows have to satisfy so that their values make sense at the end of a text.
#[must_use]
pub fn context(text: &str) -> Option<Filter> {
    let (tokens, begun) = Begun::of(text)?;
    // What is joined by `or` may be of any flow.
    if tokens.iter().any(|token| token.kind == Kind::Or || token.is("or")) {
        return None;
    }
    match Filter::typed(text.get(..begun.span.start)?) {
        Typed::Whole(filter) => Some(filter),
        Typed::Beginning { so_far, .. } | Typed::Unfinished { so_far, .. } => so_far,
        Typed::Wrong(_) => None,
    }
}

/// What may stand at the end of a text. `values` gives what flows have in a field, the most frequent
/// first.
#[must_use]
pub fn complete(text: &str, values: &mut dyn FnMut(&'static Field) -> Vec<String>) -> Option<Completion> {
    let (tokens, begun) = Begun::of(text)?;
    let mut open = 0;
    let place = tokens.iter().try_fold(Place::Test, |place, token| place.behind(token, &mut open))?;
    let quoted = begun.quote.is_some();
    let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut then = " ";
    let offered = match place {
        Place::Test if quoted => return None,
        Place::Test => {
            let names = FIELDS.iter().map(|field| field.name).chain(["not"]);
            fitting(names.map(str::to_owned).collect(), &begun.text)
        }
        Place::Join => {
            then = " ";
            let mut words = plain(&["and", "or"]);
            words.extend((open > 0).then(|| ")".to_owned()));
            fitting(words, &begun.text)
        }
        Place::NotIn(_) => fitting(plain(&["in"]), &begun.text),
        Place::InSet(_) => {
            then = "";
            fitting(plain(&[", ", "}"]), &begun.text)
        }
        Place::Behind(field) => {
            let mut words = of_field(field, Op::Equal, &begun, values);
            if !quoted {
                let signs: &[&str] = match field.kind {
                    kind if is_amount(kind) => &[">", "<", ">=", "<=", "=", "!=", "in", "not in"],
                    kind if kind.is_ordered() => &["=", "!=", "in", "not in", ">", "<", ">=", "<=", "~"],
                    _ => &["=", "!=", "in", "not in", "~"],
                };
                let signs = fitting(plain(signs), &begun.text);
                let first = if is_amount(field.kind) { 0 } else { words.len() };
                words.splice(first..first, signs.into_iter().filter(|sign| sign != "in" || !is_dir(field)));
            }
            words
        }
        Place::Value(field, op, in_set) => {
            then = if in_set { "" } else { " " };
            of_field(field, op, &begun, values)
        }
    };
    Some(Completion { span: begun.span, candidates: offered, then })
}

/// Those that begin as somebody typed; if there are none, those in which that stands.
fn fitting(words: Vec<String>, begun: &str) -> Vec<String> {
    let begun = begun.to_lowercase();
    let (first, others): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word.to_lowercase().starts_with(&begun));
    if !first.is_empty() {
        return first;
    }
    others.into_iter().filter(|word| word.to_lowercase().contains(&begun)).collect()
}

fn is_amount(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Rate | FieldKind::Bytes | FieldKind::Count | FieldKind::Duration)
}

/// Values of a field as they are written.
fn of_field(
    field: &'static Field,
    op: Op,
    begun: &Begun,
    values: &mut dyn FnMut(&'static Field) -> Vec<String>,
) -> Vec<String> {
    let mut words = Vec::new();
    if is_amount(field.kind) {
        words = amounts(field.kind, &begun.text);
    } else {
        words.extend(values(field).into_iter().filter(|value| value.len() <= LONGEST));
        if field.kind == FieldKind::Port && begun.text.starts_with(|c: char| c.is_ascii_digit()) {
            let number = |word: &String| Services::of_machine().port(word).map(|port| port.to_string());
            words.iter_mut().for_each(|word| *word = number(word).unwrap_or_else(|| word.clone()));
        }
        words.extend(usual(field.kind, &begun.text));
    }
    if op == Op::Equal && begun.quote.is_none() {
        let sought = ["unknown", "none"].into_iter();
        let fit =
            |word: &&str| matches!(Operand::parse(field.kind, word), Ok(Operand::Unknown | Operand::None));
        let none_else = words.is_empty() || !begun.text.is_empty();
        words.extend(sought.filter(fit).filter(|_| none_else).map(str::to_owned));
    }
    let mut seen = std::collections::HashSet::new();
    words.retain(|word| seen.insert(word.clone()));
    let is_sought = |word: &str| matches!(word, "unknown" | "none");
    fitting(words, &begun.text)
        .into_iter()
        .map(|word| match begun.quote {
            Some(quote) => between(&word, quote),
            None if op == Op::Equal && is_sought(&word) => word,
            None if is_word(&word) && !word.contains(['*', '?']) && (!is_keyword(&word) || is_dir(field)) => {
                word
            }
            None => between(&word, '"'),
        })
        .filter(|word| op == Op::Contains || reads(field, word))
        .take(MOST)
        .collect()
}

fn is_dir(field: &Field) -> bool {
    field.kind == FieldKind::Dir
}

/// Whether it is read as a value of the field. What flows have is from outside.
fn reads(field: &Field, word: &str) -> bool {
    Filter::parse(&format!("{} = {word}", field.name)).is_ok()
}

fn between(word: &str, quote: char) -> String {
    let mut out = String::from(quote);
    for c in word.chars() {
        if c == quote || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push(quote);
    out
}

/// Words that a kind of field has, whatever flows there are.
fn usual(kind: FieldKind, begun: &str) -> Vec<String> {
    let owned = |words: &mut dyn Iterator<Item = &str>| words.map(str::to_owned).collect::<Vec<_>>();
    match kind {
        // Too many to be offered to somebody who has not said anything yet.
        FieldKind::Port if begun.is_empty() => Vec::new(),
        FieldKind::Port => owned(&mut Services::usual_names().map(|(name, _)| name)),
        FieldKind::Proto => owned(&mut tuple::NAMES.iter().map(|(_, name)| *name)),
        FieldKind::State => owned(&mut STATES.iter().map(|w| w.short).chain(STATES.iter().map(|w| w.long))),
        FieldKind::Flags => FlowFlags::LETTERS.iter().map(|(letter, _)| letter.to_string()).collect(),
        FieldKind::Dir => owned(&mut Dir::ALL.iter().map(|dir| dir.word())),
        FieldKind::Status => owned(&mut STATUSES.iter().map(|(_, word)| *word)),
        FieldKind::Offload => owned(&mut Offload::ALL.iter().map(|offload| offload.word())),
        FieldKind::Since => owned(&mut ["mark"].into_iter()),
        FieldKind::YesNo => owned(&mut ["yes", "no"].into_iter()),
        _ => Vec::new(),
    }
}

/// Amounts that are often asked for; behind digits, their units.
fn amounts(kind: FieldKind, begun: &str) -> Vec<String> {
    let (usual, units): (&[&str], &[&str]) = match kind {
        FieldKind::Rate => {
            (&["100kbit", "1Mbit", "10Mbit", "100Mbit"], &["kbit", "Mbit", "Gbit", "kB", "MB", "KiB", "MiB"])
        }
        FieldKind::Bytes => (&["100kB", "1MB", "100MB", "1GB"], &["kB", "MB", "GB", "KiB", "MiB", "GiB"]),
        FieldKind::Count => (&["1", "100", "10k", "1M"], &["k", "M", "G"]),
        _ => (&["10s", "1m", "5m", "1h", "1d"], &["s", "m", "h", "d"]),
    };
    let digits: String = begun.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if digits.is_empty() {
        return usual.iter().map(|amount| (*amount).to_owned()).collect();
    }
    units.iter().map(|unit| format!("{digits}{unit}")).collect()
}
