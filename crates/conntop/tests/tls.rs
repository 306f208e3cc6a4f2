//! TLS between the real client and the real server: who gets in, who is refused, and what he is told.
//! Everything on loopback, with port 0.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "tls/bench.rs"]
mod bench;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bench::{Bench, Impostor, Outcome, PATIENCE, by_hand, serving};
use conntop::source::tls::{TokenFileError, TokenSource};
use conntop::source::{Security, SourceErrorKind};
use conntop_proto::auth::{EXPORTER_LABEL, Exchange, Fingerprint, Role, Token};
use conntop_proto::codec::{Validate, decode_line, encode_line};
use conntop_proto::message::{ByeReason, ClientMessage, ClientProof, Hex32, ServerMessage};
use conntopd::auth::{Credentials, CredentialsError};
use conntopd::server::failures;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

fn other() -> Fingerprint {
    Fingerprint::of(b"another key")
}

#[track_caller]
fn connected(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Connected), "{outcome:?}");
}

/// Fails for good, and says all of `parts`.
#[track_caller]
fn failed(outcome: &Outcome, expected: SourceErrorKind, parts: &[&str]) {
    let Outcome::Failed(kind, text) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*kind, expected, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

#[tokio::test]
async fn who_knows_the_token_gets_in_and_remembers_the_key() {
    serving(async |bench| {
        let target = format!("tls://{}", bench.address);
        connected(&bench.attempt(&target, bench.security()).await);
        assert_eq!(bench.known().get(&target).unwrap(), Some(bench.fingerprint));
        connected(&bench.attempt(&target, bench.security()).await);
        // Without a list, and with a pin.
        connected(&bench.attempt(&target, Security { known: None, ..bench.security() }).await);
        connected(
            &bench.attempt(&target, Security { pin: Some(bench.fingerprint), ..bench.security() }).await,
        );
    })
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_is_told_and_not_tried_again() {
    use SourceErrorKind::{Config, Permission, Protocol};
    serving(async |bench| {
        let secure = format!("tls://{}", bench.address);
        let (right, wrong) = (bench.fingerprint.to_string(), other().to_string());
        let token = Some(Token::generate().unwrap());
        let no_token = Security { token: None, ..bench.security() };
        failed(&bench.attempt(&secure, no_token).await, Config, &["--token-file", "CONNTOP_TOKEN"]);
        let wrong_token = Security { token, ..bench.security() };
        failed(&bench.attempt(&secure, wrong_token).await, Permission, &["refuses the token", &right]);
        let wrong_pin = Security { pin: Some(other()), ..bench.security() };
        failed(&bench.attempt(&secure, wrong_pin).await, Protocol, &["--pin", &right, &wrong]);
        bench.known().set(&secure, other()).unwrap();
        let changed = bench.attempt(&secure, bench.security()).await;
        failed(&changed, Protocol, &["HAS CHANGED", &right, &wrong, "known_servers"]);
        assert_eq!(bench.known().get(&secure).unwrap(), Some(other()), "a changed key is not learnt");
        let told = Security { pin: Some(bench.fingerprint), ..bench.security() };
        connected(&bench.attempt(&secure, told).await);
        assert_eq!(bench.known().get(&secure).unwrap(), Some(bench.fingerprint), "a pin makes it known");
        let plain = format!("tls://{}", bench.plain);
        failed(&bench.attempt(&plain, bench.security()).await, Protocol, &["without TLS", "tcp://"]);
        // Without TLS nobody says anything first; the server does in the end.
        let without = format!("tcp://{}", bench.address);
        failed(&bench.attempt(&without, bench.security()).await, Permission, &["wants TLS", "tls://"]);
    })
    .await;
}

/// Forwards lines both ways between a victim and the real server, with a connection to each.
async fn relay(impostor: &Impostor, bench: &Bench) {
    let Ok(mut victim) = impostor.accept().await else { return };
    let mut server = bench.by_hand().await;
    let _ = tokio::io::copy_bidirectional(&mut victim, &mut server).await;
}

#[tokio::test]
async fn somebody_in_the_middle_is_found_at_first_contact_and_later() {
    serving(async |bench| {
        let stranger = bench.stranger("stranger");
        let (impostor, target) = Impostor::new(&stranger, &stranger).await;
        let seen = Credentials::load(&stranger).unwrap().fingerprint().to_string();
        let (first, ()) = tokio::join!(bench.attempt(&target, bench.security()), relay(&impostor, bench));
        failed(&first, SourceErrorKind::Permission, &["somebody is in the middle", &seen]);
        assert_eq!(bench.known().get(&target).unwrap(), None, "nothing is learnt");
        bench.known().set(&target, bench.fingerprint).unwrap();
        let (later, ()) = tokio::join!(bench.attempt(&target, bench.security()), relay(&impostor, bench));
        failed(&later, SourceErrorKind::Protocol, &["HAS CHANGED", &seen, &bench.fingerprint.to_string()]);
    })
    .await;
}

/// Somebody who does not forward but answers himself.
async fn answer(impostor: &Impostor, lines: &[&str]) {
    let Ok(victim) = impostor.accept().await else { return };
    let mut victim = BufReader::new(victim);
    for line in lines {
        if line.is_empty() {
            let _ = victim.read_line(&mut String::new()).await;
        } else {
            let _ = victim.write_all(format!("{line}\n").as_bytes()).await;
        }
    }
    let _ = victim.read_line(&mut String::new()).await;
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_not_believed() {
    let challenge = format!(r#"{{"challenge":{{"protocol":1,"nonce":"{}"}}}}"#, "ab".repeat(32));
    let forged = format!(r#"{{"proof":{{"mac":"{}"}}}}"#, "cd".repeat(32));
    let newer = challenge.replace(":1,", r#":9,"telepathy":true,"#);
    let hello = r#"{"reset":{"epoch":1,"reason":"start"}}"#;
    let cases: &[(&[&str], &str)] = &[
        (&[&challenge, "", &forged], "SOMEBODY IS IN THE MIDDLE"),
        (&[&challenge, "", hello], "SOMEBODY IS IN THE MIDDLE"),
        (&[hello], "asks for no proof"),
        (&[&newer], "protocol 9"),
        (&["SSH-2.0-OpenSSH_9.9"], "no conntopd listens there"),
    ];
    serving(async |bench| {
        let stranger = bench.stranger("stranger");
        for (lines, part) in cases {
            let (impostor, target) = Impostor::new(&stranger, &stranger).await;
            let (outcome, ()) =
                tokio::join!(bench.attempt(&target, bench.security()), answer(&impostor, lines));
            failed(&outcome, SourceErrorKind::Protocol, &[part]);
            assert_eq!(bench.known().get(&target).unwrap(), None, "{lines:?}");
        }
    })
    .await;
}

/// The certificate is that of the real server, the key is not.
#[tokio::test]
async fn a_certificate_without_its_key_is_worth_nothing() {
    serving(async |bench| {
        let stranger = bench.stranger("stranger");
        let (impostor, target) = Impostor::new(&bench.folder.join("server"), &stranger).await;
        let pinned = Security { pin: Some(bench.fingerprint), ..bench.security() };
        let (outcome, accepted) = tokio::join!(bench.attempt(&target, pinned), impostor.accept());
        failed(&outcome, SourceErrorKind::Protocol, &["TLS", "ignature"]);
        assert!(accepted.is_err(), "the client goes on");
    })
    .await;
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> ServerMessage {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&b'\n') {
        let read = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        bytes.push(read.expect("the server says something").expect("a whole line"));
    }
    decode_line(&bytes, Validate::All).unwrap()
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: ClientMessage) {
    let mut bytes = Vec::new();
    encode_line(&message, &mut bytes).unwrap();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
}

fn nonce(message: &ServerMessage) -> Hex32 {
    match message {
        ServerMessage::Challenge(challenge) => challenge.nonce,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn bye(message: &ServerMessage, reason: ByeReason, part: &str) {
    let ServerMessage::Bye(bye) = message else { panic!("{message:?}") };
    assert_eq!(bye.reason, reason, "{bye:?}");
    assert!(bye.text.contains(part), "{bye:?}");
}

#[tokio::test]
async fn a_proof_is_good_for_one_connection_only() {
    serving(async |bench| {
        let mut first = bench.by_hand().await;
        let server = nonce(&line(&mut first).await);
        let client = Hex32([7; 32]);
        let binding = first.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let mac = bench.token.key().prove(Role::Client, &Exchange { binding, server, client });
        let proof = ClientMessage::Proof(ClientProof { protocol: 1, nonce: client, mac });
        send(&mut first, proof.clone()).await;
        assert!(matches!(line(&mut first).await, ServerMessage::Proof(_)));
        assert!(matches!(line(&mut first).await, ServerMessage::Hello(_)));
        // Again on the same connection, and on another one.
        let hello = r#"{"hello":{"protocol":1,"client":"t","name":"t"}}"#;
        first.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
        send(&mut first, proof.clone()).await;
        loop {
            if let message @ ServerMessage::Bye(_) = line(&mut first).await {
                break bye(&message, ByeReason::Protocol, "nobody asked for");
            }
        }
        let mut second = bench.by_hand().await;
        assert_ne!(nonce(&line(&mut second).await), server);
        send(&mut second, proof).await;
        bye(&line(&mut second).await, ByeReason::Auth, "wrong token");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_proof_gets_a_bye_that_names_it() {
    let long = " ".repeat(5000);
    let cases: &[(&str, ByeReason, &str)] = &[
        (r#"{"hello":{"protocol":1,"client":"t","name":"t"}}"#, ByeReason::Protocol, "must be a proof"),
        (r#"{"proof":{"protocol":9,"magic":true}}"#, ByeReason::Version, "upgrade this server"),
        (r#"{"proof":{"protocol":0}}"#, ByeReason::Version, "upgrade the client"),
        (r#"{"proof":{"protocol":1,"nonce":"","mac":""}}"#, ByeReason::Protocol, "hexadecimal"),
        ("GET / HTTP/1.1", ByeReason::Protocol, "at byte 12"),
    ];
    serving(async |bench| {
        for (text, reason, part) in cases {
            let mut stream = bench.by_hand().await;
            nonce(&line(&mut stream).await);
            stream.write_all(format!("{text}\n").as_bytes()).await.unwrap();
            bye(&line(&mut stream).await, *reason, part);
        }
        let mut stream = bench.by_hand().await;
        nonce(&line(&mut stream).await);
        let _ = stream.write_all(long.as_bytes()).await;
        let mut rest = Vec::new();
        let _reset_or_closed = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("hello"), "{rest:?}");
    })
    .await;
}

/// Bytes that are no handshake, or not all of one, cost nobody but their sender anything.
#[tokio::test]
async fn broken_handshakes_end_and_hurt_nobody() {
    serving(async |bench| {
        // A record of a handshake that never comes; the server gives up by itself.
        let mut half = TcpStream::connect(bench.address).await.unwrap();
        half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
        let mut closed = TcpStream::connect(bench.address).await.unwrap();
        closed.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        drop(closed);
        let mut noise = TcpStream::connect(bench.address).await.unwrap();
        noise.write_all(&[22; 8192]).await.unwrap();
        let mut http = TcpStream::connect(bench.address).await.unwrap();
        http.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        bye(&line(&mut http).await, ByeReason::Auth, "wants TLS");
        let target = format!("tls://{}", bench.address);
        connected(&bench.attempt(&target, bench.security()).await);
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, half.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the half handshake is still waited for");
    })
    .await;
}

#[tokio::test]
async fn wrong_tokens_make_their_source_wait() {
    serving(async |bench| {
        let target = format!("tls://{}", bench.address);
        let mut mistakes = 0;
        let cause = loop {
            let token = Some(Token::generate().unwrap());
            match bench.attempt(&target, Security { token, ..bench.security() }).await {
                // On a slow machine the first pauses are over before the next attempt.
                Outcome::Failed(..) if mistakes < failures::FREE + 3 => mistakes += 1,
                Outcome::Stale(cause) => break cause,
                other => panic!("after {mistakes} mistakes: {other:?}"),
            }
        };
        assert!(mistakes >= failures::FREE, "{mistakes}");
        assert!(cause.contains("too many wrong tokens"), "{cause}");
        // It may be tried again, and then it is right.
        let mut source = conntop::source::remote(bench::config(target.parse().unwrap(), bench.security()));
        let connects = async {
            while !matches!(source.next().await, Some(conntop::source::SourceEvent::Connected(_))) {}
        };
        tokio::time::timeout(PATIENCE, connects).await.expect("the pause has an end");
    })
    .await;
}

#[tokio::test]
async fn a_new_token_counts_from_the_next_connection_on() {
    serving(async |bench| {
        let target = format!("tls://{}", bench.address);
        let mut old = bench.by_hand().await;
        let server = nonce(&line(&mut old).await);
        let fresh = bench.stranger("fresh");
        bench.credentials.send_replace(Arc::new(Credentials::load(&fresh).unwrap()));
        let security = Security { known: None, ..bench.security() };
        failed(&bench.attempt(&target, security).await, SourceErrorKind::Permission, &["refuses the token"]);
        let text = std::fs::read_to_string(fresh.join("token")).unwrap();
        let token = Some(text.parse().unwrap());
        connected(&bench.attempt(&target, Security { token, known: None, pin: None }).await);
        // The one that was there before goes on with the old one.
        let binding = old.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let client = Hex32([1; 32]);
        let mac = bench.token.key().prove(Role::Client, &Exchange { binding, server, client });
        send(&mut old, ClientMessage::Proof(ClientProof { protocol: 1, nonce: client, mac })).await;
        assert!(matches!(line(&mut old).await, ServerMessage::Proof(_)));
        drop(by_hand(bench.address).await);
    })
    .await;
}

/// What lies in the server's folder, damaged one by one.
#[test]
fn credentials_are_read_with_care() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("new/conntop");
    Credentials::create(&folder).unwrap();
    Credentials::load(&folder).unwrap();
    assert!(matches!(Credentials::create(&folder), Err(CredentialsError::Exists { .. })));
    let mode = |name: &str, mode| {
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    for name in ["key.pem", "token.digest", "token"] {
        let meta = std::fs::metadata(folder.join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let fails = |what: &str, part: &str| match Credentials::load(&folder) {
        Err(error) => assert!(error.to_string().contains(part), "{what}: {error}"),
        Ok(_) => panic!("{what} is taken"),
    };
    for name in ["key.pem", "token.digest"] {
        mode(name, 0o640);
        fails(name, "can be read by others (mode 640)");
        mode(name, 0o600);
        let content = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), "abc\n").unwrap();
        fails(name, name);
        std::fs::remove_file(folder.join(name)).unwrap();
        fails(name, "conntopd --init-tls=");
        std::fs::write(folder.join(name), content).unwrap();
        mode(name, 0o600);
    }
    mode("", 0o770);
    fails("the folder", "others can write");
    mode("", 0o700);
    let other = directory.path().join("other");
    Credentials::create(&other).unwrap();
    std::fs::copy(other.join("cert.pem"), folder.join("cert.pem")).unwrap();
    fails("another certificate", "does not go with cert.pem");
}

#[test]
fn token_files_are_read_with_care() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let read = |text: &str, mode| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        TokenSource::File(path.clone()).read()
    };
    let digits = "5a".repeat(32);
    assert_eq!(read(&format!("{digits}\n"), 0o600).unwrap().unwrap().secret(), digits);
    assert!(matches!(read(&digits, 0o644), Err(TokenFileError::Readable { mode: 0o644, .. })));
    for text in ["", "short\n", &digits[1..], &format!("{digits}00")] {
        assert!(matches!(read(text, 0o600), Err(TokenFileError::Content { .. })), "{text:?}");
    }
    let missing = TokenSource::File(directory.path().join("none")).read();
    assert!(matches!(missing, Err(TokenFileError::Io { .. })), "{missing:?}");
}

#[test]
fn the_list_of_known_servers_is_read_with_care() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/known_servers");
    let known = conntop::source::tls::Known::new(&path);
    assert_eq!(known.get("a:1").unwrap(), None);
    known.set("a:1", other()).unwrap();
    known.set("b:1", other()).unwrap();
    let fresh = Fingerprint::of(b"fresh");
    known.set("a:1", fresh).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("b:1 {}\na:1 {fresh}\n", other()));
    assert_eq!(known.get("a:1").unwrap(), Some(fresh));
    assert_eq!(known.get("a:11").unwrap(), None);
    // All ways to write one server.
    known.set("tls://[2001:DB8:0::1]:5700", fresh).unwrap();
    for name in ["tls://a:1", "A:1", "[2001:db8::1]:5700", "tls://[2001:db8::0:1]:5700"] {
        assert_eq!(known.get(name).unwrap(), Some(fresh), "{name}");
    }
    known.set("tls://A:1", other()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().last(), Some(format!("a:1 {}", other()).as_str()), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    for (text, part) in [("a:1\n", "line 1"), ("# x\n\na:1 sha256:12\n", "line 3")] {
        std::fs::write(&path, text).unwrap();
        let error = known.get("a:1").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(known.get("a:1").unwrap_err().to_string().contains("others can write"));
}
