//! What matters of an answer, whichever registry gave it.
//!
//! RIPE, APNIC and AFRINIC write RPSL objects, ARIN and LACNIC something similar: paragraphs of
//! `key: value`. The network is the smallest range that has the address; what follows it up to the next
//! network belongs to it.

use std::net::IpAddr;

use super::Hop;
use super::span::Span;

/// What matters; all texts are sanitized, and what nobody said is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fields {
    /// The range that the address is in.
    pub range: Option<String>,
    /// The registry's name of it.
    pub name: Option<String>,
    /// Who has it.
    pub org: Option<String>,
    /// Two letters of the country.
    pub country: Option<String>,
    /// Whom to tell of abuse.
    pub abuse: Option<String>,
    /// The autonomous systems that may announce it.
    pub origin: Option<String>,
}

/// A paragraph.
struct Object<'a>(Vec<(&'a str, &'a str)>);

const RANGES: [&str; 3] = ["inetnum", "inet6num", "netrange"];
const ROUTES: [&str; 2] = ["route", "route6"];

impl Fields {
    /// What matters of the last answer that knows the address.
    pub(super) fn of(address: IpAddr, hops: &[Hop]) -> Self {
        hops.iter().rev().find_map(|hop| Self::of_text(address, &hop.text)).unwrap_or_default()
    }

    fn of_text(address: IpAddr, text: &str) -> Option<Self> {
        let objects = objects(text);
        let (at, _) = smallest(&objects, &RANGES, address)?;
        let network = objects.get(at)?;
        let rest = objects.get(at + 1..).unwrap_or_default();
        let next = rest.iter().position(|object| object.any(&RANGES).is_some()).unwrap_or(rest.len());
        let about = rest.get(..next).unwrap_or_default();
        let holder = |keys: &[&str]| about.iter().find(|object| object.any(keys).is_some());
        let named = ["org-name", "orgname", "custname"];
        let org = network.any(&["organization", "customer", "owner"]).map(without_handle);
        let org =
            org.or_else(|| holder(&named)?.any(&named)).or_else(|| network.any(&["organisation", "descr"]));
        let country = network.any(&["country"]).or_else(|| holder(&named)?.any(&["country"]));
        let route =
            smallest(&objects, &ROUTES, address).and_then(|(at, _)| objects.get(at)?.any(&["origin"]));
        let origin = network.any(&["originas", "aut-num"]).or(route);
        Some(Self {
            range: network.any(&RANGES).map(str::to_owned),
            name: network.any(&["netname"]).map(str::to_owned),
            org: org.map(str::to_owned),
            country: country.and_then(letters),
            abuse: abuse(text, network, about, &objects).filter(|contact| contact.contains('@')),
            origin: origin.and_then(systems),
        })
    }
}

impl<'a> Object<'a> {
    /// The first value of the first of the keys that has one.
    fn any(&self, keys: &[&str]) -> Option<&'a str> {
        let value = |key: &&str| self.0.iter().find(|(k, v)| k.eq_ignore_ascii_case(key) && !v.is_empty());
        keys.iter().find_map(value).map(|(_, value)| *value)
    }
}

fn objects(text: &str) -> Vec<Object<'_>> {
    let mut objects = Vec::new();
    let mut lines = Vec::new();
    // A line that is empty at the end closes the last one.
    for line in text.lines().chain([""]) {
        if line.starts_with(['%', '#']) {
            continue;
        }
        if line.trim().is_empty() {
            if !lines.is_empty() {
                objects.push(Object(std::mem::take(&mut lines)));
            }
        } else if let Some((key, value)) = line.split_once(':') {
            lines.push((key.trim(), value.trim()));
        }
    }
    objects
}

/// The object with the smallest range that has the address, and where it is.
fn smallest(objects: &[Object<'_>], keys: &[&str], address: IpAddr) -> Option<(usize, Span)> {
    let spans = objects.iter().enumerate().filter_map(|(at, object)| {
        let span = Span::parse(object.any(keys)?)?;
        span.contains(address).then_some((at, span))
    });
    spans.min_by_key(|(_, span)| span.size())
}

fn abuse(text: &str, network: &Object<'_>, about: &[Object<'_>], all: &[Object<'_>]) -> Option<String> {
    let mailbox = ["rabuseemail", "orgabuseemail", "abuse-mailbox"];
    let comment = |line: &str| {
        let (_, contact) = line.strip_prefix("% Abuse contact for '")?.split_once("' is '")?;
        Some(contact.trim_end_matches('\'').to_owned())
    };
    let by_handle = || {
        let handle = network.any(&["abuse-c"])?;
        let is = |object: &&Object<'_>| object.any(&["nic-hdl", "nic-hdl-br"]) == Some(handle);
        all.iter().find(is)?.any(&["abuse-mailbox", "e-mail"])
    };
    text.lines()
        .find_map(comment)
        .or_else(|| by_handle().map(str::to_owned))
        .or_else(|| about.iter().find_map(|object| object.any(&mailbox)).map(str::to_owned))
}

/// `Example LLC (EXAMP-1)` without the handle.
fn without_handle(org: &str) -> &str {
    match org.strip_suffix(')').and_then(|org| org.rsplit_once(" (")) {
        Some((name, handle)) if !name.is_empty() && !handle.contains(' ') => name,
        _ => org,
    }
}

fn letters(country: &str) -> Option<String> {
    let word = country.split_whitespace().next()?;
    (word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .then(|| word.to_ascii_uppercase())
}

fn systems(origin: &str) -> Option<String> {
    let is_system = |word: &&str| {
        let digits = word.get(..2).filter(|start| start.eq_ignore_ascii_case("as")).and(word.get(2..));
        digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
    };
    let words = origin.split([',', ' ']).filter(is_system).map(str::to_ascii_uppercase);
    let systems: Vec<String> = words.take(8).collect();
    (!systems.is_empty()).then(|| systems.join(", "))
}
