//! Where the token comes from: a file that nobody else can read, or the environment. Never the command
//! line, which everybody on the machine can read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use conntop_proto::auth::{Token, TokenError};

use crate::places::{self, Base};
use crate::platform;

/// Environment variable with the token itself.
const VARIABLE: &str = "CONNTOP_TOKEN";
/// A token with a newline has 65 bytes.
const MAX_FILE: u64 = 1024;

/// Where a token is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In this file.
    File(PathBuf),
    /// In CONNTOP_TOKEN, then in the user's configuration directory.
    Usual,
}

/// There is something where a token should be, and it is none.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file cannot be read.
    #[error("token file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// Others can read it.
    #[error("token file {} can be read by others (mode {mode:03o}): chmod 600 it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its content is no token.
    #[error("token file {}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TokenError,
    },
    /// The variable's content is no token.
    #[error("{VARIABLE}: {0}")]
    Variable(TokenError),
}

impl TokenSource {
    /// The token; `None` if there is none in the usual places.
    ///
    /// # Errors
    /// The file that was named is not there, or what is there is no token or readable by others.
    pub fn read(&self) -> Result<Option<Token>, TokenFileError> {
        let path = match self {
            Self::File(path) => return read(path).map(Some),
            Self::Usual => {
                if let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
                    let token = text.to_string_lossy().parse();
                    return token.map(Some).map_err(TokenFileError::Variable);
                }
                places::of_user(Base::Config).map(|folder| folder.join("token"))
            }
        };
        match path.as_deref().map(read) {
            Some(Err(TokenFileError::Io { error, .. })) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            read => read.transpose(),
        }
    }
}

fn read(path: &Path) -> Result<Token, TokenFileError> {
    let failed = |error| TokenFileError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if let Some(mode) = platform::mode_of(&meta).filter(|mode| meta.is_file() && mode & 0o077 != 0) {
        return Err(TokenFileError::Readable { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    text.parse().map_err(|error| TokenFileError::Content { path: path.to_owned(), error })
}
