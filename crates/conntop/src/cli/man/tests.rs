//! The pages against the tables that they come from, and as mandoc and groff want them.

use clap::CommandFactory as _;

use super::*;
use crate::cli::Cli;
use crate::cli::settings::SETTINGS;
use crate::columns::COLUMNS;
use crate::filter::FIELDS;
use crate::groups::{self, KEYS};
use crate::output::exit::CODES;
use crate::tui::keymap;

fn page(name: &str) -> Page {
    *PAGES.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("no page {name}"))
}

/// What one reads, in one line.
fn text(source: &str) -> String {
    let text = source.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\&", "");
    let text = text.replace("\\*(Aq", "'").replace("\\-", "-").replace("\\\\", "\\");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        let part = part.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&part), "there is no `{part}` in {}...", text.get(..200).unwrap_or(text));
    }
}

/// The options of a command and of those within it.
fn options(command: &clap::Command, check: &mut dyn FnMut(&clap::Arg)) {
    command.get_arguments().for_each(&mut *check);
    command.get_subcommands().for_each(|inner| options(inner, check));
}

#[test]
fn conntop_has_every_option_command_key_column_group_and_code() {
    let page = text(&page("conntop").render());
    let command = Cli::command();
    options(&command, &mut |argument| {
        if let Some(long) = argument.get_long() {
            has(&page, &[&format!("--{long}")]);
        }
        if let Some(name) = argument.get_env() {
            has(&page, &[&format!("Variable: {}.", name.to_string_lossy())]);
        }
        let help = argument.get_long_help().or_else(|| argument.get_help()).expect("help").to_string();
        has(&page, &[&format!("{help}.")]);
    });
    for inner in command.get_subcommands() {
        let about = inner.get_about().expect("about").to_string();
        has(&page, &[inner.get_name(), if inner.has_subcommands() { "" } else { &about }]);
    }
    for (name, row) in keymap::manual().lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (keys, name, help) = (cells.next()?, cells.next()?, cells.next()?.strip_suffix(" |")?);
        Some((
            name.trim_matches('`').to_owned(),
            format!("{} {help} (", keys.replace("` `", " ").trim_matches('`')),
        ))
    }) {
        let row = row.replace("\\|", "|");
        has(&page, &[&format!("{row}name {name})")]);
    }
    for column in COLUMNS {
        has(&page, &[&format!("{} (heading {}; JSON {}", column.help, column.header, column.json_key())]);
        column.aliases.iter().for_each(|alias| has(&page, &[&format!(", {alias} ")]));
    }
    for key in KEYS {
        has(&page, &[&format!("{} ", key.key), key.help]);
    }
    for column in groups::columns::COLUMNS {
        has(&page, &[&format!("{} (heading {}; JSON {})", column.help, column.header, column.json_key())]);
    }
    for (code, meaning) in CODES {
        has(&page, &[&format!("{code} {meaning}")]);
    }
    has(&page, &["conntop-filter(7)", "conntop.toml(5)", "conntopd(8)", "NO_COLOR", "known_servers"]);
}

#[test]
fn the_configuration_has_every_setting() {
    let page = text(&page("conntop.toml").render());
    for setting in SETTINGS {
        let (flag, variable, help) = setting.option();
        let line = setting.lines().remove(0);
        let also = format!("option {}; variable {}.", flag.expect("flag"), variable.expect("variable"));
        has(&page, &[&format!("{line} {help}. Usually {}; {also}", setting.usual)]);
        if let Some(section) = setting.place().0 {
            has(&page, &[&format!(".SS [{section}]")]);
        }
    }
}

#[test]
fn the_filter_language_has_every_field_and_nothing_of_the_examples_recording() {
    let page = text(&page("conntop-filter").render());
    for field in FIELDS {
        let names: Vec<&str> = [&[field.name], field.aliases].concat();
        let takes = format!("(takes {}; example {})", field.kind.expects(), field.example);
        has(&page, &[&format!("{} {} {takes}", names.join(", "), field.help)]);
    }
    has(&page, &["host *.example.com and not process fire*", ".SH WORDS", ".SH LIMITS", "CLSNG closing"]);
    assert!(!page.contains("office"), "what examples show was asked of nothing");
}

