//! Everything that comes out of a scene, read as its readers read it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser as _;
use conntop::cli::{Cli, Command};
use conntop::engine::Engine;
use conntop::nodes::Nodes;
use conntop::output::rows::{Query, print};
use conntop::source::{NodeId, SourceEvent};
use conntop::tui::action::{Action, Edit, Effect, Motion};
use conntop::tui::app::{App, Options};
use conntop::tui::bindings::Context;
use conntop::tui::draw::{self, Look};
use conntop_proto::message::ServerMessage;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::entrances::Scene;

/// Texts that are tried as a notice; the others are like them.
const NOTICES: usize = 1;
/// Wide enough for all columns that have texts.
const SIZE: (u16, u16) = (200, 20);
/// All columns that show texts from outside.
const TEXTS: &str =
    "node,process,user,unit,command,src,dst,src_name,dst_name,cc,src_city,dst_city,org,helper,service";

/// Fails if anything hostile comes out.
pub(crate) fn check(scene: &Scene) {
    screens(scene);
    let nodes = nodes(scene);
    for format in ["table", "json", "ndjson", "csv"] {
        let printed = listed(&nodes, format);
        match format {
            "table" => lines(&printed),
            "json" | "ndjson" => json(&printed),
            _ => csv(&printed),
        }
    }
    logged(scene);
}

/// Everything that is shown, as text.
pub(crate) fn everything(scene: &Scene) -> String {
    let mut all: Vec<String> = of_flows(&mut app(scene), scene).iter().map(text).collect();
    all.push(listed(&nodes(scene), "json"));
    all.join("\n")
}

/// A character that no terminal, log or table may get; said again here, for the sanitizer is tried.
fn is_hostile(ch: char) -> bool {
    ch.is_control()
        || matches!(ch,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn harmless(text: &str) {
    if let Some(ch) = text.chars().find(|ch| is_hostile(*ch)) {
        panic!("{ch:?} in {text:?}");
    }
}

fn nodes(scene: &Scene) -> Nodes {
    let mut nodes = Nodes::one(Engine::default(), "replay").with(scene.enricher());
    let now = Instant::now();
    for message in scene.messages() {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                nodes.fail(NodeId(0), error);
                break;
            }
        };
        let applied = match message {
            ServerMessage::Hello(hello) => nodes.apply(NodeId(0), SourceEvent::Connected(hello), now),
            other => nodes.apply_message(NodeId(0), &other, now),
        };
        if let Err(error) = applied {
            nodes.fail(NodeId(0), error.to_string());
            break;
        }
    }
    nodes
}

fn app(scene: &Scene) -> App {
    let columns = conntop::columns::parse_list(TEXTS).unwrap();
    let options =
        Options { source: "replay".into(), columns, names: true, services: true, ..Options::default() };
    App::of(nodes(scene), options, SIZE)
}

fn picture(app: &mut App) -> Buffer {
    app.refresh(Instant::now());
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    draw::draw(app.screen(), Look::default(), area, &mut buffer);
    buffer
}

fn act(app: &mut App, action: Action) -> Vec<Effect> {
    app.update(action, Instant::now())
}

/// Rows, details and what a registry says.
fn of_flows(app: &mut App, scene: &Scene) -> Vec<Buffer> {
    let mut pictures = vec![picture(app)];
    let whois = scene.whois().map(|_| Action::Whois);
    for action in [Action::Move(Motion::Down), Action::Details].into_iter().chain(whois) {
        for effect in act(app, action) {
            if let (Effect::Whois(address), Some(said)) = (effect, scene.whois()) {
                app.whois(address, said);
            }
        }
        app.refresh(Instant::now());
        if app.context() != Context::Flows {
            pictures.push(picture(app));
        }
    }
    pictures
}

/// The same, and what people type and the way to the collector says.
fn pictures(scene: &Scene) -> Vec<Buffer> {
    let mut app = app(scene);
    let mut pictures = of_flows(&mut app, scene);
    while app.context() != Context::Flows {
        act(&mut app, Action::Close);
    }
    act(&mut app, Action::Filter);
    act(&mut app, Action::Edit(Edit::Paste(scene.texts.join(" "))));
    pictures.push(picture(&mut app));
    for action in [Action::Accept, Action::Close, Action::Close] {
        act(&mut app, action);
    }
    for text in scene.texts.iter().take(NOTICES) {
        let stale = SourceEvent::Stale { cause: text.clone(), retry_in: Duration::from_secs(1) };
        app.apply_of(NodeId(0), stale, Instant::now()).unwrap();
        app.report("Notice", text.clone());
        pictures.push(picture(&mut app));
        act(&mut app, Action::Close);
    }
    app.resize(20, 3);
    app.refresh(Instant::now());
    pictures
}

