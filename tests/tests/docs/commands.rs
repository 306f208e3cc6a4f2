//! Every command line of conntop and conntopd in the documentation is one that they take, and every option and
//! variable that it names is one that there is.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};
use conntop::cli::{Cli, Command};
use conntop::filter::Filter;
use conntop::groups::columns::GroupSort;
use conntop::sort::Sort;
use conntopd::args::{self, OPTIONS};

use crate::page::{Found, Page};
use crate::{none, root, shell};

/// Options of other programs that pages name by themselves.
const OF_OTHERS: &[&str] = &[
    "--cap-add",
    "--cap-drop",
    "--entrypoint",
    "--features",
    "--locked",
    "--network",
    "--no-default-features",
    "--pid",
    "--privileged",
    "--restart",
    "--security-opt",
    "--twice",
    "--volume",
];
/// Variables that no setting has.
const VARIABLES: &[&str] = &[
    "CONNTOP_TOKEN",
    "CONNTOP_LOG",
    "CONNTOP_GEOIP_MIRROR",
    "CONNTOP_LAB",
    "CONNTOP_LAB_FULL",
    "CONNTOP_PROGRAMS",
    "CONNTOP_FUZZ",
];

/// What looks like a command in a text and is none: words on the screen, and a protocol's two ends.
const NO_COMMANDS: &[&str] =
    &["conntop can download DB-IP Lite from db-ip.com now", "conntop client", "conntop server"];

/// Pages that tell people what to type; the changelog tells of what was as well.
fn pages() -> Vec<Page> {
    Page::all().into_iter().filter(|page| page.path != Path::new("CHANGELOG.md")).collect()
}

/// What conntop is told, if it takes it.
fn conntop(words: &[String]) -> Result<(), String> {
    if let Some(rest) = words.get(1..).filter(|rest| rest.first().is_some_and(|word| word == "--server")) {
        return conntopd(rest);
    }
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return Ok(()),
        Err(error) => return Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let common = &cli.common;
    if let Some(text) = &common.filter {
        Filter::parse(text).map_err(|error| format!("filter {text}: {error}"))?;
    }
    match (&common.sort, &common.group) {
        (Some(text), Some(grouping)) => drop(GroupSort::parse(text, grouping).map_err(|e| e.to_string())?),
        (Some(text), None) => drop(Sort::parse(text).map_err(|e| e.to_string())?),
        (None, _) => {}
    }
    for column in &common.columns {
        let key = column.split(':').next().unwrap_or_default();
        conntop::columns::find(key).map_err(|e| e.to_string())?;
    }
    if let Some(Command::Replay(args)) = &cli.command
        && args.file.starts_with("crates")
        && !root().join(&args.file).exists()
    {
        return Err(format!("there is no {}", args.file.display()));
    }
    Ok(())
}

/// The same of conntopd; its configuration file is the one that comes along.
fn conntopd(words: &[String]) -> Result<(), String> {
    let ours = root().join("packaging/conntopd.conf").to_string_lossy().into_owned();
    let there = |word: &String| {
        if word.starts_with("/etc/conntop/") && word.ends_with(".conf") { ours.clone() } else { word.clone() }
    };
    args::parse(words.get(1..).unwrap_or_default().iter().map(there))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// What the programs say to a line.
fn check(line: &str) -> Result<usize, String> {
    let mut seen = 0;
    for command in shell::commands(line) {
        let words = shell::bare(&command);
        let name = words.first().and_then(|word| Path::new(word).file_name()).and_then(|name| name.to_str());
        match name {
            Some("conntop") => conntop(words)?,
            Some("conntopd") => conntopd(words)?,
            _ => continue,
        }
        seen += 1;
    }
    Ok(seen)
}

/// Code in a text: `, as I said` is no part of it, and what has dots or brackets is a form of commands and no command.
/// A command alone may be named without what it takes.
fn command_of(span: &str) -> Option<&str> {
    let names_one = span.split(' ').any(|word| matches!(word, "conntop" | "conntopd"));
    let is_form = span.contains(['[', '…', '<']) || span.contains("...");
    let is_command = names_one && !is_form && !NO_COMMANDS.contains(&span);
    is_command.then(|| span.split(", ").next().unwrap_or(span))
}

/// What clap says to a command that only lacks something.
fn is_unfinished(error: &str) -> bool {
    ["required arguments were not provided", "but none was supplied"].iter().any(|said| error.contains(said))
}

#[test]
fn command_lines_are_taken() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        let code = page.code();
        let spans = page.spans();
        let in_text = spans.iter().filter_map(|span| Some((span.line, command_of(&span.text)?, true)));
        for (line, text, may_lack) in
            code.iter().map(|Found { line, text }| (*line, text.as_str(), false)).chain(in_text)
        {
            match check(text) {
                Ok(commands) => seen += commands,
                Err(error) if may_lack && is_unfinished(&error) => {}
                Err(error) => wrong.push(format!("{}:{line}: {text}\n    {error}", page.path.display())),
            }
        }
    }
    assert!(seen > 60, "{seen} commands only");
    none(&wrong);
}

fn options() -> BTreeSet<String> {
    let mut options: BTreeSet<String> = OPTIONS.iter().map(|option| format!("--{}", option.long)).collect();
    let mut open = vec![Cli::command()];
    while let Some(command) = open.pop() {
        options.extend(command.get_arguments().filter_map(|a| Some(format!("--{}", a.get_long()?))));
        open.extend(command.get_subcommands().cloned());
    }
    options.extend(["--server", "--help", "--version"].map(str::to_owned));
    options.extend(OF_OTHERS.iter().map(|&option| option.to_owned()));
    options
}

#[test]
fn options_that_are_named_exist() {
    let (options, mut wrong) = (options(), Vec::new());
    // The comparison names options of many other programs.
    for page in pages().into_iter().filter(|page| page.path != Path::new("docs/comparison.md")) {
        for span in page.spans().iter().filter(|span| span.text.starts_with("--")) {
            let name: String =
                span.text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            if !options.contains(&name) {
                wrong.push(format!("{}:{}: {name}", page.path.display(), span.line));
            }
        }
    }
    none(&wrong);
}

#[test]
fn variables_that_are_named_exist() {
    let command = Cli::command();
    let settings = command.get_arguments().filter_map(|a| a.get_env()?.to_str());
    let known: BTreeSet<&str> = settings.chain(VARIABLES.iter().copied()).collect();
    let mut wrong = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page.path)).expect("the page");
        for (number, line) in (1..).zip(text.lines()) {
            let words = line.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
            let ours = words.filter(|word| word.starts_with("CONNTOP_") && word.len() > "CONNTOP_".len());
            wrong.extend(
                ours.filter(|word| !known.contains(word))
                    .map(|word| format!("{}:{number}: {word}", page.path.display())),
            );
        }
    }
    none(&wrong);
}

#[test]
fn what_is_refused() {
    let refused = |line: &str, why: &str| {
        let said = check(line).expect_err(line);
        assert!(said.contains(why), "{line}: {said}");
    };
    refused("conntop --colums src", "--colums");
    refused("sudo ./target/release/conntop list --sort rat", "rat");
    refused("conntop --filter 'dport = x y'", "filter");
    refused("conntopd --listen-all && true", "--listen-all");
    assert_eq!(check("scp conntopd router: # conntop --nonsense"), Ok(0));
    assert_eq!(command_of("conntop --connect HOST, of another"), Some("conntop --connect HOST"));
    assert_eq!(command_of("conntop ssh://[USER@]ROUTER"), None);
}
