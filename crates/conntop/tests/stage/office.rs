//! What is known beside the flows of the office: names of its hosts, and places of those it talks to.

#![expect(clippy::expect_used, reason = "a test support module")]

use std::net::IpAddr;

use conntop::config::Alias;
use conntop::enrich::Enricher;
use conntop::enrich::geo::{Geo, Search};
use conntop::enrich::names::Names;
use conntop::enrich::services::Services;

use super::mmdb::{Mmdb, asn, city};

/// Network, country, city, number and name of its owner.
const PLACES: &[(&str, &str, &str, u32, &str)] = &[
    ("142.250.0.0/16", "US", "Mountain View", 15169, "Google LLC"),
    ("151.101.0.0/16", "US", "San Francisco", 54113, "Fastly, Inc."),
    ("104.16.0.0/16", "US", "San Jose", 13335, "Cloudflare, Inc."),
    ("93.184.216.0/24", "US", "Los Angeles", 15133, "Edgecast Inc."),
    ("52.95.0.0/16", "DE", "Frankfurt am Main", 16509, "Amazon.com, Inc."),
    ("185.199.108.0/24", "NL", "Amsterdam", 54113, "Fastly, Inc."),
    ("17.253.0.0/16", "IE", "Dublin", 6185, "Apple Inc."),
    ("9.9.9.0/24", "CH", "Zürich", 19281, "Quad9"),
    ("2a00:1450::/32", "IE", "Dublin", 15169, "Google LLC"),
];

const NAMES: &[(&str, &str)] = &[
    ("192.168.1.5", "www.lan"),
    ("192.168.1.13", "laptop-anna.lan"),
    ("192.168.1.16", "desk-3.lan"),
    ("192.168.1.22", "nas.lan"),
    ("192.168.1.23", "desk-1.lan"),
    ("192.168.1.24", "laptop-ben.lan"),
    ("192.168.1.30", "tv.lan"),
    ("52.95.110.1", "s3.eu-central-1.amazonaws.com"),
    ("185.199.108.153", "cdn-185-199-108-153.github.com"),
    ("142.250.185.78", "fra16s49-in-f14.1e100.net"),
    ("9.9.9.9", "dns9.quad9.net"),
];

/// All of it.
pub(crate) fn knowing() -> Enricher {
    let (mut cities, mut owners) = (Mmdb::new("DBIP-City-Lite"), Mmdb::new("DBIP-ASN-Lite"));
    for (net, country, town, number, name) in PLACES {
        cities = cities.with(net, &city(country, town));
        owners = owners.with(net, &asn(*number, name));
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, file) in [("city.mmdb", cities), ("asn.mmdb", owners)] {
        std::fs::write(folder.path().join(name), file.bytes()).expect("a file");
    }
    let geo = Geo::open(Search::of(vec![folder.path().to_owned()], Vec::new()));
    let alias = |(host, name): &(&str, &str)| Alias {
        net: host.parse::<IpAddr>().expect("an address").to_string().parse().expect("a network"),
        name: (*name).to_owned(),
    };
    let names: Vec<Alias> = NAMES.iter().map(alias).collect();
    Enricher::new(geo, Names::new(&names), Services::default())
}
