//! The server over real sockets, fed by hand: port 0, no kernel tables, no sleeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "server/bench.rs"]
mod bench;
#[path = "server/client.rs"]
mod client;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Instant;

use bench::{Source, hello, ping, serving};
use client::{Client, HELLO, ZSTD_HELLO};
use conntop_proto::codec::{self, Validate};
use conntop_proto::message::{ByeReason, Codec, ServerMessage};
use conntopd::args::{Listen, Need};
use conntopd::server::admission::{
    self, Admission, GREETING_EARLY, GREETING_MAX, GREETING_PER_SOURCE, OWN_SUBSCRIPTIONS,
};
use conntopd::server::listen::{self, ListenError};

#[tokio::test]
async fn a_client_gets_the_hello_and_then_what_there_is() {
    serving(4, async |bench| {
        bench.feed.push([ping(1), ping(2)]);
        let mut client = bench.connect().await;
        client.send(HELLO).await;
        assert_eq!(client.next().await, ping(1));
        assert_eq!(client.next().await, ping(2));
        bench.feed.push([ping(3)]);
        assert_eq!(client.next().await, ping(3));
    })
    .await;
}

#[tokio::test]
async fn all_clients_get_the_same_in_either_codec() {
    serving(64, async |bench| {
        let mut clients = Vec::new();
        for i in 0..20 {
            let mut client = if i % 3 == 0 { bench.connect_unix().await } else { bench.connect().await };
            client.hello(if i % 2 == 0 { HELLO } else { ZSTD_HELLO }).await;
            clients.push(client);
        }
        let expected: Vec<_> = (0..50).map(ping).collect();
        for messages in expected.chunks(7) {
            bench.feed.push(messages.iter().cloned());
        }
        for (i, client) in clients.iter_mut().enumerate() {
            let mut got = Vec::new();
            while got.len() < expected.len() {
                got.push(client.next().await);
            }
            assert_eq!(got, expected, "client {i}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_delays_nobody_and_holds_one_frame() {
    serving(4, async |bench| {
        let mut slow = bench.connect().await;
        slow.send(HELLO).await;
        bench.feed.subscribed(1).await;
        let mut quick = bench.connect().await;
        quick.send(HELLO).await;
        const FRAMES: usize = 200;
        bench.feed.push_big(FRAMES);
        for _ in 0..FRAMES {
            quick.next().await;
        }
        let taken = bench.feed.taken(0);
        assert!(taken < FRAMES / 2, "the slow reader's frames were made all the same: {taken}");
        // Late, but complete.
        for _ in 0..FRAMES {
            slow.next().await;
        }
    })
    .await;
}

#[tokio::test]
async fn everybody_hears_of_the_shutdown() {
    let path = serving(8, async |bench| {
        let mut clients = [
            bench.connect().await,
            bench.connect().await,
            bench.connect_unix().await,
            bench.connect_unix().await,
        ];
        clients[0].hello(HELLO).await;
        clients[2].hello(ZSTD_HELLO).await;
        bench.feed.subscribed(2).await;
        bench.stop();
        for client in &mut clients {
            assert_eq!(client.bye().await.0, ByeReason::Shutdown);
        }
        bench.path.clone()
    })
    .await;
    assert!(!path.exists(), "the socket's file is gone");
}

#[tokio::test]
async fn bad_bytes_get_a_bye_that_names_them() {
    let long = format!(r#"{{"ping":{{"nonce":{}1}}}}"#, " ".repeat(1 << 20));
    let bomb = "[".repeat(1 << 20);
    let cases: &[(&str, &[u8], ByeReason)] = &[
        ("not JSON", b"GET / HTTP/1.1\r\n\r\n", ByeReason::Protocol),
        ("zero bytes", &[0; 100], ByeReason::Protocol),
        ("unknown message", b"{\"terminate\":{}}\n", ByeReason::Protocol),
        ("a bomb", bomb.as_bytes(), ByeReason::Protocol),
        ("a long line", long.as_bytes(), ByeReason::Protocol),
    ];
    serving(4, async |bench| {
        for (name, bytes, reason) in cases {
            let mut client = bench.connect().await;
            client.send(HELLO).await;
            client.send_bytes(bytes).await;
            let bye = client.bye().await;
            assert_eq!(bye.0, *reason, "{name}: {bye:?}");
            client.closed().await;
        }
        let mut client = bench.connect().await;
        client.send_bytes(bomb.as_bytes()).await;
        assert_eq!(client.bye().await.0, ByeReason::Limit, "a bomb instead of a hello");
    })
    .await;
}

#[tokio::test]
async fn versions_that_do_not_fit_say_which_side_to_upgrade() {
    serving(4, async |bench| {
        let mut client = bench.connect().await;
        client.send(r#"{"hello":{"protocol":9,"client":"a","name":"b","telepathy":true}}"#).await;
        let (reason, text) = client.bye().await;
        assert_eq!(reason, ByeReason::Version);
        assert!(text.contains("upgrade this server"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn connections_without_hello_are_few_per_source() {
    serving(64, async |bench| {
        let mut waiting = Vec::new();
        for _ in 0..GREETING_PER_SOURCE {
            waiting.push(bench.connect().await);
        }
        let mut refused = bench.dial(Source::Tcp(Ipv4Addr::LOCALHOST)).await;
        let (reason, text) = refused.bye().await;
        assert_eq!(reason, ByeReason::Limit, "{text}");
        refused.closed().await;
        // Other sources and the unix socket are not concerned, nor is a source that has said hello.
        bench.connect_from(Ipv4Addr::new(127, 0, 0, 2)).await.hello(HELLO).await;
        bench.connect_unix().await.hello(HELLO).await;
        waiting[0].hello(HELLO).await;
        bench.feed.subscribed(3).await;
        bench.connect().await;
    })
    .await;
}

/// Only root can become somebody else to try it.
#[tokio::test]
async fn other_users_of_the_machine_are_told_whom_to_ask() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    serving(4, async |bench| {
        let script = format!("cat </dev/tcp/127.0.0.1/{}", bench.address.port());
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).uid(NOBODY).gid(NOBODY);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let message = codec::decode_line(said.as_bytes(), Validate::All);
        let Ok(ServerMessage::Bye(bye)) = message else { panic!("{said}") };
        assert_eq!(bye.reason, ByeReason::Auth, "{said}");
        for part in ["user 65534", "usermod -aG conntop"] {
            assert!(bye.text.contains(part), "{said}");
        }
        bench.connect().await.hello(HELLO).await;
    })
    .await;
}

#[tokio::test]
async fn slots_are_kept_for_the_unix_socket() {
    serving(3, async |bench| {
        let _first = bench.connect().await;
        let _second = bench.connect().await;
        let mut third = bench.dial(Source::Tcp(Ipv4Addr::LOCALHOST)).await;
        assert_eq!(third.bye().await.0, ByeReason::Limit);
        let local = bench.connect_unix().await;
        let mut fourth = bench.dial(Source::Unix).await;
        assert_eq!(fourth.bye().await.0, ByeReason::Limit);
        drop(local);
        bench.until_connected(Source::Unix).await;
    })
    .await;
}

#[tokio::test]
async fn subscriptions_of_ones_own_are_limited() {
    let own = hello(r#","subscribe":{"filter":{"protos":[6]}}"#);
    serving(OWN_SUBSCRIPTIONS + 8, async |bench| {
        let mut clients = Vec::new();
        for n in 1..=OWN_SUBSCRIPTIONS {
            let mut client = bench.connect().await;
            client.send(&own).await;
            bench.feed.subscribed(n).await;
            clients.push(client);
        }
        let mut refused = bench.connect().await;
        refused.send(&own).await;
        assert_eq!(refused.bye().await.0, ByeReason::Limit);
        // Giving up the filter makes room.
        clients[0].send(r#"{"subscribe":{}}"#).await;
        bench.feed.updated(1).await;
        let mut accepted = bench.connect().await;
        accepted.send(&own).await;
        bench.feed.subscribed(OWN_SUBSCRIPTIONS + 1).await;
    })
    .await;
}

#[tokio::test]
async fn requests_reach_the_subscription() {
    serving(4, async |bench| {
        let mut client = bench.connect().await;
        client.send(HELLO).await;
        client.send(r#"{"pause":{"on":true}}"#).await;
        client.send(r#"{"subscribe":{"interval_ms":5000}}"#).await;
        bench.feed.updated(1).await;
        assert_eq!(bench.feed.log(), ["subscribe", "pause true", "update Some(5000)"]);
        client.send(r#"{"subscribe":{"filter":{"nets":["bad"]}}}"#).await;
        let (reason, text) = client.bye().await;
        assert_eq!((reason, text.as_str()), (ByeReason::Protocol, "bad is no network"));
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_feed_is_told() {
    serving(4, async |bench| {
        let mut client = bench.connect().await;
        client.hello(HELLO).await;
        bench.feed.end();
        assert_eq!(client.bye().await.0, ByeReason::Internal);
    })
    .await;
}

#[tokio::test]
async fn the_codec_switches_after_the_clients_hello() {
    serving(4, async |bench| {
        bench.feed.push([ping(1)]);
        let mut client = Client::tcp(bench.address, Ipv4Addr::LOCALHOST).await;
        match client.next().await {
            ServerMessage::Hello(hello) => assert_eq!(hello.codecs, [Codec::Zstd]),
            other => panic!("{other:?}"),
        }
        client.hello(ZSTD_HELLO).await;
        assert_eq!(client.next().await, ping(1));
    })
    .await;
}

/// A flood from everywhere at once: some always get in, never more than the limit.
#[test]
fn a_flood_of_greetings_is_thinned_and_then_stopped() {
    let (mut admission, now) = (Admission::new(10_000, 0), Instant::now());
    let source = |n: u32| admission::Source::Tcp(Ipv4Addr::from_bits(0x0a00_0000 + n).into());
    let admitted: Vec<_> = (0..9000).map(source).filter(|s| admission.connect(*s, now).is_ok()).collect();
    assert!((GREETING_EARLY..=GREETING_MAX).contains(&admitted.len()), "{} admitted", admitted.len());
    assert_eq!(admission.connect(admission::Source::Unix, now), Ok(()), "unix peers are not concerned");
    admitted.iter().for_each(|source| admission.greeted(*source));
    assert!((0..32).map(source).all(|source| admission.connect(source, now).is_ok()), "{admission:?}");
}

fn listen_on(address: &str) -> Listen {
    Listen { address: address.parse().unwrap(), need: Need::Required }
}

#[tokio::test]
async fn a_taken_port_names_its_holder() {
    let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = first.local_addr().unwrap();
    let error = listen::tcp(&[listen_on(&address.to_string())]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ListenError::Taken { .. }), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    assert!(text.contains("--port"), "{text}");
}

#[tokio::test]
async fn only_a_socket_that_nobody_answers_on_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    // Dropping a standard listener leaves its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = listen::unix(&path).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660, "mode {mode:o}");

    assert!(matches!(listen::unix(&path).await, Err(ListenError::Answers(_))));
    drop(socket);
    assert!(!path.exists(), "the file goes with the socket");

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(listen::unix(&path).await, Err(ListenError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert!(matches!(
        listen::unix(&directory.path().join("none/socket")).await,
        Err(ListenError::Unix { .. })
    ));
}

#[tokio::test]
async fn a_socket_that_somebody_else_put_there_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = listen::unix(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(socket);
    assert!(path.exists());
}
