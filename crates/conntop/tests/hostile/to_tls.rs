//! A stranger at a port that wants TLS and a token, beside a good client.
//!
//! Tokens beyond those of [`super::script`]: `⟨tls⟩` first makes a good handshake and reads the challenge, so
//! that the rest goes inside; `⟨in⟩` then gives the right proof and waits for the server's hello. `⟨proof⟩` is the right one and `⟨wrong⟩` one by another token; `⟨replayed⟩` is
//! right, but was for another connection. Outside, `⟨TLS hello⟩`
//! is the first record of a good handshake, `⟨half⟩` its first half, `⟨early⟩` the same with the extension
//! early_data. `⟨wait⟩` at the end lets time pass until the server has had enough.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use conntop_proto::auth::{EXPORTER_LABEL, Exchange, Role, Token};
use conntop_proto::message::{Hex32, ServerMessage};
use conntopd::auth::Credentials;
use conntopd::server::listen::{Access, Listener, Listeners};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use super::bench::{Bench, serving_by};
use super::client::HELLO;
use super::script::{Script, Side};
use super::tls_bench::{self, by_hand};
use super::to_server::{ANSWER, QUESTION, bye, live, told};
use super::{Clock, GOES_ON, Verdict, listen, measured, perform};

pub(crate) const GOOD: &str = "⟨tls⟩⟨proof⟩⟨hello⟩";
/// Real time: longer than the server waits for anything before a proof.
const LONG: Duration = Duration::from_secs(20);

/// What a record of TLS is (RFC 8446, 5.1).
const ALERT: u8 = 21;

/// Of the server; made once.
pub(crate) struct Secrets {
    credentials: Arc<Credentials>,
    token: Token,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("server");
        let token = Credentials::create(&made).unwrap().token;
        let token = std::fs::read_to_string(token).unwrap().parse().unwrap();
        Self { credentials: Arc::new(Credentials::load(&made).unwrap()), token }
    }
}

pub(crate) fn run(secrets: &Secrets, script: &str) -> Verdict {
    let credentials = watch::Sender::new(Arc::clone(&secrets.credentials));
    let (said, allocated) = measured(Clock::Goes, async || {
        let admit = |tcp: Vec<_>, unix| {
            let access = || Access::Token(credentials.subscribe());
            let tcp = tcp.into_iter().map(|socket| Listener { socket: From::from(socket), access: access() });
            Listeners::new(tcp.chain([Listener::peer(unix)]).collect())
        };
        serving_by(16, admit, async |bench| beside(bench, secrets, script).await).await
    });
    Verdict { said, allocated }
}

async fn beside(bench: &Bench, secrets: &Secrets, script: &str) -> String {
    let mut good = bench.connect_unix().await;
    good.hello(HELLO).await;
    told(bench, &mut good, 1).await;
    let said = tokio::select! {
        said = tokio::time::timeout(LONG, bad(bench, secrets, script)) => said.unwrap_or_else(|_| "waits".into()),
        () = live(&mut good, None) => unreachable!("a good client lives for ever"),
    };
    told(bench, &mut good, 2).await;
    said
}

