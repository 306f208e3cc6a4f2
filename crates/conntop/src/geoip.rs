//! Fetches databases of places: DB-IP Lite, the free ones of <https://db-ip.com>, under the licence CC BY
//! 4.0, which wants to be told of ([`Attribution::DB_IP`]).
//!
//! Each month has a file of its own, packed by gzip. It is fetched into a `.part` file, which a later
//! attempt goes on with; unpacked into a `.new` file; looked through as a whole; and only then put in
//! the place of the old one, by one rename. Whatever goes wrong before that leaves the old one as it is.
//! Sizes are bounded, and a lock keeps two from doing it at once.
//!
//! All of it blocks. The screen does it in a thread that nobody waits for ([`start`]).

mod fetch;
mod install;
pub mod month;
pub mod offer;
pub mod progress;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use self::fetch::FetchError;
use self::fetch::{Fetch, Fetched};
use self::install::Lock;
pub use self::month::Month;
pub use self::progress::{News, start};
#[cfg(doc)]
use crate::enrich::geo::Attribution;
use crate::enrich::geo::{Kind, Search};

/// Where the files are.
const DBIP: &str = "https://download.db-ip.com/free";
/// The variable that names another place, such as a mirror.
const MIRROR: &str = "CONNTOP_GEOIP_MIRROR";

/// The two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Countries and cities.
    City,
    /// Autonomous systems and who runs them.
    Asn,
}

impl Edition {
    /// Both.
    pub const ALL: [Self; 2] = [Self::City, Self::Asn];

    /// Its file, without an ending.
    #[must_use]
    pub fn stem(self) -> &'static str {
        match self {
            Self::City => "dbip-city-lite",
            Self::Asn => "dbip-asn-lite",
        }
    }

    /// What its own metadata says that it is.
    fn kind(self) -> Kind {
        match self {
            Self::City => Kind::City,
            Self::Asn => Kind::Asn,
        }
    }
}

/// What may be fetched at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a packed file.
    pub packed: u64,
    /// Bytes of the same unpacked.
    pub unpacked: u64,
    /// Time in which something has to come.
    pub patience: Duration,
}

impl Default for Limits {
    /// Several times of what the files have in 2026 (some 60 and 130 MB): they grow each month.
    fn default() -> Self {
        Self { packed: 256 << 20, unpacked: 640 << 20, patience: Duration::from_secs(30) }
    }
}

/// Whether to fetch what is here already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Only what is newer.
    Newer,
    /// Everything.
    Everything,
}

/// From where to where.
#[derive(Clone, Debug)]
pub struct Update {
    /// Address of the folder with the files, without a slash at the end.
    pub from: String,
    /// The folder into which they go.
    pub into: PathBuf,
    /// This month.
    pub month: Month,
    /// Whether to fetch what is here already.
    pub want: Want,
    /// What may be fetched at most.
    pub limits: Limits,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file is here already.
    Current(Edition, Month),
    /// A file comes.
    Fetching {
        /// Which.
        edition: Edition,
        /// Of which month.
        month: Month,
        /// Bytes that have come, those of an earlier attempt included.
        got: u64,
        /// Bytes that it has, if the server says so.
        total: Option<u64>,
    },
    /// The connection broke; it is tried again.
    Again(String),
    /// It is here and is unpacked and looked through.
    Checking(Edition, Month),
    /// It is in its place.
    Done(Edition, Month, PathBuf),
}

/// Why a database could not be fetched. The old one, if there is one, is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Nowhere to put it.
    #[error("no folder for databases: neither XDG_DATA_HOME nor HOME is set; say where by --into")]
    Homeless,
    /// The folder or a file in it.
    #[error("cannot {step} {}: {error}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// Another one is at it.
    #[error("another conntop is updating {} right now; wait for it", .0.display())]
    Busy(PathBuf),
    /// The file did not come.
    #[error("{url}: {error}")]
    Fetch {
        /// From where.
        url: String,
        /// Why.
        error: FetchError,
    },
    /// There is none of this month and none of the one before.
    #[error("{from} has {edition} neither of {month} nor of {before}; is the clock of this machine right?")]
    Missing {
        /// Where.
        from: String,
        /// What.
        edition: &'static str,
        /// This month.
        month: Month,
        /// The one before.
        before: Month,
    },
    /// What came is not what it should be.
    #[error("{url}: {why}; it was thrown away, and the database in use stays")]
    Wrong {
        /// From where.
        url: String,
        /// What is wrong.
        why: String,
    },
}

