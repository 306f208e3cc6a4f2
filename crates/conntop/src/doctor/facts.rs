//! What the doctor finds, before anybody judges it. Plain data, so that every finding can be tried without
//! the machine that has it.

use conntop_proto::message::{Lost, ServerHello, TableStats};

/// What a conntopd elsewhere told.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub place: String,
    /// Its hello, or why there was none.
    pub hello: Result<Box<ServerHello>, String>,
    /// The latest numbers of its table.
    pub table: Option<TableStats>,
    /// What it has lost.
    pub lost: Option<Lost>,
}

/// What the client itself needs, wherever the flows come from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The configuration file, if there is one, or what is wrong with it.
    pub config: Result<Option<String>, String>,
    /// Databases of places; `None` when they are not wanted.
    pub places: Option<Vec<Database>>,
    /// How names are found.
    pub names: Naming,
    /// The terminal.
    pub terminal: Terminal,
}

/// A file with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its path, sanitized.
    pub path: String,
    /// Its name and age in days, if it can be read.
    pub about: Option<(String, u64)>,
    /// Whether it is asked for anything.
    pub used: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// How asking for a name went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// Nobody is asked.
    #[default]
    Off,
    /// Somebody answered, after so many milliseconds.
    Answered(u64),
    /// He answered that he cannot tell.
    Refused,
    /// Nobody answered in time.
    Silent,
    /// No server is configured.
    NoServer,
    /// There is no `getent`.
    NoProgram,
}

/// What the terminal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Columns and lines of standard output; `None` when it is no terminal.
    pub size: Option<(u16, u16)>,
    /// `TERM`.
    pub term: Option<String>,
    /// Whether `NO_COLOR` says something.
    pub no_color: bool,
    /// What says which characters there are, `LC_ALL=C`.
    pub locale: Option<String>,
    /// Whether these are all of them.
    pub unicode: bool,
}
