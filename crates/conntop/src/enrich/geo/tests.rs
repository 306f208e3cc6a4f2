//! Lookups; the choice among files; files that are bad.

mod hostile;
mod shelf;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::testing::{Data, Mmdb, asn, city, country, map};
use super::*;

/// Writes a file as those do who know how: under another name first.
fn put(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, &path).unwrap();
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

#[test]
fn networks_are_read_wherever_the_makers_put_them() {
    let plain = asn(13_335, "Cloudflare, Inc.");
    let traits = map([("traits", asn(13_335, "Cloudflare, Inc."))]);
    let kinds = [
        ("GeoLite2-ASN", &plain),
        ("DBIP-ASN-Lite", &plain),
        ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", &plain),
        ("GeoIP2-ISP", &plain),
        ("GeoIP2-Enterprise", &traits),
        ("DBIP-Location-ISP (compat=Enterprise)", &traits),
    ];
    for (kind, record) in kinds {
        let none = asn(0, "");
        let mmdb = Mmdb::new(kind).with("1.1.0.0/16", record).with("2606:4700::/32", record);
        let (_directory, geo) = alone(&mmdb.with("1.2.0.0/16", &none).bytes());
        for address in ["1.1.1.1", "2606:4700::1111"] {
            assert_eq!(geo.asn(at(address)), Fact::Known(13_335), "{kind} {address}");
            assert_eq!(geo.org(at(address)), Fact::Known("Cloudflare, Inc."), "{kind} {address}");
        }
        assert_eq!(geo.asn(at("1.2.1.1")), Fact::Unknown);
        assert_eq!(geo.org(at("1.2.1.1")), Fact::Unknown);
        assert_eq!(geo.org(at("224.0.0.1")), Fact::Absent);
        assert_eq!(geo.country(at("1.1.1.1")), Fact::Unknown);
    }
}

#[test]
fn a_file_is_not_refused_for_what_the_format_allows() {
    let directory = tempfile::tempdir().unwrap();
    let mut mmdb = Mmdb::new("DBIP-City-Lite").with("1.0.0.0/8", &city("AU", "Sydney"));
    mmdb.description = None;
    assert!(validate(&put(directory.path(), "x.mmdb", &mmdb.bytes())).is_ok());
    mmdb.insert(at("2.0.0.0"), 8, &Data::Raw(vec![0xe9, 0x41]));
    assert!(validate(&put(directory.path(), "x.mmdb", &mmdb.bytes())).is_err());
}

#[test]
fn without_databases_only_special_addresses_are_known() {
    let geo = Geo::default();
    assert!(geo.is_empty());
    assert_eq!(geo.country(at("1.1.1.1")), Fact::Unknown);
    assert_eq!(geo.country(at("192.168.1.1")), Fact::Absent);
    assert_eq!(geo.attributions(), []);
}

#[test]
fn makers_are_named_whose_data_is_used() {
    let (_directory, geo) =
        alone(&Mmdb::new("DBIP-City-Lite").with("1.1.0.0/16", &city("AU", "Sydney")).bytes());
    let texts: Vec<String> = geo.attributions().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["IP Geolocation by DB-IP (https://db-ip.com)"]);
}
