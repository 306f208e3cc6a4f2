//! The user's directories, as the XDG base directory specification lays them out.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// What can be had again.
    Cache,
    /// What was found out or decided here.
    State,
}

/// One of the user's base directories; `None` without a home.
#[must_use]
pub fn base(base: Base) -> Option<PathBuf> {
    let user = Xdg::new().ok()?;
    match base {
        Base::Cache => Some(user.cache_dir()),
        Base::State => user.state_dir(),
    }
}

/// conntop's own folder in one of them.
#[must_use]
pub fn of_user(which: Base) -> Option<PathBuf> {
    base(which).map(|folder| folder.join("conntop"))
}
