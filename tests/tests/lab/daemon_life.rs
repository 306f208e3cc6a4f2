//! The daemon among others: several clients, its end, and what it refuses.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::Plan;
use conntop_tests::judge::{Reading, judge};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::run_within;
use conntop_tests::{Client, Lab, Stage, lab_or_skip};

#[test]
fn several_clients_see_the_same() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.inject(&Plan::new(1), 3000).unwrap();
    let churn = ChurnOptions { plan: Plan::new(100), alive: 2000, rate: 2000 };
    let churn = Churn::start(&stage.lab.router, churn).unwrap();
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(stage.daemon.socket()).unwrap();
        // One after the other joins in the middle of the storm.
        client.until("the table", PATIENCE, |engine| engine.mirror().position().synced).unwrap();
        clients.push(client);
    }
    churn.finish().unwrap();
    let before = Reading::take(&stage.lab.router).unwrap();
    assert_eq!(before.table.len(), 3000);
    for (n, client) in clients.iter_mut().enumerate() {
        client.settle(PATIENCE).unwrap();
        let verdict = judge(&before, &client.flows(), &before);
        assert!(verdict.is_clean() && verdict.compared == 3000, "client {n}: {verdict}");
    }
    stage.check("with the others").unwrap();
}

#[test]
fn a_client_that_comes_and_goes_leaves_the_others_alone() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.inject(&Plan::new(1), 5000).unwrap();
    for _ in 0..10 {
        drop(Client::connect(stage.daemon.socket()).unwrap());
        let mut client = Client::connect(stage.daemon.socket()).unwrap();
        client.until("anything", PATIENCE, |engine| !engine.mirror().is_empty()).unwrap();
    }
    assert_eq!(stage.check("after all have gone").unwrap().compared, 5000);
}

#[test]
fn sigterm_says_goodbye() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let socket = stage.daemon.socket();
    let status = stage.daemon.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{:#?}", stage.daemon.log());
    let cause = stage.client.until_lost(PATIENCE).unwrap();
    assert!(stage.client.engine().bye().is_some() || cause.contains("says"), "{cause}");
    assert!(!socket.exists(), "the socket is still there");
}

/// Runs conntopd on the router; it has to end by itself.
fn refused(lab: &Lab, wrapper: &[&str], arguments: &[&str]) -> (Option<i32>, String) {
    let daemon = program("conntopd").unwrap().to_str().unwrap().to_owned();
    let words: Vec<&str> = wrapper.iter().chain([&daemon.as_str()]).chain(arguments).copied().collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = lab.router.spawn(&mut command).unwrap();
    let Output { status, stderr, .. } = run_within(child, Duration::from_secs(30)).unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let lab = lab_or_skip!();
    let listener = lab.router.run(|| Ok(TcpListener::bind("127.0.0.1:0")?)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (code, said) = refused(&lab, &[], &["--listen", &address]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn other_addresses_than_loopback_are_refused() {
    let lab = lab_or_skip!();
    for arguments in [&["--listen", "192.168.77.1"][..], &["--listen", "[fd77:1::1]:4000"], &["--listen-any"]]
    {
        let (code, said) = refused(&lab, &[], arguments);
        assert_eq!(code, Some(78), "{arguments:?}: {said}");
        assert!(said.contains("TLS"), "{arguments:?}: {said}");
    }
}

#[test]
fn without_the_capability_it_says_so() {
    let lab = lab_or_skip!();
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Nobody may not look into the directory where it was built.
    let copy = directory.path().join("conntopd");
    std::fs::copy(program("conntopd").unwrap(), &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let socket = directory.path().join("socket");
    let socket = socket.to_str().unwrap();
    for wrapper in [
        &["setpriv", "--bounding-set=-all", copy][..],
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", copy],
    ] {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).args(["--unix", socket]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = lab.router.spawn(&mut command).unwrap();
        let output = run_within(child, Duration::from_secs(30)).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(77), "{wrapper:?}: {said}");
        assert!(said.contains("CAP_NET_ADMIN"), "{wrapper:?}: {said}");
    }
}

/// Listening on both loopback addresses is the default; a client finds it by TCP.
#[test]
fn tcp_on_loopback_works() {
    let lab = lab_or_skip!();
    let stage = Stage::set(lab, &["--listen", "127.0.0.1:0"]).unwrap();
    let line = stage.daemon.wait_for_line("listening on 127.0.0.1:", PATIENCE).unwrap();
    let address = line.split("listening on ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let address: SocketAddr = address.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
    let mut conntop = Command::new(program("conntop").unwrap());
    conntop.args(["--connect", &address.to_string(), "list", "--format", "json"]);
    let output = stage.lab.router.output(&mut conntop).unwrap();
    // The connection of the list itself is tracked.
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = |flow: &serde_json::Value| flow["dport"] == address.port();
    assert!(json.as_array().unwrap().iter().any(own), "{json:#}");
}
