//! One column: a value for each flow of a part, in whichever of three forms is short.
//!
//! - `[431999,119,431999]`: each flow's value.
//! - `6`: every flow has this value.
//! - `{"of":["established","close"],"row":"##$#"}`: few different values; `row` has one character for
//!   each flow, [`FIRST`] for the first value of `of`, and so on up to `~`, except `\`, which JSON
//!   would have to escape.
//!
//! A column that is left out is the default for every flow. Any form is allowed for any column;
//! which one is sent is the sender's choice ([`Column::collect`]).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ColumnsError;
use crate::limits::MAX_STRING;

/// Character of the first value.
const FIRST: u8 = b'#';
/// Character that none has.
const SKIPPED: u8 = b'\\';
/// Character of the last value.
const LAST: u8 = b'~';
/// Most values that characters can tell apart.
pub(crate) const MAX_CODED: usize = (LAST - FIRST) as usize;

/// Values of many flows.
#[derive(Clone, PartialEq, Eq)]
pub struct Column<T>(Form<T>);

#[derive(Clone, PartialEq, Eq)]
enum Form<T> {
    /// One for each flow, or none at all: the default for every one.
    Each(Vec<T>),
    /// The same for every flow.
    Same(T),
    /// Which of few values each flow has; every index is below their number.
    Coded { of: Vec<T>, row: Vec<u8> },
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Form::Each(Vec::new()))
    }
}

impl<T: fmt::Debug> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Each(values) => values.fmt(f),
            Form::Same(value) => value.fmt(f),
            Form::Coded { of, row } => {
                f.debug_list().entries(row.iter().map(|&i| of.get(usize::from(i)))).finish()
            }
        }
    }
}

impl<T> Column<T> {
    /// Whether the column is left out.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        matches!(&self.0, Form::Each(values) if values.is_empty())
    }
}

impl<T: Clone + PartialEq + Hash> Column<T> {
    /// A column in its shortest form; never left out unless there is no value.
    pub(crate) fn dense(values: impl Iterator<Item = T>) -> Self {
        Self::shortest(values.collect())
    }

    // Compiled once for each type, not for each caller.
    #[inline(never)]
    fn shortest(values: Vec<T>) -> Self {
        match values.as_slice() {
            [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|v| v == first) => {
                Self(Form::Same(first.clone()))
            }
            all => match Coder::code(all) {
                Some((of, row)) => Self(Form::Coded { of, row }),
                None => Self(Form::Each(values)),
            },
        }
    }

    /// Whether the values got an array of their own, because they are many.
    pub(crate) fn is_each(&self) -> bool {
        matches!(self.0, Form::Each(_))
    }
}

impl<T: Clone + PartialEq + Hash + Default> Column<T> {
    /// A column in its shortest form, left out when every value is the default.
    pub(crate) fn collect(values: impl Iterator<Item = T>) -> Self {
        Self::shortest_or_none(values.collect())
    }

    #[inline(never)]
    fn shortest_or_none(values: Vec<T>) -> Self {
        let default = T::default();
        if values.iter().all(|v| *v == default) { Self::default() } else { Self::shortest(values) }
    }
}

impl<T: Copy + Default> Column<T> {
    /// The values, if there are as many as `rows`.
    pub(crate) fn values(&self, column: &'static str, rows: usize) -> Result<Values<'_, T>, ColumnsError> {
        if self.is_left_out() {
            return Ok(Values { of: &[], codes: None, other: T::default() });
        }
        self.present(column, rows, T::default())
    }
}

impl<T: Copy> Column<T> {
    /// The values of a column that must not be left out. `other` is never among them.
    pub(crate) fn present(
        &self,
        column: &'static str,
        rows: usize,
        other: T,
    ) -> Result<Values<'_, T>, ColumnsError> {
        let (values, len) = match &self.0 {
            Form::Each(values) => (Values { of: values, codes: None, other }, values.len()),
            Form::Same(value) => (Values { of: &[], codes: None, other: *value }, rows),
            Form::Coded { of, row } => (Values { of, codes: Some(row), other }, row.len()),
        };
        if len == rows { Ok(values) } else { Err(ColumnsError::Length { column, rows, len }) }
    }
}

/// A column whose length has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a, T> {
    of: &'a [T],
    codes: Option<&'a [u8]>,
    other: T,
}

impl<T: Copy> Values<'_, T> {
    pub(crate) fn get(&self, row: usize) -> T {
        let index = match self.codes {
            None => row,
            Some(codes) => codes.get(row).copied().map_or(usize::MAX, usize::from),
        };
        self.of.get(index).copied().unwrap_or(self.other)
    }
}

/// Slots of a [`Coder`]: as many as the highest byte of a hash tells apart.
const SLOTS: usize = 256;

/// Finds the different values of a column, as long as they are few.
struct Coder<T> {
    of: Vec<T>,
    /// Indices into `of`, one more than they are; 0 is free. Twice as many as ever needed.
    slots: [u8; SLOTS],
}

