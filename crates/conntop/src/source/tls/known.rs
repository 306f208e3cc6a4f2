//! Servers that have proved themselves before, with their keys: one line each, `HOST:PORT sha256:...`,
//! in `known_servers` of the state directory. Read at each connection; replaced as a whole.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use conntop_proto::auth::Fingerprint;

use crate::places::{self, Base};
use crate::platform::{make_private_folder, mode_of, with_mode};

/// A file with more is not ours.
const MAX_FILE: u64 = 1 << 20;

/// The file.
#[derive(Clone, Debug)]
pub struct Known {
    path: PathBuf,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
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
    /// Others could put keys there.
    #[error("others can write to {} (mode {mode:03o}): chmod 600 it and look at its lines", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is none.
    #[error("{} line {line}: expected HOST:PORT and a fingerprint", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// One name for all ways to write a target of TLS: without a scheme, in lower case, and an IPv6 address
/// in its shortest form.
fn canonical(server: &str) -> String {
    let server = server.strip_prefix("tls://").unwrap_or(server).to_ascii_lowercase();
    match server.parse::<SocketAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => server,
    }
}

impl Known {
    /// In this file, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// In the user's state directory; `None` without a home.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        Some(Self::new(places::of_user(Base::State)?.join("known_servers")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key of a server, however it is written; `None` if it is new.
    ///
    /// # Errors
    /// The file exists and cannot be used: a key that might be in it is not ignored.
    pub fn get(&self, server: &str) -> Result<Option<Fingerprint>, KnownError> {
        let (mut found, server) = (None, canonical(server));
        for (i, line) in self.read()?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || KnownError::Line { path: self.path.clone(), line: i + 1 };
            let (name, key) = line.split_once(char::is_whitespace).ok_or_else(bad)?;
            let key: Fingerprint = key.trim().parse().map_err(|_| bad())?;
            if canonical(name) == server {
                found.get_or_insert(key);
            }
        }
        Ok(found)
    }

    /// Remembers the key of a server in place of what was known.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn set(&self, server: &str, key: Fingerprint) -> Result<(), KnownError> {
        let text = self.read()?;
        let server = canonical(server);
        let line = format!("{server} {key}");
        let is_of_server =
            |l: &&str| l.split_whitespace().next().is_some_and(|name| canonical(name) == server);
        if text.lines().filter(is_of_server).eq([line.as_str()]) {
            return Ok(());
        }
        let mut fresh = String::new();
        for old in text.lines().filter(|l| !is_of_server(l)).chain([line.as_str()]) {
            fresh.push_str(old);
            fresh.push('\n');
        }
        let failed = |error| KnownError::Io { step: "write", path: self.path.clone(), error };
        self.replace(&fresh).map_err(failed)
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            make_private_folder(folder)?;
        }
        let mut fresh = self.path.clone().into_os_string();
        fresh.push(format!(".{}", std::process::id()));
        let _left_by_a_crash = fs::remove_file(&fresh);
        let mut file = with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&fresh)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&fresh, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    fn read(&self) -> Result<String, KnownError> {
        let failed = |error| KnownError::Io { step: "read", path: self.path.clone(), error };
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(failed(error)),
        };
        if let Some(mode) = mode_of(&meta).filter(|mode| mode & 0o022 != 0) {
            return Err(KnownError::Writable { path: self.path.clone(), mode });
        }
        if meta.len() > MAX_FILE {
            return Err(failed(ErrorKind::FileTooLarge.into()));
        }
        fs::read_to_string(&self.path).map_err(failed)
    }
}
