//! Who may connect to which socket, from the settings; and `--init-tls`.

use std::net::SocketAddr;

use tokio::net::TcpListener;
#[cfg(feature = "tls")]
use tokio::sync::watch;

use crate::args::Settings;
#[cfg(feature = "tls")]
use crate::auth::{Created, Credentials, CredentialsError};
use crate::server::listen::{Access, Listener, Listeners, UnixSocket};

/// Why nobody may connect to an address by TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[cfg(feature = "tls")]
    #[error(
        "refusing to listen on {address}: it takes TLS, a key and a token. {error}. Without TLS only \
         loopback addresses and --unix are listened on; from another machine conntop ssh://USER@THIS-MACHINE \
         needs no listening"
    )]
    NoCredentials { address: SocketAddr, error: CredentialsError },
    #[cfg(not(feature = "tls"))]
    #[error(
        "refusing to listen on {0}: this program was built without TLS, so only loopback addresses and \
         --unix are listened on. From another machine: conntop ssh://USER@THIS-MACHINE"
    )]
    Exposed(SocketAddr),
}

/// What proves the daemon to its clients and them to it; nothing where no address needs it.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// The sender's owner may replace them while the daemon runs.
    #[cfg(feature = "tls")]
    credentials: Option<watch::Sender<std::sync::Arc<Credentials>>>,
}

#[cfg(feature = "tls")]
impl Secrets {
    /// Reads them if an address needs them.
    pub(super) fn load(settings: &Settings) -> Result<Self, AccessError> {
        let needs = settings.listen.iter().map(|l| l.address).find(|&a| settings.tls.covers(a));
        let Some(address) = needs else { return Ok(Self::default()) };
        let credentials = Credentials::load(&settings.tls_dir)
            .map_err(|error| AccessError::NoCredentials { address, error })?;
        Ok(Self { credentials: Some(watch::Sender::new(credentials.into())) })
    }

    /// Reads them again; connections from now on get them.
    ///
    /// # Errors
    /// Something is wrong with them; the old ones stay.
    pub(super) fn reload(&self, settings: &Settings) -> Result<(), CredentialsError> {
        if let Some(credentials) = &self.credentials {
            let fresh = Credentials::load(&settings.tls_dir)?;
            tracing::info!("key and token read again, fingerprint {}", fresh.fingerprint());
            credentials.send_replace(fresh.into());
        }
        Ok(())
    }

    fn access(&self, settings: &Settings, address: SocketAddr) -> Access {
        match &self.credentials {
            Some(credentials) if settings.tls.covers(address) => Access::Token(credentials.subscribe()),
            _ => Access::Peer,
        }
    }

    fn note(&self) -> String {
        let credentials = self.credentials.as_ref();
        credentials.map_or(String::new(), |c| format!(", fingerprint {}", c.borrow().fingerprint()))
    }
}

#[cfg(not(feature = "tls"))]
impl Secrets {
    /// Nothing, or a refusal if an address needs some.
    pub(super) fn load(settings: &Settings) -> Result<Self, AccessError> {
        match settings.listen.iter().map(|l| l.address).find(|&a| settings.tls.covers(a)) {
            Some(address) => Err(AccessError::Exposed(address)),
            None => Ok(Self::default()),
        }
    }

    /// Nothing.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "same shape as with TLS")]
    pub(super) fn reload(&self, _: &Settings) -> Result<(), AccessError> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "same shape as with TLS")]
    fn access(&self, _: &Settings, _: SocketAddr) -> Access {
        Access::Peer
    }
}

/// Says who may connect to each socket. Opens what finds the users of loopback peers, so it comes
/// before anything is locked.
pub(super) fn listeners(
    settings: &Settings,
    secrets: &Secrets,
    unix: Option<UnixSocket>,
    tcp: Vec<TcpListener>,
) -> Listeners {
    let mut all: Vec<Listener> = unix.into_iter().map(Listener::peer).collect();
    for socket in tcp {
        let Ok(address) = socket.local_addr() else { continue };
        let access = secrets.access(settings, address);
        match access {
            Access::Peer => {
                tracing::info!(
                    "listening on {address} for root, this user and group {}",
                    crate::auth::peer::GROUP
                );
            }
            #[cfg(feature = "tls")]
            Access::Token(_) => {
                tracing::info!("listening on {address} by TLS with a token{}", secrets.note())
            }
        }
        all.push(Listener { socket: socket.into(), access });
    }
    Listeners::new(all)
}

/// What is printed after key and token have been made.
#[cfg(feature = "tls")]
pub(super) fn init_tls(dir: &std::path::Path) -> Result<String, CredentialsError> {
    let Created { fingerprint, token } = Credentials::create(dir)?;
    let host = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_else(|_| b"HOST".into());
    let host = conntop_proto::text::sanitize_bytes(host.trim_ascii());
    let (dir, token) = (dir.display(), token.display());
    Ok(format!(
        "Made key, certificate and token in {dir}.\n\
         Fingerprint: {fingerprint}\n\n\
         1. Start the daemon here:\n\n    \
         conntopd --listen-any --tls-dir {dir}\n\n\
         2. Bring the token to the client, there as a file of mode 600:\n\n    \
         mkdir -p ~/.config/conntop && (umask 077; ssh root@{host} cat {token} > ~/.config/conntop/token)\n\n\
         3. Connect from there:\n\n    \
         conntop --connect tls://{host} --pin {fingerprint}\n\n\
         Whoever has {token} may read the table. The daemon does not need that file: delete it when\n\
         the clients have it. Everything else in {dir} stays on this machine.\n"
    ))
}
