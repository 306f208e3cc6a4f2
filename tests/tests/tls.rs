//! TLS between machines as the manual says it: two commands on the router, one on a host behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use conntop_tests::lab::ROUTER_INSIDE;
use conntop_tests::lab_or_skip;
use conntop_tests::netns::Namespace;
use conntop_tests::programs::{Daemon, program};
use conntop_tests::stage::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};

/// A host whose user has a home, and perhaps the token in it.
struct Host<'a> {
    namespace: &'a Namespace,
    home: PathBuf,
}

impl Host<'_> {
    fn conntop(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("conntop").unwrap());
        command.args(arguments).env("HOME", &self.home);
        for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "CONNTOP_TOKEN"] {
            command.env_remove(variable);
        }
        let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        child = child.stdin(std::process::Stdio::null());
        self.namespace.spawn(child).unwrap().wait_with_output().unwrap()
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, part: &str) {
        let output = self.conntop(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let all = format!("{arguments:?}: {:?}\nstdout: {out}\nstderr: {err}", output.status.code());
        assert_eq!(output.status.code(), Some(code), "{all}");
        assert!(out.contains(part) || err.contains(part), "{part:?} is missing: {all}");
    }
}

fn init_tls(folder: &Path) -> String {
    let mut command = Command::new(program("conntopd").unwrap());
    let output = command.arg("--init-tls").arg(folder).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}");
    let fingerprint = out.lines().find_map(|line| line.strip_prefix("Fingerprint: ")).unwrap();
    assert_eq!(out.matches(fingerprint).count(), 2, "the client's command names it: {out}");
    fingerprint.to_owned()
}

#[test]
fn two_commands_here_and_one_there() {
    let lab = lab_or_skip!();
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("server");
    let pin = init_tls(&folder);
    let folder_text = folder.to_str().unwrap();
    let daemon =
        Daemon::start(&lab.router, &["--listen-any", "--port", "0", "--tls-dir", folder_text]).unwrap();
    let line = daemon.wait_for_line("listening on 0.0.0.0:", PATIENCE).unwrap();
    assert!(line.contains(&pin), "{line}");
    let port = line.split("0.0.0.0:").nth(1).unwrap().split(' ').next().unwrap();
    let router = format!("{}:{port}", ROUTER_INSIDE.v4);
    let token = folder.join("token");
    let token = token.to_str().unwrap();

    let host = Host { namespace: &lab.lan, home: directory.path().join("home") };
    host.check(&["list", "--connect", &router], 78, "takes a token");
    host.check(&["list", "--connect", &router, "--token-file", token, "-o", "json"], 0, "[");
    let six = format!("tls://[{}]:{port}", ROUTER_INSIDE.v6);
    host.check(&["list", "--connect", &six, "--token-file", token, "--pin", &pin, "-o", "json"], 0, "[");
    let known = host.home.join(".local/state/conntop/known_servers");
    let lines = std::fs::read_to_string(&known).unwrap();
    assert_eq!(lines.matches(&pin).count(), 2, "{lines}");
    host.check(&["list", "--connect", &format!("tcp://{router}")], 77, "wants TLS");

    // The token in its usual place, after another key and token have come and a bad one has not.
    std::fs::create_dir_all(host.home.join(".config/conntop")).unwrap();
    let fresh = directory.path().join("fresh");
    let new_pin = init_tls(&fresh);
    let hangup = || {
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    };
    let digest = std::fs::read(folder.join("token.digest")).unwrap();
    std::fs::write(folder.join("token.digest"), "none\n").unwrap();
    hangup();
    daemon.wait_for_line("token.digest", PATIENCE).unwrap();
    host.check(&["list", "--connect", &router, "--token-file", token, "-o", "json"], 0, "[");
    std::fs::write(folder.join("token.digest"), digest).unwrap();
    for name in ["key.pem", "cert.pem", "token.digest", "token"] {
        std::fs::rename(fresh.join(name), folder.join(name)).unwrap();
    }
    hangup();
    daemon.wait_for_line(&new_pin, PATIENCE).unwrap();
    std::fs::rename(token, host.home.join(".config/conntop/token")).unwrap();
    host.check(&["list", "--connect", &router], 1, "HAS CHANGED");
    host.check(&["list", "--connect", &router, "--pin", &new_pin, "-o", "json"], 0, "[");
    host.check(&["list", "--connect", &router, "-o", "json"], 0, "[");
}
