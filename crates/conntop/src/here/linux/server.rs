//! `conntop --server`: the daemon in this program, and its options for the manual and for completions.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use conntopd::args::{OPTIONS, OptionHelp};

/// The daemon's name.
pub(crate) const NAME: &str = "conntopd";

/// Runs conntopd with these arguments.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    conntopd::run("conntop --server", arguments)
}

/// The daemon's options as clap has them; `None` where there is no daemon.
pub(crate) fn command() -> Option<Command> {
    let command = Command::new(NAME).about("Stream what changes in the connection tracking table");
    let command = command.disable_help_flag(true).disable_version_flag(true);
    Some(command.args(OPTIONS.iter().map(argument)))
}

fn argument(option: &OptionHelp) -> Arg {
    let argument = Arg::new(option.long).long(option.long).short(option.short).help(option.help);
    let optional = option.value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    let value = optional.unwrap_or(option.value);
    let argument = match value {
        "" => return argument.action(ArgAction::SetTrue),
        "FILE" | "PATH" => argument.value_hint(ValueHint::FilePath),
        "DIR" => argument.value_hint(ValueHint::DirPath),
        "NAME|UID" => argument.value_hint(ValueHint::Username),
        words if words.contains('|') && words == words.to_lowercase() => {
            argument.value_parser(PossibleValuesParser::new(words.split('|'))).hide_possible_values(true)
        }
        _ => argument,
    };
    argument.value_name(value).num_args(usize::from(optional.is_none())..=1)
}
