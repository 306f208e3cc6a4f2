//! The command line: what each option does, what is refused, and that the manual has all of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::path::PathBuf;
use std::time::Duration;

use conntopd::args::{self, Command, Events, Need, OPTIONS, Proc, Serve, Settings};
use conntopd::collector::CpuBudget;
use nfnetlink::netns::Netns;

fn settings(line: &str) -> Settings {
    match args::parse(line.split_whitespace()) {
        Ok(Command::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

/// The addresses that a command line listens on, and which of them may be missing.
#[test]
fn listening_addresses() {
    let cases = [
        ("", "127.0.0.1:55555 [::1]:55555?"),
        ("-p 1234", "127.0.0.1:1234 [::1]:1234?"),
        ("--unix /run/x", ""),
        ("--unix /run/x --port 99", "127.0.0.1:99 [::1]:99?"),
        ("--unix /run/x --listen ::1", "[::1]:55555"),
        ("--listen 127.0.0.1", "127.0.0.1:55555"),
        ("--listen 127.0.0.1 --port 0", "127.0.0.1:0"),
        ("--listen 127.0.0.1:7 --listen [::1]:8 --port 9 --listen [::1]", "127.0.0.1:7 [::1]:8 [::1]:9"),
        ("--listen localhost --listen localhost:5", "127.0.0.1:55555 127.0.0.1:5"),
        ("--listen-any", "0.0.0.0:55555 [::]:55555"),
        ("--stdio", ""),
        ("--listen=10.0.0.1:1", "10.0.0.1:1"),
    ];
    for (line, expected) in cases {
        let listen = settings(line).listen;
        let said = listen.iter().map(|listen| match listen.need {
            Need::Required => listen.address.to_string(),
            Need::IfPossible => format!("{}?", listen.address),
        });
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected, "{line}");
    }
}

/// Which of these addresses are for TLS and the token.
#[test]
fn tls_is_for_what_others_can_reach() {
    for (address, exposed) in [
        ("127.0.0.1:0", false),
        ("127.1.2.3:0", false),
        ("[::1]:0", false),
        ("[::ffff:127.0.0.1]:0", false),
        ("0.0.0.0:0", true),
        ("[::]:0", true),
        ("192.0.2.1:0", true),
        ("[fe80::1]:0", true),
        ("[::ffff:192.0.2.1]:0", true),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(settings("").tls.covers(address), exposed, "{address}");
        assert!(settings("--tls-loopback").tls.covers(address), "{address}");
    }
    assert_eq!(settings("").tls_dir, PathBuf::from("/etc/conntop"));
    assert_eq!(settings("--tls-dir /x").tls_dir, PathBuf::from("/x"));
}

#[test]
fn init_tls_takes_a_folder_and_nothing_else() {
    let check = |line: &str, expected: Result<&str, &str>| match args::parse(line.split_whitespace()) {
        Ok(Command::InitTls(dir)) => assert_eq!(Ok(dir.to_str().unwrap()), expected, "{line}"),
        Err(error) => {
            let part = expected.expect_err(line);
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
        other => panic!("{line}: {other:?}"),
    };
    check("--init-tls", Ok("/etc/conntop"));
    check("--init-tls /x", Ok("/x"));
    check("--init-tls=/x", Ok("/x"));
    check("--init-tls /x /y", Err("no other option"));
    check("--init-tls --port 1", Err("no other option"));
    check("--init-tls=", Err("expected a folder"));
}

#[test]
fn the_other_options() {
    let none = settings("");
    assert_eq!((none.interval, none.events, none.max_clients), (Duration::from_secs(1), Events::Listen, 128));
    assert_eq!((none.event_buffer, none.netns, none.name, none.unix), (None, None, None, None));

    let all = settings(
        "--interval 500ms --event-buffer 16M --no-events --netns lab --name r1 --max-clients 7 --unix /x",
    );
    assert_eq!((all.interval, all.events, all.max_clients), (Duration::from_millis(500), Events::Off, 7));
    assert_eq!((all.event_buffer, all.netns), (Some(16 << 20), Some(Netns::Name("lab".into()))));
    assert_eq!((all.name, all.unix), (Some("r1".into()), Some(PathBuf::from("/x"))));

    assert_eq!((none.cpu_budget, none.proc), (CpuBudget::default(), Proc::IfCheaper));
    assert_eq!(settings("--cpu-budget 10").cpu_budget, CpuBudget::default());
    assert_eq!(settings("--cpu-budget 10.0%").cpu_budget, CpuBudget::default());
    assert!(settings("--cpu-budget 0.1").cpu_budget < settings("--cpu-budget 100").cpu_budget);
    assert_eq!(settings("--no-proc").proc, Proc::Off);
    assert_eq!((none.serve, settings("--stdio").serve), (Serve::Connections, Serve::Stdio));

    for (text, millis) in [("2s", 2000), ("1.5s", 1500), ("2", 2000), ("0.25", 250), ("1m", 60_000)] {
        assert_eq!(settings(&format!("-i {text}")).interval, Duration::from_millis(millis), "{text}");
    }
    for (text, bytes) in [("131072", 131_072), ("256K", 256 << 10), ("2MiB", 2 << 20), ("1g", 1 << 30)] {
        assert_eq!(settings(&format!("--event-buffer {text}")).event_buffer, Some(bytes), "{text}");
    }
    assert_eq!(settings("--netns 12").netns, Some(Netns::Pid(12)));
}

/// Each refusal names the option and says what would be right.
#[test]
fn mistakes_are_named() {
    let cases = [
        ("--colour", "unknown option --colour"),
        ("-x", "unknown option -x"),
        ("serve", "unexpected argument \"serve\""),
        ("--stdio --unix /x", "--stdio listens on nothing"),
        ("--stdio --listen-any", "--stdio listens on nothing"),
        ("--stdio -p 1", "--stdio listens on nothing"),
        ("--port", "missing argument for option '--port'"),
        ("--no-events=1", "unexpected argument for option '--no-events'"),
        ("--port 65536", "--port \"65536\": expected a number from 0 to 65535"),
        ("--listen router", "--listen \"router\": expected an address"),
        ("--listen 127.0.0.1:x", "--listen \"127.0.0.1:x\": expected an address"),
        ("--listen localhost1", "--listen \"localhost1\": expected an address"),
        ("--interval 99ms", "--interval \"99ms\": expected a time from 100ms to 60s"),
        ("--interval 61s", "--interval"),
        ("--interval 1h", "--interval"),
        ("--interval inf", "--interval"),
        ("--interval -1s", "--interval"),
        ("--event-buffer 1K", "--event-buffer \"1K\": expected a number of bytes from 128K to 1G"),
        ("--event-buffer 99999999999999999999M", "--event-buffer"),
        ("--event-buffer 18014398509481984M", "--event-buffer"),
        ("--cpu-budget 0", "--cpu-budget \"0\": expected a percentage of one core from 0.1 to 100"),
        ("--cpu-budget 100.1", "--cpu-budget"),
        ("--cpu-budget 1.25", "--cpu-budget"),
        ("--cpu-budget +5", "--cpu-budget"),
        ("--cpu-budget .5", "--cpu-budget"),
        ("--cpu-budget 5.", "--cpu-budget"),
        ("--cpu-budget ten", "--cpu-budget"),
        ("--netns ..", "--netns \"..\": expected a name shown by `ip netns` or a process id"),
        ("--netns a/b", "--netns"),
        ("--netns 0", "--netns"),
        ("--name ", "missing argument for option '--name'"),
        ("--max-clients 0", "--max-clients \"0\": expected a number from 1 to 10000"),
    ];
    for (line, expected) in cases {
        match args::parse(line.split_whitespace()) {
            Err(error) => assert!(error.to_string().starts_with(expected), "{line}: {error}"),
            Ok(command) => panic!("{line} was taken as {command:?}"),
        }
    }
}

#[test]
fn help_fits_and_names_everything() {
    assert_eq!(args::parse(["--max-clients", "5", "-h"]), Ok(Command::Help));
    assert_eq!(args::parse(["-V"]), Ok(Command::Version));
    let help = args::help("conntop --server");
    assert!(help.contains("Usage: conntop --server [OPTIONS]"));
    for option in OPTIONS {
        let names = format!("--{} {}", option.long, option.value);
        assert!(help.contains(names.trim_end()), "{names}");
    }
    for line in help.lines() {
        assert!(line.len() <= 100, "{} columns: {line}", line.len());
    }
}

/// The manual's table of options is the one that parses.
#[test]
fn the_manual_has_every_option() {
    let manual = include_str!("../../../docs/manual/conntopd.md");
    for option in OPTIONS {
        let short = option.short.map_or(String::new(), |letter| format!("`-{letter}`, "));
        let names = format!("--{} {}", option.long, option.value);
        let row = format!("| {short}`{}` | {} |", names.trim_end().replace('|', "\\|"), option.help);
        assert!(manual.contains(&row), "docs/manual/conntopd.md lacks the row\n{row}");
    }
}
