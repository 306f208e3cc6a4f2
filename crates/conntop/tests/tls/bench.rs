//! A server that takes TLS and a token on loopback, fed by hand, and somebody who stands in front of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conntop::source::tls::Known;
use conntop::source::{RemoteConfig, Security, SourceEnd, SourceErrorKind, SourceEvent, Target, remote};
use conntop_proto::auth::{Fingerprint, Token};
use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Host, Subscribe};
use conntopd::args::{Listen, Need};
use conntopd::auth::Credentials;
use conntopd::collector::CollectorHandle;
use conntopd::server::Server;
use conntopd::server::listen::{self, Access, Listener, Listeners};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// No test waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server as a test sees it.
pub(crate) struct Bench {
    /// Speaks TLS.
    pub(crate) address: SocketAddr,
    /// Speaks without.
    pub(crate) plain: SocketAddr,
    pub(crate) token: Token,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) credentials: watch::Sender<Arc<Credentials>>,
    pub(crate) folder: PathBuf,
}

/// Runs `script` beside a server, then stops it.
pub(crate) async fn serving<T>(script: impl AsyncFnOnce(&Bench) -> T) -> T {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().to_owned();
    let made = folder.join("server");
    let created = Credentials::create(&made).unwrap();
    let credentials = watch::Sender::new(Arc::new(Credentials::load(&made).unwrap()));
    let (collector, _feeder) = CollectorHandle::by_hand(Host::default()).unwrap();
    let loopback = Listen { address: (Ipv4Addr::LOCALHOST, 0).into(), need: Need::Required };
    let [secure, plain] = [loopback; 2].map(|listen| listen::tcp(&[listen]).unwrap().remove(0));
    let (address, plain_address) = (secure.local_addr().unwrap(), plain.local_addr().unwrap());
    let listeners = Listeners::new(vec![
        Listener { socket: secure.into(), access: Access::Token(credentials.subscribe()) },
        Listener::peer(plain),
    ]);
    let server = Server::new(collector, listeners, 32);
    let token = std::fs::read_to_string(created.token).unwrap().parse().unwrap();
    let fingerprint = created.fingerprint;
    let bench = Bench { address, plain: plain_address, token, fingerprint, credentials, folder };
    let (stop, stopped) = oneshot::channel::<()>();
    let script = async {
        let result = tokio::time::timeout(PATIENCE * 2, script(&bench)).await;
        drop(stop);
        result.expect("the test ends in time")
    };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::join!(server.run(stopped), script).1
}

/// How an attempt to connect went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Connected,
    /// It will be tried again.
    Stale(String),
    Failed(SourceErrorKind, String),
}

impl Bench {
    pub(crate) fn known(&self) -> Known {
        Known::new(self.folder.join("state/known_servers"))
    }

    pub(crate) fn security(&self) -> Security {
        Security { token: Some(self.token.clone()), pin: None, known: Some(self.known()) }
    }

    /// The first event of a client.
    pub(crate) async fn attempt(&self, target: &str, security: Security) -> Outcome {
        let mut source = remote(config(target.parse().unwrap(), security));
        let event = tokio::time::timeout(PATIENCE, source.next()).await;
        match event.expect("the client says something").unwrap() {
            SourceEvent::Connected(_) => Outcome::Connected,
            SourceEvent::Stale { cause, .. } => Outcome::Stale(cause),
            SourceEvent::Ended(SourceEnd::Failed(error)) => Outcome::Failed(error.kind, error.text),
            other => panic!("{other:?}"),
        }
    }

    /// A TLS connection made by hand, whatever the server's key is.
    pub(crate) async fn by_hand(&self) -> client::TlsStream<TcpStream> {
        by_hand(self.address).await
    }

    /// Key and certificate of somebody else.
    pub(crate) fn stranger(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        Credentials::create(&folder).unwrap();
        folder
    }
}

pub(crate) fn config(target: Target, security: Security) -> RemoteConfig {
    RemoteConfig {
        target,
        name: "test".into(),
        subscribe: Subscribe::default(),
        codec: Codec::Zstd,
        validate: Validate::All,
        security,
    }
}

pub(crate) async fn by_hand(address: SocketAddr) -> client::TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("anybody").unwrap();
    TlsConnector::from(any_key()).connect(name, socket).await.unwrap()
}

/// Of a client that takes any key.
pub(crate) fn any_key() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey))
        .with_no_client_auth();
    Arc::new(config)
}

/// Somebody with this certificate and this key, who accepts one connection.
pub(crate) struct Impostor {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Impostor {
    pub(crate) async fn new(certificate: &Path, key: &Path) -> (Self, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = format!("tls://{}", listener.local_addr().unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from_pem_file(certificate.join("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key.join("key.pem")).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Unchecked(Arc::new(CertifiedKey::new(chain, key)))));
        (Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, target)
    }

    pub(crate) async fn accept(&self) -> std::io::Result<server::TlsStream<TcpStream>> {
        let (socket, _) = self.listener.accept().await?;
        self.acceptor.accept(socket).await
    }
}

/// Shows a certificate whether or not the key is its own.
#[derive(Debug)]
struct Unchecked(Arc<CertifiedKey>);

impl ResolvesServerCert for Unchecked {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct AnyKey;

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("TLS 1.2")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
