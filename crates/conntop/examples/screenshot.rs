//! Makes the README's picture out of the recording of an office, by the program's own drawing:
//! `cargo run -p conntop --example screenshot > docs/screenshot.svg`

use std::io::{self, Write};
use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop::source::{Messages, SourceEvent};
use conntop::tui::action::{Action, Motion};
use conntop::tui::app::{App, Options};
use conntop::tui::draw::{self, Look};
use conntop::tui::svg;
use conntop_proto::message::ServerMessage;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const OFFICE: &str = include_str!("../tests/fixtures/office.ndjson");
const SIZE: (u16, u16) = (120, 30);

fn main() -> io::Result<()> {
    io::stdout().lock().write_all(picture()?.as_bytes())
}

/// The picture.
pub(crate) fn picture() -> io::Result<String> {
    let options = Options { source: "conntrack".into(), ..Options::default() };
    let mut app = App::new(Engine::default(), options, SIZE);
    let mut now = Instant::now();
    for line in OFFICE.lines() {
        let message: ServerMessage = serde_json::from_str(line)?;
        let event = match message {
            ServerMessage::Hello(hello) => SourceEvent::Connected(hello),
            other => {
                if matches!(other, ServerMessage::Delta(_)) {
                    now += Duration::from_secs(1);
                }
                SourceEvent::Messages(Messages::new([other]))
            }
        };
        app.apply(event, now).map_err(io::Error::other)?;
    }
    app.refresh(now);
    for _ in 0..5 {
        app.update(Action::Move(Motion::Down), now);
    }
    app.refresh(now);
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    draw::draw(app.screen(), Look::default(), area, &mut buffer);
    Ok(svg::render(&buffer))
}
