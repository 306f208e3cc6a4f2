//! The client's first line: bounded in time and bytes before anything else is believed, and read
//! leniently enough to tell a newer client which side to upgrade.

use std::time::Instant;

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::codec::{self, Validate};
use conntop_proto::message::{Bye, ByeReason, ClientHello, ClientMessage, Codec};
use serde::Deserialize;

use super::HELLO_BYTES;

/// Waits for the client's `hello`.
#[derive(Debug)]
pub(super) struct Greeting {
    until: Instant,
    line: Vec<u8>,
}

/// Why a first line was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// What to answer.
    pub(super) bye: Bye,
    /// Encoding that the client expects of the answer.
    pub(super) codec: Codec,
}

/// What a `hello` of any version has.
#[derive(Deserialize)]
struct Peek {
    hello: PeekHello,
}

#[derive(Deserialize)]
struct PeekHello {
    protocol: u64,
    #[serde(default)]
    codec: serde_json::Value,
}

impl Greeting {
    pub(super) fn new(until: Instant) -> Self {
        Self { until, line: Vec::new() }
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Takes input up to the end of the first line and leaves the rest.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Result<Option<Box<ClientHello>>, Refused> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        if self.line.len() + line.len() > HELLO_BYTES {
            let text = format!("the hello is longer than {HELLO_BYTES} bytes");
            return Err(refused(ByeReason::Limit, text));
        }
        self.line.extend_from_slice(line);
        *input = rest;
        if end.is_none() {
            return Ok(None);
        }
        decode(&self.line).map(Some)
    }
}

fn decode(line: &[u8]) -> Result<Box<ClientHello>, Refused> {
    let peek = serde_json::from_slice::<Peek>(line).ok().map(|peek| peek.hello);
    if let Some(peek) = &peek
        && peek.protocol != u64::from(PROTOCOL_VERSION)
    {
        return Err(skew(peek));
    }
    match codec::decode_line(line, Validate::Control) {
        Ok(ClientMessage::Hello(hello)) => Ok(hello),
        Ok(_) => Err(refused(
            ByeReason::Protocol,
            "the first message must be a hello, such as \
             {\"hello\":{\"protocol\":1,\"client\":\"nc\",\"name\":\"me\"}}",
        )),
        Err(error) => Err(refused(ByeReason::Protocol, error.to_string())),
    }
}

fn skew(peek: &PeekHello) -> Refused {
    let older = if peek.protocol < u64::from(PROTOCOL_VERSION) {
        "upgrade the client (conntop)"
    } else {
        "upgrade this server (conntopd)"
    };
    let text =
        format!("this server speaks protocol {PROTOCOL_VERSION}, the client {}: {older}", peek.protocol);
    let codec = match peek.codec.as_str() {
        Some("zstd") => Codec::Zstd,
        _ => Codec::None,
    };
    Refused { codec, ..refused(ByeReason::Version, text) }
}

fn refused(reason: ByeReason, text: impl Into<String>) -> Refused {
    Refused { bye: Bye { reason, text: text.into() }, codec: Codec::None }
}
