//! The program as others run it: what it prints for whom, and how it ends. The server is a script
//! that plays a recording on a unix socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

const OFFICE: &str = include_str!("fixtures/office.ndjson");

const PIN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A server that says these lines to everybody: the first at once, the rest after the client's
/// hello. It keeps the connection until the client leaves.
fn serve(lines: String) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (hello, rest) = lines.split_at(lines.find('\n').map_or(lines.len(), |at| at + 1));
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _gone = stream.write_all(hello.as_bytes());
            let mut line = String::new();
            let _gone = reader.read_line(&mut line);
            let _gone = stream.write_all(rest.as_bytes());
            line.clear();
            while reader.read_line(&mut line).is_ok_and(|n| n > 0) {}
        }
    });
    (directory, path)
}

/// The recording until its first full table, and how many flows that has.
fn beginning() -> (String, usize) {
    let end = OFFICE.find("{\"synced\"").unwrap();
    let end = end + OFFICE[end..].find('\n').unwrap() + 1;
    let table = OFFICE.lines().find(|line| line.starts_with("{\"table\"")).unwrap();
    let table: Value = serde_json::from_str(table).unwrap();
    let flows = table["table"]["flows"].as_u64().unwrap();
    (OFFICE[..end].to_owned(), usize::try_from(flows).unwrap())
}