#[test]
fn the_daemon_has_every_option_and_chapter() {
    let page = text(&page("conntopd").render());
    for argument in server::command().expect("a daemon").get_arguments() {
        let help = argument.get_help().expect("help").to_string();
        has(&page, &[&format!("--{}", argument.get_id()), &format!("{help}.")]);
    }
    has(&page, &["--listen ADDR[:PORT] Listen", "--init-tls [DIR] Make", "-p, --port PORT TCP"]);
    for (title, _) in markdown::chapters(include_str!("../../../../../docs/manual/conntopd.md")) {
        has(&page, &[&if title == "conntopd" { "DESCRIPTION".to_owned() } else { title.to_uppercase() }]);
    }
    has(&page, &["78 refused configuration", "CONNTOP_LOG is error, warn, info (default)"]);
}

#[test]
fn pages_are_sound_sources() {
    for page in PAGES {
        let source = page.render();
        let mut before = "";
        for line in source.lines() {
            let name = page.name;
            assert!(line.len() <= 80 || before.starts_with(".TP"), "{name}: {} bytes: {line}", line.len());
            assert!(!line.ends_with(' '), "{name}: blanks at the end: {line}");
            assert!(line.is_ascii(), "{name}: not every terminal has its letters: {line}");
            if let Some(macros) = line.strip_prefix('.') {
                let word = macros.split(' ').next().unwrap_or_default();
                let known =
                    ["TH", "SH", "SS", "PP", "TP", "IP", "RS", "RE", "nf", "fi", "nh", "ad", "ie", "el"];
                assert!(known.contains(&word), "{name}: {line}");
                let heading = before.starts_with(".SH") || before.starts_with(".SS");
                assert!(!(heading && word == "PP"), "{name}: a paragraph behind {before}");
            }
            before = line;
        }
    }
}

/// Whatever a text has, it stays a text.
#[test]
fn texts_are_no_requests() {
    let check = |markdown: &str, wanted: &str| {
        let mut sheet = Sheet::new("x", "1", DATE);
        sheet.section("x");
        markdown::write(&mut sheet, markdown);
        let source = sheet.render();
        let body = source.split_once(".SH X\n").map_or("", |(_, body)| body);
        assert_eq!(body, wanted, "{markdown}");
    };
    check(".TH evil", "\\&.TH evil\n");
    check("'so it is", "\\*(Aqso it is\n");
    check("a \\\\fB b -- c", "a \\\\fB b \\-\\- c\n");
    check("    .so /etc/passwd\n    'x", ".RS 4\n.nf\n\\&.so /etc/passwd\n\\*(Aqx\n.fi\n.RE\n");
    check("`.x` *y* [z](z.md) [k](keys.md).", "\\fB.x\\fR \\fIy\\fR \\fIz\\fR \\fBconntop\\fR(1).\n");
    check("- a\n- b\n  c\n", ".IP \\(bu 2\na\n.IP \\(bu 2\nb c\n");
    check(
        "| a | takes | what |\n|---|---|---|\n| `x\\|y` | n | it |\n| z | | it |\n",
        ".TP 16\n\\fBx|y\\fR\nit (takes n)\n.TP 16\nz\nit\n",
    );
    let long = "word ".repeat(40) + "a .dot";
    let mut sheet = Sheet::new("x", "1", DATE);
    sheet.paragraph(&markdown::inlines(&long.replace("word ", "word .x ")));
    assert!(sheet.render().lines().skip(5).all(|line| !line.starts_with('.')), "{}", sheet.render());
}

#[test]
fn the_date_is_that_of_the_version() {
    let changes = include_str!("../../../../../CHANGELOG.md");
    let heading = format!("## [{}] - {DATE}", env!("CARGO_PKG_VERSION"));
    assert!(changes.lines().any(|line| line == heading), "CHANGELOG.md has no `{heading}`");
}
