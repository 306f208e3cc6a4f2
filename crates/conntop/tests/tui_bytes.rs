//! What really goes to the terminal: only the sequences that drawing needs, whatever the texts hold,
//! and a terminal that reads them shows what was drawn.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod stage;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use conntop::source::{Messages, SourceEvent};
use conntop::tui::draw::{self, Look};
use conntop_proto::message::{ServerHello, ServerMessage};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use stage::Stage;

const SIZE: (u16, u16) = (80, 24);

/// Texts that try to leave their place: titles, cursor moves, 8-bit controls, reversed text.
const HOSTILE: &[&str] = &[
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H\x1b[31mred",
    "\u{9b}31mC1",
    "\u{90}dcs\u{9c}",
    "a\rb\nc\td\x08e\x00f\x7f",
    "\u{202e}reversed\u{2066}",
    "zero\u{200b}width\u{feff}",
    "\x1bc\x1b#8\x1b(0lqqk",
];

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Draws the stage as it is after each script and gives all bytes.
fn bytes(stage: &mut Stage, scripts: &[&str]) -> Vec<u8> {
    let wire = Wire::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, SIZE.0, SIZE.1));
    let backend = CrosstermBackend::new(wire.clone());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
    for script in scripts {
        stage.play(script);
        terminal.draw(|frame| draw::frame(stage.app.screen(), Look::default(), frame)).unwrap();
    }
    drop(terminal);
    std::mem::take(&mut *wire.0.lock().unwrap())
}

/// Fails on anything but printable text and the few sequences that drawing uses.
fn check_sequences(bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|ch: char| ch.is_control()) {
        let sequence = &rest[at..];
        let body = sequence
            .strip_prefix("\x1b[")
            .unwrap_or_else(|| panic!("control in {:?}", &sequence[..sequence.len().min(20)]));
        let end = body.find(|ch: char| ch.is_ascii_alphabetic()).expect("an end");
        let (parameters, finish) = (&body[..end], &body[end..=end]);
        let known = match finish {
            "m" | "H" => parameters.bytes().all(|b| b.is_ascii_digit() || b == b';'),
            "h" | "l" => parameters == "?25",
            _ => false,
        };
        assert!(known, "sequence {parameters:?} {finish:?}");
        rest = &body[end + 1..];
    }
}

fn hostile_hello(text: &str) -> SourceEvent {
    let hello = ServerHello {
        protocol: 1,
        server: text.into(),
        name: text.into(),
        epoch: 7,
        platform: text.into(),
        features: vec![text.into()],
        codecs: Vec::new(),
        interval_ms: 1000,
        kernel: conntop_proto::message::KernelFacts::default(),
        clock: conntop_proto::message::Clock::default(),
        sandbox: None,
    };
    SourceEvent::Connected(Box::new(hello))
}

#[test]
fn no_sequence_from_outside_reaches_the_terminal() {
    for text in HOSTILE {
        let mut stage = Stage::new(SIZE.0, SIZE.1);
        stage.play("+3");
        stage.apply(hostile_hello(text));
        stage.apply(SourceEvent::Messages(Messages::new([ServerMessage::Ping(
            conntop_proto::message::Ping { nonce: 1 },
        )])));
        let typed = format!("/ \"{}\"", text.replace('"', ""));
        let scripts = ["+1", "?", "Esc", "Enter", "Esc", &typed, "Enter"];
        check_sequences(&bytes(&mut stage, &scripts));
        stage.play("Esc");
        stage.apply(SourceEvent::Stale {
            cause: (*text).to_owned(),
            retry_in: std::time::Duration::from_secs(1),
        });
        stage.app.report("Notice", (*text).to_owned());
        check_sequences(&bytes(&mut stage, &["Ctrl-L"]));
    }
}

#[test]
fn a_terminal_shows_what_was_drawn() {
    let mut stage = Stage::new(SIZE.0, SIZE.1);
    let scripts = ["", "+5", "Down Down", "+3", "s", "j", "Esc", "?", "G", "Esc", "Enter", "Esc", "+2"];
    let bytes = bytes(&mut stage, &scripts);
    let mut terminal = vt100::Parser::new(SIZE.1.try_into().unwrap(), SIZE.0.try_into().unwrap(), 0);
    terminal.process(&bytes);
    let shown: String =
        terminal.screen().rows(0, SIZE.0).map(|row| format!("{}\n", row.trim_end())).collect();
    assert_eq!(shown, stage.text());
}
