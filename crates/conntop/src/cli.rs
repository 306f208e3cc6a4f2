//! The command line. `conntop --server ...` is conntopd with the rest of the arguments.

mod commands;
mod completions;
mod config;
mod doctor;
mod geoip;
mod man;
mod names;
mod open;
mod options;
mod run;
mod screen;
mod settings;
mod shown;
mod whois;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

pub use self::commands::{
    Command, CompletionsArgs, ConfigCommand, DoctorArgs, EventKind, Format, GeoipCommand, GeoipStatusArgs,
    GeoipUpdateArgs, ListArgs, ManArgs, RecordArgs, ReplayArgs, WatchArgs, WhoisArgs,
};
pub(crate) use self::open::{Session, open, open_screen};
pub use self::options::{Common, LookOptions, Places};
pub(crate) use self::options::{duration, flows};
pub use self::run::main;
pub use self::shown::Shown;

/// Every connection of a Linux machine or router, live.
///
/// Without --connect it shows this machine's connection tracking table. When stdout is no terminal
/// it prints the table once, as `conntop list` does.
#[derive(Clone, Debug, Parser)]
#[command(name = "conntop", version, args_conflicts_with_subcommands = false)]
#[command(subcommand_precedence_over_arg = true)]
#[command(after_help = "conntop --server [OPTIONS] runs the daemon conntopd.")]
pub struct Cli {
    /// What to do; the screen when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// From where and what.
    #[command(flatten)]
    pub common: Common,
}

impl Cli {
    /// Puts the targets that stand alone to those of `--connect`. What is of this machine alone is
    /// refused beside them here, as not every command knows them.
    fn gathered(mut self) -> Result<Self, clap::Error> {
        let mut places = std::mem::take(&mut self.places.place);
        match &mut self.command {
            Some(Command::List(args)) => places.append(&mut args.places.place),
            Some(Command::Watch(args)) => places.append(&mut args.places.place),
            Some(Command::Doctor(args)) => places.append(&mut args.places.place),
            Some(Command::Record(args)) => places.append(&mut args.places.place),
            Some(Command::Replay(args)) => self.common.replay = Some(args.file.clone()),
            Some(Command::Whois(_) | Command::Geoip(_) | Command::Config(_))
            | Some(Command::Man(_) | Command::Completions(_))
            | None => {}
        }
        let common = &self.common;
        let of_here = [
            ("--replay", common.replay.is_some()),
            ("--netns", common.netns.is_some()),
            ("--activate", common.activate),
        ];
        if !places.is_empty()
            && let Some((option, _)) = of_here.iter().find(|(_, given)| *given)
        {
            let text = format!("the argument '{option}' cannot be used with '[ssh://HOST]...'");
            return Err(Self::command().error(ErrorKind::ArgumentConflict, text));
        }
        self.common.connect.append(&mut places);
        Ok(self)
    }
}
