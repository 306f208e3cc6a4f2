//! Values that are read as the command line reads them, so that both say the same of a mistake.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::cli;
use crate::columns;
use crate::sort::Sort;
use crate::source::CpuBudget;

/// What stands behind the `=`: a text, or a number as it would be written on the command line.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn read<'de, D, T, E>(deserializer: D, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let word = Word::deserialize(deserializer)?;
    parse(&word.0).map(Some).map_err(de::Error::custom)
}

pub(super) fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read(deserializer, cli::duration)
}

pub(super) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    read(deserializer, super::window)
}

pub(super) fn ghost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    read(deserializer, super::ghost)
}

pub(super) fn max_flows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    read(deserializer, cli::flows)
}

pub(super) fn cpu_budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CpuBudget>, D::Error> {
    read(deserializer, str::parse::<CpuBudget>)
}

pub(super) fn sort<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    read(deserializer, |text| Sort::parse(text).map(|_| text.to_owned()))
}

pub(super) fn columns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    columns::parse_list(&names.join(",")).map_err(de::Error::custom)?;
    Ok(names)
}
