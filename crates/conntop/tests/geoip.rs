//! Databases of places as the program uses them: found, preferred, told of, left alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use self::mmdb::{Mmdb, asn, city, country};
use serde_json::Value;

const OFFICE: &str = include_str!("fixtures/office.ndjson");

/// The program in a home of its own.
fn conntop(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntop"));
    command.args(arguments).env_clear().env("HOME", home);
    command.envs(environment.iter().copied()).output().unwrap()
}

/// A server that shows the recording's first table to everybody.
fn serve(path: &Path) {
    let end = OFFICE.find("{\"synced\"").unwrap();
    let lines = OFFICE[..end + OFFICE[end..].find('\n').unwrap() + 1].to_owned();
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (hello, rest) = lines.split_at(lines.find('\n').unwrap() + 1);
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _gone = stream.write_all(hello.as_bytes());
            let mut line = String::new();
            let _gone = reader.read_line(&mut line);
            let _gone = stream.write_all(rest.as_bytes());
            line.clear();
            while reader.read_line(&mut line).is_ok_and(|n| n > 0) {}
        }
    });
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn put(home: &Path, name: &str, bytes: &[u8]) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn places() -> Vec<u8> {
    let mmdb = Mmdb::new("GeoLite2-City").with("9.9.9.0/24", &city("CH", "Zürich"));
    mmdb.with("2a00:1450::/32", &country("IE")).bytes()
}

fn networks() -> Vec<u8> {
    Mmdb::new("DBIP-ASN-Lite").with("9.9.9.0/24", &asn(19_281, "Quad9")).bytes()
}

/// What is told of the flows to an address.
fn told(output: &Output, address: &str) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let flows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    flows.into_iter().find(|flow| flow["orig"]["dst"] == address).unwrap()
}

#[test]
fn flows_are_listed_with_their_places() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let socket = home.join("socket");
    serve(&socket);
    let target = format!("unix:{}", socket.display());
    put(home, ".local/share/GeoIP/GeoLite2-City.mmdb", &places());
    put(home, "elsewhere/dbip-asn-lite.mmdb", &networks());
    let paths = home.join("elsewhere").display().to_string();
    let list = ["list", "-o", "json", "--connect", &target];

    let output = conntop(home, &list, &[("GEOIP_DB_PATHS", &paths)]);
    let flow = told(&output, "9.9.9.9");
    assert_eq!((&flow["cc"], &flow["dst_city"]), (&"CH".into(), &"Zürich".into()), "{flow}");
    assert_eq!((&flow["asn"], &flow["org"]), (&19_281.into(), &"Quad9".into()), "{flow}");
    assert_eq!((&flow["src_cc"], &flow["dst_cc"]), (&Value::Null, &"CH".into()), "{flow}");
    assert_eq!(told(&output, "2a00:1450:4001:82a::200e")["cc"], "IE");
    assert_eq!(told(&output, "104.16.132.229")["cc"], Value::Null);

    // An option says where they are as well; a filter asks for them.
    let filtered = [&list[..], &["--geoip-paths", &paths, "--filter", "org ~ quad9 and country CH"]].concat();
    let flows: Vec<Value> = serde_json::from_slice(&conntop(home, &filtered, &[]).stdout).unwrap();
    assert!(!flows.is_empty() && flows.iter().all(|flow| flow["orig"]["dst"] == "9.9.9.9"), "{flows:?}");

    for (option, variable) in [(&["--no-geoip"][..], &[][..]), (&[], &[("CONNTOP_NO_GEOIP", "yes")])] {
        let output = conntop(home, &[&list[..], option].concat(), variable);
        assert_eq!(told(&output, "9.9.9.9")["cc"], Value::Null);
    }

    put(home, "elsewhere/bad.mmdb", b"not what it seems");
    let output = conntop(home, &list, &[("GEOIP_DB_PATHS", &paths)]);
    assert_eq!(told(&output, "9.9.9.9")["cc"], "CH");
    let said = text(&output.stderr);
    assert!(said.contains("geoip: ") && said.contains("bad.mmdb is damaged"), "{said}");
}

#[test]
fn status_tells_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let status = |arguments: &[&str]| conntop(home, &[&["geoip", "status"][..], arguments].concat(), &[]);

    let output = status(&[]);
    let said = text(&output.stdout);
    assert!(output.status.success());
    assert!(said.contains("no database is in use") && said.contains("conntop geoip update"), "{said}");
    assert!(said.contains("/var/lib/GeoIP"), "{said}");

    put(home, ".local/share/GeoIP/GeoLite2-City.mmdb", &places());
    put(home, ".local/share/GeoIP/dbip-asn-lite.mmdb", &networks());
    put(
        home,
        ".local/share/GeoIP/dbip-city-lite.mmdb",
        &Mmdb::new("DBIP-City-Lite").with("9.0.0.0/8", &country("XX")).bytes(),
    );
    let output = status(&[]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    for part in [
        "GeoLite2-City (MaxMind), 1 MiB, of 2026-09-21",
        "used for: country, city",
        "used for: network",
        "not used: another one is preferred",
        "IP Geolocation by DB-IP (https://db-ip.com)",
        "GeoLite Data created by MaxMind",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }

    put(home, ".local/share/GeoIP/torn\x1b[31m.mmdb", &places()[..100]);
    let output = status(&["--json"]);
    assert_eq!(output.status.code(), Some(1), "one is damaged");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        let files = told["databases"].as_array().unwrap();
        files.iter().find(|file| file["path"].as_str().unwrap().ends_with(name)).unwrap().clone()
    };
    let city = of("GeoLite2-City.mmdb");
    assert_eq!(city["used"], serde_json::json!(["country", "city"]));
    assert_eq!((&city["type"], &city["vendor"]), (&"GeoLite2-City".into(), &"MaxMind".into()));
    assert_eq!((&city["built"], &city["problem"]), (&1_790_000_000.into(), &Value::Null));
    assert_eq!(of("dbip-city-lite.mmdb")["used"], serde_json::json!([]));
    assert!(of("torn\\x1b[31m.mmdb")["problem"].as_str().unwrap().contains("download it again"));
    assert_eq!(told["attributions"][0]["url"], "https://www.maxmind.com");
    let said = text(&output.stderr);
    assert!(!said.contains('\x1b') && said.contains("one file cannot be used"), "{said}");
}
