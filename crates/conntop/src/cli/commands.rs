//! What conntop can do, and the options of each command.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::man;
use super::options::{Places, duration};
use crate::source::Speed;

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print the table once
    List(ListArgs),
    /// Print what happens, one JSON object a line
    Watch(WatchArgs),
    /// Write what happens into a file, for conntop replay
    ///
    /// The file holds the messages of the collector, a JSON object a line, from the whole table on: who
    /// talked to whom, so it is for your eyes only (mode 600). It ends with --for, Ctrl-C or SIGTERM.
    Record(RecordArgs),
    /// Show a recording as it was: Space stops it, and the help has the keys of speed, steps and going back
    ///
    /// Without a terminal it prints the table once, as at the end of the recording.
    Replay(ReplayArgs),
    /// Say whether everything is as it has to be, and what mends it
    ///
    /// One line for each check: ok, warn or fail, what was found, and the command that repairs it. With
    /// --connect it asks the conntopd there what it lacks. Exit code 1 when flows stay unseen or uncounted.
    Doctor(DoctorArgs),
    /// Ask the registries who has an address
    ///
    /// IANA names the registry, which is asked then; answers are kept for a day.
    Whois(WhoisArgs),
    /// Databases of countries, cities and networks
    #[command(subcommand)]
    Geoip(GeoipCommand),
    /// The configuration file, and what holds
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a manual page for `man -l -`, or write all of them
    Man(ManArgs),
    /// Print what makes a shell complete words of conntop, or write it for all shells and programs
    ///
    /// For bash it goes to ~/.local/share/bash-completion/completions/conntop, for fish to
    /// ~/.config/fish/completions/conntop.fish, for zsh to a file _conntop in a folder of $fpath, and for
    /// PowerShell into the file that $PROFILE names.
    Completions(CompletionsArgs),
}

/// Options of `man`.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Which page
    #[arg(value_name = "PAGE", value_parser = man::names(), default_value = "conntop")]
    pub page: String,
    /// Write every page into this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with = "page")]
    pub out: Option<PathBuf>,
}

/// Options of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL", required_unless_present = "out")]
    pub shell: Option<Shell>,
    /// Write those of conntop and conntopd for every shell below this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with = "shell")]
    pub out: Option<PathBuf>,
}

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Write a file with every setting as a comment
    ///
    /// A file that is there is not overwritten.
    Init,
    /// Print what holds and who says so: an option, a variable or the file
    ///
    /// It is a file that could take the place of the one that is there.
    Show,
    /// Print where the file is, or would be
    Path,
}

/// What to do with databases of places.
#[derive(Clone, Debug, Subcommand)]
pub enum GeoipCommand {
    /// Say which there are, how old they are, whether they are whole and what they are used for
    ///
    /// Fails when a file is damaged.
    Status(GeoipStatusArgs),
    /// Download DB-IP Lite, the free databases of cities and networks by db-ip.com
    ///
    /// What is of this month already is not fetched again. A download that broke off goes on where it
    /// was; a database takes the place of the old one when it has been looked through as a whole.
    Update(GeoipUpdateArgs),
}

/// Options of `geoip update`.
#[derive(Clone, Debug, Args)]
pub struct GeoipUpdateArgs {
    /// Folder for the databases: $XDG_DATA_HOME/GeoIP or ~/.local/share/GeoIP
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    /// Fetch them even if they are of this month
    #[arg(long)]
    pub again: bool,
}

/// Options of `geoip status`.
#[derive(Clone, Copy, Debug, Args)]
pub struct GeoipStatusArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `doctor`.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Repair what conntop may, after asking for each
    #[arg(long)]
    pub fix: bool,
    /// With --fix: don't ask
    #[arg(long, requires = "fix")]
    pub yes: bool,
}

/// Options of `whois`.
#[derive(Clone, Debug, Args)]
pub struct WhoisArgs {
    /// The address
    pub address: IpAddr,
    /// Print all that each server said, and nothing else
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `list`.
#[derive(Clone, Debug, Default, Args)]
pub struct ListArgs {
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// How to print it
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Print at most so many flows or groups
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Watch so long to learn the rates; 2s when rates are sorted by or shown, else not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub sample: Option<Duration>,
    /// Ask for the names of hosts, for a few seconds at most
    #[arg(long)]
    pub names: bool,
}

/// Formats of `list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One array.
    Json,
    /// One object a line.
    Ndjson,
    /// Comma-separated values with a heading.
    Csv,
}

/// Options of `watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// Which events to print
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [EventKind::New, EventKind::Ended])]
    pub events: Vec<EventKind>,
    /// Print the flows that are there at the beginning, too
    #[arg(long)]
    pub initial: bool,
    /// Ask for the names of hosts; a line waits for them for a second at most
    #[arg(long)]
    pub names: bool,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
}

/// Options of `record`.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// The new file; .zst at the end of its name compresses it; - is the standard output
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// Overwrite the file if there is one
    #[arg(long)]
    pub force: bool,
}

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The recording; - is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// So many times as fast as it was, from 0.1 to 1000
    #[arg(long, value_name = "N", default_value_t)]
    pub speed: Speed,
}

/// Events of `watch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventKind {
    /// A flow that was not there before.
    New,
    /// A flow that ended, with its final totals.
    Ended,
    /// A flow whose state, counters or marks changed.
    Changed,
}
