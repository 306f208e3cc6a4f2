//! The program on a terminal of its own: how it takes it, what it makes of it, and that it gives it back
//! whatever happens.

mod pty;

use std::ffi::OsString;
use std::io::Read as _;
use std::thread;

use conntop::tui::terminal::{Guard, Mouse};
use pty::{Server, Terminal};
use rustix::process::Signal;

/// The program against a silent server, with its first flows on the screen.
fn started(arguments: &[&str], environment: &[(&str, &str)]) -> (Server, Terminal) {
    let server = Server::start();
    let mut terminal = Terminal::with(&[&["--connect", &server.target], arguments].concat(), environment);
    terminal.wait("flows", |screen| screen.contains("flows 64") && screen.contains("live"));
    (server, terminal)
}

fn quit(mut terminal: Terminal) -> Terminal {
    terminal.key(b"q");
    let status = terminal.end();
    assert!(status.success(), "{status}");
    terminal.assert_given_back();
    terminal
}

fn says(terminal: &Terminal, bytes: &[u8]) -> bool {
    terminal.bytes.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn every_key_shows_at_once_even_while_paused() {
    let (_server, mut terminal) = started(&[], &[]);
    terminal.assert_held();
    terminal.key(b" ");
    terminal.wait("pause", |screen| screen.contains("paused"));
    for _ in 0..3 {
        terminal.key(b"s");
        terminal.wait("menu", |screen| screen.contains("Sort by"));
        terminal.key(b"q");
        terminal.wait("closed menu", |screen| !screen.contains("Sort by"));
        terminal.key(b"?");
        terminal.wait("help", |screen| screen.contains("this help"));
        terminal.key(b"q");
        terminal.wait("closed help", |screen| !screen.contains("this help"));
    }
    quit(terminal);
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let (_server, mut terminal) = started(&[], &[]);
        terminal.signal(signal);
        let status = terminal.end();
        assert!(status.success(), "{signal:?}: {status}");
        terminal.assert_given_back();
    }
}

#[test]
fn a_shell_stops_it_and_lets_it_go_on() {
    let server = Server::start();
    let shell = ["sh", "-i"].map(OsString::from).to_vec();
    let mut terminal = Terminal::of(shell, &[("PS1", "shell> ")]);
    terminal.wait("prompt", |screen| screen.contains("shell>"));
    let command = format!("{} --connect {}\r", env!("CARGO_BIN_EXE_conntop"), server.target);
    terminal.key(command.as_bytes());
    terminal.wait("flows", |screen| screen.contains("flows 64"));
    for _ in 0..2 {
        terminal.key(b"\x1a");
        terminal.wait_for("the shell", |terminal| {
            let contents = terminal.contents();
            let stopped = contents.rfind("Stopped").zip(contents.rfind("shell>"));
            !terminal.screen.screen().alternate_screen()
                && stopped.is_some_and(|(word, prompt)| word < prompt)
        });
        assert!(!terminal.screen.screen().hide_cursor());
        terminal.key(b"echo $((40 + 2)); clear\r");
        terminal.wait("a cleared screen", |screen| !screen.contains("Stopped") && screen.contains("shell>"));
        terminal.key(b"fg\r");
        terminal.wait_for("flows again", |terminal| {
            terminal.screen.screen().alternate_screen() && terminal.contents().contains("flows 64")
        });
        terminal.key(b"o");
        terminal.wait("frozen order", |screen| screen.contains("order frozen"));
        terminal.key(b"o");
        terminal.wait("live order", |screen| screen.contains("live"));
    }
    terminal.key(b"q");
    terminal.wait_for("the shell", |terminal| {
        let last = terminal.contents().lines().last().map(|line| line.trim().to_owned());
        !terminal.screen.screen().alternate_screen() && last.as_deref() == Some("shell>")
    });
    terminal.key(b"exit\r");
    terminal.end();
    terminal.assert_given_back();
}

