//! A router that does not exist, for measuring a client with any number of flows:
//! `cargo run --release -p conntop --example router -- SOCKET FLOWS MOVING [PASS]` says what a conntopd
//! would, on a unix socket, to one client after the other. MOVING flows move in each pass, which takes
//! PASS seconds (1); flows that a client looks at move each second.

#![expect(clippy::expect_used, reason = "a tool of ours")]

#[path = "../benches/support/mod.rs"]
mod support;

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use conntop_proto::codec::encode_line;
use conntop_proto::columns::Ids;
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{
    ClientMessage, Clock, KernelFacts, Pass, ServerHello, ServerMessage, TableStats,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse().ok());
    let (Some(path), Some(flows), Some(moving)) = (arguments.first(), number(1), number(2)) else {
        eprintln!("usage: router SOCKET FLOWS MOVING [PASS]");
        return;
    };
    let pass = number(3).unwrap_or(1);
    let listener = UnixListener::bind(path).expect("a free path");
    for stream in listener.incoming() {
        let over = serve(stream.expect("a client"), flows, moving, pass);
        eprintln!("client gone: {over:?}");
    }
}

fn say(stream: &mut UnixStream, messages: &[ServerMessage]) -> io::Result<()> {
    let mut line = Vec::new();
    for message in messages {
        line.clear();
        encode_line(message, &mut line).map_err(io::Error::other)?;
        stream.write_all(&line)?;
    }
    Ok(())
}

fn serve(mut stream: UnixStream, flows: u64, moving: u64, took: u64) -> io::Result<()> {
    say(&mut stream, &[ServerMessage::Hello(Box::new(hello(flows)))])?;
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut String::new())?;
    let focus = listen(reader);
    let stats = TableStats { count: Some(flows), flows, ..TableStats::default() };
    say(&mut stream, &[ServerMessage::Table(stats)])?;
    let begun = Instant::now();
    say(&mut stream, &support::snapshot(flows))?;
    eprintln!("{flows} flows taken in {:?}", begun.elapsed());
    let mut looked_at = Ids::default();
    for second in 2.. {
        // The router's own pace: a second of its life.
        thread::sleep(Duration::from_secs(1));
        looked_at = focus.try_iter().last().unwrap_or(looked_at);
        if second % took == 0 {
            say(&mut stream, &support::updates(second, flows, moving))?;
        } else {
            say(&mut stream, &[reads(second, took, &looked_at)])?;
        }
    }
    Ok(())
}

/// What a client says besides its hello: the flows that it looks at.
fn listen(mut reader: BufReader<UnixStream>) -> Receiver<Ids> {
    let (tell, focus) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Ok(ClientMessage::Focus(focus)) = serde_json::from_str(&line) {
                eprintln!("focus: {} flows", focus.id.len());
                let _gone = tell.send(focus.id);
            }
            line.clear();
        }
    });
    focus
}

/// Flows that are looked at, read between two passes.
fn reads(second: u64, took: u64, ids: &Ids) -> ServerMessage {
    let at = second * 1_000;
    let number = (second / took * took).max(1);
    let started = BootMillis(number * 1_000);
    let pass = Pass { number, started, finished: Some(BootMillis(started.0 + 100)), ..Pass::default() };
    let moved = ids.iter().map(|id| (id, support::traffic(at, 1_000_003 + second * 10_000)));
    let rows = DeltaRows { traffic: moved.collect(), ..DeltaRows::default() };
    let header = DeltaHeader { cursor: second, in_step: true, at: BootMillis(at + 200), pass };
    ServerMessage::Delta(Box::new(rows.into_delta(header)))
}

fn hello(flows: u64) -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "router (made up)".to_owned(),
        name: "nowhere".to_owned(),
        epoch: 1,
        platform: "none".to_owned(),
        features: vec!["focus".to_owned()],
        codecs: Vec::new(),
        interval_ms: 1_000,
        kernel: KernelFacts {
            acct: Some(true),
            tracking: Some(true),
            listening: true,
            max: Some(flows * 2),
            ..KernelFacts::default()
        },
        clock: Clock { boot: BootMillis(1_000), wall_ms: 1_795_262_640_000 },
        sandbox: None,
    }
}
