//! Whether the first start has offered to fetch databases: asked once, remembered in the state directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::places::{self, Base};

/// The note that a person was asked, and said no.
#[derive(Clone, Debug)]
pub struct Offer {
    note: PathBuf,
}

impl Offer {
    /// The note of this user; `None` without a home, where nothing could be remembered nor fetched.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        Some(Self::at(places::of_user(Base::State)?.join("geoip-refused")))
    }

    /// A note in this file.
    #[must_use]
    pub fn at(note: PathBuf) -> Self {
        Self { note }
    }

    /// The file.
    #[must_use]
    pub fn note(&self) -> &Path {
        &self.note
    }

    /// Whether nobody has said no yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.note.exists()
    }

    /// Remembers that somebody said no.
    ///
    /// # Errors
    /// When that cannot be written; he is asked again then.
    pub fn refuse(&self) -> io::Result<()> {
        if let Some(folder) = self.note.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(
            &self.note,
            "The offer to fetch databases of places was refused. `conntop geoip update` fetches them.\n",
        )
    }
}