#[test]
fn any_size_at_any_time() {
    let (_server, mut terminal) = started(&[], &[]);
    for (columns, lines) in [(120, 40), (20, 3), (200, 60), (1, 1), (80, 24)] {
        terminal.resize(columns, lines);
        let wanted = if columns >= 80 { "Quit" } else { "" };
        terminal.wait("the whole screen", |screen| match wanted {
            "" => true,
            _ => {
                screen.lines().count() == usize::from(lines)
                    && screen.lines().last().unwrap().contains(wanted)
            }
        });
        if columns == 20 {
            terminal.wait("flows", |screen| screen.starts_with("flows 64"));
        }
    }
    quit(terminal);
}

#[test]
fn kinds_of_terminals() {
    let colour = |terminal: &Terminal| {
        let screen = terminal.screen.screen();
        let (lines, columns) = screen.size();
        let cells = (0..u16::from(lines)).flat_map(|y| (0..u16::from(columns)).map(move |x| (y, x)));
        cells.filter_map(|(y, x)| screen.cell(y, x)).any(|cell| cell.fgcolor() != vt100::Color::Default)
    };
    let none: &[&str] = &[];
    for (environment, arguments, wanted) in [
        (&[("TERM", "xterm")][..], none, true),
        (&[("TERM", "tmux-256color")][..], none, true),
        (&[("TERM", "screen-256color"), ("TMUX", "/tmp/tmux-0/default,1,0")][..], none, true),
        (&[("TERM", "linux")][..], none, true),
        (&[("TERM", "vt100")][..], none, false),
        (&[("NO_COLOR", "1")][..], none, false),
        (&[("NO_COLOR", "1")][..], &["--theme", "palette"][..], true),
        (&[("CONNTOP_THEME", "mono")][..], none, false),
    ] {
        let (_server, terminal) = started(arguments, environment);
        assert_eq!(colour(&terminal), wanted, "{environment:?} {arguments:?}");
        quit(terminal);
    }
}

#[test]
fn ascii_for_those_who_have_no_more() {
    for (environment, arguments) in [
        (&[("LC_ALL", "C")][..], &[][..]),
        (&[("LC_ALL", ""), ("LANG", "C")][..], &[][..]),
        (&[][..], &["--ascii"][..]),
    ] {
        let (_server, terminal) = started(arguments, environment);
        assert!(terminal.contents().is_ascii(), "{environment:?}:\n{}", terminal.contents());
        let terminal = quit(terminal);
        assert!(terminal.bytes.is_ascii());
    }
    let (_server, terminal) = started(&["--ascii=false"], &[("LC_ALL", "C")]);
    assert!(!terminal.contents().is_ascii());
    quit(terminal);
}

#[test]
fn the_terminal_is_asked_whether_it_is_light() {
    let ask = |answer: &[u8]| {
        let server = Server::start();
        let mut terminal = Terminal::with(&["--connect", &server.target], &[]);
        terminal.wait_for("the question", |terminal| says(terminal, b"\x1b]11;?\x07"));
        terminal.key(answer);
        terminal.wait("flows", |screen| screen.contains("flows 64"));
        (server, terminal)
    };
    let (_server, terminal) = ask(b"\x1b]11;rgb:ffff/ffff/f0f0\x07\x1b[?62;22c");
    let terminal = quit(terminal);
    assert!(accented(&terminal, 4) && !accented(&terminal, 6));
    let (_server, terminal) = ask(b"\x1b]11;rgb:1010/1010/1010\x1b\\\x1b[?62;22c");
    let terminal = quit(terminal);
    assert!(accented(&terminal, 6) && !accented(&terminal, 4));
    // What is typed meanwhile is not lost: the order is frozen.
    let (_server, mut terminal) = ask(b"o\x1b]11;rgb:0/0/0\x07\x1b[?62;22c");
    terminal.wait("a frozen order", |screen| screen.contains("order frozen"));
    quit(terminal);
    // Nobody answers; the answer comes late, and types nothing.
    let (_server, mut terminal) = ask(b"");
    terminal.key(b"\x1b]11;rgb:ffff/ffff/bbbb\x1b\\");
    terminal.key(b"o");
    terminal.wait("a frozen order", |screen| screen.contains("order frozen") && !screen.contains("filter:"));
    quit(terminal);
    for environment in [[("COLORFGBG", "0;15")], [("COLORFGBG", "15;0")]] {
        let (_server, terminal) = started(&[], &environment);
        let light = environment == [("COLORFGBG", "0;15")];
        assert_eq!((accented(&terminal, 4), accented(&terminal, 6)), (light, !light), "{environment:?}");
        assert!(!says(&terminal, b"\x1b]11;?"), "{environment:?}");
        quit(terminal);
    }
}

