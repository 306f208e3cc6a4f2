//! From a packed file to a database in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{Edition, Month, UpdateError};
use crate::enrich::geo::validate;
use crate::platform::{lock, with_mode};

/// Everybody may read a database; it is no secret.
const MODE: u32 = 0o644;
/// A note has a month and a size.
const MAX_NOTE: u64 = 64;

/// Held while a folder is changed; the kernel gives it back even after a crash.
pub(super) struct Lock(#[expect(dead_code, reason = "closing it is what ends the lock")] File);

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, UpdateError> {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let path = folder.join(".conntop-update.lock");
        match lock(&path) {
            Ok(file) => Ok(Self(file)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(UpdateError::Busy(folder.to_owned()))
            }
            Err(error) => Err(failed("lock", &path)(error)),
        }
    }
}

/// Why a packed file does not become a database.
pub(super) enum Refused {
    /// The kernel says no.
    File(UpdateError),
    /// It is none.
    Wrong(String),
}

/// Puts what is in `part` in the place of the database that is there.
pub(super) fn install(
    folder: &Path,
    edition: Edition,
    month: Month,
    part: &Path,
    most: u64,
) -> Result<PathBuf, Refused> {
    let path = folder.join(format!("{}.mmdb", edition.stem()));
    let fresh = folder.join(format!("{}.mmdb.new", edition.stem()));
    let installed = unpack(part, &fresh, most).and_then(|()| check(&fresh, edition)).and_then(|()| {
        fs::rename(&fresh, &path).map_err(|error| Refused::File(failed("replace", &path)(error)))
    });
    if let Err(refused) = installed {
        let _ = fs::remove_file(&fresh);
        return Err(refused);
    }
    // The rename itself is to last, too. That a file system cannot do it is no reason to complain.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    let size = fs::metadata(&path).map_or(0, |meta| meta.len());
    let _fetched_again_then = fs::write(note(folder, edition), format!("{month} {size}\n"));
    Ok(path)
}

/// The month of the database that is there, if it is the one that was put there.
pub(super) fn month_of(folder: &Path, edition: Edition) -> Option<Month> {
    let mut text = String::new();
    File::open(note(folder, edition)).ok()?.take(MAX_NOTE).read_to_string(&mut text).ok()?;
    let (month, size) = text.trim().split_once(' ')?;
    let is = fs::metadata(folder.join(format!("{}.mmdb", edition.stem()))).ok()?.len();
    (size.parse() == Ok(is)).then(|| month.parse().ok())?
}

fn note(folder: &Path, edition: Edition) -> PathBuf {
    folder.join(format!(".{}.month", edition.stem()))
}

fn unpack(part: &Path, fresh: &Path, most: u64) -> Result<(), Refused> {
    let packed = File::open(part).map_err(|error| Refused::File(failed("open", part)(error)))?;
    let write = |error| Refused::File(failed("write", fresh)(error));
    let _left_by_a_crash = fs::remove_file(fresh);
    let mut file =
        with_mode(OpenOptions::new().write(true).create_new(true), MODE).open(fresh).map_err(write)?;
    let mut unpacked = GzDecoder::new(BufReader::new(packed)).take(most.saturating_add(1));
    let mut chunk = vec![0; 64 * 1024];
    let mut size = 0u64;
    loop {
        let read = match unpacked.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Refused::Wrong(format!("it is no whole gzip file ({error})"))),
        };
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if size > most {
            return Err(Refused::Wrong(format!(
                "unpacked it has more than {most} bytes, which no database has"
            )));
        }
        file.write_all(chunk.get(..read).unwrap_or_default()).map_err(write)?;
    }
    file.sync_all().map_err(write)
}

/// Looks through all of it.
fn check(fresh: &Path, edition: Edition) -> Result<(), Refused> {
    let about = validate(fresh).map_err(|error| Refused::Wrong(error.to_string()))?;
    if about.kind != edition.kind() {
        return Err(Refused::Wrong(format!("it is a database of another kind ({})", about.name)));
    }
    Ok(())
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UpdateError {
    let path = path.to_owned();
    move |error| UpdateError::File { step, path, error }
}
