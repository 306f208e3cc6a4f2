//! Bad input over real sockets, in both directions: `hostile/client.tsv` is what clients say to conntopd's
//! server, `hostile/tls.tsv` what strangers say to a port that wants TLS and a token, `hostile/server.tsv`
//! what servers say to conntop's client, and the lines of the decoder's own test go both ways too. Each is
//! refused by name or, where that is right, borne; takes at most 1 MiB; and a well-behaved client or server
//! beside it gets its next message.
//!
//! Memory is what Rust allocates at most at any time, in both ends and in the test, beyond what the same
//! takes with a good peer; for a client with compression also zstd's own context, which is made in C.
//! (The server has one context for all clients, for it only compresses.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "tests fail by panics"
)]

#[path = "../../conntopd/tests/server/bench.rs"]
mod bench;
#[path = "../../conntopd/tests/server/client.rs"]
mod client;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "hostile/script.rs"]
mod script;
#[path = "tls/bench.rs"]
mod tls_bench;
#[path = "hostile/to_client.rs"]
mod to_client;
#[path = "hostile/to_server.rs"]
mod to_server;
#[path = "hostile/to_tls.rs"]
mod to_tls;

use std::time::Duration;

use allocation_counter::measure;
use script::{Act, Script, Side};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a bad peer may make us allocate.
const MEMORY: u64 = 1 << 20;
/// Where a connection is not to end.
const GOES_ON: &str = "goes on";

/// One line of a data file.
struct Case<S> {
    name: String,
    script: S,
    expected: String,
}

/// How a case went.
struct Verdict {
    /// The error as the peer or the person is told it, or [`GOES_ON`].
    said: String,
    allocated: u64,
}

fn cases<S>(text: &str, read: impl Fn(&str) -> S) -> Vec<Case<S>> {
    let mut group = String::new();
    let mut cases = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            name.clone_into(&mut group);
            continue;
        }
        let columns: Vec<_> = line.split('\t').collect();
        let [name, script, expected] = columns[..] else { panic!("not three columns: {line}") };
        let (name, script) = (format!("{group}: {name}"), read(script));
        cases.push(Case { name, script, expected: expected.to_owned() });
    }
    cases
}

/// The lines of the decoder's test, each after a hello.
fn lines(side: Side) -> Vec<Case<Script>> {
    let whose = if side == Side::Client { "client" } else { "server" };
    let text = include_str!("../../conntop-proto/tests/data/hostile.tsv");
    let entries = text.lines().filter(|line| !line.starts_with("# ")).map(|line| line.split('\t').collect());
    let entries = entries.filter(|entry: &Vec<_>| entry[0] == whose);
    let case = |entry: Vec<&str>| Case {
        name: format!("line: {:.60}", entry[1]),
        script: Script::new(side, &format!("⟨hello⟩{}⏎", entry[1])),
        // A bye has a text of 255 bytes.
        expected: entry[2].chars().take(150).collect(),
    };
    entries.map(case).collect()
}

fn check<S>(good: &S, cases: &[Case<S>], run: impl Fn(&S) -> Verdict) -> usize {
    // What is made once stays out of the measure, and so does what a good peer takes.
    run(good);
    let base = run(good);
    assert_eq!(base.said, GOES_ON, "with a good peer");
    let (mut wrong, mut most) = (Vec::new(), (0, ""));
    for case in cases {
        let verdict = run(&case.script);
        let grown = verdict.allocated.saturating_sub(base.allocated);
        if !verdict.said.contains(&case.expected) {
            wrong.push(format!("{}\t{}\n  not: {}", case.name, verdict.said, case.expected));
        }
        if grown > MEMORY {
            wrong.push(format!("{}: {grown} bytes are allocated", case.name));
        }
        most = most.max((grown, &case.name));
    }
    println!("{} cases; at most {} bytes beyond {} ({})", cases.len(), most.0, base.allocated, most.1);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    cases.len()
}

#[test]
fn bad_input_is_refused_by_name_and_harms_nobody_else() {
    let hello = |side| Script::new(side, "⟨hello⟩");
    let mut clients = cases(include_str!("hostile/client.tsv"), |script| Script::new(Side::Client, script));
    clients.extend(lines(Side::Client));
    let mut servers = cases(include_str!("hostile/server.tsv"), |script| Script::new(Side::Server, script));
    servers.extend(lines(Side::Server));
    let count = check(&hello(Side::Client), &clients, to_server::run)
        + check(&hello(Side::Server), &servers, to_client::run);
    assert!(count >= 200, "only {count} bad inputs");
}

#[test]
fn strangers_at_a_port_with_tls_harm_nobody() {
    let strangers = cases(include_str!("hostile/tls.tsv"), str::to_owned);
    let secrets = to_tls::Secrets::new();
    let count = check(&to_tls::GOOD.to_owned(), &strangers, |script| to_tls::run(&secrets, script));
    assert!(count >= 40, "only {count} bad inputs");
}

/// What time does while everybody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// It jumps to the next deadline.
    Jumps,
    /// It goes on, as bytes may still be on their way.
    Goes,
}

/// Runs on this thread, which is measured.
fn measured<T>(clock: Clock, run: impl AsyncFnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let info = measure(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(clock == Clock::Jumps).build().unwrap();
        result = Some(runtime.block_on(run()));
    });
    (result.unwrap(), info.bytes_max)
}

/// Does what the script says, as far as the other side listens, and waits for ever if it listens to all.
async fn act(script: &Script, mut write: impl AsyncWrite + Unpin, hello: &tokio::sync::Notify) {
    if perform(script, &mut write, hello).await {
        // The other direction stays open.
        std::future::pending().await
    }
}

/// Does what the script says; whether the other side took it all.
async fn perform(script: &Script, mut write: impl AsyncWrite + Unpin, hello: &tokio::sync::Notify) -> bool {
    for act in &script.acts {
        match act {
            Act::Send(bytes) => {
                if write.write_all(bytes).await.is_err() || write.flush().await.is_err() {
                    return false;
                }
            }
            // The clock goes on only when nobody has anything to do.
            Act::Pause => tokio::time::sleep(Duration::from_millis(1)).await,
            Act::Await => hello.notified().await,
            Act::End => drop(write.shutdown().await),
        }
    }
    true
}

/// Reads until the other side closes, or until what it said contains `until`; keeps the end of it.
async fn listen(mut read: impl AsyncRead + Unpin, until: &str, mut seen: impl FnMut(&[u8])) -> Vec<u8> {
    const KEPT: usize = 2048;
    let mut kept: Vec<u8> = Vec::with_capacity(4 * KEPT);
    let mut buffer = [0; KEPT];
    loop {
        match read.read(&mut buffer).await {
            Ok(0) | Err(_) => return kept,
            Ok(n) => {
                seen(&buffer[..n]);
                kept.drain(..kept.len().saturating_sub(KEPT));
                kept.extend_from_slice(&buffer[..n]);
                if !until.is_empty() && String::from_utf8_lossy(&kept).contains(until) {
                    return kept;
                }
            }
        }
    }
}
