//! conntop(1).

use clap::{Command, CommandFactory as _};
use roff::{bold, roman};

use super::arguments;
use super::markdown::{self, chapter, chapters, inlines, table};
use super::sheet::Sheet;
use crate::cli::Cli;
use crate::output::exit::CODES;
use crate::tui::keymap;
use crate::{columns, groups};

/// Everything between the name and what to read besides.
pub(super) fn write(sheet: &mut Sheet) {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    sheet.section("Synopsis");
    for line in SYNOPSIS {
        sheet.paragraph(&inlines(line));
    }
    sheet.section("Description");
    about(sheet, &command);
    markdown::write(sheet, DESCRIPTION);
    sheet.section("Commands");
    for inner in command.get_subcommands() {
        describe(sheet, inner, &command);
    }
    sheet.section("Options");
    sheet.paragraph(&inlines("Every command takes them, as far as they mean something there."));
    arguments::options(sheet, &command);
    keys(sheet);
    sheet.section("Columns");
    let page = columns::manual();
    markdown::write(sheet, chapters(&page).first().map_or("", |(_, text)| text));
    markdown::write(sheet, chapter(&page, "All columns"));
    sheet.section("Groups");
    let page = groups::manual();
    sheet.paragraph(&inlines("Flows are grouped (`--group`, `t`) by one or two of these keys:"));
    markdown::write(sheet, &table(chapter(&page, "Keys")));
    sheet.paragraph(&inlines("Groups have these columns:"));
    markdown::write(sheet, &table(chapter(&page, "Columns")));
    sheet.section("Environment");
    markdown::write(sheet, ENVIRONMENT);
    sheet.section("Files");
    markdown::write(sheet, FILES);
    sheet.section("Exit status");
    for (code, meaning) in CODES {
        sheet.item(&[bold(code.to_string())], &[roman(*meaning)]);
    }
    sheet.section("Examples");
    markdown::write(sheet, EXAMPLES);
}

fn about(sheet: &mut Sheet, command: &Command) {
    let text = command.get_long_about().or_else(|| command.get_about());
    let text = text.map(ToString::to_string).unwrap_or_default();
    // The first is a title.
    for paragraph in text.split("\n\n") {
        markdown::write(sheet, &format!("{}.", paragraph.trim_end_matches('.')));
    }
}

/// A command and those within it, with the options that are its own.
fn describe(sheet: &mut Sheet, command: &Command, whole: &Command) {
    let is_common = |id| whole.get_arguments().any(|argument| argument.get_id() == id);
    if command.get_subcommands().next().is_some() {
        return command.get_subcommands().for_each(|inner| describe(sheet, inner, whole));
    }
    let usage = command.clone().render_usage().to_string();
    sheet.subsection(usage.trim_start_matches("Usage: ").trim_start_matches("conntop "));
    about(sheet, command);
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        if !is_common(argument.get_id()) {
            arguments::item(sheet, argument);
        }
    }
}

fn keys(sheet: &mut Sheet) {
    let page = keymap::manual();
    for (index, (title, text)) in chapters(&page).into_iter().enumerate() {
        match index {
            0 => sheet.section(title),
            _ => sheet.subsection(title),
        }
        markdown::write(sheet, text);
    }
}

const SYNOPSIS: &[&str] = &[
    "**conntop** \\[*OPTIONS*\\] \\[*ssh://HOST*\\]...",
    "**conntop** *COMMAND* \\[*OPTIONS*\\] \\[*ARGUMENTS*\\]",
    "**conntop --server** \\[*OPTIONS of conntopd*\\]",
];

const DESCRIPTION: &str = "\
`conntop --server` is **conntopd**(8), the daemon that reads the table and that `--connect` and ssh reach on other \
machines. Filters are described in **conntop-filter**(7), the configuration in **conntop.toml**(5).";

const ENVIRONMENT: &str = "\
Options name the variable that says the same; the option goes before it, and both before the configuration. A switch \
takes `true` or `false`. Besides:

| variable | meaning |
|---|---|
| `CONNTOP_TOKEN` | token of a conntopd with TLS; `--token-file` is safer, as others may see the environment |
| `GEOIP_DB_PATHS` | databases of places or folders with some, parted by colons, before those of `--geoip-paths` |
| `NO_COLOR` | no colours, whatever it says |
| `TERM`, `COLORFGBG` | what the terminal can show, and whether it is light |
| `LC_ALL`, `LC_CTYPE`, `LANG` | without UTF-8, ASCII is drawn |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_DATA_HOME`, `XDG_CACHE_HOME` | where files are |";

const FILES: &str = "\
| file | meaning |
|---|---|
| `~/.config/conntop/config.toml` | the configuration, **conntop.toml**(5) |
| `~/.config/conntop/token` | the token for `--connect` by TLS, readable by its owner alone |
| `~/.local/state/conntop/known_servers` | keys of servers seen before |
| `~/.local/state/conntop/view.toml` | how flows were looked at, for the next start |
| `~/.cache/conntop/` | what registries said to `conntop whois`, for a day |
| `~/.local/share/GeoIP`, `/usr/local/share/GeoIP`, `/usr/share/GeoIP`, `/var/lib/GeoIP` | databases of places |";

const EXAMPLES: &str = "    conntop                    # this machine
    conntop ssh://root@router  # a router; nothing has to listen there
    conntop list --sort rate --limit 20
    conntop list --format json
    conntop list --group local,service
    conntop watch --events new,ended --filter 'dport 22'
    conntop --filter 'dst in 10.0.0.0/8 and rate > 1Mbit'
    conntop record evening.ndjson.zst
    conntop replay evening.ndjson.zst
    conntop doctor             # what is missing here, and what mends it";
