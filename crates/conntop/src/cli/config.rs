//! `conntop config`: the file, and what holds.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::builder::{BoolishValueParser, TypedValueParser as _};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command as Parser, CommandFactory as _};

use super::settings::{self, Example, SETTINGS, Setting};
use super::{Cli, ConfigCommand};
use crate::config::{Config, usual_path};
use crate::output::exit::{CONFIG, FAILURE, Failure, write_failure};

/// Carries it out; `arguments` are those of the program.
pub(super) fn run(
    cli: &Cli,
    command: ConfigCommand,
    arguments: &[OsString],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let named = cli.common.config.clone();
    let path = named.clone().or_else(usual_path).ok_or_else(|| {
        Failure::new(FAILURE, "there is no home for a configuration; name a file with --config FILE")
    })?;
    let text = match command {
        ConfigCommand::Path => format!("{}\n", path.display()),
        ConfigCommand::Init => init(&path)?,
        ConfigCommand::Show => {
            let file = read(&path, named.is_some())?;
            let matches = Cli::command()
                .try_get_matches_from(arguments)
                .map_err(|error| Failure::new(FAILURE, error.to_string()))?;
            show(&path, file.as_ref(), innermost(&matches))
        }
    };
    out.write_all(text.as_bytes()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn init(path: &Path) -> Result<String, Failure> {
    let failed = |error: &io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let text = format!("{} is there already; it stays as it is", path.display());
            Failure::new(FAILURE, text)
        }
        _ => Failure::new(FAILURE, format!("write {}: {error}", path.display())),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let mut file =
        fs::File::options().write(true).create_new(true).open(path).map_err(|error| failed(&error))?;
    file.write_all(settings::file().as_bytes()).map_err(|error| failed(&error))?;
    Ok(format!("{}: every setting is there as a comment\n", path.display()))
}

/// What the file says, once it has been found sound; `None` when there is none.
fn read(path: &Path, named: bool) -> Result<Option<toml::Table>, Failure> {
    match fs::exists(path) {
        Ok(false) if !named => return Ok(None),
        _ => {}
    }
    let refused = |text: String| Failure::new(CONFIG, text);
    let _sound = Config::load(Some(path)).map_err(|error| refused(error.to_string()))?;
    let text = fs::read_to_string(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
    Ok(toml::from_str(&text).ok())
}

/// Options may stand before and behind the names of commands; the last one has them all.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

/// What holds, and who says so.
fn show(path: &Path, file: Option<&toml::Table>, matches: &ArgMatches) -> String {
    let there = if file.is_some() { "" } else { " (not there)" };
    let mut out = format!("# file: {}{there}\n", path.display());
    let mut section = None;
    for setting in SETTINGS {
        let (of, name) = setting.place();
        if of != section {
            section = of;
            out.push_str(&format!("\n[{}]\n", of.unwrap_or_default()));
        }
        let lines = match setting.example {
            Example::Value(example) => vec![one(setting, name.unwrap_or_default(), example, file, matches)],
            Example::Lines(_) => several(setting, file, matches),
        };
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// What an option or its variable says, as it was written, and which of the two.
fn said(setting: &Setting, matches: &ArgMatches) -> Option<(Vec<String>, String)> {
    let (flag, variable, _) = setting.option();
    let from = match matches.value_source(setting.argument)? {
        ValueSource::CommandLine => flag?,
        ValueSource::EnvVariable => variable?,
        _ => return None,
    };
    let words = matches.get_raw(setting.argument)?;
    Some((words.map(|word| word.to_string_lossy().into_owned()).collect(), from))
}

fn one(
    setting: &Setting,
    name: &str,
    example: &str,
    file: Option<&toml::Table>,
    matches: &ArgMatches,
) -> String {
    if let Some((words, from)) = said(setting, matches) {
        return format!("{name} = {}  # {from}", written(&words, example));
    }
    let value = file.and_then(|table| match setting.place().0 {
        Some(section) => table.get(section)?.get(name),
        None => table.get(name),
    });
    match value {
        Some(value) => format!("{name} = {}  # file", toml_text(value)),
        None => format!("# {name}: {}", setting.usual),
    }
}

fn several(setting: &Setting, file: Option<&toml::Table>, matches: &ArgMatches) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    if let Some((words, from)) = said(setting, matches) {
        for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
            let value: Vec<String> = match setting.argument {
                "bind" => value.split_whitespace().map(str::to_owned).collect(),
                _ => vec![value.trim().to_owned()],
            };
            let value = if setting.argument == "bind" { list(&value) } else { quoted(&value.concat()) };
            lines.push((key(name.trim()), format!("{value}  # {from}")));
        }
    }
    let section = setting.place().0.and_then(|section| file?.get(section)?.as_table());
    // What the section has beside these lines is a setting of its own.
    let own = |name: &str| SETTINGS.iter().any(|other| other.place() == (setting.place().0, Some(name)));
    for (name, value) in section.into_iter().flatten().filter(|(name, _)| !own(name)) {
        let name = key(name);
        if !lines.iter().any(|(known, _)| *known == name) {
            lines.push((name, format!("{}  # file", toml_text(value))));
        }
    }
    lines.sort();
    if lines.is_empty() {
        return vec![format!("# {}", setting.usual)];
    }
    lines.into_iter().map(|(name, rest)| format!("{name} = {rest}")).collect()
}

/// Words of the command line as the file would have them.
fn written(words: &[String], example: &str) -> String {
    let word = words.first().map_or("", String::as_str);
    match example.chars().next() {
        Some('[') => list(words),
        Some('"') => quoted(word),
        Some('t' | 'f') => {
            let said = BoolishValueParser::new().parse_ref(&Parser::new(""), None, word.as_ref());
            said.unwrap_or_default().to_string()
        }
        _ => word.to_owned(),
    }
}

fn toml_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(values) => {
            format!("[{}]", values.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Table(_) => String::new(),
    }
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// A text in quotes: strings of JSON are strings of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn key(name: &str) -> String {
    let bare = |ch: char| ch.is_ascii_alphanumeric() || ch == '-' || ch == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}
