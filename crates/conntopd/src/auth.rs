//! Who may read the table: those whom the kernel vouches for ([`peer`]), and those who prove over TLS
//! that they know the token ([`Credentials`], [`Stage`]).
//!
//! Order on a TLS connection: handshake, [`Stage`], and only then a session. Invariants:
//! - Before the proof a stranger gets a certificate and a random number, nothing else.
//! - What a stranger costs is bounded by [`PROOF_TIME`] and [`PROOF_BYTES`], the handshake included.
//! - Neither token nor key is ever shown or logged.

use std::time::Duration;

pub mod peer;

#[cfg(feature = "tls")]
mod credentials;
#[cfg(feature = "tls")]
mod stage;

#[cfg(feature = "tls")]
pub use credentials::{Created, Credentials, CredentialsError};
#[cfg(feature = "tls")]
pub use stage::{Stage, Step};

/// Where key, certificate and digest lie unless told otherwise.
pub const DEFAULT_DIR: &str = "/etc/conntop";
/// Time for the TLS handshake and the proof together: slow enough for a satellite link.
pub const PROOF_TIME: Duration = Duration::from_secs(5);
/// Bytes of a client's TLS handshake and proof together, as they travel: a handshake with a
/// post-quantum key share takes 2 KiB, a proof 250 bytes.
pub const PROOF_BYTES: usize = 4 << 10;
