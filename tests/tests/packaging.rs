//! What is in packaging/ fits the program, and leaves little to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conntopd::args::{self, OPTIONS};

/// Tenths of points of `systemd-analyze security`, from 0 to 100.
const MOST_EXPOSED: &str = "15";

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(packaging(name)).unwrap()
}

#[test]
fn the_unit_leaves_little_to_the_daemon() {
    let unit = packaging("systemd/conntopd.service");
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true", "--threshold", MOST_EXPOSED]).arg(unit);
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("Overall exposure level"), "{said}");
        }
        Err(error) => eprintln!("skipped: systemd-analyze: {error} (apt install systemd)"),
    }
}

/// What the unit starts, with the file that comes along, is what the daemon takes.
#[test]
fn the_daemon_takes_what_the_unit_says() {
    let unit = read("systemd/conntopd.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/sbin/conntopd ")).unwrap();
    let config = packaging("conntopd.conf");
    let start = start.replace("/etc/conntop/conntopd.conf", config.to_str().unwrap());
    let parsed = args::parse(start.split(' '));
    assert!(matches!(parsed, Ok(args::Command::Run(_))), "{parsed:?}");
    // Comments without a blank are options that are off.
    for line in read("conntopd.conf").lines().filter_map(|line| line.strip_prefix("# ")) {
        let word = line.split(' ').next().unwrap();
        let is_prose = line.contains(':') || line.contains(',') || line.ends_with('.');
        assert!(is_prose || OPTIONS.iter().any(|option| option.long == word), "{line}");
    }
}

/// The names that three files and the program have to agree on.
#[test]
fn they_agree_on_user_group_and_socket() {
    assert!(read("sysusers.d/conntop.conf").contains("\nu conntop -"));
    let unit = read("systemd/conntopd.service");
    assert!(unit.contains("\nUser=conntop\nGroup=conntop\n"));
    let socket = read("systemd/conntopd-unix.socket");
    assert!(socket.contains(&format!("\nSocketGroup={}\n", conntopd::auth::peer::GROUP)));
    for name in ["systemd/conntopd-unix.socket", "systemd/conntopd.socket"] {
        assert!(read(name).contains("\nService=conntopd.service\n"), "{name}");
    }
}