/// Whether something was drawn in that colour of the palette.
fn accented(terminal: &Terminal, colour: u8) -> bool {
    // crossterm writes the sixteen as numbers of 256.
    [format!("38;5;{colour}m"), format!("38;5;{colour};")]
        .iter()
        .any(|sequence| says(terminal, sequence.as_bytes()))
}

#[test]
fn clicks_and_pastes_reach_it() {
    let (_server, mut terminal) = started(&[], &[]);
    assert_ne!(terminal.screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    // The third row, then its details.
    terminal.key(b"\x1b[<0;10;7M\x1b[<0;10;7m");
    terminal.wait_for("a selected row", |terminal| {
        terminal.screen.screen().cell(6, 10).is_some_and(vt100::Cell::inverse)
    });
    terminal.key(b"\x1b[<64;10;7M");
    terminal.key(b"/");
    terminal.wait("the filter line", |screen| screen.contains("filter:"));
    terminal.key(b"\x1b[200~dport 443\nand proto tcp\x1b[201~");
    terminal.wait("what was pasted", |screen| screen.contains("filter: dport 443 and proto tcp"));
    terminal.key(b"\x03");
    terminal.wait("no filter", |screen| !screen.contains("filter:"));
    quit(terminal);
    let (_server, terminal) = started(&["--no-mouse"], &[]);
    assert_eq!(terminal.screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    quit(terminal);
}

#[test]
fn own_keys() {
    let (_server, mut terminal) = started(&["--keys", "classic", "--bind", "quit=X"], &[]);
    terminal.wait("the footer", |screen| screen.contains("F1 Help") && screen.contains("X Quit"));
    terminal.key(b"\x1bOR");
    terminal.wait("menu", |screen| screen.contains("Sort by"));
    terminal.key(b"\x1b");
    terminal.wait("closed menu", |screen| !screen.contains("Sort by"));
    terminal.key(b"qX");
    assert!(terminal.end().success());
    terminal.assert_given_back();
}

/// What the panic test runs in a process of its own: a part of the program fails while the terminal is held.
#[test]
fn fails_while_it_holds_the_terminal() {
    if std::env::var_os("CONNTOP_TEST_FAILS").is_none() {
        return;
    }
    let guard = Guard::take(Mouse::Program).unwrap();
    let failed = thread::Builder::new().name("ct-part".to_owned()).spawn(|| {
        // Nobody would see what another test harness caught.
        let _ = std::io::stdin().read(&mut [0]);
        panic!("first line of the reason\nsecond line of the reason")
    });
    assert!(failed.unwrap().join().is_err() && !guard.is_held());
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_read_whole() {
    let program = std::env::current_exe().unwrap().into_os_string();
    let rest = ["--exact", "--nocapture", "fails_while_it_holds_the_terminal"].map(OsString::from);
    let environment = [("CONNTOP_TEST_FAILS", "1"), ("RUST_BACKTRACE", "0")];
    let mut terminal = Terminal::of([program].into_iter().chain(rest).collect(), &environment);
    terminal.wait_for("the alternate screen", |terminal| terminal.screen.screen().alternate_screen());
    terminal.assert_held();
    terminal.key(b"x");
    assert!(terminal.end().success());
    terminal.assert_given_back();
    let contents = terminal.contents();
    for line in ["first line of the reason", "second line of the reason"] {
        // From the left edge on: in raw mode lines would be stairs.
        assert!(contents.lines().any(|shown| shown == line), "no {line:?} in\n{contents}");
    }
    assert!(contents.contains("thread 'ct-part'"), "{contents}");
}