impl Update {
    /// What is usual: from DB-IP into that folder, or into the user's.
    ///
    /// # Errors
    /// When the user has none.
    pub fn usual(into: Option<PathBuf>) -> Result<Self, UpdateError> {
        let into = into.or_else(Search::of_user).ok_or(UpdateError::Homeless)?;
        let from = std::env::var(MIRROR).ok().filter(|from| !from.is_empty());
        Ok(Self {
            from: from.map_or_else(|| DBIP.to_owned(), |from| from.trim_end_matches('/').to_owned()),
            into,
            month: Month::of(SystemTime::now()),
            want: Want::Newer,
            limits: Limits::default(),
        })
    }

    /// Fetches both databases; what has come is kept even if the next one does not.
    ///
    /// # Errors
    /// As [`UpdateError`] says.
    pub fn run(&self, tell: &mut dyn FnMut(Step)) -> Result<(), UpdateError> {
        let _lock = Lock::take(&self.into)?;
        for edition in Edition::ALL {
            self.update(edition, tell)?;
        }
        Ok(())
    }

    fn update(&self, edition: Edition, tell: &mut dyn FnMut(Step)) -> Result<(), UpdateError> {
        let here = install::month_of(&self.into, edition).filter(|_| self.want == Want::Newer);
        for month in [self.month, self.month.before()] {
            if here.is_some_and(|here| here >= month) {
                tell(Step::Current(edition, here.unwrap_or(month)));
                return Ok(());
            }
            if self.fetch(edition, month, tell)? {
                return Ok(());
            }
        }
        Err(UpdateError::Missing {
            from: self.from.clone(),
            edition: edition.stem(),
            month: self.month,
            before: self.month.before(),
        })
    }

    /// Whether there is a file of that month.
    fn fetch(&self, edition: Edition, month: Month, tell: &mut dyn FnMut(Step)) -> Result<bool, UpdateError> {
        let name = format!("{}-{month}.mmdb.gz", edition.stem());
        let url = format!("{}/{name}", self.from);
        let part = self.into.join(format!("{name}.part"));
        let fetch = Fetch::new(&url, &part, self.limits);
        // What a broken attempt has left may be of another file; then it is fetched once more as a whole.
        let mut resumed = part.exists();
        loop {
            let report = &mut |got, total| tell(Step::Fetching { edition, month, got, total });
            match fetch.run(report) {
                Ok(Fetched::Whole) => {}
                Ok(Fetched::Nothing) => return Ok(false),
                Err(error) => return Err(UpdateError::Fetch { url, error }),
            }
            tell(Step::Checking(edition, month));
            let installed = self.install(edition, month, &part, &url);
            if !matches!(installed, Err(UpdateError::File { .. })) {
                remove(&part)?;
            }
            match installed {
                Err(UpdateError::Wrong { why, .. }) if std::mem::take(&mut resumed) => tell(Step::Again(why)),
                Err(error) => return Err(error),
                Ok(path) => {
                    tell(Step::Done(edition, month, path));
                    return Ok(true);
                }
            }
        }
    }

    fn install(
        &self,
        edition: Edition,
        month: Month,
        part: &Path,
        url: &str,
    ) -> Result<PathBuf, UpdateError> {
        install::install(&self.into, edition, month, part, self.limits.unpacked).map_err(
            |error| match error {
                install::Refused::File(error) => error,
                install::Refused::Wrong(why) => UpdateError::Wrong { url: url.to_owned(), why },
            },
        )
    }
}

fn remove(path: &Path) -> Result<(), UpdateError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(UpdateError::File { step: "remove", path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}
