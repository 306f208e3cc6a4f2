//! Lookups, the choice among files, and files that are bad.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::testing::{Mmdb, city, country, map};
use super::*;

fn put(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn alone(bytes: &[u8]) -> (TempDir, Geo) {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "a.mmdb", bytes);
    let geo = Geo::open(Search::of(vec![], vec![directory.path().to_owned()]));
    (directory, geo)
}

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn records_of_both_makers_are_read() {
    let both = map([
        ("registered_country", map([("iso_code", "NL".into())])),
        ("represented_country", map([("iso_code", "US".into())])),
    ]);
    for kind in ["GeoLite2-City", "GeoIP2-City", "DBIP-City-Lite", "DBIP-Location (compat=City)"] {
        for (size, version) in [(24, 6), (28, 6), (32, 6), (28, 4)] {
            let mut mmdb = Mmdb::new(kind);
            (mmdb.record_size, mmdb.ip_version) = (size, version);
            let mmdb = mmdb
                .with("1.1.0.0/16", &city("AU", "Sydney"))
                .with("8.8.8.0/24", &both)
                .with("9.0.0.0/8", &map([("represented_country", map([("iso_code", "US".into())]))]))
                .with("12.0.0.0/8", &country("ZZ"));
            let (_directory, geo) = alone(&mmdb.bytes());
            assert_eq!(geo.problems().collect::<Vec<_>>(), [""; 0], "{kind} {size}");
            assert_eq!(geo.country(at("1.1.1.1")), Fact::Known("AU"));
            assert_eq!(geo.city(at("1.1.1.1")), Fact::Known("Sydney"));
            assert_eq!(geo.country(at("::ffff:1.1.1.1")), Fact::Known("AU"));
            assert_eq!(geo.country(at("64:ff9b::1.1.1.1")), Fact::Known("AU"));
            assert_eq!(geo.country(at("8.8.8.8")), Fact::Known("NL"), "registered before represented");
            assert_eq!(geo.country(at("9.9.9.9")), Fact::Known("US"));
            assert_eq!(geo.city(at("9.9.9.9")), Fact::Unknown);
            assert_eq!(geo.country(at("12.1.1.1")), Fact::Unknown);
            assert_eq!(geo.country(at("11.1.1.1")), Fact::Unknown);
            assert_eq!(geo.country(at("2600::1")), Fact::Unknown);
            assert_eq!(geo.country(at("10.1.1.1")), Fact::Absent);
            assert_eq!(geo.asn(at("1.1.1.1")), Fact::Unknown, "nobody knows networks here");
        }
    }
}
