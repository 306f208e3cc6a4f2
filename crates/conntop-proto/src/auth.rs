//! How both sides of a TLS connection prove to each other that they know the token, without showing
//! it and without anything that another connection could use. Pure: bytes in, bytes out.
//!
//! mac = HMAC-SHA256(key, role ‖ 0 ‖ binding ‖ server's nonce ‖ client's nonce), where the key is
//! SHA-256 of the token's 64 digits and the binding is the TLS exporter of the connection. So a proof
//! is worth nothing on any other connection: somebody in the middle, whose two connections have
//! different exporters, can forward a proof but not use it. The roles differ, so a proof cannot be
//! sent back to its sender. The key is as secret as the token: who has it can prove.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};

use crate::message::{Hex32, HexError};

/// Label of the TLS exporter; its context is empty, its length 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-conntop-auth-1";
/// What fingerprints begin with.
const FINGERPRINT_PREFIX: &str = "sha256:";

/// The operating system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandom;

/// 32 bytes that nobody can guess.
///
/// # Errors
/// The operating system gives none.
pub fn random() -> Result<Hex32, NoRandom> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(Hex32(bytes))
}

/// A token: 256 random bits, written as 64 lower-case hexadecimal digits. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Hex32);

/// Not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is 64 lower-case hexadecimal digits, this has {0} characters")]
pub struct TokenError(usize);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// Without random numbers.
    pub fn generate() -> Result<Self, NoRandom> {
        random().map(Self)
    }

    /// Its 64 digits: a secret.
    #[must_use]
    pub fn secret(&self) -> String {
        self.0.to_string()
    }

    /// What a server keeps of it: a secret, too.
    #[must_use]
    pub fn key(&self) -> Key {
        Key(sha256(self.secret().as_bytes()))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// White space around it does not matter.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        text.parse().map(Self).map_err(|_| TokenError(text.chars().count()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// SHA-256 of a token. Never shown.
#[derive(Clone, Copy)]
pub struct Key(Hex32);

impl Key {
    /// Its 64 digits, as a server stores it: a secret.
    #[must_use]
    pub fn secret(&self) -> String {
        self.0.to_string()
    }

    /// What `role` sends to prove that it knows the token.
    #[must_use]
    pub fn prove(&self, role: Role, exchange: &Exchange) -> Hex32 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0.0);
        let tag = hmac::sign(&key, &exchange.input(role));
        Hex32(tag.as_ref().try_into().unwrap_or([0; 32]))
    }

    /// Whether `mac` is what `role` sends if it knows the token. Takes as long whatever it is.
    #[must_use]
    pub fn holds(&self, mac: Hex32, role: Role, exchange: &Exchange) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0.0);
        hmac::verify(&key, &exchange.input(role), &mac.0).is_ok()
    }
}

impl FromStr for Key {
    type Err = HexError;

    /// White space around it does not matter.
    fn from_str(text: &str) -> Result<Self, HexError> {
        text.trim().parse().map(Self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that connected.
    Client,
    /// The one that listens.
    Server,
}

impl Role {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Client => b"conntop client",
            Self::Server => b"conntop server",
        }
    }
}

/// What belongs to one connection and to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The TLS exporter.
    pub binding: [u8; 32],
    /// Nonce of the server's challenge.
    pub server: Hex32,
    /// Nonce of the client's proof.
    pub client: Hex32,
}

impl Exchange {
    fn input(&self, role: Role) -> Vec<u8> {
        [role.name(), &[0], &self.binding, &self.server.0, &self.client.0].concat()
    }
}

/// SHA-256 of a server's public key (SubjectPublicKeyInfo in DER), written `sha256:` and 64 digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(Hex32);

/// Not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is sha256: and 64 lower-case hexadecimal digits, as conntopd --init-tls prints it")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of a key in DER.
    #[must_use]
    pub fn of(public_key_info: &[u8]) -> Self {
        Self(sha256(public_key_info))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FINGERPRINT_PREFIX}{}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.strip_prefix(FINGERPRINT_PREFIX).ok_or(FingerprintError)?;
        digits.parse().map(Self).map_err(|_| FingerprintError)
    }
}

fn sha256(bytes: &[u8]) -> Hex32 {
    Hex32(digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(byte: u8) -> Hex32 {
        Hex32([byte; 32])
    }

    /// Computed with Python's hmac and hashlib: what a stranger's implementation must give.
    #[test]
    fn the_proofs_of_a_known_exchange() {
        let token: Token = "0f".repeat(32).parse().unwrap_or_else(|error| panic!("{error}"));
        let exchange = Exchange { binding: [1; 32], server: hex(2), client: hex(3) };
        let key = token.key();
        let check = |role, expected: &str| {
            let mac = key.prove(role, &exchange);
            assert_eq!(mac.to_string(), expected, "{role:?}");
            assert!(key.holds(mac, role, &exchange));
        };
        check(Role::Client, CLIENT);
        check(Role::Server, SERVER);
    }

    const CLIENT: &str = "d51ac4cd60e3bfab0d8462f1e659bbd9eb401817f5a038457732b3b4ff32122d";
    const SERVER: &str = "a275f87ec8c507afaa84391accc8bf21dee2d2a8e71af94abee4ff2df0779d79";

    #[test]
    fn a_proof_holds_for_its_own_exchange_and_role_only() {
        let (Ok(token), Ok(other)) = (Token::generate(), Token::generate()) else { panic!("no random") };
        let exchange = Exchange { binding: [1; 32], server: hex(2), client: hex(3) };
        let mac = token.key().prove(Role::Client, &exchange);
        let wrong = [
            ("another token", other.key(), Role::Client, exchange),
            ("another role", token.key(), Role::Server, exchange),
            ("another connection", token.key(), Role::Client, Exchange { binding: [9; 32], ..exchange }),
            ("another challenge", token.key(), Role::Client, Exchange { server: hex(9), ..exchange }),
            ("another answer", token.key(), Role::Client, Exchange { client: hex(9), ..exchange }),
        ];
        for (name, key, role, exchange) in wrong {
            assert!(!key.holds(mac, role, &exchange), "{name}");
        }
    }

    #[test]
    fn tokens_and_fingerprints_are_read_strictly_and_never_shown() {
        let digits = "ab".repeat(32);
        assert_eq!(format!(" {digits}\n").parse::<Token>().map(|t| t.secret()), Ok(digits.clone()));
        for (text, length) in [("", 0), ("abc", 3), (&*digits.to_uppercase(), 64), (&*"ab".repeat(33), 66)] {
            assert_eq!(text.parse::<Token>(), Err(TokenError(length)), "{text}");
        }
        let fingerprint: Result<Fingerprint, _> = format!("sha256:{digits}").parse();
        assert_eq!(fingerprint.map(|f| f.to_string()), Ok(format!("sha256:{digits}")));
        for text in [&*digits, "sha256:", "sha1:abcd", &*format!("sha256:{digits}0")] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
        let token: Result<Token, _> = digits.parse();
        assert!(!format!("{:?}{:?}", token, token.as_ref().map(Token::key)).contains("ab"));
    }
}
