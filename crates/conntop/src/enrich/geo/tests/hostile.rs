//! Files by somebody who means harm. Each is refused, or what it says is unknown; none panics, hangs or
//! brings a control character out.

use std::time::{Duration, Instant};

use conntop_proto::text::is_hostile;
use proptest::prelude::*;

use super::*;
use crate::enrich::geo::testing::{MARKER, SEPARATOR};

/// How long a lookup in a file that means harm may take, in a slow build on a busy machine: what the
/// library's bounds cost, not what somebody can make it cost.
const LONGEST: Duration = Duration::from_secs(2);

/// Asks all of a file; what was told.
fn ask(bytes: &[u8]) -> (bool, Vec<String>) {
    let (_directory, geo) = alone(bytes);
    let mut told = Vec::new();
    for address in ["1.1.1.1", "2.2.2.2", "77.1.2.3", "223.255.255.255", "2606:4700::1", "2a00::1"] {
        let begun = Instant::now();
        let (country, city, org) = (geo.country(at(address)), geo.city(at(address)), geo.org(at(address)));
        told.extend([country, city, org].into_iter().filter_map(Fact::known).map(str::to_owned));
        told.extend(geo.asn(at(address)).known().map(|number| number.to_string()));
        assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    }
    told.extend(geo.problems().map(str::to_owned));
    for text in &told {
        assert!(!text.contains(is_hostile), "{text:?}");
    }
    (geo.is_empty(), told)
}

const KINDS: [&str; 3] = ["GeoLite2-City", "DBIP-ASN-Lite", "GeoIP2-Enterprise"];

fn with(kind: &str, record: &Data) -> Vec<u8> {
    Mmdb::new(kind).with("1.1.0.0/16", record).with("2.2.2.2/32", &city("DE", "Bonn")).bytes()
}

#[test]
fn hostile_texts_are_unknown() {
    let texts =
        ["\x1b[31mred", "a\u{202e}b", "line\nbreak", "\u{9b}2J", "zero\u{200b}width", "\0", "\u{e0041}"];
    let long = "x".repeat(300);
    for text in texts.into_iter().chain([long.as_str()]) {
        let (_directory, geo) = alone(&with("GeoLite2-City", &city(text, text)));
        assert_eq!(geo.country(at("1.1.1.1")), Fact::Unknown);
        assert_eq!(geo.city(at("1.1.1.1")), Fact::Unknown);
        assert_eq!(geo.city(at("2.2.2.2")), Fact::Known("Bonn"));
        ask(&with("GeoIP2-Enterprise", &map([("traits", asn(1, text))])));
        ask(&with("DBIP-ASN-Lite", &asn(1, text)));
        // The type is shown as well.
        ask(&with(&format!("City {text}"), &city("DE", "Bonn")));
        ask(&with(text, &city("DE", "Bonn")));
    }
    for code in ["de", "D", "DEU", "D1", "ÄÖ", "  ", "ZZ", ""] {
        let (_directory, geo) = alone(&with("GeoLite2-City", &city(code, "Bonn")));
        assert_eq!(geo.country(at("1.1.1.1")), Fact::Unknown, "{code:?}");
    }
}

#[test]
fn torn_records_are_no_harm() {
    let deep = |levels: usize| {
        let mut bytes: Vec<u8> = b"\xe1\x47country".repeat(levels);
        bytes.extend_from_slice(b"\x42DE");
        Data::Raw(bytes)
    };
    let mut arrays = [1_u8, 4].repeat(100_000);
    arrays.push(0x40);
    let records = [
        // Pointers to themselves, to each other, beyond the end.
        Data::Pointer(0),
        map([("country", Data::Pointer(0))]),
        map([("country", map([("iso_code", Data::Pointer(9))]))]),
        Data::Pointer(u32::MAX),
        map([("city", Data::Pointer(u32::MAX)), ("traits", Data::Pointer(1 << 20))]),
        // Sizes that are not there.
        Data::Raw(vec![0xff, 0xff, 0xff, 0xff]),
        Data::Raw(b"\xe1\x47country\xff\xff\xff\xff".to_vec()),
        Data::Raw(b"\xe1\x58autonomous_system_number\xc4".to_vec()),
        Data::Raw(b"\xe1\x5cautonomous_system_organization\x5f\xff\xff\xff".to_vec()),
        // Depth.
        deep(10),
        deep(5_000),
        Data::Raw(arrays),
        // What is not text.
        Data::Raw(b"\xe1\x47country\xe1\x48iso_code\x42\xff\xfe".to_vec()),
        Data::Raw(vec![0, 0]),
        Data::Raw(vec![0, 250]),
        // Other kinds of values where texts, numbers and maps are looked for.
        asn(0, "x"),
        map([("autonomous_system_number", "13335".into()), ("autonomous_system_organization", Data::U32(1))]),
        map([("autonomous_system_number", Data::U64(u64::MAX))]),
        map([("country", "DE".into()), ("city", Data::Array(vec!["x".into()])), ("traits", Data::U16(3))]),
        Data::Array(vec![city("DE", "Bonn")]),
        "DE".into(),
    ];
    for kind in KINDS {
        for record in &records {
            ask(&with(kind, record));
        }
    }
}

