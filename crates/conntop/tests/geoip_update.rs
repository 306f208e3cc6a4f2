//! Downloads of databases against a server on loopback: right, broken, hostile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;
#[path = "geoip/server.rs"]
mod server;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use conntop::enrich::geo::{Geo, Search};
use conntop::geoip::{Limits, Month, Step, Update, UpdateError, Want, progress};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use self::mmdb::{Mmdb, asn, city};
use self::server::{Reply, Server};

const CITY: &str = "dbip-city-lite-2026-11.mmdb.gz";
const CITY_BEFORE: &str = "dbip-city-lite-2026-10.mmdb.gz";
const ASN: &str = "dbip-asn-lite-2026-11.mmdb.gz";

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A city database in which 1.1.0.0 is in this city.
fn cities(name: &str) -> Vec<u8> {
    let mut database = Mmdb::new("DBIP-City-Lite").with("1.1.0.0/16", &city("AU", name));
    for n in 0..200u32 {
        database = database.with(&format!("20.{n}.0.0/16"), &city("DE", &format!("Ort {}", n * 7919)));
    }
    database.bytes()
}

fn networks() -> Vec<u8> {
    Mmdb::new("DBIP-ASN-Lite").with("1.1.0.0/16", &asn(64_496, "Example")).bytes()
}

/// A folder and a server; one update after the other.
struct Stage {
    folder: TempDir,
    server: Server,
    update: Update,
    steps: Vec<String>,
}

impl Stage {
    fn of(replies: &[(&str, &[Reply])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::of(replies);
        let update = Update {
            from: server.url(),
            into: folder.path().join("share/GeoIP"),
            month: "2026-11".parse().unwrap(),
            want: Want::Newer,
            limits: Limits { patience: Duration::from_secs(20), ..Limits::default() },
        };
        Self { folder, server, update, steps: Vec::new() }
    }

    /// With a good ASN database beside these.
    fn city(replies: &[Reply]) -> Self {
        Self::of(&[(CITY, replies), (ASN, &[Reply::File(pack(&networks()))])])
    }

    fn run(&mut self) -> Result<(), UpdateError> {
        let mut steps = Vec::new();
        let folder = self.folder.path().to_string_lossy().into_owned();
        let result = self.update.run(&mut |step| {
            if !matches!(step, Step::Fetching { .. }) {
                steps.push(progress::words(&step).replace(&folder, "FOLDER"));
            }
        });
        self.steps = steps;
        result
    }

    fn error(&mut self) -> String {
        self.run()
            .unwrap_err()
            .to_string()
            .replace(&self.server.url(), "URL")
            .replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.update.into.join(name)
    }

    /// All files with a name that everybody sees.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.update.into).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    fn city_of(&self, address: &str) -> Option<String> {
        let geo = Geo::open(Search::of(vec![], vec![self.update.into.clone()]));
        geo.city(address.parse().unwrap()).known().map(str::to_owned)
    }
}

const BOTH: [&str; 2] = ["dbip-asn-lite.mmdb", "dbip-city-lite.mmdb"];

