//! Writes MaxMind DB files for tests: right ones, and wrong ones by the raw bytes of [`Data::Raw`] and
//! the public fields of [`Mmdb`]. It knows nothing of this crate, so that tests of any crate include it by
//! its path.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "for tests, and each uses a part of it"
)]

use std::collections::HashMap;
use std::net::IpAddr;

/// What stands between the tree and the data.
pub(crate) const SEPARATOR: usize = 16;
/// What stands before the metadata.
pub(crate) const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A value of a record.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// UTF-8, or what claims to be.
    Text(String),
    /// A number of 16 bits.
    U16(u16),
    /// A number of 32 bits.
    U32(u32),
    /// A number of 64 bits.
    U64(u64),
    /// Values by keys, in this order.
    Map(Vec<(String, Data)>),
    /// Values.
    Array(Vec<Data>),
    /// A pointer to this place of the data.
    Pointer(u32),
    /// These bytes, whatever they mean.
    Raw(Vec<u8>),
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A map of these values.
pub(crate) fn map<const N: usize>(entries: [(&str, Data); N]) -> Data {
    Data::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// A record of a country file.
pub(crate) fn country(code: &str) -> Data {
    map([("country", map([("iso_code", code.into())]))])
}

/// A record of a city file.
pub(crate) fn city(code: &str, name: &str) -> Data {
    map([
        ("city", map([("names", map([("de", "anders".into()), ("en", name.into())]))])),
        ("continent", map([("code", "EU".into())])),
        ("country", map([("iso_code", code.into()), ("names", map([("en", "Somewhere".into())]))])),
    ])
}

/// A record of a file of autonomous systems.
pub(crate) fn asn(number: u32, organization: &str) -> Data {
    map([
        ("autonomous_system_number", Data::U32(number)),
        ("autonomous_system_organization", organization.into()),
    ])
}

/// A file under construction.
#[derive(Clone, Debug)]
pub(crate) struct Mmdb {
    /// Such as `GeoLite2-City`.
    pub(crate) kind: String,
    /// 4 or 6.
    pub(crate) ip_version: u16,
    /// 24, 28 or 32 bits.
    pub(crate) record_size: u16,
    /// Seconds since 1970.
    pub(crate) built: u64,
    /// What the metadata says instead of the true number.
    pub(crate) node_count: Option<u32>,
    /// What the metadata says about the whole, if anything.
    pub(crate) description: Option<String>,
    /// The version of the format.
    pub(crate) version: u16,
    nodes: Vec<[Child; 2]>,
    data: Vec<u8>,
    places: HashMap<Vec<u8>, u32>,
}

#[derive(Clone, Copy, Debug)]
enum Child {
    Nothing,
    Node(u32),
    Data(u32),
}

impl Mmdb {
    /// An empty one for addresses of both families.
    pub(crate) fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ip_version: 6,
            record_size: 28,
            built: 1_790_000_000,
            node_count: None,
            description: Some("made by a test".to_owned()),
            version: 2,
            nodes: vec![[Child::Nothing; 2]],
            data: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// The same with one network more, written `ADDRESS/LENGTH`; the more special comes later.
    pub(crate) fn with(mut self, network: &str, data: &Data) -> Self {
        let (address, length) = network.split_once('/').unwrap();
        self.insert(address.parse().unwrap(), length.parse().unwrap(), data);
        self
    }

    /// Adds a network.
    pub(crate) fn insert(&mut self, address: IpAddr, length: u8, data: &Data) {
        let mut bytes = Vec::new();
        encode(data, &mut bytes);
        let place = *self.places.entry(bytes).or_insert_with_key(|bytes| {
            let place = self.data.len() as u32;
            self.data.extend_from_slice(bytes);
            place
        });
        let (bits, length) = match (address, self.ip_version) {
            (IpAddr::V4(v4), 4) => (u128::from(v4.to_bits()) << 96, length),
            (IpAddr::V4(v4), _) => (u128::from(v4.to_bits()), length + 96),
            (IpAddr::V6(v6), _) => (v6.to_bits(), length),
        };
        assert!(length > 0, "a network has a bit at least");
        let mut node = 0;
        for depth in 0..length - 1 {
            let side = (bits >> (127 - depth) & 1) as usize;
            node = match self.nodes[node][side] {
                Child::Node(next) => next as usize,
                other => {
                    self.nodes.push([other; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Child::Node(next as u32);
                    next
                }
            };
        }
        let side = (bits >> (127 - (length - 1)) & 1) as usize;
        self.nodes[node][side] = Child::Data(place);
    }

    /// How many networks' data differ, in bytes.
    pub(crate) fn data_len(&self) -> usize {
        self.data.len()
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len() as u32;
        let record = |child: Child| match child {
            Child::Nothing => count,
            Child::Node(node) => node,
            Child::Data(place) => count + SEPARATOR as u32 + place,
        };
        let mut out = Vec::new();
        for [left, right] in &self.nodes {
            let (left, right) = (record(*left), record(*right));
            match self.record_size {
                24 => {
                    out.extend_from_slice(&left.to_be_bytes()[1..]);
                    out.extend_from_slice(&right.to_be_bytes()[1..]);
                }
                28 => {
                    out.extend_from_slice(&left.to_be_bytes()[1..]);
                    out.push((left >> 24 << 4 | right >> 24) as u8);
                    out.extend_from_slice(&right.to_be_bytes()[1..]);
                }
                _ => {
                    out.extend_from_slice(&left.to_be_bytes());
                    out.extend_from_slice(&right.to_be_bytes());
                }
            }
        }
        out.extend_from_slice(&[0; SEPARATOR]);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(MARKER);
        let description = self.description.iter().map(|text| ("en".to_owned(), text.as_str().into()));
        let metadata = map([
            ("binary_format_major_version", Data::U16(self.version)),
            ("binary_format_minor_version", Data::U16(0)),
            ("build_epoch", Data::U64(self.built)),
            ("database_type", self.kind.as_str().into()),
            ("description", Data::Map(description.collect())),
            ("ip_version", Data::U16(self.ip_version)),
            ("languages", Data::Array(vec!["en".into()])),
            ("node_count", Data::U32(self.node_count.unwrap_or(count))),
            ("record_size", Data::U16(self.record_size)),
        ]);
        encode(&metadata, &mut out);
        out
    }
}

fn encode(data: &Data, out: &mut Vec<u8>) {
    match data {
        Data::Text(text) => {
            header(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Data::U16(number) => number_of(5, u64::from(*number), out),
        Data::U32(number) => number_of(6, u64::from(*number), out),
        Data::U64(number) => number_of(9, *number, out),
        Data::Map(entries) => {
            header(7, entries.len(), out);
            for (key, value) in entries {
                encode(&Data::Text(key.clone()), out);
                encode(value, out);
            }
        }
        Data::Array(values) => {
            header(11, values.len(), out);
            values.iter().for_each(|value| encode(value, out));
        }
        Data::Pointer(place) => {
            out.push(0b0011_1000);
            out.extend_from_slice(&place.to_be_bytes());
        }
        Data::Raw(bytes) => out.extend_from_slice(bytes),
    }
}

fn number_of(kind: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let digits = &bytes[(number.leading_zeros() / 8) as usize..];
    header(kind, digits.len(), out);
    out.extend_from_slice(digits);
}

fn header(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (low, rest) = match size {
        0..29 => (size, vec![]),
        29..285 => (29, vec![(size - 29) as u8]),
        285..65_821 => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
        _ => (31, ((size - 65_821) as u32).to_be_bytes()[1..].to_vec()),
    };
    match kind {
        0..8 => out.push(kind << 5 | low as u8),
        _ => out.extend_from_slice(&[low as u8, kind - 7]),
    }
    out.extend_from_slice(&rest);
}