/// What the server says at last to the stranger.
async fn bad(bench: &Bench, secrets: &Secrets, script: &str) -> String {
    let (script, waits) = script.strip_suffix("⟨wait⟩").map_or((script, false), |script| (script, true));
    let Some(inside) = script.strip_prefix("⟨tls⟩") else {
        let text = script
            .replace("⟨TLS hello⟩", &hex(hello()))
            .replace("⟨half⟩", &hex(&hello()[..hello().len() / 2]))
            .replace("⟨early⟩", &hex(&with_early_data(hello())));
        let stream = TcpStream::connect(bench.address).await.unwrap();
        return outside(&converse(stream, &text, waits).await);
    };
    let mut stream = by_hand(bench.address).await;
    if let Some(inside) = inside.strip_prefix("⟨in⟩") {
        let right = proof(&mut stream, &secrets.token).await.replace('⏎', "\n");
        stream.write_all(right.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        while !line(&mut stream).await.starts_with(b"{\"hello\"") {}
        return inside_of(&converse(stream, inside, waits).await);
    }
    let right = proof(&mut stream, &secrets.token).await;
    let mut other = by_hand(bench.address).await;
    let replayed = proof(&mut other, &secrets.token).await;
    let wrong = Token::generate().unwrap();
    let wrong = proof(&mut by_hand(bench.address).await, &wrong).await;
    let text = inside.replace("⟨proof⟩", &right).replace("⟨replayed⟩", &replayed).replace("⟨wrong⟩", &wrong);
    inside_of(&converse(stream, &text, waits).await)
}

/// What somebody sees who has made a handshake.
fn inside_of(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    if said.contains(ANSWER) { GOES_ON.to_owned() } else { bye(&said) }
}

async fn line(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(stream.read_u8().await.unwrap());
    }
    line
}

/// Says all that, and returns what came back last, until the server closed or has answered a question.
async fn converse(stream: impl AsyncRead + AsyncWrite, text: &str, waits: bool) -> Vec<u8> {
    let script = Script::new(Side::Client, text);
    let (read, mut write) = tokio::io::split(stream);
    let acting = async {
        let all = perform(&script, &mut write, &tokio::sync::Notify::new()).await;
        if waits {
            tokio::time::pause();
        } else if all {
            let _ = write.write_all(QUESTION).await;
            let _ = write.flush().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        last = listen(read, ANSWER, |_| {}) => last,
        () = acting => unreachable!("it acts for ever"),
    }
}

/// Reads the challenge and answers it.
async fn proof(stream: &mut TlsStream<TcpStream>, token: &Token) -> String {
    let line = line(stream).await;
    let ServerMessage::Challenge(challenge) = serde_json::from_slice(&line).unwrap() else {
        panic!("{line:?}")
    };
    let binding = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
    let client = Hex32([7; 32]);
    let mac = token.key().prove(Role::Client, &Exchange { binding, server: challenge.nonce, client });
    format!(r#"{{"proof":{{"protocol":1,"nonce":"{client}","mac":"{mac}"}}}}"#) + "⏎"
}

/// What somebody sees who has not made a handshake: a bye, the number of an alert, or only the end.
fn outside(mut said: &[u8]) -> String {
    if said.starts_with(b"{") {
        return bye(&String::from_utf8_lossy(said));
    }
    let mut records = 0;
    while let [kind, _, _, high, low, rest @ ..] = said {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if let (&ALERT, [_, number]) = (kind, &rest[..len.min(rest.len())]) {
            return format!("alert {number} after {records} records");
        }
        records += 1;
        said = &rest[len.min(rest.len())..];
    }
    format!("closed after {records} records")
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("⟨0x{digits}⟩")
}

/// The first record of a good handshake.
fn hello() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let name = ServerName::try_from("anybody").unwrap();
        let mut record = Vec::new();
        let mut client = ClientConnection::new(tls_bench::any_key(), name).unwrap();
        client.write_tls(&mut record).unwrap();
        record
    })
}

/// The same, with one extension more: the client says that it sends data at once.
fn with_early_data(hello: &[u8]) -> Vec<u8> {
    const EXTENSION: [u8; 4] = [0, 42, 0, 0];
    let mut record = hello.to_vec();
    // Record 5, message 4, version 2, random 32; then session, suites, compression, extensions.
    let mut at = 43;
    at += 1 + usize::from(record[at]);
    at += 2 + usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
    at += 1 + usize::from(record[at]);
    // Of the record, of the message (its lower two bytes of three), of the extensions.
    for length in [3, 7, at] {
        let longer = u16::from_be_bytes([record[length], record[length + 1]]) + 4;
        record[length..length + 2].copy_from_slice(&longer.to_be_bytes());
    }
    record.splice(at + 2..at + 2, EXTENSION);
    record
}