#[test]
fn both_databases_come_into_their_place_once() {
    let mut stage = Stage::city(&[Reply::File(pack(&cities("Sydney")))]);
    stage.run().unwrap();
    assert_eq!(stage.files(), BOTH);
    assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Sydney"));
    assert_eq!(
        stage.steps,
        [
            "unpacking and checking dbip-city-lite of 2026-11",
            "dbip-city-lite of 2026-11 is in FOLDER/share/GeoIP/dbip-city-lite.mmdb",
            "unpacking and checking dbip-asn-lite of 2026-11",
            "dbip-asn-lite of 2026-11 is in FOLDER/share/GeoIP/dbip-asn-lite.mmdb",
        ]
    );
    let mode = fs::metadata(stage.path(BOTH[1])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(stage.server.asked(), [format!("/{CITY}"), format!("/{ASN}")]);
    // Nothing is asked for again until there may be something newer, or somebody wants it.
    stage.run().unwrap();
    assert_eq!(stage.steps, ["dbip-city-lite is of 2026-11 already", "dbip-asn-lite is of 2026-11 already"]);
    assert_eq!(stage.server.asked().len(), 2);
    stage.update.want = Want::Everything;
    stage.run().unwrap();
    assert_eq!(stage.server.asked().len(), 4);
    // Somebody put another file there.
    fs::write(stage.path(BOTH[1]), b"x").unwrap();
    stage.update.want = Want::Newer;
    stage.run().unwrap();
    assert_eq!(stage.server.asked().len(), 5);
}

#[test]
fn the_month_before_is_taken_until_the_new_one_is_there() {
    let missing = Reply::Head("HTTP/1.1 404 Not Found\r\nContent-Length: 0".to_owned());
    let new = Reply::File(pack(&cities("Melbourne")));
    let mut stage = Stage::of(&[
        (CITY, &[missing.clone(), missing, new]),
        (CITY_BEFORE, &[Reply::File(pack(&cities("Sydney")))]),
        (ASN, &[Reply::File(pack(&networks()))]),
    ]);
    stage.run().unwrap();
    assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Sydney"));
    stage.run().unwrap();
    assert_eq!(stage.steps[0], "dbip-city-lite is of 2026-10 already");
    stage.run().unwrap();
    assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Melbourne"));
    assert_eq!(stage.files(), BOTH);

    let mut stage = Stage::of(&[]);
    assert_eq!(
        stage.error(),
        "URL has dbip-city-lite neither of 2026-11 nor of 2026-10; is the clock of this machine right?"
    );
    assert!(stage.files().is_empty(), "{:?}", stage.files());
}

#[test]
fn what_breaks_off_is_gone_on_with() {
    let file = pack(&cities("Sydney"));
    let half = file.len() / 2;
    let check = |replies: &[Reply], asked: &[String]| {
        let mut stage = Stage::city(replies);
        stage.run().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Sydney"));
        let of_city: Vec<String> =
            stage.server.asked().into_iter().filter(|path| path.contains("city")).collect();
        assert_eq!(of_city, asked);
    };
    let (whole, rest) = (format!("/{CITY}"), format!("/{CITY} from {half}"));
    let (file, broken) = (|| Reply::File(file.clone()), || Reply::Broken(file.clone(), half));
    check(&[broken(), file()], &[whole.clone(), rest.clone()]);
    // In many pieces.
    let pieces: Vec<Reply> =
        (0..4).map(|_| Reply::Broken(pack(&cities("Sydney")), half / 3)).chain([file()]).collect();
    let third = half / 3;
    let asked: Vec<String> =
        [whole.clone()].into_iter().chain((1..5).map(|n| format!("/{CITY} from {}", n * third))).collect();
    check(&pieces, &asked);
    // The server does not know parts.
    check(&[broken(), Reply::Whole(pack(&cities("Sydney")))], &[whole.clone(), rest.clone()]);
    // It gives another part than the one that was asked for.
    check(
        &[broken(), Reply::OtherPart(pack(&cities("Sydney"))), file()],
        &[whole.clone(), rest, whole.clone()],
    );
    // It breaks before anything has come.
    check(
        &[Reply::Broken(pack(&cities("Sydney")), 0), Reply::Nonsense(Vec::new()), file()],
        &[whole.clone(), whole.clone(), whole.clone()],
    );
    // It does not say how long the file is.
    check(&[Reply::Unmeasured(pack(&cities("Sydney")))], &[whole]);
}

#[test]
fn an_attempt_goes_on_with_the_one_before() {
    let file = pack(&cities("Sydney"));
    let half = file.len() / 2;
    let mut stage = Stage::city(&[Reply::Broken(file.clone(), half), Reply::Broken(file.clone(), 0)]);
    assert_eq!(
        stage.error(),
        format!(
            "URL/{CITY}: it broke off after {half} bytes: Peer disconnected; the next attempt goes on from there"
        )
    );
    assert_eq!(stage.files(), [format!("{CITY}.part")]);

    let check = |left: &[u8], replies: &[Reply], asked: &[String]| {
        let mut stage = Stage::city(replies);
        fs::create_dir_all(&stage.update.into).unwrap();
        fs::write(stage.path(&format!("{CITY}.part")), left).unwrap();
        stage.run().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Sydney"));
        assert_eq!(stage.files(), BOTH);
        let of_city: Vec<String> =
            stage.server.asked().into_iter().filter(|path| path.contains("city")).collect();
        assert_eq!(of_city, asked);
    };
    let good = || Reply::File(file.clone());
    check(&file[..half], &[good()], &[format!("/{CITY} from {half}")]);
    // The server is out of order for a while, and what has come stays.
    let mut stage = Stage::city(&[Reply::Head("HTTP/1.1 503 Later\r\nContent-Length: 0".to_owned()), good()]);
    fs::create_dir_all(&stage.update.into).unwrap();
    fs::write(stage.path(&format!("{CITY}.part")), &file[..half]).unwrap();
    stage.run().unwrap_err();
    stage.run().unwrap();
    assert_eq!(stage.server.asked()[1], format!("/{CITY} from {half}"));
    // It was complete.
    check(&file, &[good()], &[format!("/{CITY} from {}", file.len())]);
    // It was longer than the file, or of another file: it is fetched as a whole.
    let longer = [file.as_slice(), b"more"].concat();
    check(&longer, &[good()], &[format!("/{CITY} from {}", longer.len()), format!("/{CITY}")]);
    check(&vec![7; half], &[good()], &[format!("/{CITY} from {half}"), format!("/{CITY}")]);
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let sydney = pack(&cities("Sydney"));
    let check = |reply: Reply, wanted: &str| {
        let then = match &reply {
            Reply::Stalled(file, _) => Reply::Stalled(file.clone(), 0),
            other => other.clone(),
        };
        let mut stage = Stage::city(&[Reply::File(sydney.clone()), reply, then]);
        stage.update.limits =
            Limits { packed: 100_000, unpacked: 300_000, patience: Duration::from_millis(200) };
        stage.run().unwrap();
        stage.update.want = Want::Everything;
        let error = stage.error();
        assert!(error.starts_with(&format!("URL/{CITY}: ")), "{error}");
        assert!(error.contains(wanted), "{error}\nhas not: {wanted}");
        assert_eq!(stage.city_of("1.1.1.1").as_deref(), Some("Sydney"), "{error}");
        let kept = stage.files().into_iter().filter(|name| !BOTH.contains(&name.as_str())).count();
        assert!(kept == 0 || error.contains("goes on from there"), "{error}: {:?}", stage.files());
    };
    let head = |head: &str| Reply::Head(head.to_owned());
    check(
        head("HTTP/1.1 500 Oops\r\nContent-Length: 0"),
        "the server says 500 Internal Server Error; try again later",
    );
    check(head("HTTP/1.1 429 Slow\r\nContent-Length: 0"), "429 Too Many Requests");
    check(
        head("HTTP/1.1 200 OK\r\nContent-Length: 100001"),
        "it has more than 100000 bytes, which no database has",
    );
    check(Reply::Unmeasured(vec![0; 120_000]), "it has more than 100000 bytes");
    check(head("HTTP/1.1 200 OK\r\nContent-Length: nonsense"), "http");
    check(
        head(&format!("HTTP/1.1 302 Found\r\nLocation: /{CITY}\r\nContent-Length: 0")),
        "too many redirects",
    );
    check(Reply::Nonsense(b"SSH-2.0-OpenSSH_9.0\r\n".to_vec()), "");
    check(Reply::Stalled(sydney.clone(), 100), "it broke off after 100 bytes");
    check(Reply::Dripping(sydney.clone()), "it comes too slowly");
    check(Reply::Whole(b"no gzip at all".to_vec()), "it is no whole gzip file");
    check(Reply::Whole(Vec::new()), "it is no whole gzip file");
    check(Reply::Whole(sydney[..sydney.len() - 4].to_vec()), "it is no whole gzip file");

    // Thousand times larger than it looks.
    check(Reply::Whole(pack(&vec![0; 20_000_000])), "unpacked it has more than 300000 bytes");
    check(
        Reply::Whole(pack(b"<html>Welcome to our hotel</html>")),
        "it was thrown away, and the database in use stays",
    );
    check(Reply::Whole(pack(&networks())), "it is a database of another kind (DBIP-ASN-Lite)");
    let mut torn = cities("Sydney");
    torn[40..400].fill(0xff);
    check(Reply::Whole(pack(&torn)), "it was thrown away");
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let mut stage = Stage::city(&[Reply::File(pack(&cities("Sydney")))]);
    fs::create_dir_all(&stage.update.into).unwrap();
    let lock = fs::File::create(stage.path(".conntop-update.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(stage.error(), "another conntop is updating FOLDER/share/GeoIP right now; wait for it");
    assert!(stage.server.asked().is_empty());
    drop(lock);
    stage.run().unwrap();
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let mut stage = Stage::city(&[]);
    fs::write(stage.folder.path().join("share"), b"").unwrap();
    assert_eq!(stage.error(), "cannot create FOLDER/share/GeoIP: Not a directory (os error 20)");
}

#[test]
fn https_is_spoken_and_never_left() {
    let server = Server::of(&[]);
    let mut stage = Stage::of(&[]);
    stage.update.from = format!("https://{}", server.address);
    // The server does not speak TLS: it is told so instead of being asked in the clear.
    let error = stage.error();
    assert!(error.contains("is the network reachable"), "{error}");
    assert!(server.asked().iter().all(|path| !path.contains("dbip")), "{:?}", server.asked());
}

#[test]
fn the_command_tells_what_it_does() {
    let month = Month::of(SystemTime::now());
    let names = ["city", "asn"].map(|kind| format!("dbip-{kind}-lite-{month}.mmdb.gz"));
    let server = Server::of(&[
        (&names[0], &[Reply::File(pack(&cities("Sydney")))]),
        (&names[1], &[Reply::File(pack(&networks()))]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, out: &str, err: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_conntop"))
            .args(arguments)
            .env("HOME", folder.path())
            .env("CONNTOP_GEOIP_MIRROR", server.url())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("GEOIP_DB_PATHS")
            .output()
            .unwrap();
        let shown =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*folder.path().to_string_lossy(), "HOME");
        let (stdout, stderr) = (shown(&output.stdout), shown(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
        assert!(stdout.contains(out), "{stdout}");
        for line in err {
            assert!(stderr.lines().any(|l| l.contains(line)), "{stderr}\nhas not: {line}");
        }
        assert!(!stderr.contains('\r') && !stderr.contains('\u{1b}'), "{stderr:?}");
    };
    let place = "HOME/.local/share/GeoIP/dbip-city-lite.mmdb";
    let done = format!("conntop: dbip-city-lite of {month} is in {place}");
    check(
        &["geoip", "update"],
        0,
        "IP Geolocation by DB-IP (https://db-ip.com)",
        &["conntop: fetching dbip-city-lite of", &done],
    );
    check(&["geoip", "status"], 0, place, &[]);
    check(&["geoip", "update"], 0, "DB-IP", &["dbip-asn-lite is of"]);
    assert_eq!(server.asked().len(), 2);
    check(
        &["geoip", "update", "--again", "--into", "/dev/null/x"],
        1,
        "",
        &["cannot create /dev/null/x: Not a directory"],
    );
    drop(fs::remove_dir_all(folder.path().join(".local")));
    let output = Command::new(env!("CARGO_BIN_EXE_conntop"))
        .args(["geoip", "update"])
        .env("HOME", folder.path())
        // Nobody listens there.
        .env("CONNTOP_GEOIP_MIRROR", "http://127.0.0.1:9")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is the network reachable"), "{output:?}");
}
