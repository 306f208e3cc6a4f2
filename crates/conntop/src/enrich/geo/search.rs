//! Where databases are looked for. Directories are read again with each look, so that files may come.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::places::{self, Base};
use crate::platform::identity;

/// Files of one directory that are looked at; no directory of databases has as many.
const MAX_FILES: usize = 64;
/// Directories of the system that have databases by custom.
const SYSTEM: [&str; 3] = ["/usr/local/share/GeoIP", "/usr/share/GeoIP", "/var/lib/GeoIP"];

/// Places to look at, those that are preferred first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    named: Vec<PathBuf>,
    usual: Vec<PathBuf>,
}

/// A file that may be a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) rank: Rank,
    /// Tells that the file is another one, or has changed.
    pub(super) stamp: Option<Stamp>,
}

/// How much somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Named by somebody, in this order.
    Named(usize),
    /// In a usual place.
    Usual,
}

/// What changes with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: (u64, u64),
    length: u64,
    written: Option<SystemTime>,
}

impl Search {
    /// In `GEOIP_DB_PATHS` and where else somebody says (files or directories), then in the usual
    /// directories.
    #[must_use]
    pub fn new(configured: &[PathBuf]) -> Self {
        let named = env::var_os("GEOIP_DB_PATHS");
        let named = named.iter().flat_map(env::split_paths).filter(|path| !path.as_os_str().is_empty());
        let named = named.chain(configured.iter().cloned()).collect();
        let of_user = Self::of_user().into_iter();
        let home = env::home_dir().filter(|home| home.is_absolute());
        let at_home = home.map(|home| home.join(".local/share/GeoIP"));
        let usual = of_user.chain(at_home).chain(SYSTEM.map(PathBuf::from));
        Self::of(named, usual.collect())
    }

    /// In these files and directories, and then in those.
    #[must_use]
    pub fn of(named: Vec<PathBuf>, usual: Vec<PathBuf>) -> Self {
        let named = once(named, &[]);
        let usual = once(usual, &named);
        Self { named, usual }
    }

    /// Where the user has databases, and `conntop geoip update` puts them; `None` without a home.
    #[must_use]
    pub fn of_user() -> Option<PathBuf> {
        Some(places::base(Base::Data)?.join("GeoIP"))
    }

    /// All places, in their order.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        self.named.iter().chain(&self.usual).map(PathBuf::as_path)
    }

    /// What is there now. A file that somebody named and that is not there is one, too.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let named = (0..).zip(&self.named).flat_map(|(n, path)| candidates(path, Rank::Named(n)));
        let usual = self.usual.iter().flat_map(|path| candidates(path, Rank::Usual));
        let mut found: Vec<Candidate> = Vec::new();
        for candidate in named.chain(usual) {
            if !found.iter().any(|other| other.path == candidate.path) {
                found.push(candidate);
            }
        }
        found
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self { identity: identity(&about), length: about.len(), written: about.modified().ok() })
    }
}

/// Each once, and none of the others.
fn once(paths: Vec<PathBuf>, others: &[PathBuf]) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !kept.contains(&path) && !others.contains(&path) {
            kept.push(path);
        }
    }
    kept
}

/// The file, or the databases in the directory by their names.
fn candidates(path: &Path, rank: Rank) -> Vec<Candidate> {
    let candidate = |path: PathBuf| Candidate { stamp: Stamp::of(&path), path, rank };
    if !path.is_dir() {
        // Most of the usual directories are not there.
        return if rank == Rank::Usual { Vec::new() } else { vec![candidate(path.to_owned())] };
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("mmdb"));
    let mut files: Vec<PathBuf> = entries.filter(is_database).take(MAX_FILES).collect();
    files.sort();
    files.into_iter().map(candidate).collect()
}
