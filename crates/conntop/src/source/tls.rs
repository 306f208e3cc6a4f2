//! TLS to a conntopd: TLS 1.3, the server's key pinned, and proofs of the token in both directions
//! before anything else is said or believed (docs/protocol.md, "Proofs").
//!
//! Names, dates and issuers of certificates mean nothing here. What counts: the handshake is signed by
//! the certificate's key; that key is the one that was told (`--pin`) or seen before ([`Known`]); and
//! the server proves, on this very connection, that it knows the token. The last alone unmasks somebody
//! in the middle, so a server may be new.

mod known;
mod sniff;
mod token;
mod verifier;

use std::io;
use std::sync::Arc;

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::auth::{self, EXPORTER_LABEL, Exchange, Fingerprint, NoRandom, Role, Token};
use conntop_proto::codec::{Validate, decode_line};
use conntop_proto::message::{Bye, ByeReason, Challenge, ClientProof, Hex32, ServerMessage, ServerProof};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::known::{Known, KnownError};
use self::sniff::Sniff;
pub use self::token::{TokenFileError, TokenSource};
use self::verifier::{Pinned, WrongKey};
use super::SourceErrorKind;

/// The name that a handshake takes; it is neither sent nor looked at.
const NAME: &str = "conntopd";

/// What is needed to trust a server and to be trusted.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Proves us to the server and the server to us.
    pub token: Option<Token>,
    /// The server's key, if it was told.
    pub pin: Option<Fingerprint>,
    /// Keys of servers that were connected to before.
    pub known: Option<Known>,
}

/// Why a server is not trusted, or does not trust us.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is nothing to prove with.
    #[error(
        "{0} takes a token: --token-file FILE, CONNTOP_TOKEN or ~/.config/conntop/token; conntopd --init-tls \
         has made it on the server. Without one: ssh://[USER@]HOST instead of tls://, or tcp:// through a tunnel to its loopback"
    )]
    NoToken(String),
    /// The key is not the one that was told.
    #[error(
        "the key of {target} is not the one of --pin: expected {expected}, got {seen}. Somebody may be in the \
         middle; if the server has a new key, compare with what conntopd --init-tls printed there"
    )]
    Pin {
        /// Where.
        target: String,
        /// As told.
        expected: Fingerprint,
        /// As shown by the server.
        seen: Fingerprint,
    },
    /// The key is not the one of before.
    #[error(
        "the key of {target} HAS CHANGED: it was {expected}, now it is {seen}. Somebody may be in the middle. \
         If the server has a new key, remove its line from {file} or give --pin with the new one"
    )]
    Changed {
        /// Where.
        target: String,
        /// As known.
        expected: Fingerprint,
        /// As shown by the server.
        seen: Fingerprint,
        /// Where the old one is written.
        file: String,
    },
    /// Somebody answers without TLS.
    #[error(
        "{0} answers without TLS: nothing was sent. A conntopd on loopback at the end of a tunnel is reached \
         by tcp://; anywhere else, start it with --init-tls and --listen-any"
    )]
    Plain(String),
    /// The handshake failed.
    #[error("{target}: TLS: {error}")]
    Handshake {
        /// Where.
        target: String,
        /// Why.
        error: io::Error,
    },
    /// The server asks for no proof.
    #[error(
        "{0} asks for no proof of the token, so it cannot prove that it is your server: not connected. \
         Somebody may be in the middle"
    )]
    NoChallenge(String),
    /// The server refuses our proof.
    #[error(
        "{target} refuses the token: {text}. The key seen is {seen}; conntopd on the server prints its own \
         when it starts"
    )]
    Refused {
        /// Where.
        target: String,
        /// In the server's words.
        text: String,
        /// Its key.
        seen: Fingerprint,
    },
    /// The server's proof is wrong.
    #[error(
        "{target} does not know the token, so it is not your server or SOMEBODY IS IN THE MIDDLE: not \
         connected. The key seen is {seen}"
    )]
    Middle {
        /// Where.
        target: String,
        /// Its key.
        seen: Fingerprint,
    },
    /// The list of known servers cannot be used.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// No nonce.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

impl TlsError {
    /// What trying again would not mend.
    pub(super) fn fatal(&self) -> Option<SourceErrorKind> {
        match self {
            Self::NoToken(_) | Self::Known(_) => Some(SourceErrorKind::Config),
            Self::Refused { .. } => Some(SourceErrorKind::Permission),
            Self::Pin { .. } | Self::Changed { .. } | Self::Plain(_) => Some(SourceErrorKind::Protocol),
            Self::NoChallenge(_) | Self::Middle { .. } => Some(SourceErrorKind::Protocol),
            Self::Handshake { error, .. } => {
                error.get_ref().is_some_and(|e| e.is::<rustls::Error>()).then_some(SourceErrorKind::Protocol)
            }
            Self::Random(_) => None,
        }
    }
}

/// A connection whose handshake is done.
pub(super) type Stream = TlsStream<Sniff<TcpStream>>;

