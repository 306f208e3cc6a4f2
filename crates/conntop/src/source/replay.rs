//! A recording as a source: by its own clock as it was, or as fast as the front end takes it.

mod length;
mod player;
mod reader;
mod timeline;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conntop_proto::codec::Validate;
use tokio::io::AsyncRead;

use self::player::Player;
use self::reader::{Bytes, failed};
use super::playing::Speed;
use super::{Source, SourceError, SourceErrorKind};
use crate::platform::{self, flow_of};

/// What stands for the standard input.
pub const STDIN: &str = "-";

/// How to play a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Play {
    /// As fast as the front end takes it, to its end or to that long after its beginning.
    Through(Option<Duration>),
    /// By its own clock.
    Paced {
        /// How fast.
        speed: Speed,
        /// Where to begin.
        at: Duration,
    },
}

/// A recording.
pub struct Recording {
    place: Place,
}

enum Place {
    /// A file that can be read again.
    File(PathBuf),
    /// What can be read once; `None` when it has been.
    Once(Option<Bytes>),
}

impl Recording {
    /// The recording in a file, or from the standard input for `-`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let shown = path.display();
        let wrong = |error: io::Error| failed(SourceErrorKind::Config, &format_args!("{shown}: {error}"));
        if path.as_os_str() == STDIN {
            let file = platform::stdin().map_err(wrong)?;
            return Ok(Self { place: Place::Once(Some(flow_of(file).map_err(wrong)?)) });
        }
        let file = File::open(path).map_err(wrong)?;
        let metadata = file.metadata().map_err(wrong)?;
        if metadata.is_dir() {
            return Err(wrong(io::ErrorKind::IsADirectory.into()));
        }
        let place = match metadata.is_file() {
            true => Place::File(path.to_owned()),
            false => Place::Once(Some(flow_of(file).map_err(wrong)?)),
        };
        Ok(Self { place })
    }

    /// A recording that can be read once.
    pub fn of(bytes: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { place: Place::Once(Some(Box::new(bytes))) }
    }

    /// Whether it can be read again.
    fn rewinds(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Its bytes from the beginning; `None` when they are gone.
    fn bytes(&mut self) -> io::Result<Option<Bytes>> {
        Ok(match &mut self.place {
            Place::File(path) => Some(Box::new(tokio::fs::File::from_std(File::open(path)?))),
            Place::Once(bytes) => bytes.take(),
        })
    }
}

/// Starts to read a recording as fast as it is taken. Must be called within a tokio runtime.
#[must_use]
pub fn replay(recording: impl AsyncRead + Send + Unpin + 'static, validate: Validate) -> Source {
    play(Recording::of(recording), validate, Play::Through(None))
}

/// Starts to play a recording. Must be called within a tokio runtime.
#[must_use]
pub fn play(recording: Recording, validate: Validate, play: Play) -> Source {
    let (source, events, requests) = Source::pair();
    tokio::spawn(Player::new(recording, validate, play, events).run(requests));
    source
}
