//! The databases that are there, and the best of them for each question, brought up to date at each look.
//!
//! Of several databases the one that somebody named comes first, then MaxMind's before DB-IP's before
//! others', then what is paid before what is free, then the earlier place, then the newer one. A file that
//! has changed replaces its predecessor only if it proves to be right as a whole, and only once it has
//! stopped changing; else the predecessor stays.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

use super::Geo;
use super::about::{About, Kind};
use super::database::{Database, GeoError};
use super::peek::peek;
use super::search::{Candidate, Rank, Search, Stamp};

/// The files, looked at again and again by whoever owns this.
#[derive(Debug)]
pub struct Shelf {
    search: Search,
    files: Vec<File>,
    /// Whether it has been looked at before.
    looked: bool,
}

/// What came of a file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// What it is, if that could be read.
    pub about: Option<About>,
    /// For what it is asked; nothing where others are better.
    pub used: Vec<Question>,
    /// What is wrong with it, for people. If it is used nevertheless, what it was before is.
    pub problem: Option<String>,
}

/// What is asked of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Which country.
    Country,
    /// Which city.
    City,
    /// Which autonomous system, and whose.
    Network,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Country, Self::City, Self::Network];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::City => "city",
            Self::Network => "network",
        }
    }

    fn is_answered_by(self, kind: Kind) -> bool {
        match self {
            Self::Country => kind.has_country(),
            Self::City => kind.has_city(),
            Self::Network => kind.has_network(),
        }
    }
}

#[derive(Debug)]
struct File {
    candidate: Candidate,
    /// The stamp of what is told below.
    read: Option<Stamp>,
    about: Option<About>,
    database: Option<Arc<Database>>,
    problem: Option<GeoError>,
}

impl Shelf {
    /// Nothing has been looked at yet.
    #[must_use]
    pub fn new(search: Search) -> Self {
        Self { search, files: Vec::new(), looked: false }
    }

    /// Looks at all places; what is there now if it is not the same as at the last look.
    pub fn look(&mut self) -> Option<Geo> {
        let mut changed = !self.looked;
        let mut old = std::mem::take(&mut self.files);
        for candidate in self.search.candidates() {
            let before = old.iter().position(|file| file.candidate.path == candidate.path);
            let before = before.map(|at| old.swap_remove(at));
            let (file, is_new) = File::look(before, candidate, self.looked);
            changed |= is_new;
            self.files.push(file);
        }
        changed |= !old.is_empty();
        if !changed {
            return None;
        }
        drop(old);
        let geo = self.choose();
        self.looked = true;
        Some(geo)
    }

    /// The best for each question; only these stay in memory.
    fn choose(&mut self) -> Geo {
        let chosen = Question::ALL.map(|question| self.best(question));
        for (at, file) in self.files.iter_mut().enumerate() {
            if !chosen.contains(&Some(at)) {
                file.database = None;
            }
        }
        let found = self.files.iter().enumerate().map(|(at, file)| Found {
            path: file.candidate.path.clone(),
            about: file.about.clone(),
            used: Question::ALL
                .into_iter()
                .zip(chosen)
                .filter(|(_, by)| *by == Some(at))
                .map(|(q, _)| q)
                .collect(),
            problem: file.problem.as_ref().map(ToString::to_string),
        });
        let found = found.collect();
        let database = |at: Option<usize>| self.files.get(at?)?.database.clone();
        let [country, city, network] = chosen.map(database);
        Geo { country, city, network, found, looked: true }
    }

    /// The best file for a question that can be opened.
    fn best(&mut self, question: Question) -> Option<usize> {
        let mut able: Vec<(usize, &About)> = (0..)
            .zip(&self.files)
            .filter_map(|(at, file)| Some((at, file.about.as_ref()?)))
            .filter(|(_, about)| question.is_answered_by(about.kind))
            .collect();
        able.sort_by_key(|(at, about)| {
            let rank = self.files.get(*at).map(|file| file.candidate.rank);
            let place = self.files.get(*at).and_then(|file| Some(file.candidate.path.parent()?.to_owned()));
            let place = place.and_then(|place| self.search.places().position(|other| other == place));
            // One that knows cities answers for countries as well, and is there anyway.
            let many = about.kind.has_city();
            (rank, about.vendor, place, Reverse(many), Reverse(about.built), *at)
        });
        let able: Vec<usize> = able.into_iter().map(|(at, _)| at).collect();
        let verify = self.looked;
        able.into_iter().find(|at| self.files.get_mut(*at).is_some_and(|file| file.load(verify)))
    }
}

impl File {
    /// Takes over what was known of it, or reads it again if it has changed; whether it has.
    fn look(before: Option<Self>, candidate: Candidate, looked: bool) -> (Self, bool) {
        let Some(before) = before else {
            let mut file = Self { candidate, read: None, about: None, database: None, problem: None };
            // Whoever writes it may still be at it.
            if !looked {
                file.read();
            }
            return (file, !looked);
        };
        let settled = before.candidate.stamp == candidate.stamp;
        let same = candidate.stamp == before.read && before.candidate.rank == candidate.rank;
        let mut file = Self { candidate, ..before };
        if same || !settled {
            return (file, false);
        }
        file.read();
        (file, true)
    }

    /// Reads what it says of itself, and opens it if it was open.
    fn read(&mut self) {
        self.read = self.candidate.stamp;
        self.problem = None;
        let about = match peek(&self.candidate.path) {
            Ok(about) => about,
            Err(error) => {
                self.fail(error);
                return;
            }
        };
        if self.database.is_none() {
            self.about = Some(about);
            return;
        }
        match checked(&self.candidate.path, true) {
            Ok(database) => {
                self.about = Some(database.about().clone());
                self.database = Some(Arc::new(database));
            }
            Err(error) => self.fail(error),
        }
    }

    /// Whether it is in memory now.
    fn load(&mut self, verify: bool) -> bool {
        if self.database.is_none() {
            match checked(&self.candidate.path, verify) {
                Ok(database) => self.database = Some(Arc::new(database)),
                Err(error) => self.fail(error),
            }
        }
        self.database.is_some()
    }

    fn fail(&mut self, error: GeoError) {
        if self.database.is_none() {
            self.about = None;
        }
        // Where others put databases, some are of other things.
        let is_wrong = !matches!(error, GeoError::OtherKind { .. }) || self.candidate.rank != Rank::Usual;
        self.problem = is_wrong.then_some(error);
    }
}

/// One that is to replace another is held against the format as a whole; nobody waits for that.
fn checked(path: &std::path::Path, verify: bool) -> Result<Database, GeoError> {
    let database = Database::open(path)?;
    if verify {
        database.verify()?;
    }
    Ok(database)
}
