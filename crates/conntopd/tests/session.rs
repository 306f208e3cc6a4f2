//! The session machine by bytes, with the time as an argument: no sockets, no waiting.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
use std::time::{Duration, Instant};

use bytes::Bytes;
use conntop_proto::message::{ByeReason, Clock, Codec, KernelFacts, ServerHello, ServerMessage, Subscribe};
use conntopd::session::{
    CONTROL_BYTES, DEAD_AFTER, End, HELLO_BYTES, HELLO_TIME, PING_EVERY, Request, STALLED_AFTER, Session,
};

const HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"me"}}"#;
const ZSTD_HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"me","codec":"zstd"}}"#;

fn server_hello() -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "conntopd test".into(),
        name: "router".into(),
        epoch: 7,
        platform: "Linux".into(),
        features: vec![],
        codecs: vec![Codec::Zstd],
        interval_ms: 1000,
        kernel: KernelFacts::default(),
        clock: Clock::default(),
        sandbox: None,
    }
}

/// A session and its clock.
struct Bench {
    session: Session,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { session: Session::new(now, &server_hello()), now }
    }

    /// After the handshake, with the hello written.
    fn streaming() -> Self {
        let mut bench = Self::new();
        bench.drain();
        assert!(matches!(bench.line(HELLO)[..], [Request::Start(_)]));
        bench
    }

    fn line(&mut self, line: &str) -> Vec<Request> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Vec<Request> {
        self.session.receive(self.now, bytes)
    }

    /// Lets time pass as a caller does: ticks at every deadline on the way.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.session.deadline() <= until && !self.session.is_done() {
            self.now = self.now.max(self.session.deadline());
            self.session.tick(self.now);
        }
        self.now = until;
    }

    /// Writes everything and returns it.
    fn drain(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        while self.session.has_output() {
            let n = self.session.output().len();
            written.extend_from_slice(self.session.output());
            self.session.written(self.now, n);
        }
        written
    }

    fn drain_lines(&mut self) -> Vec<ServerMessage> {
        let bytes = self.drain();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bye that must be the last thing written.
    fn bye(&mut self) -> (ByeReason, String) {
        match self.drain_lines().pop() {
            Some(ServerMessage::Bye(bye)) => (bye.reason, bye.text),
            other => panic!("no bye at the end but {other:?}"),
        }
    }
}

#[test]
fn the_server_speaks_first_and_the_first_line_subscribes() {
    let mut bench = Bench::new();
    let hello = bench.drain_lines();
    assert_eq!(hello, [ServerMessage::Hello(Box::new(server_hello()))]);
    assert!(!bench.session.wants_frame(), "no frames before the handshake");
    match &bench.line(HELLO)[..] {
        [Request::Start(hello)] => assert_eq!(hello.name, "me"),
        other => panic!("{other:?}"),
    }
    assert!(bench.session.wants_frame());
}

