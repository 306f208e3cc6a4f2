//! Which certificates are taken: any whose key is the expected one, or any at all where none is
//! expected yet; and always only with a signature of the handshake by that key.

use std::sync::Arc;

use conntop_proto::auth::Fingerprint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible, SignatureScheme};

/// Takes one key, or any if there is none to expect.
#[derive(Debug)]
pub(super) struct Pinned {
    expected: Option<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The key is another one.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server's key is {seen} instead of {expected}")]
pub(super) struct WrongKey {
    pub(super) expected: Fingerprint,
    pub(super) seen: Fingerprint,
}

impl WrongKey {
    /// The one that made a handshake fail.
    pub(super) fn within(error: &Error) -> Option<&Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }
}

/// SHA-256 of a certificate's key.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
    Ok(Fingerprint::of(&ParsedCertificate::try_from(certificate)?.subject_public_key_info()))
}

impl Pinned {
    pub(super) fn new(expected: Option<Fingerprint>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { expected, algorithms }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = fingerprint(certificate)?;
        match self.expected {
            Some(expected) if expected != seen => {
                let wrong = OtherError(Arc::new(WrongKey { expected, seen }));
                Err(CertificateError::Other(wrong).into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
