//! Where a recording is written.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use conntop_proto::text::sanitize;
use zstd::stream::write::Encoder;

use crate::output::exit::{FAILURE, Failure};
use crate::platform::{self, with_mode};
use crate::source::replay::STDIN;

/// Level of the compression: higher ones gain little on numbers.
const LEVEL: i32 = 3;
/// Who talked to whom is nobody else's business.
const MODE: u32 = 0o600;

/// The place of a recording.
#[derive(Debug)]
pub(super) enum Place {
    Stdout,
    File { path: PathBuf, force: bool },
}

impl Place {
    /// The place of that name, if it may be written.
    pub(super) fn choose(path: &Path, force: bool) -> Result<Self, Failure> {
        if path.as_os_str() == STDIN {
            return Ok(Self::Stdout);
        }
        let place = Self::File { path: path.to_owned(), force };
        match path.metadata() {
            Ok(metadata) if metadata.is_file() && !force => Err(place.exists()),
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::new(FAILURE, format!("{place} is a folder; name a file in it")))
            }
            Ok(_) | Err(_) => Ok(place),
        }
    }

    fn exists(&self) -> Failure {
        Failure::new(FAILURE, format!("{self} exists already; --force overwrites it"))
    }

    /// Opens it; a file that has appeared meanwhile is not overwritten either.
    pub(super) fn open(&self) -> Result<Out, Failure> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => Failure::new(FAILURE, format!("{self}: {error}")),
        };
        let (file, packed) = match self {
            Self::Stdout => (platform::stdout().map_err(failed)?, false),
            Self::File { path, force } => {
                let mut options = OpenOptions::new();
                with_mode(options.write(true), MODE);
                match *force || path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
                    true => options.create(true).truncate(true),
                    false => options.create_new(true),
                };
                let packed = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zst"));
                (options.open(path).map_err(failed)?, packed)
            }
        };
        let lines = BufWriter::new(Counted { file, bytes: 0 });
        Ok(match packed {
            true => Out::Zstd(Box::new(Encoder::new(lines, LEVEL).map_err(failed)?)),
            false => Out::Plain(lines),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File { path, .. } => f.write_str(&sanitize(&path.to_string_lossy())),
        }
    }
}

/// What is written to, whole lines at a time.
pub(super) enum Out {
    Plain(BufWriter<Counted>),
    Zstd(Box<Encoder<'static, BufWriter<Counted>>>),
}

impl Out {
    /// Writes what waits, so that a crash does not cost it.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Ends it; how many bytes it has.
    pub(super) fn close(self) -> io::Result<u64> {
        let lines = match self {
            Self::Plain(lines) => lines,
            Self::Zstd(packed) => packed.finish()?,
        };
        Ok(lines.into_inner().map_err(io::IntoInnerError::into_error)?.bytes)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lines) => lines.write(bytes),
            Self::Zstd(packed) => packed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(lines) => lines.flush(),
            Self::Zstd(packed) => packed.flush(),
        }
    }
}

/// A file and how many bytes were written to it.
pub(super) struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
