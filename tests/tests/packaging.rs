//! What is in packaging/ fits the program, and leaves little to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conntop_tests::programs::program;
use conntop_tests::tools;
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

/// What the Debian packages take along is in the sources, or is what `conntop` writes; and the other way round, what
/// it writes for Debian's shells and man is in one of them.
#[test]
fn the_packages_have_all_pages_and_completions() {
    let made = tempfile::tempdir().unwrap();
    let conntop = program("conntop").unwrap();
    for (command, folder) in [("man", "man"), ("completions", "completions")] {
        let out = made.path().join("share").join(folder);
        tools::run(Command::new(&conntop).arg(command).arg("--out").arg(out)).unwrap();
    }
    let lists = ["conntop.install", "conntop.manpages", "conntopd.install", "conntopd.manpages"];
    let lists = lists.map(|name| read(&format!("debian/{name}"))).join("\n");
    let taken: Vec<&str> = lists.lines().filter_map(|line| line.split(' ').next()).collect();
    for path in taken.iter().filter(|path| !path.is_empty() && !path.starts_with("bin/")) {
        let folder = path.strip_suffix("/*").unwrap_or(path);
        let (here, written) = (packaging(folder), made.path().join(folder));
        assert!(here.exists() || written.exists(), "{path} is neither in packaging nor written");
    }
    for folder in ["man", "completions/bash", "completions/zsh", "completions/fish"] {
        let folder = format!("share/{folder}");
        for entry in fs::read_dir(made.path().join(&folder)).unwrap() {
            let path = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
            assert!(taken.contains(&path.as_str()), "no package takes {path}");
        }
    }
}

/// What `--init-tls` makes is what a purge removes and what the service's user is given.
#[test]
fn a_purge_removes_all_secrets() {
    let made = tempfile::tempdir().unwrap();
    tools::run(Command::new(program("conntopd").unwrap()).arg("--init-tls").arg(made.path())).unwrap();
    let (postrm, readme) = (read("debian/conntopd.postrm"), read("debian/conntopd.README.Debian"));
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(made.path()).unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        assert!(postrm.split_whitespace().any(|word| word == format!("/etc/conntop/{name}")), "{name}");
        assert!(readme.contains(&format!("/etc/conntop/{name}")), "{name}");
    }
}

/// Each unit is handled by name, as an upgrade treats sockets in another way than the service.
#[test]
fn the_rules_handle_each_unit() {
    let rules = read("debian/rules");
    for entry in fs::read_dir(packaging("systemd")).unwrap() {
        let unit = entry.unwrap().file_name().into_string().unwrap();
        let handled =
            rules.lines().filter(|line| line.contains("\tdh_installsystemd") && line.ends_with(&unit));
        assert_eq!(handled.count(), 1, "{unit}");
    }
}

#[test]
fn the_scripts_are_well_formed() {
    for name in ["build", "check", "check-inside", "notices", "conntopd.postrm"] {
        let script = packaging("debian").join(name);
        tools::run(Command::new("bash").arg("-n").arg(&script)).unwrap();
        match Command::new("shellcheck").arg(&script).output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(error) => eprintln!("skipped: shellcheck: {error} (apt install shellcheck)"),
        }
    }
}
