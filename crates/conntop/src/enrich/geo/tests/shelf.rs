//! Which files are used, and what happens when they change.

use super::*;

/// A file of countries that says who made it.
fn of(kind: &str, code: &str, built: u64) -> Vec<u8> {
    let mut mmdb = Mmdb::new(kind).with("1.0.0.0/8", &city(code, "Somewhere"));
    mmdb.built = built;
    mmdb.bytes()
}

struct Stage {
    directory: TempDir,
    shelf: Shelf,
}

impl Stage {
    /// Directories that are named and usual, and what is in them.
    fn new(named: &[&str], usual: &[&str], files: &[(&str, Vec<u8>)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let all = |names: &[&str]| names.iter().map(|name| directory.path().join(name)).collect::<Vec<_>>();
        for folder in all(usual).iter().chain(&all(named)) {
            if folder.extension().is_none() {
                fs::create_dir_all(folder).unwrap();
            }
        }
        for (name, bytes) in files {
            put(directory.path(), name, bytes);
        }
        let shelf = Shelf::new(Search::of(all(named), all(usual)));
        Self { directory, shelf }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        put(self.directory.path(), name, bytes);
    }

    /// Looks until nothing more comes of it, as somebody does who looks again and again; the latest.
    fn look(&mut self) -> Option<Geo> {
        let looks: Vec<Option<Geo>> = (0..3).map(|_| self.shelf.look()).collect();
        looks.into_iter().flatten().last()
    }
}

fn country_of(geo: &Geo) -> Option<&str> {
    geo.country(at("1.1.1.1")).known()
}

#[track_caller]
fn check(named: &[&str], usual: &[&str], files: &[(&str, Vec<u8>)], wanted: &str) {
    let mut stage = Stage::new(named, usual, files);
    let geo = stage.look().unwrap();
    assert_eq!(country_of(&geo), Some(wanted), "{:?}", geo.found());
}

#[test]
fn the_best_file_is_used() {
    let (max, paid, dbip) = ("GeoLite2-City", "GeoIP2-City", "DBIP-City-Lite");
    // MaxMind's before DB-IP's, wherever they are.
    check(&[], &["a"], &[("a/x.mmdb", of(dbip, "DB", 9)), ("a/y.mmdb", of(max, "MM", 1))], "MM");
    check(&[], &["a", "b"], &[("a/x.mmdb", of(dbip, "DB", 9)), ("b/y.mmdb", of(max, "MM", 1))], "MM");
    check(&["a", "b"], &[], &[("a/x.mmdb", of(dbip, "DB", 9)), ("b/y.mmdb", of(max, "MM", 1))], "DB");
    check(&["a"], &[], &[("a/x.mmdb", of(dbip, "DB", 9)), ("a/y.mmdb", of(max, "MM", 1))], "MM");
    check(&[], &["a"], &[("a/x.mmdb", of(max, "MM", 9)), ("a/y.mmdb", of(paid, "PP", 1))], "PP");
    // Whom somebody names before what is there.
    check(&["n"], &["a"], &[("n/x.mmdb", of(dbip, "DB", 1)), ("a/y.mmdb", of(max, "MM", 9))], "DB");
    check(&["n/x.mmdb"], &["n"], &[("n/x.mmdb", of(dbip, "DB", 1)), ("n/y.mmdb", of(max, "MM", 9))], "DB");
    // The earlier place; in one place the newer.
    check(&[], &["a", "b"], &[("a/x.mmdb", of(dbip, "AA", 1)), ("b/y.mmdb", of(dbip, "BB", 9))], "AA");
    check(&[], &["a"], &[("a/x.mmdb", of(dbip, "OL", 1)), ("a/y.mmdb", of(dbip, "NE", 9))], "NE");
    // One that is damaged, or half there, is passed over.
    check(
        &[],
        &["a"],
        &[("a/x.mmdb", of(dbip, "DB", 1)), ("a/y.mmdb", of(max, "MM", 9)[..200].to_vec())],
        "DB",
    );
    check(&[], &["a"], &[("a/x.mmdb", of(dbip, "DB", 1)), ("a/y.mmdb.part", of(max, "MM", 9))], "DB");
}

#[test]
fn each_question_has_its_own_best_file() {
    let files = [
        ("a/GeoLite2-Country.mmdb", Mmdb::new("GeoLite2-Country").with("1.0.0.0/8", &country("MM")).bytes()),
        ("a/dbip-city-lite.mmdb", of("DBIP-City-Lite", "DB", 1)),
        ("a/asn.mmdb", Mmdb::new("DBIP-ASN-Lite").with("1.0.0.0/8", &asn(7, "Seven")).bytes()),
        ("a/proxies.mmdb", Mmdb::new("GeoIP2-Anonymous-IP").with("1.0.0.0/8", &country("XX")).bytes()),
    ];
    let mut stage = Stage::new(&[], &["a"], &files);
    let geo = stage.look().unwrap();
    assert_eq!(country_of(&geo), Some("MM"));
    assert_eq!(geo.city(at("1.1.1.1")), Fact::Known("Somewhere"));
    assert_eq!(geo.org(at("1.1.1.1")), Fact::Known("Seven"));
    assert_eq!(geo.problems().collect::<Vec<_>>(), [""; 0], "others may have other databases");
    assert_eq!(geo.found().len(), 4);
    assert_eq!(geo.attributions(), [Attribution::MAX_MIND, Attribution::DB_IP]);
}

#[test]
fn named_files_have_to_be_right() {
    let other = Mmdb::new("GeoIP2-Anonymous-IP").with("1.0.0.0/8", &country("XX")).bytes();
    let mut stage = Stage::new(&["gone.mmdb", "other.mmdb"], &[], &[("other.mmdb", other)]);
    let geo = stage.look().unwrap();
    let problems: Vec<&str> = geo.problems().collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("gone.mmdb") && problems[0].contains("No such file"), "{problems:?}");
    assert!(problems[1].contains("GeoIP2-Anonymous-IP"), "{problems:?}");
}

