//! What a server needs to prove who it is and to check who connects: a key with its certificate, and
//! the digest of the token. Made once by `--init-tls`, read at the start and again at SIGHUP.
//!
//! The certificate is self-signed and never expires: clients pin its key and look at nothing else. The
//! token itself is written once, for the clients, and is not needed on the server afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conntop_proto::auth::{Fingerprint, Key, NoRandom, Token};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};

/// The server's private key.
const KEY: &str = "key.pem";
/// Its certificate.
const CERTIFICATE: &str = "cert.pem";
/// SHA-256 of the token: as secret as the token itself.
const DIGEST: &str = "token.digest";
/// The token, for the clients.
const TOKEN: &str = "token";
/// Name in the certificate; nobody looks at it.
const SUBJECT: &str = "conntopd";
/// None of the files is larger.
const MAX_FILE: u64 = 64 << 10;

/// Key, certificate and digest of a server.
#[derive(Debug)]
pub struct Credentials {
    tls: Arc<ServerConfig>,
    key: Key,
    fingerprint: Fingerprint,
}

/// What [`Credentials::create`] has made.
#[derive(Debug)]
pub struct Created {
    /// Of the server's key.
    pub fingerprint: Fingerprint,
    /// File with the token.
    pub token: PathBuf,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file is not there.
    #[error("there is no {}: make key and token with conntopd --init-tls={}", path.display(), dir.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Its folder.
        dir: PathBuf,
    },
    /// Others than the owner may read a secret.
    #[error(
        "{} can be read by others (mode {mode:03o}): chmod 600 it, and make new ones if somebody may have",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others than the owner may put files there.
    #[error("others can write to {} (mode {mode:03o}): chmod 700 it", path.display())]
    Writable {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nothing is overwritten.
    #[error(
        "{} exists already and is not overwritten: clients know its key. For new ones, remove {} first",
        path.display(),
        FILES.join(", ")
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot {step} {}: {error}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// A file has something else in it.
    #[error("{}: {what}; make new ones with conntopd --init-tls in another folder", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    Generate(String),
    /// No token could be made.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

const FILES: [&str; 4] = [KEY, CERTIFICATE, DIGEST, TOKEN];

impl Credentials {
    /// Makes key, certificate, token and digest in `dir`, which is made if need be.
    ///
    /// # Errors
    /// If one of them exists already, or cannot be written; none is left behind then.
    pub fn create(dir: &Path) -> Result<Created, CredentialsError> {
        let paths = FILES.map(|name| dir.join(name));
        if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(CredentialsError::Exists { path: path.clone() });
        }
        let failed = |error| io_error("make", dir, error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        check_folder(dir)?;
        let generate = |error: rcgen::Error| CredentialsError::Generate(error.to_string());
        let pair = rcgen::KeyPair::generate().map_err(generate)?;
        let mut params = rcgen::CertificateParams::new([SUBJECT.to_owned()]).map_err(generate)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
        let certificate = params.self_signed(&pair).map_err(generate)?;
        let fingerprint = fingerprint(certificate.der(), &dir.join(CERTIFICATE))?;
        let token = Token::generate()?;
        let contents =
            [pair.serialize_pem(), certificate.pem(), token.key().secret() + "\n", token.secret() + "\n"];
        for (i, (path, content)) in paths.iter().zip(contents).enumerate() {
            if let Err(error) = write_new(path, &content) {
                for made in paths.iter().take(i) {
                    let _ = fs::remove_file(made);
                }
                return Err(io_error("write", path, error));
            }
        }
        let [.., token] = paths;
        Ok(Created { fingerprint, token })
    }

    /// Reads them from `dir`.
    ///
    /// # Errors
    /// If a file is missing, readable by others, or not what it should be.
    pub fn load(dir: &Path) -> Result<Self, CredentialsError> {
        check_folder_if_there(dir)?;
        let (key_path, certificate_path) = (dir.join(KEY), dir.join(CERTIFICATE));
        let content = |path: &Path, what: String| CredentialsError::Content { path: path.to_owned(), what };
        let pem = read_secret(dir, &key_path)?;
        let private = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| content(&key_path, format!("no private key: {error}")))?;
        let pem = read(dir, &certificate_path, Secrecy::Public)?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| content(&certificate_path, format!("no certificate: {error}")))?;
        let digest_path = dir.join(DIGEST);
        let key = read_secret(dir, &digest_path)?
            .parse()
            .map_err(|error| content(&digest_path, format!("no digest of a token: {error}")))?;
        let fingerprint = fingerprint(&certificate, &certificate_path)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(vec![certificate], private))
            .map_err(|error| content(&key_path, format!("does not go with {CERTIFICATE}: {error}")))?;
        // Each connection proves the token anew, so there is nothing to resume and nothing to keep.
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { tls: Arc::new(tls), key, fingerprint })
    }

    /// Of the server's key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls)
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }
}

fn fingerprint(certificate: &CertificateDer<'_>, path: &Path) -> Result<Fingerprint, CredentialsError> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| CredentialsError::Content {
        path: path.to_owned(),
        what: format!("no certificate: {error}"),
    })?;
    Ok(Fingerprint::of(&parsed.subject_public_key_info()))
}

fn io_error(step: &'static str, path: &Path, error: io::Error) -> CredentialsError {
    CredentialsError::Io { step, path: path.to_owned(), error }
}

/// With a mode that never was any other.
fn write_new(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn check_folder_if_there(dir: &Path) -> Result<(), CredentialsError> {
    match check_folder(dir) {
        Err(CredentialsError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn check_folder(dir: &Path) -> Result<(), CredentialsError> {
    let mode = fs::metadata(dir).map_err(|error| io_error("look at", dir, error))?.mode() & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(CredentialsError::Writable { path: dir.to_owned(), mode })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Secret,
    Public,
}

fn read_secret(dir: &Path, path: &Path) -> Result<String, CredentialsError> {
    read(dir, path, Secrecy::Secret)
}

fn read(dir: &Path, path: &Path, secrecy: Secrecy) -> Result<String, CredentialsError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => CredentialsError::Missing { path: path.to_owned(), dir: dir.to_owned() },
        _ => io_error("open", path, error),
    })?;
    let failed = |error| io_error("read", path, error);
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if secrecy == Secrecy::Secret && mode & 0o077 != 0 {
        return Err(CredentialsError::Readable { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
