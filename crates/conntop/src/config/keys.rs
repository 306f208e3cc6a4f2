//! Section `[keys]`: the scheme, and a person's own keys by the names of their rows.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::tui::keymap::{Rebinding, Scheme};

/// What keys do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// What they do to begin with.
    pub scheme: Option<Scheme>,
    /// Other keys.
    pub own: Vec<Rebinding>,
}

/// One key or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a key such as \"q\", or several: [\"q\", \"F10\"]")]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Section;

        impl<'de> Visitor<'de> for Section {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines such as quit = [\"X\", \"F10\"]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Keys::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "scheme" {
                        keys.scheme = Some(map.next_value()?);
                        continue;
                    }
                    let written = match map.next_value()? {
                        Written::One(key) => vec![key],
                        Written::Several(keys) => keys,
                    };
                    let own = Rebinding::new(&name, written.iter().map(String::as_str));
                    keys.own.push(own.map_err(de::Error::custom)?);
                }
                Ok(keys)
            }
        }

        deserializer.deserialize_map(Section)
    }
}
