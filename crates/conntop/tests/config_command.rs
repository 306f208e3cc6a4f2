//! `conntop config` as a person uses it: the file is written once, and what holds is told with who says so.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn conntop(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conntop"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[track_caller]
fn ok(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{:?}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn refused(output: &Output, code: i32, wanted: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(wanted), "no {wanted:?} in {text}");
}

#[test]
fn the_file_is_written_once_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".config/conntop/config.toml");
    let place = format!("{}\n", path.display());
    assert_eq!(ok(&conntop(home.path(), &["config", "path"], &[])), place);
    let before = ok(&conntop(home.path(), &["config", "show"], &[]));
    assert!(before.contains("(not there)"), "{before}");
    assert!(ok(&conntop(home.path(), &["config", "init"], &[])).contains("every setting"));
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("#dns = \"system\""), "{written}");
    let after = ok(&conntop(home.path(), &["config", "show"], &[]));
    assert_eq!(after.replace("config.toml", "config.toml (not there)"), before);
    fs::write(&path, "dns = \"off\"\n").unwrap();
    refused(&conntop(home.path(), &["config", "init"], &[]), 1, "it stays as it is");
    assert_eq!(fs::read_to_string(&path).unwrap(), "dns = \"off\"\n");
    let elsewhere = home.path().join("some/where.toml");
    ok(&conntop(home.path(), &["config", "init", "--config", elsewhere.to_str().unwrap()], &[]));
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), written);
}

#[test]
fn what_holds_is_told_with_who_says_so() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("own.toml");
    let file = "dns = \"off\"\nsort = \"bytes\"\ncpu-budget = 2.5\nascii = true\n\
                [names]\n\"10.0.0.1\" = \"nas\"\n\"10.0.0.2\" = \"tv\"\n[keys]\nquit = \"X\"\nscheme = \"classic\"\n";
    fs::write(&path, file).unwrap();
    let arguments = [
        "--config",
        path.to_str().unwrap(),
        "--dns",
        "system",
        "config",
        "show",
        "--alias",
        "10.0.0.1=disk",
        "--bind",
        "pause=P x,uplink=",
        "--no-mouse",
    ];
    let environment =
        [("CONNTOP_DNS", "ptr"), ("CONNTOP_SORT", "up"), ("CONNTOP_ASCII", "no"), ("CONNTOP_PORT", "5")];
    let shown = ok(&conntop(home.path(), &arguments, &environment));
    for line in [
        "dns = \"system\"  # --dns",
        "sort = \"up\"  # CONNTOP_SORT",
        "port = 5  # CONNTOP_PORT",
        "cpu-budget = 2.5  # file",
        "ascii = false  # CONNTOP_ASCII",
        "no-mouse = true  # --no-mouse",
        "# theme: palette",
        "\"10.0.0.1\" = \"disk\"  # --alias",
        "\"10.0.0.2\" = \"tv\"  # file",
        "scheme = \"classic\"  # file",
        "pause = [\"P\", \"x\"]  # --bind",
        "uplink = []  # --bind",
        "quit = \"X\"  # file",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line} in\n{shown}");
    }
    assert!(!shown.contains("nas"), "{shown}");
    // It could take the place of the file.
    fs::write(&path, &shown).unwrap();
    let again = ok(&conntop(home.path(), &["config", "show", "--config", path.to_str().unwrap()], &[]));
    let values = |text: &str| {
        let lines = text.lines().map(|line| line.split("  #").next().unwrap_or_default().to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn mistakes_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("own.toml");
    let config = |text: &str, arguments: &[&str]| {
        fs::write(&path, text).unwrap();
        conntop(home.path(), &[&["--config", path.to_str().unwrap()], arguments].concat(), &[])
    };
    refused(&config("dsn = 1", &["config", "show"]), 78, "did you mean `dns`?");
    // What to mend has to be found all the same.
    assert!(ok(&config("dsn = 1", &["config", "path"])).ends_with("own.toml\n"));
    refused(&config("[keys]\nquit = \"Strg-Q\"", &["list"]), 78, "`Strg-Q` of `quit` is no key");
    refused(&config("", &["list", "--bind", "qiut=Q"]), 2, "did you mean `quit`?");
    refused(&conntop(home.path(), &["config", "show", "--config", "/nowhere"], &[]), 78, "/nowhere");
}
