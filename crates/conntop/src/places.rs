//! The user's directories, as the XDG base directory specification lays them out.

use std::path::PathBuf;

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// What can be had again.
    Cache,
    /// What was found out or decided here.
    State,
    /// What is worth keeping.
    Data,
}

impl Base {
    fn variable(self) -> &'static str {
        match self {
            Self::Cache => "XDG_CACHE_HOME",
            Self::State => "XDG_STATE_HOME",
            Self::Data => "XDG_DATA_HOME",
        }
    }

    fn usual(self) -> &'static str {
        match self {
            Self::Cache => ".cache",
            Self::State => ".local/state",
            Self::Data => ".local/share",
        }
    }
}

/// One of the user's base directories; `None` without a home.
#[must_use]
pub fn base(base: Base) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(base.variable()).or_else(|| Some(absolute("HOME")?.join(base.usual())))
}

/// conntop's own folder in one of them.
#[must_use]
pub fn of_user(which: Base) -> Option<PathBuf> {
    base(which).map(|folder| folder.join("conntop"))
}
