//! Manual pages and completions as what reads them takes them: mandoc, bash, zsh and fish. PowerShell and elvish
//! are in no Debian, so what is made for them is only looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use conntop_tests::gate;
use conntop_tests::programs::program;
use conntop_tests::tools;
use tempfile::TempDir;

/// What conntop writes into a folder.
fn written(what: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("conntop").unwrap());
    let output = tools::run(command.arg(what).arg("--out").arg(folder.path())).unwrap();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        assert!(Path::new(line).is_file(), "{line} was told of and is not there");
    }
    folder
}

/// Whether a program is there; tells what is left out without it.
fn have(name: &str) -> bool {
    let missing = tools::shells().contains(&name) || tools::find(name).is_none();
    if missing {
        gate::skip(&format!("there is no {name}, and it cannot be installed"));
    }
    !missing
}

/// What a script says in a shell that has read our completions, which lie in the folder `$D`.
fn said(shell: &str, folder: &TempDir, script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = tools::command(shell);
    command.args(["-c", script]).env("D", folder.path()).env("HOME", home.path()).current_dir(home.path());
    let output = tools::run(&mut command).unwrap_or_else(|error| panic!("{script}\n{error:#}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is typed, the words that are offered, and one that is not.
const TYPED: &[(&str, &[&str], &str)] = &[
    ("conntop ", &["list", "watch", "doctor", "completions"], "bytes"),
    ("conntop --th", &["--theme"], "--token-file"),
    ("conntop --theme ", &["palette", "colour-blind", "mono"], "list"),
    ("conntop list --format ", &["table", "json", "ndjson", "csv"], "list"),
    ("conntop list --sort ", &["bytes", "rate", "src"], "list"),
    ("conntop list --columns ", &["bytes", "rate", "src"], "list"),
    ("conntop --group ", &["local", "service", "country"], "bytes"),
    ("conntop --filter ", &["dport", "host", "process"], "list"),
    ("conntop --source ", &["conntrack", "sockets"], "list"),
    ("conntop geoip ", &["status", "update"], "doctor"),
    ("conntop config ", &["init", "show", "path"], "doctor"),
    ("conntop doctor --j", &["--json"], "--filter"),
    ("conntop completions -", &["--out", "--help"], "doctor"),
    ("conntopd --sa", &["--sandbox"], "--self-test"),
    ("conntopd --sandbox ", &["strict", "best", "off"], "--unix"),
];

/// The same of words that are no options, of which clap_complete tells fish nothing.
const ARGUMENTS: &[(&str, &[&str], &str)] = &[
    ("conntop man ", &["conntop", "conntop-filter", "conntop.toml", "conntopd"], "zsh"),
    ("conntop completions ", &["bash", "zsh", "fish", "powershell", "elvish"], "doctor"),
];

#[track_caller]
fn check(shell: &str, typed: &str, offered: &str, wanted: &[&str], unwanted: &str) {
    let words: Vec<&str> = offered.split_whitespace().collect();
    for word in wanted {
        assert!(words.contains(word), "{shell}: `{typed}` offers no {word}: {offered}");
    }
    assert!(!words.contains(&unwanted), "{shell}: `{typed}` offers {unwanted}: {offered}");
}

#[test]
fn bash_completes() {
    if !have("bash") {
        return;
    }
    let folder = written("completions");
    for (typed, wanted, unwanted) in TYPED.iter().chain(ARGUMENTS) {
        // As readline does: the function that is registered, with the words so far and the last of them.
        let script = format!(
            r#"set -eu
            . "$D/bash/conntop"; . "$D/bash/conntopd"
            read -ra COMP_WORDS <<< '{typed}'
            case '{typed}' in *' ') COMP_WORDS+=('') ;; esac
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            spec=$(complete -p "${{COMP_WORDS[0]}}"); spec=${{spec#*-F }}; set +eu
            compopt() {{ :; }}
            "${{spec%% *}}" "${{COMP_WORDS[0]}}" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
            printf '%s\n' "${{COMPREPLY[@]}}""#
        );
        check("bash", typed, &said("bash", &folder, &script), wanted, unwanted);
    }
}

#[test]
fn fish_completes() {
    if !have("fish") {
        return;
    }
    let folder = written("completions");
    let mut script = "source $D/fish/conntop.fish; source $D/fish/conntopd.fish\n".to_owned();
    for (typed, ..) in TYPED {
        script.push_str(&format!("echo '=='; complete -C '{typed}' | string replace -r '\\t.*' ''\n"));
    }
    // The last replacement may have had nothing to do.
    script.push_str("true\n");
    let said = said("fish", &folder, &script);
    for ((typed, wanted, unwanted), offered) in TYPED.iter().zip(said.split("==\n").skip(1)) {
        check("fish", typed, offered, wanted, unwanted);
    }
}

/// zsh offers words only on a terminal; so it compiles what we made, finds it for both programs, and the words
/// are there.
#[test]
fn zsh_takes_them() {
    if !have("zsh") {
        return;
    }
    let folder = written("completions");
    let script = r#"
        zcompile -R $HOME/x.zwc $D/zsh/_conntop && zcompile -R $HOME/y.zwc $D/zsh/_conntopd || exit 1
        fpath=($D/zsh $fpath); autoload -Uz compinit && compinit -D -u
        print -r -- $_comps[conntop] $_comps[conntopd]
        autoload +X _conntop _conntopd && print -r -- ${+functions[_conntop]} ${+functions[_conntopd]}"#;
    assert_eq!(said("zsh", &folder, script), "_conntop _conntopd\n1 1\n");
}

#[test]
fn every_shell_gets_every_option() {
    let folder = written("completions");
    let names = [
        ("bash", "conntop", "conntopd"),
        ("zsh", "_conntop", "_conntopd"),
        ("fish", "conntop.fish", "conntopd.fish"),
        ("powershell", "_conntop.ps1", "_conntopd.ps1"),
        ("elvish", "conntop.elv", "conntopd.elv"),
    ];
    for (shell, client, daemon) in names {
        let read = |name| fs::read_to_string(folder.path().join(shell).join(name)).unwrap();
        let (client, daemon) = (read(client), read(daemon));
        for word in ["activate", "cpu-budget", "geoip", "completions", "server"] {
            assert!(client.contains(word), "{shell}: there is no {word}");
        }
        for option in conntopd::args::OPTIONS {
            assert!(daemon.contains(option.long), "{shell}: conntopd has no {}", option.long);
        }
    }
}

#[test]
fn mandoc_has_nothing_to_say() {
    let folder = written("man");
    let names = ["conntop.1", "conntop.toml.5", "conntop-filter.7", "conntopd.8"];
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
    if !have("mandoc") {
        return;
    }
    for name in names {
        let mut command = tools::command("mandoc");
        let output = command.arg("-Tlint").arg(folder.path().join(name)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.is_empty(), "{name}:\n{said}");
        let mut command = tools::command("mandoc");
        let output =
            tools::run(command.args(["-Tascii", "-Owidth=80"]).arg(folder.path().join(name))).unwrap();
        let page = String::from_utf8_lossy(&output.stdout);
        for line in page.lines() {
            // A letter and a backspace make bold and underlined ones.
            let wide = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(wide <= 80, "{name}: {wide} columns: {line}");
        }
    }
}
