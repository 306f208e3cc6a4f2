//! The user's directories: as the XDG base directory specification lays them out, on Windows where that has them.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// What the user has written.
    Config,
    /// What was fetched and is used for long.
    Data,
    /// What can be had again.
    Cache,
    /// What was found out or decided here.
    State,
}

/// One of the user's base directories; `None` without a home.
#[must_use]
pub fn base(base: Base) -> Option<PathBuf> {
    let user = etcetera::choose_base_strategy().ok()?;
    Some(match base {
        Base::Config => user.config_dir(),
        Base::Data => user.data_dir(),
        Base::Cache => user.cache_dir(),
        // Windows knows none; it is no more to roam from machine to machine than the cache.
        Base::State => user.state_dir().unwrap_or_else(|| user.cache_dir()),
    })
}

/// conntop's own folder in one of them.
#[must_use]
pub fn of_user(which: Base) -> Option<PathBuf> {
    base(which).map(|folder| folder.join("conntop"))
}