fn conntop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conntop")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// Runs it against a server of these lines.
fn against(lines: &str, arguments: &[&str]) -> Output {
    let (_directory, path) = serve(lines.to_owned());
    let target = format!("unix:{}", path.display());
    conntop(&[arguments, &["--connect", &target]].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{:?}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn list_as_json_has_raw_values_and_both_tuples() {
    let (beginning, count) = beginning();
    let printed = ok(&against(&beginning, &["list", "--format", "json"]));
    let flows: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(flows.len(), count);
    let flow = flows.iter().find(|flow| flow["orig"]["dport"] == 443).unwrap();
    for key in ["src", "sport", "dst", "dport", "protonum", "packets", "bytes"] {
        assert!(flow["orig"].get(key).is_some(), "orig.{key}: {flow:#}");
        assert!(flow["reply"].get(key).is_some(), "reply.{key}: {flow:#}");
    }
    assert_eq!(flow["down_Bps"], Value::Null, "nobody asked for rates");
    assert_eq!(flow["src"], flow["orig"]["src"]);
    assert!(flow["status"].is_u64() && flow["timeout"].is_u64(), "{flow:#}");
}

#[test]
fn list_sorts_limits_and_samples() {
    let printed = ok(&against(OFFICE, &["list", "-o", "ndjson", "--sort", "rate", "--limit", "5"]));
    let rates: Vec<u64> = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["rate_Bps"].as_u64().unwrap())
        .collect();
    assert_eq!(rates.len(), 5);
    assert!(rates.is_sorted_by(|a, b| a >= b) && rates[0] > 0, "{rates:?}");
}

#[test]
fn a_table_beyond_max_flows_is_cut_and_says_so() {
    let (beginning, count) = beginning();
    let output = against(&beginning, &["list", "-o", "ndjson", "--max-flows", "10"]);
    assert_eq!(ok(&output).lines().count(), 10);
    assert!(text(&output.stderr).contains("larger --max-flows"), "{}", text(&output.stderr));
    let output = against(&beginning, &["list", "-o", "ndjson", "--max-flows", &count.to_string()]);
    assert_eq!(ok(&output).lines().count(), count);
    assert!(!text(&output.stderr).contains("--max-flows"), "{}", text(&output.stderr));
    for wrong in ["0", "-1", "many", "2000001"] {
        assert!(!conntop(&["--max-flows", wrong]).status.success(), "{wrong}");
    }
}

#[test]
fn list_filters() {
    let count = |filter: &str| {
        let printed = ok(&against(OFFICE, &["list", "-o", "ndjson", "--filter", filter]));
        for line in printed.lines() {
            let flow: Value = serde_json::from_str(line).unwrap();
            assert_eq!(flow["proto"], "udp", "{filter}");
        }
        printed.lines().count()
    };
    assert!(count("proto udp") > count("proto udp and dport 53"));
    assert!(count("proto udp and rate > 1Mbit") > 0, "rates are sampled for a filter, too");
    assert_eq!(count("proto udp and not proto udp"), 0);
}

#[test]
fn list_as_csv_and_as_a_table() {
    let chosen = ["list", "-o", "csv", "--columns", "proto,dst,dport,bytes", "--sort", "dport:asc"];
    let (beginning, count) = beginning();
    let printed = ok(&against(&beginning, &chosen));
    let lines: Vec<&str> = printed.split("\r\n").collect();
    assert_eq!(lines[0], r#""proto","dst","dport","bytes""#);
    assert_eq!(lines.len(), count + 2, "heading, flows, and nothing after the last line's end");
    let printed =
        ok(&against(OFFICE, &["--columns", "proto,dport", "--sort", "dport:asc", "list", "--limit", "1"]));
    assert_eq!(printed.lines().collect::<Vec<_>>(), ["PROT DPORT", "tcp     22"]);
    // Without a command, and no terminal: the same.
    let printed = ok(&against(&beginning, &[]));
    assert_eq!(printed.lines().count(), count + 1, "{printed}");
}

#[test]
fn list_groups_flows() {
    let (beginning, count) = beginning();
    let printed = ok(&against(&beginning, &["list", "--group", "proto", "-o", "ndjson"]));
    let groups: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let flows: Vec<u64> = groups.iter().map(|group| group["flows"].as_u64().unwrap()).collect();
    assert_eq!(flows.iter().sum::<u64>(), count as u64);
    assert!(flows.is_sorted_by(|a, b| a >= b), "without rates by flows: {flows:?}");
    assert_eq!(groups[0]["down_Bps"], Value::Null, "nobody asked for rates");
    for group in &groups {
        let filter = group["filter"].as_str().unwrap();
        let flows = ok(&against(&beginning, &["list", "-o", "ndjson", "--filter", filter]));
        assert_eq!(flows.lines().count() as u64, group["flows"].as_u64().unwrap(), "{filter}");
    }
    let printed = ok(&against(OFFICE, &["list", "-g", "local,service", "--sort", "up", "--limit", "3"]));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("LOCAL ") && lines[0].contains(" UP ") && lines[1].starts_with("total "));
    assert_eq!(lines.len(), 5, "{printed}");
    let arguments = ["list", "--group", "host", "-o", "csv", "--limit", "1", "--columns", "flows"];
    let printed = ok(&against(&beginning, &arguments));
    assert!(printed.starts_with("\"host\",\"flows\",\"share\",\"filter\"\r\n"), "{printed}");
    for (arguments, said) in [
        (["--group", "locla"], "did you mean `local`?"),
        (["--group", "a,b,c"], "flows cannot be grouped by `a`"),
        (["--group", "local,local"], "given twice"),
    ] {
        let output = conntop(&[["list"].as_slice(), &arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
    let output = against(&beginning, &["list", "--group", "local", "--sort", "bytes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("groups have no column `bytes`"), "{}", text(&output.stderr));
}

#[test]
fn watch_tells_what_begins_and_ends() {
    let printed = ok(&against(OFFICE, &["watch", "--for", "1s"]));
    let events: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert!(count("new") > 0 && count("ended") > 0, "{} lines", events.len());
    assert_eq!(count("new") + count("ended"), events.len());
    let all = ok(&against(OFFICE, &["watch", "--initial", "--events", "new", "--for", "1s"]));
    assert_eq!(all.matches(r#""event":"initial""#).count(), beginning().1);
}

#[test]
fn failures_have_a_code_and_a_reason() {
    let hello = OFFICE.lines().next().unwrap();
    let newer = hello.replace(r#""protocol":1"#, r#""protocol":2,"quantum":true"#) + "\n";
    let hostile = format!("{hello}\n{{\"delta\":[5]}}\n");
    let deep = format!("{hello}\n{}", "[".repeat(100_000));
    let cases: &[(&str, &str, &[&str], i32, &str)] = &[
        ("a newer server", &newer, &["list"], 1, "upgrade conntop"),
        ("no conntopd", "SSH-2.0-OpenSSH_9.2\n", &["list"], 1, "no conntopd listens there"),
        ("wrong types", &hostile, &["list"], 69, "breaks the protocol"),
        ("nothing but brackets", &deep, &["list"], 69, "breaks the protocol"),
        ("no such column", OFFICE, &["list", "--sort", "rtae"], 2, "did you mean `rate`?"),
        ("no such column", OFFICE, &["list", "--columns", "dts"], 2, "did you mean `dst`?"),
        ("no such field", OFFICE, &["list", "--filter", "dprot 443 and"], 2, "^"),
        ("no such option", OFFICE, &["list", "--wrong"], 2, "--wrong"),
        ("not a time", OFFICE, &["list", "--sample", "5x"], 2, "write 2s"),
        (
            "one pin for two servers",
            OFFICE,
            &["list", "-c", "a", "--connect", "tls://b:1", "--pin", PIN],
            2,
            "--pin is the key of one server, and a:55555, b:1 speak TLS: connect to each of them alone once",
        ),
        ("a server twice", OFFICE, &["list", "-c", "b", "--connect", "b"], 2, "b:55555 is given twice"),
    ];
    for (name, lines, arguments, code, reason) in cases {
        let output = against(lines, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{name}: {said}");
        assert!(said.contains(reason), "{name}: {said}");
        assert_eq!(text(&output.stdout), "", "{name}");
    }
    let output = conntop(&["list", "--connect", "unix:/nonexistent/socket"]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("/nonexistent/socket"));
}

/// The same recording of a router of another name, and a server that breaks the protocol.
#[test]
fn several_nodes() {
    let (beginning, count) = beginning();
    let other = beginning.replace(r#""name":"router1""#, r#""name":"router2""#);
    let hello = OFFICE.lines().next().unwrap();
    let hostile = format!("{}\n{{\"delta\":[5]}}\n", hello.replace("router1", "bad"));
    let servers = [beginning.clone(), other, hostile.clone(), beginning].map(serve);
    let places = servers.each_ref().map(|(_, path)| format!("unix:{}", path.display()));
    let run = |nodes: &[usize], arguments: &[&str]| {
        let mut all = arguments.to_vec();
        nodes.iter().for_each(|node| all.extend(["--connect", places[*node].as_str()]));
        conntop(&all)
    };
    let names = |printed: &str| {
        let flows = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut names: Vec<String> = flows.map(|flow| flow["node"].as_str().unwrap().to_owned()).collect();
        names.dedup();
        names
    };

    let printed = ok(&run(&[0, 1], &["list", "-o", "ndjson", "--sort", "node"]));
    assert_eq!(
        (printed.lines().count(), names(&printed)),
        (2 * count, vec!["router1".into(), "router2".into()])
    );
    let printed = ok(&run(&[0, 1], &["list", "-o", "ndjson", "--filter", "node router2"]));
    assert_eq!((printed.lines().count(), names(&printed)), (count, vec!["router2".into()]));
    // Two of the same name are told apart by where they are.
    let printed = ok(&run(&[0, 3], &["list", "-o", "ndjson", "--sort", "node"]));
    let mut wanted = vec![places[0].clone(), places[3].clone()];
    assert_eq!(names(&printed).len(), 2, "{:?}", names(&printed));
    wanted.sort();
    let mut got = names(&printed);
    got.sort();
    assert_eq!(got, wanted);
    let printed = ok(&run(&[1, 0], &["list", "--limit", "1", "--sort", "node:desc"]));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("NODE ") && lines[1].starts_with("router2 "), "{printed}");
    let printed = ok(&run(&[0, 1], &["list", "-o", "csv", "--columns", "node,dport"]));
    assert!(printed.starts_with("\"node\",\"dport\"\r\n\"router"), "{printed}");
    // The cap is over all of them.
    let output = run(&[0, 1], &["list", "-o", "ndjson", "--max-flows", "10"]);
    assert_eq!(ok(&output).lines().count(), 10);

    // One that fails is left out, told of, and makes the whole fail; the others are printed.
    let output = run(&[0, 2, 1], &["list", "-o", "ndjson"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("bad is left out: ") && said.contains("breaks the protocol"), "{said}");
    assert_eq!(text(&output.stdout).lines().count(), 2 * count);
    let output = run(&[2], &["list"]);
    assert_eq!(output.status.code(), Some(69));

    let printed = ok(&run(&[0, 2, 1], &["watch", "--initial", "--events", "new", "--for", "2s"]));
    let initial =
        |node: &str| printed.lines().filter(|l| l.contains(&format!("\"node\":\"{node}\""))).count();
    assert_eq!((initial("router1"), initial("router2")), (count, count));
}

#[test]
fn nobody_reads_any_more() {
    let (_directory, path) = serve(OFFICE.to_owned());
    let script =
        format!("'{}' list -o json -c unix:{} | true", env!("CARGO_BIN_EXE_conntop"), path.display());
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{:?} {}", output.status, text(&output.stderr));
}

#[test]
fn every_command_is_sound() {
    use clap::CommandFactory as _;
    conntop::cli::Cli::command().debug_assert();
}

#[test]
fn the_configuration_names_hosts_and_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = ["--config", path.to_str().unwrap()];
    let (beginning, _) = beginning();
    let printed = ok(&against(&beginning, &["list", "-o", "ndjson"]));
    let flow: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let source = flow["src"].as_str().unwrap();
    std::fs::write(&path, format!("[names]\n\"{source}\" = \"from-file.lan\"\n")).unwrap();
    let count = |filter: &str, more: &[&str]| {
        let list: &[&str] = &["list", "-o", "ndjson", "--filter", filter];
        ok(&against(&beginning, &[list, &config, more].concat())).lines().count()
    };
    let all = count(&format!("host {source}"), &[]);
    assert!(all > 0);
    assert_eq!(count("host lan", &[]), all);
    let alias = format!("{source}=from-option");
    assert_eq!(count("host lan", &["--alias", &alias]), 0, "an option goes before the file");
    assert_eq!(count("host from-option", &["--alias", &alias]), all);

    std::fs::write(&path, "local = []\nlcoal = []\n").unwrap();
    let refused = conntop(&[["list"].as_slice(), &config].concat());
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("line 2: there is no setting `lcoal`; did you mean `local`?"), "{said}");

    // Where it cannot be read it is missed only by whom it was named to.
    let beyond = path.join("config.toml");
    let refused = conntop(&["geoip", "status", "--config", beyond.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(78), "{}", text(&refused.stderr));
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntop"));
    let output = command.args(["geoip", "status"]).env("XDG_CONFIG_HOME", &path).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("going on without"), "{said}");
    ok(&output);
}