#[test]
fn wrong_frames_are_refused() {
    let good = || Mmdb::new("GeoLite2-City").with("1.0.0.0/8", &city("DE", "Bonn"));
    let changed = |change: fn(&mut Mmdb)| {
        let mut mmdb = good();
        change(&mut mmdb);
        mmdb.bytes()
    };
    let whole = good().bytes();
    let no_metadata = whole[..whole.len() - 60].to_vec();
    let twice = [whole.clone(), MARKER.to_vec()].concat();
    let only = [vec![0; SEPARATOR], MARKER.to_vec()].concat();
    let bad = [
        Vec::new(),
        vec![0; 4096],
        MARKER.to_vec(),
        MARKER.repeat(50),
        only,
        no_metadata,
        twice,
        changed(|mmdb| mmdb.node_count = Some(0)),
        changed(|mmdb| mmdb.node_count = Some(1 << 20)),
        changed(|mmdb| mmdb.node_count = Some(u32::MAX)),
        changed(|mmdb| mmdb.record_size = 25),
        changed(|mmdb| mmdb.record_size = 0),
        changed(|mmdb| mmdb.record_size = u16::MAX),
        changed(|mmdb| mmdb.version = 3),
        changed(|mmdb| mmdb.ip_version = 5),
        changed(|mmdb| mmdb.built = u64::MAX),
    ];
    for (n, bytes) in bad.iter().enumerate() {
        let (empty, told) = ask(bytes);
        assert!(empty, "{n}: {told:?}");
        assert!(told.iter().any(|text| text.contains("download it again")), "{n}: {told:?}");
    }
}

#[test]
fn no_beginning_of_a_file_is_taken_for_the_whole() {
    let whole = with("GeoLite2-City", &city("DE", "Bonn"));
    for length in 0..whole.len() {
        let (empty, _told) = ask(&whole[..length]);
        assert!(empty, "{length} of {}", whole.len());
    }
}

#[test]
fn other_things_than_files_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("folder.mmdb")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("zero.mmdb")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("nowhere.mmdb")).unwrap();
    std::os::unix::fs::symlink("loop.mmdb", directory.path().join("loop.mmdb")).unwrap();
    let pipe = directory.path().join("pipe.mmdb");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let large = fs::File::create(directory.path().join("large.mmdb")).unwrap();
    large.set_len(MAX_FILE + 1).unwrap();
    put(directory.path(), "good.mmdb", &with("GeoLite2-City", &city("DE", "Bonn")));
    let geo = Geo::open(Search::of(vec![], vec![directory.path().to_owned()]));
    assert_eq!(geo.country(at("1.1.1.1")), Fact::Known("DE"));
    assert_eq!(geo.problems().count(), 6, "{:?}", geo.problems().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_bytes_are_no_harm(
        kind in 0..KINDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let record = map([("city", map([("names", map([("en", "Bonn".into())]))])), ("traits", asn(7, "Seven"))]);
        let mut bytes = with(KINDS[kind], &record);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _told = ask(&bytes);
        let directory = tempfile::tempdir().unwrap();
        let _refused = validate(&put(directory.path(), "x.mmdb", &bytes));
    }

    #[test]
    fn any_record_is_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in KINDS {
            let _told = ask(&with(kind, &Data::Raw(bytes.clone())));
        }
    }
}