/// How a handshake may fail.
#[derive(Debug)]
pub(super) enum Failed {
    /// The server said why it will not have us, before TLS.
    Bye(Bye),
    Tls(TlsError),
}

/// What the proofs of one connection are about.
#[derive(Debug)]
pub(super) struct Secured {
    token: Token,
    binding: [u8; 32],
    seen: Fingerprint,
}

/// Shakes hands; `target` names the server for people and in the list of known ones.
pub(super) async fn handshake(
    target: &str,
    socket: TcpStream,
    security: &Security,
) -> Result<(Stream, Secured), Failed> {
    let failed = |error| Failed::Tls(TlsError::Handshake { target: target.to_owned(), error });
    let other = |error: rustls::Error| failed(io::Error::other(error));
    let token = security.token.clone().ok_or_else(|| Failed::Tls(TlsError::NoToken(target.to_owned())))?;
    let known = security.known.as_ref().map(|known| known.get(target)).transpose();
    let known = known.map_err(|error| Failed::Tls(error.into()))?.flatten();
    let config = config(security.pin.or(known)).map_err(other)?;
    let name = ServerName::try_from(NAME).map_err(|error| failed(io::Error::other(error)))?;
    let connect = TlsConnector::from(Arc::new(config)).connect(name, Sniff::new(socket));
    let mut stream = match connect.into_fallible().await {
        Ok(stream) => stream,
        Err((error, socket)) => return Err(explain(target, security, error, &socket)),
    };
    stream.get_mut().0.stop();
    let session = stream.get_ref().1;
    let binding = session.export_keying_material([0; 32], EXPORTER_LABEL, None).map_err(other)?;
    let seen = session.peer_certificates().and_then(<[_]>::first).map(verifier::fingerprint);
    let seen = seen.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?.map_err(other)?;
    Ok((stream, Secured { token, binding, seen }))
}

fn config(expected: Option<Fingerprint>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned::new(expected, provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // The name is a constant, and each connection proves the token anew.
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn explain(target: &str, security: &Security, error: io::Error, socket: &Sniff<TcpStream>) -> Failed {
    let target = target.to_owned();
    if let Some(line) = socket.plain_line() {
        return match decode_line(line, Validate::Control) {
            Ok(ServerMessage::Bye(bye)) => Failed::Bye(bye),
            _ => Failed::Tls(TlsError::Plain(target)),
        };
    }
    let wrong = error.get_ref().and_then(|error| error.downcast_ref()).and_then(WrongKey::within);
    Failed::Tls(match (wrong, &security.known) {
        (Some(&WrongKey { expected, seen }), Some(known)) if security.pin.is_none() => {
            TlsError::Changed { target, expected, seen, file: known.path().display().to_string() }
        }
        (Some(&WrongKey { expected, seen }), _) => TlsError::Pin { target, expected, seen },
        (None, _) => TlsError::Handshake { target, error },
    })
}

/// What the server's first messages ask for.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this.
    Send(ClientProof, Box<Pending>),
    /// The server speaks another version.
    Version(u32),
}

/// Waits for the server's proof.
#[derive(Debug)]
pub(super) struct Pending {
    secured: Secured,
    exchange: Exchange,
}

impl Secured {
    /// Answers the server's first message.
    pub(super) fn answer(self, target: &str, message: &ServerMessage) -> Result<Next, TlsError> {
        let ServerMessage::Challenge(Challenge { protocol, nonce }) = *message else {
            return Err(TlsError::NoChallenge(target.to_owned()));
        };
        if protocol != PROTOCOL_VERSION {
            return Ok(Next::Version(protocol));
        }
        let client = auth::random()?;
        Ok(self.prove(nonce, client))
    }

    fn prove(self, server: Hex32, client: Hex32) -> Next {
        let exchange = Exchange { binding: self.binding, server, client };
        let mac = self.token.key().prove(Role::Client, &exchange);
        let proof = ClientProof { protocol: PROTOCOL_VERSION, nonce: client, mac };
        Next::Send(proof, Box::new(Pending { secured: self, exchange }))
    }
}

impl Pending {
    /// Looks at the server's second message; its key is remembered if it is the right one.
    pub(super) fn check(
        self,
        target: &str,
        message: &ServerMessage,
        security: &Security,
    ) -> Result<(), TlsError> {
        let (target, seen) = (target.to_owned(), self.secured.seen);
        match message {
            ServerMessage::Proof(ServerProof { mac })
                if self.secured.token.key().holds(*mac, Role::Server, &self.exchange) =>
            {
                if let Some(Err(error)) = security.known.as_ref().map(|known| known.set(&target, seen)) {
                    tracing::warn!("{error}");
                }
                Ok(())
            }
            ServerMessage::Bye(Bye { reason: ByeReason::Auth, text }) => {
                Err(TlsError::Refused { target, text: text.clone(), seen })
            }
            _ => Err(TlsError::Middle { target, seen }),
        }
    }
}
