//! Between accepting and the session: on a listener that wants a token, the TLS handshake and the
//! proof; on the others nothing.
//!
//! Invariant: nobody gets through later than [`PROOF_TIME`] after connecting or with more than
//! [`PROOF_BYTES`], and whoever does not costs one line in answer.

use std::io;

use conntop_proto::codec::encode_line;
use conntop_proto::message::{Bye, ByeReason, ServerMessage};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::stream::{Stream, Tls};
use crate::auth::{Credentials, PROOF_BYTES, PROOF_TIME, Stage, Step};
use crate::session::CLOSE_TIME;

/// First byte of every TLS handshake.
const HANDSHAKE: u8 = 22;

/// Who came through.
pub(super) struct Passed {
    pub(super) stream: Stream,
    /// What the client has said already after its proof.
    pub(super) early: Vec<u8>,
}

/// Why somebody did not come through.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("wrong token")]
    Token,
    #[error("no TLS")]
    NoTls,
    #[error("no proof within {} s", PROOF_TIME.as_secs())]
    Late,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes a client through the handshake and the proof.
pub(super) async fn pass(stream: Stream, credentials: &Credentials) -> Result<Passed, Denied> {
    // Only TCP sockets are listened on with a token.
    let Stream::Tcp(mut socket) = stream else { return Err(Denied::NoTls) };
    let until = Instant::now() + PROOF_TIME;
    // Somebody without TLS waits for our hello, in vain, and is told so in the end.
    let mut first = [0];
    let peeked = timeout_at(until, socket.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) || first != [HANDSHAKE] {
        if matches!(peeked, Ok(Ok(1)) | Err(_)) {
            let tell = async {
                socket.write_all(&no_tls()).await?;
                socket.shutdown().await
            };
            let _ = timeout(CLOSE_TIME, tell).await;
            // What it has said is read, or closing would reset the connection before it has read us.
            let _ = socket.try_read(&mut [0; PROOF_BYTES]);
        }
        return Err(Denied::NoTls);
    }
    let tls = Tls::new(socket, credentials.tls(), PROOF_BYTES)?;
    match timeout_at(until, prove(tls, credentials)).await {
        Ok(passed) => passed,
        Err(_) => Err(Denied::Late),
    }
}

async fn prove(tls: Tls, credentials: &Credentials) -> Result<Passed, Denied> {
    let binding = tls.handshake().await?;
    let mut stage = Stage::new(credentials.key(), binding).map_err(io::Error::other)?;
    let mut stream = Stream::Tls(Box::new(tls));
    write(&stream, &stage.challenge()).await?;
    let mut buffer = [0; PROOF_BYTES];
    loop {
        stream.readable().await?;
        let mut input = match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        match stage.take(&mut input) {
            Step::More => {}
            Step::Proven(answer) => {
                write(&stream, &answer).await?;
                if let Stream::Tls(tls) = &stream {
                    tls.trust();
                }
                return Ok(Passed { stream, early: input.to_vec() });
            }
            Step::Refused(bye) => {
                let wrong = bye.reason == ByeReason::Auth;
                let text = bye.text.clone();
                write(&stream, &line(bye)).await?;
                let _ = timeout(CLOSE_TIME, stream.finish()).await;
                return Err(if wrong { Denied::Token } else { Denied::Refused(text) });
            }
        }
    }
}

async fn write(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn no_tls() -> Vec<u8> {
    line(Bye {
        reason: ByeReason::Auth,
        text: "this port wants TLS and a token: connect to tls://HOST:PORT with --token-file".into(),
    })
}

fn line(bye: Bye) -> Vec<u8> {
    let mut line = Vec::new();
    // Far below the limits of a line.
    let _ = encode_line(&ServerMessage::Bye(bye), &mut line);
    line
}
