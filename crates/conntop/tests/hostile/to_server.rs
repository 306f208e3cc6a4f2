//! A bad client beside a good one, at conntopd's server.

use std::time::Duration;

use conntop_proto::codec::encode_line;
use conntop_proto::message::{ClientMessage, ServerMessage, Synced};
use tokio::net::UnixStream;

use super::bench::{Bench, serving};
use super::client::{Client, HELLO};
use super::script::Script;
use super::{Clock, GOES_ON, Verdict, act, listen, measured};

/// A client that is still served after that long is borne: longer than any limit of the protocol.
const LONG: Duration = Duration::from_secs(25);
/// Said at the end by a client that was borne.
pub(super) const QUESTION: &[u8] = b"{\"ping\":{\"nonce\":987654321}}\n";
pub(super) const ANSWER: &str = "{\"pong\":{\"nonce\":987654321}}";

pub(crate) fn run(script: &Script) -> Verdict {
    let (said, allocated) =
        measured(Clock::Jumps, async || serving(4, async |bench| beside(bench, script).await).await);
    Verdict { said, allocated }
}

async fn beside(bench: &Bench, script: &Script) -> String {
    let mut good = bench.connect_unix().await;
    good.hello(HELLO).await;
    told(bench, &mut good, 1).await;
    let said = tokio::select! {
        said = bad(bench, script) => said,
        () = live(&mut good, None) => unreachable!("a good client lives for ever"),
    };
    told(bench, &mut good, 2).await;
    said
}

/// The good client gets what there is next.
pub(super) async fn told(bench: &Bench, good: &mut Client, cursor: u64) {
    bench.feed.push([ServerMessage::Synced(Synced { cursor })]);
    live(good, Some(cursor)).await;
}

/// Answers pings, until it gets this message.
pub(super) async fn live(good: &mut Client, until: Option<u64>) {
    loop {
        match good.next().await {
            ServerMessage::Synced(synced) if Some(synced.cursor) == until => return,
            ServerMessage::Ping(ping) => {
                let mut line = Vec::new();
                encode_line(&ClientMessage::Pong(ping), &mut line).unwrap();
                good.send_bytes(&line).await;
            }
            ServerMessage::Synced(_) => {}
            other => panic!("the good client gets {other:?}"),
        }
    }
}

/// What the server says at last to the one that follows the script.
async fn bad(bench: &Bench, script: &Script) -> String {
    let (read, write) = UnixStream::connect(&bench.path).await.unwrap().into_split();
    let hello = tokio::sync::Notify::new();
    let acting = async {
        let mut write = write;
        let _not_all_was_taken = tokio::time::timeout(LONG, act(script, &mut write, &hello)).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, QUESTION).await;
        std::future::pending::<()>().await;
    };

    let last = tokio::select! {
        last = listen(read, ANSWER, |_| {}) => last,
        () = acting => unreachable!("it acts for ever"),
    };
    let last = String::from_utf8_lossy(&last).into_owned();
    if last.contains(ANSWER) { GOES_ON.to_owned() } else { bye(&last) }
}

/// The bye at the end, as its reason and its text.
pub(super) fn bye(last: &str) -> String {
    let line = last.lines().last().unwrap_or_default();
    match serde_json::from_str(line) {
        Ok(ServerMessage::Bye(bye)) => format!("{:?}: {}", bye.reason, bye.text),
        _ => format!("closed after {line:.200}"),
    }
}