#[test]
fn input_may_come_in_any_pieces() {
    let script = format!(
        "{HELLO}\n{}\n{}\n{}\n",
        r#"{"pause":{"on":true}}"#, r#"{"ping":{"nonce":5}}"#, r#"{"subscribe":{"interval_ms":2000}}"#
    );
    for size in [1, 2, 3, 7, 64, script.len()] {
        let mut bench = Bench::new();
        bench.drain();
        let mut requests = Vec::new();
        for piece in script.as_bytes().chunks(size) {
            requests.extend(bench.bytes(piece));
        }
        let expected = [
            Request::Pause(true),
            Request::Update(Subscribe { interval_ms: Some(2000), ..Subscribe::default() }),
        ];
        assert_eq!(requests[1..], expected, "in pieces of {size}");
        let pong: ServerMessage = serde_json::from_str(r#"{"pong":{"nonce":5}}"#).unwrap();
        assert_eq!(bench.drain_lines(), [pong], "in pieces of {size}");
    }
}

/// What a client may not say first, and the bye that it gets.
#[test]
fn bad_first_lines_are_named() {
    let cases: &[(&str, ByeReason, &str)] = &[
        ("GET / HTTP/1.1", ByeReason::Protocol, ""),
        ("", ByeReason::Protocol, ""),
        (r#"{"ping":{"nonce":1}}"#, ByeReason::Protocol, "hello"),
        (r#"{"hello":{"protocol":1}}"#, ByeReason::Protocol, "client"),
        (r#"{"hello":{"protocol":1,"client":"a","client":"b","name":"c"}}"#, ByeReason::Protocol, "client"),
        (r#"{"hello":{"protocol":1,"client":"a","name":"c","colour":1}}"#, ByeReason::Protocol, "colour"),
        (r#"{"hello":{"protocol":2,"news":[],"client":"a"}}"#, ByeReason::Version, "upgrade this server"),
        (r#"{"hello":{"protocol":0,"client":"a"}}"#, ByeReason::Version, "upgrade the client"),
        (r#"{"bye":{"reason":"shutdown","text":""}}"#, ByeReason::Protocol, "hello"),
        ("\u{0}\u{1}\u{ff}", ByeReason::Protocol, ""),
    ];
    for (line, reason, text) in cases {
        let mut bench = Bench::new();
        let requests = bench.line(line);
        assert_eq!(requests, [], "{line:?}");
        let bye = bench.bye();
        assert_eq!(bye.0, *reason, "{line:?}: {bye:?}");
        assert!(bye.1.contains(text), "{line:?}: {bye:?}");
        assert!(bench.session.is_done(), "{line:?}");
    }
}

#[test]
fn a_newer_client_reads_its_bye_in_the_codec_it_chose() {
    let mut bench = Bench::new();
    bench.drain();
    bench.line(r#"{"hello":{"protocol":2,"client":"a","name":"b","codec":"zstd","news":1}}"#);
    let bytes = bench.drain();
    assert_eq!(bytes.first(), Some(&0), "a length comes first: {bytes:?}");
}

#[test]
fn the_hello_is_bounded_in_bytes_and_time() {
    let mut bench = Bench::new();
    bench.bytes(&vec![b'['; HELLO_BYTES]);
    assert!(bench.session.end().is_none());
    bench.bytes(b"[");
    assert_eq!(bench.bye().0, ByeReason::Limit);

    let mut bench = Bench::new();
    bench.drain();
    for _ in 0..49 {
        bench.wait(HELLO_TIME / 50);
        bench.bytes(b" ");
        assert!(bench.session.end().is_none());
    }
    bench.wait(HELLO_TIME / 50);
    assert_eq!(bench.bye().0, ByeReason::Timeout);
}

/// What a client may not say later, and what the bye names.
#[test]
fn bad_messages_are_named() {
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let long = format!(r#"{{"ping":{{"nonce":{}}}}}"#, " ".repeat(70_000));
    let cases: &[(&str, &str)] = &[
        (HELLO, "twice"),
        (r#"{"delta":{}}"#, "delta"),
        (r#"{"pause":{"on":1}}"#, ""),
        (r#"{"pause":{"on":true,"off":1}}"#, "off"),
        (r#"{"ping":{"nonce":-1}}"#, ""),
        (&deep, ""),
        (&long, ""),
    ];
    for (line, text) in cases {
        let mut bench = Bench::streaming();
        assert_eq!(bench.line(line), [], "{line:.40}");
        let bye = bench.bye();
        assert!(matches!(bye.0, ByeReason::Protocol | ByeReason::Limit), "{line:.40}: {bye:?}");
        assert!(bye.1.contains(text), "{line:.40}: {bye:?}");
        assert!(bye.1.len() <= 255);
    }
}

#[test]
fn what_follows_a_bad_message_is_not_read() {
    let mut bench = Bench::streaming();
    assert_eq!(bench.bytes(b"nonsense\n{\"pause\":{\"on\":true}}\n"), []);
    assert!(!bench.session.wants_input());
}

#[test]
fn a_client_that_answers_lives_and_a_silent_one_dies() {
    let mut bench = Bench::streaming();
    for round in 1..=20 {
        bench.wait(PING_EVERY);
        let pings = bench.drain_lines();
        let nonce = match pings[..] {
            [ServerMessage::Ping(ping)] => ping.nonce,
            _ => panic!("round {round}: {pings:?}"),
        };
        bench.line(&format!(r#"{{"pong":{{"nonce":{nonce}}}}}"#));
    }
    bench.wait(DEAD_AFTER / 2);
    bench.drain();
    bench.wait(DEAD_AFTER / 2 - Duration::from_millis(1));
    bench.drain();
    assert!(bench.session.end().is_none());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.bye().0, ByeReason::Timeout);
}

#[test]
fn a_reader_without_progress_is_slow_not_dead() {
    let mut bench = Bench::streaming();
    bench.wait(PING_EVERY / 2);
    bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
    bench.session.written(bench.now, 2);
    bench.wait(STALLED_AFTER - Duration::from_millis(1));
    assert!(bench.session.end().is_none());
    bench.wait(Duration::from_millis(1));
    match bench.session.end() {
        Some(End::Server(bye)) => assert_eq!(bye.reason, ByeReason::Slow),
        other => panic!("{other:?}"),
    }
    let rest = String::from_utf8(bench.drain()).unwrap();
    let mut lines = rest.lines();
    assert_eq!(lines.next(), Some("ame"), "the torn frame is finished first");
    assert!(lines.any(|line| line.contains("slow")));
}

#[test]
fn a_reader_with_little_progress_is_kept() {
    let mut bench = Bench::streaming();
    bench.session.offer(bench.now, Bytes::from(vec![b'x'; 100]));
    for _ in 0..10 {
        bench.wait(STALLED_AFTER / 2);
        bench.session.written(bench.now, 1);
    }
    assert!(bench.session.end().is_none());
}

/// Its pongs come when it has read what lies in the socket before the pings, which takes longer than
/// silence may last.
#[test]
fn a_reader_that_is_far_behind_lives_while_it_reads() {
    let mut bench = Bench::streaming();
    for _ in 0..10 {
        bench.drain();
        bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
        bench.session.blocked();
        bench.wait(DEAD_AFTER - Duration::from_millis(1));
        bench.drain();
        bench.wait(DEAD_AFTER / 2);
        assert!(bench.session.end().is_none());
    }
    // What the socket takes at once proves nothing.
    bench.wait(DEAD_AFTER / 2 - Duration::from_millis(1));
    bench.drain();
    assert!(bench.session.end().is_none());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.bye().0, ByeReason::Timeout);
}

#[test]
fn control_messages_wait_for_the_end_of_a_frame() {
    let mut bench = Bench::streaming();
    bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
    bench.line(r#"{"ping":{"nonce":1}}"#);
    let pong = bench.drain();
    assert_eq!(pong, b"{\"pong\":{\"nonce\":1}}\nframe\n", "before a frame not begun");

    bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
    bench.session.written(bench.now, 1);
    bench.line(r#"{"ping":{"nonce":2}}"#);
    assert_eq!(bench.drain(), b"rame\n{\"pong\":{\"nonce\":2}}\n", "after a frame begun");
}

#[test]
fn a_flood_of_pings_that_nobody_reads_stops_the_reading() {
    let mut bench = Bench::streaming();
    let pings = r#"{"ping":{"nonce":1}}"#.to_owned() + "\n";
    let mut sent = 0;
    while bench.session.wants_input() {
        bench.line(r#"{"ping":{"nonce":1}}"#);
        sent += pings.len();
        assert!(sent <= 2 * CONTROL_BYTES, "still reading after {sent} bytes");
        bench.wait(Duration::from_millis(25));
    }
    bench.drain();
    bench.wait(Duration::from_secs(10));
    assert!(bench.session.wants_input());
}

#[test]
fn a_flood_of_requests_is_slowed() {
    let mut bench = Bench::streaming();
    let mut taken = 0;
    while bench.session.wants_input() {
        taken += bench.line(r#"{"subscribe":{}}"#).len();
        assert!(taken < 1000, "still reading");
    }
    let before = bench.now;
    while !bench.session.wants_input() {
        bench.wait(Duration::from_millis(10));
        assert!(bench.now < before + Duration::from_secs(2), "reading never goes on");
    }
    assert!(bench.session.end().is_none());
}

#[test]
fn bye_at_shutdown_drops_the_frame_that_was_not_begun() {
    let mut bench = Bench::streaming();
    bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
    bench.session.bye(bench.now, ByeReason::Shutdown, "the server stops");
    assert_eq!(bench.bye().0, ByeReason::Shutdown);
    assert!(bench.session.is_done());
}

#[test]
fn last_bytes_are_given_up_after_a_second() {
    let mut bench = Bench::streaming();
    bench.session.bye(bench.now, ByeReason::Shutdown, "the server stops");
    assert!(!bench.session.is_done());
    bench.wait(Duration::from_secs(1));
    assert!(bench.session.is_done());
}

#[test]
fn a_codec_that_was_not_offered_is_refused() {
    let now = Instant::now();
    let hello = ServerHello { codecs: vec![], ..server_hello() };
    let mut bench = Bench { session: Session::new(now, &hello), now };
    assert_eq!(bench.line(ZSTD_HELLO), []);
    assert_eq!(bench.bye().0, ByeReason::Protocol);
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_frames_begin_right_after_the_handshake() {
    let mut bench = Bench::new();
    let hello = bench.drain();
    assert!(hello.starts_with(b"{\"hello\""), "the server's hello is plain");
    bench.line(ZSTD_HELLO);
    assert_eq!(bench.session.codec(), Codec::Zstd);
    bench.line(r#"{"ping":{"nonce":3}}"#);
    let mut decoder = conntop_proto::codec::FrameDecoder::new().unwrap();
    decoder.push(&bench.drain());
    let lines = decoder.next().unwrap().unwrap();
    assert_eq!(lines, b"{\"pong\":{\"nonce\":3}}\n");
}

#[test]
fn the_clients_bye_ends_it_at_once() {
    let mut bench = Bench::streaming();
    bench.session.offer(bench.now, Bytes::from_static(b"frame\n"));
    bench.line(r#"{"bye":{"reason":"shutdown","text":"q"}}"#);
    assert!(bench.session.is_done());
    assert!(matches!(bench.session.end(), Some(End::Client(_))));
}
