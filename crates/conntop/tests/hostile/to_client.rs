//! A bad server beside a good one, both with a conntop's client.

use std::path::Path;
use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop::mirror::Limits;
use conntop::source::{RemoteConfig, Security, Source, SourceEnd, SourceEvent, Target, remote};
use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Subscribe};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::script::{Script, Side};
use super::{Clock, GOES_ON, Verdict, act, listen, measured};

/// A server that is still heard after that long is borne.
const LONG: Duration = Duration::from_secs(25);
/// How often the good server shows that it lives.
const PING_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(script: &Script) -> Verdict {
    let directory = tempfile::tempdir().unwrap();
    let (said, allocated) = measured(Clock::Jumps, async || beside(directory.path(), script).await);
    // zstd allocates in C, unseen, and the same for whatever it decompresses.
    let context = if script.zstd { zstd::zstd_safe::DCtx::create().sizeof() as u64 } else { 0 };
    Verdict { said, allocated: allocated + context }
}

fn connect(path: &Path, codec: Codec) -> Source {
    remote(RemoteConfig {
        target: Target::Unix(path.to_owned()),
        name: "me".into(),
        subscribe: Subscribe::default(),
        codec,
        validate: Validate::Control,
        security: Security::default(),
    })
}

async fn beside(directory: &Path, script: &Script) -> String {
    let path = directory.join("good");
    let listener = UnixListener::bind(&path).unwrap();
    let mut good = connect(&path, Codec::None);
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let hello = tokio::sync::Notify::new();
    let begin = Script::new(Side::Server, "⟨hello⟩⟨reset⟩⟨delta 5⟩{\"synced\":{\"cursor\":5}}⏎");
    let mut engine = Engine::new(Limits::default());
    tokio::select! {
        () = act(&begin, &mut write, &hello) => {}
        _ = listen(read, "", |_| hello.notify_one()) => panic!("the client of the good server has gone"),
        () = until(&mut good, &mut engine, 5) => {}
    }
    let path = directory.join("bad");
    let alive = async {
        let mut ticks = tokio::time::interval(PING_EVERY);
        loop {
            ticks.tick().await;
            write.write_all(b"{\"ping\":{\"nonce\":1}}\n").await.unwrap();
        }
    };
    let said = tokio::select! {
        said = bad(&path, script) => said,
        () = alive => unreachable!("it lives for ever"),
    };
    let more = Script::new(Side::Server, "⟨delta 6⟩");
    tokio::select! {
        () = act(&more, &mut write, &hello) => {}
        () = until(&mut good, &mut engine, 6) => {}
    }
    assert_eq!(engine.mirror().len(), 1, "flows of the good server");
    said
}

async fn until(source: &mut Source, engine: &mut Engine, cursor: u64) {
    while engine.mirror().position().cursor < cursor {
        let event = source.next().await.expect("the good server's source lives");
        assert!(!matches!(event, SourceEvent::Stale { .. } | SourceEvent::Ended(_)), "{event:?}");
        engine.apply(event, Instant::now()).unwrap();
    }
}

/// What conntop says of the server that follows the script.
async fn bad(path: &Path, script: &Script) -> String {
    let listener = UnixListener::bind(path).unwrap();
    let mut source = connect(path, if script.zstd { Codec::Zstd } else { Codec::None });
    let (stream, _) = listener.accept().await.unwrap();
    let serving = async {
        serve(stream, script).await;
        std::future::pending::<()>().await;
    };
    let mut engine = Engine::new(Limits::default());
    let told = async {
        loop {
            match source.next().await.expect("an end is told") {
                SourceEvent::Stale { cause, .. } => return cause,
                SourceEvent::Ended(SourceEnd::Failed(error)) => return error.text,
                // A front end gives up when its mirror does.
                event => engine.apply(event, Instant::now()).unwrap(),
            }
        }
    };
    tokio::select! {
        told = timeout(LONG, told) => told.unwrap_or_else(|_| GOES_ON.to_owned()),
        () = serving => unreachable!("it serves for ever"),
    }
}

async fn serve(stream: UnixStream, script: &Script) {
    let (read, mut write) = stream.into_split();
    let hello = tokio::sync::Notify::new();
    tokio::join!(act(script, &mut write, &hello), listen(read, "", |_| hello.notify_one()));
}