fn text(buffer: &Buffer) -> String {
    let (columns, lines) = (buffer.area.width, buffer.area.height);
    let line = |y: u16| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<Vec<_>>().concat();
    (0..lines).map(|y| format!("{}\n", line(y).trim_end())).collect()
}

/// A terminal that is told of each screen shows it, and is told nothing but to write and to move.
fn screens(scene: &Scene) {
    let mut terminal = vt100::Parser::new(SIZE.1.try_into().unwrap(), SIZE.0.try_into().unwrap(), 0);
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let wire = Wire::default();
    let backend = CrosstermBackend::new(wire.clone());
    let mut out =
        Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(area) }).unwrap();
    for picture in pictures(scene) {
        out.draw(|frame| *frame.buffer_mut() = picture.clone()).unwrap();
        let bytes = wire.take();
        sequences(&bytes);
        // This reader leaves replacement characters out, and all behind them one cell to the left.
        let plain = String::from_utf8(bytes).unwrap().replace('\u{fffd}', "?");
        terminal.process(plain.as_bytes());
        let shown = terminal.screen().rows(0, SIZE.0);
        for (shown, wanted) in shown.zip(text(&picture).lines()) {
            // A wide character takes a second cell, which one calls a blank and the other nothing.
            let squeezed = |line: &str| line.replace(char::is_whitespace, "").replace('\u{fffd}', "?");
            assert_eq!(squeezed(&shown), squeezed(wanted));
        }
    }
}

/// Fails on anything but printable text and the few sequences that drawing uses.
fn sequences(bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(is_hostile) {
        let Some(body) = rest[at..].strip_prefix("\x1b[") else {
            panic!("{:?}", rest[at..].chars().take(20).collect::<String>())
        };
        let end = body.find(|ch: char| ch.is_ascii_alphabetic()).unwrap();
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

/// What `conntop list` prints of it.
fn listed(nodes: &Nodes, format: &str) -> String {
    let cli = Cli::try_parse_from(["conntop", "list", "-o", format, "--columns", TEXTS]).unwrap();
    let Some(Command::List(args)) = &cli.command else { panic!("not list") };
    let query = Query::parse(&cli.common).unwrap();
    let mut out = Vec::new();
    print(nodes, &query, args, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// One flow, one line below the heading, at most.
fn lines(printed: &str) {
    assert!(printed.lines().count() <= 2, "{printed:?}");
    printed.split('\n').for_each(harmless);
}

fn json(printed: &str) {
    let body = printed.strip_suffix('\n').unwrap_or(printed);
    harmless(body);
    if !body.is_empty() {
        every_text(&serde_json::from_str(body).unwrap());
    }
}

fn every_text(value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => harmless(text),
        serde_json::Value::Array(values) => values.iter().for_each(every_text),
        serde_json::Value::Object(values) => {
            values.keys().for_each(|key| harmless(key));
            values.values().for_each(every_text);
        }
        _ => {}
    }
}

fn csv(printed: &str) {
    let records: Vec<&str> = printed.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    assert!(records.len() <= 2, "{printed:?}");
    for record in records {
        harmless(record);
        let mut rest = record;
        let mut fields = Vec::new();
        loop {
            rest = rest.strip_prefix('"').unwrap();
            let mut field = String::new();
            loop {
                let (part, after) = rest.split_once('"').unwrap();
                field.push_str(part);
                rest = after;
                match rest.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "a formula: {field}");
            fields.push(field);
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => break,
            }
        }
        assert_eq!((rest, fields.len()), ("", TEXTS.split(',').count()), "{record}");
    }
}

/// A log says each text on one line.
fn logged(scene: &Scene) {
    for text in &scene.texts {
        let wire = Wire::default();
        let writer = wire.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = %text, "{text}");
        });
        let line = String::from_utf8(wire.take()).unwrap();
        let line = line.strip_suffix('\n').unwrap();
        harmless(line);
    }
}

/// Takes bytes in and gives them out again.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Wire {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