impl<T: Clone + PartialEq + Hash> Coder<T> {
    /// The different values and each row's index among them; `None` when an array is as short.
    fn code(values: &[T]) -> Option<(Vec<T>, Vec<u8>)> {
        if values.len() > MAX_STRING {
            return None;
        }
        // The names take about 18 bytes, a value in an array at least 2, a character 1.
        let most = (values.len().checked_sub(8)? / 2).min(MAX_CODED);
        let mut coder = Self { of: Vec::new(), slots: [0; SLOTS] };
        let mut row = Vec::with_capacity(values.len());
        for value in values {
            row.push(coder.index(value, most)?);
        }
        Some((coder.of, row))
    }

    fn index(&mut self, value: &T, most: usize) -> Option<u8> {
        let mut hasher = Mix(0);
        value.hash(&mut hasher);
        let mut at = usize::try_from(hasher.finish() >> 56).ok()?;
        loop {
            let slot = self.slots.get_mut(at)?;
            let Some(index) = slot.checked_sub(1) else {
                if self.of.len() >= most {
                    return None;
                }
                self.of.push(value.clone());
                *slot = u8::try_from(self.of.len()).ok()?;
                return Some(*slot - 1);
            };
            if self.of.get(usize::from(index)) == Some(value) {
                return Some(index);
            }
            at = (at + 1) % SLOTS;
        }
    }
}

/// A hash that is as good as 256 slots need; nobody outside chooses what it costs, since at most
/// [`MAX_CODED`] values are ever compared.
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.add(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.add(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.add(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }
}

impl<T: Serialize> Serialize for Column<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Each(values) => values.serialize(serializer),
            Form::Same(value) => value.serialize(serializer),
            Form::Coded { of, row } => {
                let text: String = row.iter().map(|&index| char::from(character(index))).collect();
                let mut coded = serializer.serialize_struct("Coded", 2)?;
                coded.serialize_field("of", of)?;
                coded.serialize_field("row", &text)?;
                coded.end()
            }
        }
    }
}

fn character(index: u8) -> u8 {
    let plain = FIRST + index;
    if plain < SKIPPED { plain } else { plain + 1 }
}

fn index_of(character: u8) -> Option<u8> {
    match character {
        FIRST..SKIPPED => Some(character - FIRST),
        SKIPPED => None,
        ..=LAST => character.checked_sub(FIRST + 1),
        _ => None,
    }
}

/// The third form as it travels.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coded<T> {
    of: Vec<T>,
    row: RowCodes,
}

struct RowCodes(Vec<u8>);

impl<'de> Deserialize<'de> for RowCodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Characters;
        impl Visitor<'_> for Characters {
            type Value = RowCodes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string with one character for each flow")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RowCodes, E> {
                let codes: Option<Vec<u8>> = text.bytes().map(index_of).collect();
                codes.map(RowCodes).ok_or_else(|| E::custom("a character that stands for no value"))
            }
        }
        deserializer.deserialize_str(Characters)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Column<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms(PhantomData)).map(Self)
    }
}

struct Forms<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Forms<T> {
    type Value = Form<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column: an array, an object with `of` and `row`, or one value for all flows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Form<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Form::Each(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form<T>, A::Error> {
        let Coded { of, row: RowCodes(row) } = Coded::deserialize(MapAccessDeserializer::new(map))?;
        if of.is_empty() || of.len() > MAX_CODED {
            return Err(A::Error::custom(format_args!("`of` has {} values, not 1 to {MAX_CODED}", of.len())));
        }
        if row.iter().any(|&index| usize::from(index) >= of.len()) {
            return Err(A::Error::custom("a character of `row` stands for no value of `of`"));
        }
        Ok(Form::Coded { of, row })
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Form<T>, E> {
        T::deserialize(Scalar(v.into_deserializer())).map(Form::Same)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Form<T>, E> {
        T::deserialize(Scalar(v.into_deserializer())).map(Form::Same)
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Form<T>, E> {
        T::deserialize(Scalar(v.into_deserializer())).map(Form::Same)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Form<T>, E> {
        T::deserialize(Scalar(().into_deserializer())).map(Form::Same)
    }
}

/// A value that stands for itself: serde's own deserializers of values know no `Some`.
struct Scalar<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Scalar<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Optional(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Visits an option: what is not null is `Some`.
struct Optional<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Optional<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<V::Value, E> {
        self.0.visit_some(v.into_deserializer())
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<V::Value, E> {
        self.0.visit_some(v.into_deserializer())
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<V::Value, E> {
        self.0.visit_some(v.into_deserializer())
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Column<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("ColumnOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({
            "description": "One value for each flow: an array of them, an object with the different \
                            values and one character for each flow, or one value that all have.",
            "anyOf": [
                { "type": "array", "items": value },
                {
                    "type": "object",
                    "description": "`row` has one character for each flow: `#` for the first value of \
                                    `of`, `$` for the second, and so on up to `~` without `\\`.",
                    "properties": {
                        "of": { "type": "array", "items": value, "minItems": 1, "maxItems": MAX_CODED },
                        "row": { "type": "string", "pattern": r"^[#-\[\]-~]*$" }
                    },
                    "required": ["of", "row"],
                    "additionalProperties": false
                },
                value
            ]
        })
    }
}
