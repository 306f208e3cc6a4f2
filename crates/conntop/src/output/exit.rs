//! How the program ends.

use std::io;
use std::process::ExitCode;

use crate::mirror::MirrorError;
use crate::source::{SourceEnd, SourceError, SourceErrorKind};

/// All went well; a reader that closed the pipe is well too.
pub const OK: u8 = 0;
/// Anything that has no code of its own.
pub const FAILURE: u8 = 1;
/// Wrong arguments.
pub const USAGE: u8 = 2;
/// The connection is lost (EX_UNAVAILABLE).
pub const LOST: u8 = 69;
/// No permission (EX_NOPERM).
pub const PERMISSION: u8 = 77;
/// A configuration that is refused (EX_CONFIG).
pub const CONFIG: u8 = 78;

/// Ended by a signal before it was done, as a shell says it of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Every code, and what it means for people.
pub const CODES: &[(u8, &str)] = &[
    (OK, "all went well; a reader that closed the pipe is well, too"),
    (FAILURE, "anything that has no code of its own; of doctor: flows stay unseen or uncounted"),
    (USAGE, "wrong arguments"),
    (LOST, "the connection is lost, or could not be made"),
    (PERMISSION, "no permission, or the token was refused"),
    (CONFIG, "a configuration that is refused"),
    (INTERRUPTED, "ended by a signal before it was done"),
];

/// Why the program ends, other than well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What happened and what to do, for people.
    pub text: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Says it on stderr.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        super::say(self);
        ExitCode::from(self.code)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let code = match error.kind {
            SourceErrorKind::Permission => PERMISSION,
            SourceErrorKind::Lost => LOST,
            SourceErrorKind::Config => CONFIG,
            SourceErrorKind::Protocol | SourceErrorKind::Other => FAILURE,
        };
        Self::new(code, error.text)
    }
}

impl From<SourceEnd> for Failure {
    fn from(end: SourceEnd) -> Self {
        match end {
            SourceEnd::Finished => Self::new(FAILURE, "the recording ended before it was complete"),
            SourceEnd::Failed(error) => error.into(),
        }
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        Self::new(FAILURE, format!("the collector sent what cannot be: {error}"))
    }
}

/// Writing to a pipe that nobody reads any more is no failure; `None` then.
#[must_use]
pub fn write_failure(error: &io::Error) -> Option<Failure> {
    (error.kind() != io::ErrorKind::BrokenPipe).then(|| Failure::new(FAILURE, format!("write: {error}")))
}