#[test]
fn a_file_that_changes_is_read_again() {
    let mut stage = Stage::new(&[], &["a"], &[("a/x.mmdb", of("DBIP-City-Lite", "AA", 1))]);
    assert_eq!(country_of(&stage.look().unwrap()), Some("AA"));
    assert!(stage.look().is_none(), "nothing has changed");
    stage.put("a/x.mmdb", &of("DBIP-City-Lite", "BB", 2));
    assert!(stage.shelf.look().is_none(), "somebody may still be writing");
    assert_eq!(country_of(&stage.look().unwrap()), Some("BB"));
    stage.put("a/y.mmdb", &of("GeoLite2-City", "CC", 1));
    assert_eq!(country_of(&stage.look().unwrap()), Some("CC"), "a better one has come");
    fs::remove_file(stage.path("a/y.mmdb")).unwrap();
    assert_eq!(country_of(&stage.look().unwrap()), Some("BB"), "it has gone again");
    fs::remove_file(stage.path("a/x.mmdb")).unwrap();
    assert!(stage.look().unwrap().is_empty());
}

#[test]
fn a_bad_file_is_told_and_its_predecessor_stays() {
    let good = of("DBIP-City-Lite", "AA", 1);
    let mut stage = Stage::new(&[], &["a"], &[("a/x.mmdb", good.clone())]);
    assert_eq!(country_of(&stage.look().unwrap()), Some("AA"));
    // One whose records are torn, which only a look at all of them shows.
    let mut torn = Mmdb::new("DBIP-City-Lite").with("1.0.0.0/8", &city("BB", "There"));
    torn.insert(at("77.77.77.77"), 32, &Data::Raw(vec![0xe9, 0x41]));
    for bad in [&good[..good.len() / 2], b"", b"<html>no</html>", &torn.bytes()] {
        stage.put("a/x.mmdb", bad);
        let geo = stage.look().unwrap();
        let problems: Vec<&str> = geo.problems().collect();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("x.mmdb is damaged or no GeoIP database"), "{problems:?}");
        assert_eq!(country_of(&geo), Some("AA"), "{problems:?}");
    }
    // Nobody who truncates the file that is in use harms it.
    fs::OpenOptions::new().write(true).truncate(true).open(stage.path("a/x.mmdb")).unwrap();
    let geo = stage.look().unwrap();
    assert_eq!(country_of(&geo), Some("AA"));
    stage.put("a/x.mmdb", &of("DBIP-City-Lite", "CC", 2));
    let geo = stage.look().unwrap();
    assert_eq!((country_of(&geo), geo.problems().count()), (Some("CC"), 0), "mended");
}
