//! `conntop completions`: what makes shells complete words, made of the command line by clap_complete.

use std::io::Write;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, Command, CommandFactory as _, ValueEnum as _, ValueHint};
use clap_complete::{Generator as _, Shell, generate};

use super::{Cli, CompletionsArgs, man};
use crate::columns::COLUMNS;
use crate::filter::FIELDS;
use crate::groups::KEYS;
use crate::here::server;
use crate::output::exit::{Failure, write_failure};

/// Prints one, or writes all.
pub(super) fn run(args: &CompletionsArgs, out: &mut impl Write) -> Result<(), Failure> {
    let text = match (&args.out, args.shell) {
        (Some(folder), _) => all(folder)?,
        (None, Some(shell)) => completions(shell, command()),
        (None, None) => String::new(),
    };
    out.write_all(text.as_bytes()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

/// Words that a value may begin with, each with what it is. They are no [`clap::ValueEnum`], as more than one of
/// them may stand in a value, or something behind them.
type Words = fn() -> Vec<PossibleValue>;

const WORDS: &[(&str, Words)] = &[
    ("columns", of_columns),
    ("sort", of_columns),
    ("group", || KEYS.iter().map(|key| word(key.key, key.help)).collect()),
    ("filter", || FIELDS.iter().map(|field| word(field.name, field.help)).collect()),
];

/// What to offer where it is no list of words, nor a path, which clap knows by its type.
const HINTS: &[(&str, ValueHint)] =
    &[("connect", ValueHint::Hostname), ("place", ValueHint::Other), ("netns", ValueHint::Other)];

fn of_columns() -> Vec<PossibleValue> {
    COLUMNS.iter().map(|column| word(column.key, column.help)).collect()
}

fn word(word: &'static str, help: &'static str) -> PossibleValue {
    PossibleValue::new(word).help(help)
}

/// The command line, with the words that values may begin with.
fn command() -> Command {
    let mut command = Cli::command();
    for (argument, words) in WORDS {
        let words = PossibleValuesParser::new(words());
        command = command.mut_arg(argument, |argument| argument.value_parser(words));
    }
    for (argument, hint) in HINTS {
        command = command.mut_arg(argument, |argument| argument.value_hint(*hint));
    }
    let server = Arg::new("server").long("server").action(ArgAction::SetTrue);
    command.arg(server.help("Run the daemon conntopd, with its options"))
}

fn completions(shell: Shell, mut command: Command) -> String {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    match shell {
        // Behind an option whose value is to come fish cannot parse the line, so no command has been said yet: for
        // clap_complete one had, and nothing was offered for that value.
        Shell::Fish => text.replacen("\n    or return\n", "\n    or return 0\n", 1),
        _ => text,
    }
}

/// Writes those of all programs for all shells, and gives the names of the files.
fn all(folder: &Path) -> Result<String, Failure> {
    let mut written = String::new();
    for shell in Shell::value_variants() {
        for command in [Some(command()), server::command()].into_iter().flatten() {
            let name = match shell {
                // bash-completion looks for the name of the program.
                Shell::Bash => command.get_name().to_owned(),
                _ => shell.file_name(command.get_name()),
            };
            let path = folder.join(shell.to_string()).join(name);
            man::put(&path, &completions(*shell, command))?;
            written.push_str(&format!("{}\n", path.display()));
        }
    }
    Ok(written)
}
