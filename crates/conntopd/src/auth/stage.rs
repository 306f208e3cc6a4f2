//! The server's side of the proofs, without I/O: a challenge goes out, a line comes in, and the
//! answer is a proof of our own or a `bye`.

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::auth::{self, Exchange, Key, NoRandom, Role};
use conntop_proto::codec::{self, Validate};
use conntop_proto::message::{
    Bye, ByeReason, Challenge, ClientMessage, ClientProof, Hex32, ServerMessage, ServerProof,
};
use serde::Deserialize;

use super::PROOF_BYTES;

/// Waits for the client's proof.
#[derive(Debug)]
pub struct Stage {
    key: Key,
    binding: [u8; 32],
    nonce: Hex32,
    line: Vec<u8>,
}

/// What follows from the client's bytes.
#[derive(Debug)]
pub enum Step {
    /// The line is not complete.
    More,
    /// The client knows the token; this line is to be sent before the `hello`.
    Proven(Vec<u8>),
    /// It does not.
    Refused(Bye),
}

/// What a proof of any version has.
#[derive(Deserialize)]
struct Peek {
    proof: PeekProof,
}

#[derive(Deserialize)]
struct PeekProof {
    protocol: u64,
}

impl Stage {
    /// A stage with a fresh challenge, on the connection with this TLS exporter.
    ///
    /// # Errors
    /// Without random numbers.
    pub fn new(key: Key, binding: [u8; 32]) -> Result<Self, NoRandom> {
        Ok(Self { key, binding, nonce: auth::random()?, line: Vec::new() })
    }

    /// The line to send first.
    #[must_use]
    pub fn challenge(&self) -> Vec<u8> {
        line(&ServerMessage::Challenge(Challenge { protocol: PROTOCOL_VERSION, nonce: self.nonce }))
    }

    /// Takes input up to the end of the first line and leaves the rest, which belongs to the session.
    pub fn take(&mut self, input: &mut &[u8]) -> Step {
        let end = input.iter().position(|&byte| byte == b'\n');
        let (taken, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        if self.line.len() + taken.len() > PROOF_BYTES {
            return refused(ByeReason::Limit, format!("the proof is longer than {PROOF_BYTES} bytes"));
        }
        self.line.extend_from_slice(taken);
        *input = rest;
        if end.is_none() { Step::More } else { self.judge() }
    }

    fn judge(&self) -> Step {
        let peek = serde_json::from_slice::<Peek>(&self.line).ok().map(|peek| peek.proof.protocol);
        if let Some(theirs) = peek.filter(|&theirs| theirs != u64::from(PROTOCOL_VERSION)) {
            return skew(theirs);
        }
        match codec::decode_line(&self.line, Validate::Control) {
            Ok(ClientMessage::Proof(ClientProof { nonce, mac, .. })) => {
                let exchange = Exchange { binding: self.binding, server: self.nonce, client: nonce };
                if !self.key.holds(mac, Role::Client, &exchange) {
                    return refused(ByeReason::Auth, WRONG);
                }
                let mac = self.key.prove(Role::Server, &exchange);
                Step::Proven(line(&ServerMessage::Proof(ServerProof { mac })))
            }
            Ok(_) => {
                refused(ByeReason::Protocol, "the first message here must be a proof; see docs/protocol.md")
            }
            Err(error) => refused(ByeReason::Protocol, error.to_string()),
        }
    }
}

const WRONG: &str = "wrong token: take the one that conntopd --init-tls made on this server. If it is that \
     one, somebody is in the middle: compare the fingerprints";

fn skew(theirs: u64) -> Step {
    let side =
        if theirs < u64::from(PROTOCOL_VERSION) { "the client (conntop)" } else { "this server (conntopd)" };
    let text = format!("this server speaks protocol {PROTOCOL_VERSION}, the client {theirs}: upgrade {side}");
    refused(ByeReason::Version, text)
}

fn refused(reason: ByeReason, text: impl Into<String>) -> Step {
    Step::Refused(Bye { reason, text: text.into() })
}

/// These messages are far below every limit, so encoding cannot fail.
fn line(message: &ServerMessage) -> Vec<u8> {
    let mut line = Vec::new();
    if let Err(error) = codec::encode_line(message, &mut line) {
        tracing::error!("a message to a client was not sent: {error}");
    }
    line
}
