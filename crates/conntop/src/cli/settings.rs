//! The one table of settings: what the file calls each option that somebody may want each time. The file
//! that `config init` writes, what `config show` tells and the manual's page are made of it; what an option
//! does, its name and its variable are asked from clap, so that they are written down once.

mod manual;

use clap::{Arg, CommandFactory as _};

pub(super) use self::manual::manual;
use super::Cli;

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Its name in the file, behind that of its section: `dns`, `geoip.paths`.
    pub(super) key: &'static str,
    /// The option, by the name of its field.
    pub(super) argument: &'static str,
    /// What holds when nobody says anything, for people.
    pub(super) usual: &'static str,
    /// Something else, as the file has it.
    pub(super) example: Example,
}

/// How the file has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Example {
    /// A value.
    Value(&'static str),
    /// Lines of a section, each a name and a value.
    Lines(&'static [(&'static str, &'static str)]),
}

const fn value(
    key: &'static str,
    argument: &'static str,
    usual: &'static str,
    example: &'static str,
) -> Setting {
    Setting { key, argument, usual, example: Example::Value(example) }
}

/// Every setting; those of a section stand together, behind those of none.
pub(super) const SETTINGS: &[Setting] = &[
    value("source", "source", "auto", "\"conntrack\""),
    value("port", "port", "55555", "5555"),
    value("token-file", "token_file", "~/.config/conntop/token", "\"/home/me/router.token\""),
    value("name", "name", "the name of this machine", "\"desk\""),
    value("interval", "interval", "1s", "\"2s\""),
    value("cpu-budget", "cpu_budget", "10", "5"),
    value("read-only", "read_only", "false", "true"),
    value("max-flows", "max_flows", "1000000", "200000"),
    value("local", "local", "what the machine tells of itself", "[\"192.168.0.0/16\", \"2001:db8:1::/48\"]"),
    value("sort", "sort", "rate", "\"bytes:desc\""),
    value("columns", "columns", "those of the view", "[\"proto\", \"src:30\", \"dst\", \"bytes\"]"),
    value("view", "view", "what suits the machine", "\"router\""),
    value("units", "units", "bits", "\"bytes\""),
    value("window", "window", "2s", "\"10s\""),
    value("ghost", "ghost", "10s", "\"1m\""),
    value("orientation", "orientation", "local", "\"initiator\""),
    value("no-remember", "no_remember", "false", "true"),
    value("dns", "dns", "ptr", "\"system\""),
    value("dns-confirm", "dns_confirm", "false", "true"),
    value("no-hostname", "no_hostname", "false", "true"),
    value("no-servname", "no_servname", "false", "true"),
    value("hide-own", "hide_own", "false", "true"),
    value("no-processes", "no_processes", "false", "true"),
    value("no-geoip", "no_geoip", "false", "true"),
    value("theme", "theme", "palette", "\"colour-blind\""),
    value("ascii", "ascii", "what the locale says", "true"),
    value("no-mouse", "no_mouse", "false", "true"),
    Setting {
        key: "names",
        argument: "alias",
        usual: "none",
        example: Example::Lines(&[
            ("\"192.168.1.10\"", "\"nas\""),
            ("\"10.8.0.0/16\"", "\"vpn\""),
            ("\"2001:db8::5\"", "\"printer\""),
        ]),
    },
    value("geoip.paths", "geoip_paths", "the usual folders", "[\"/srv/geoip\"]"),
    value("keys.scheme", "keys", "default", "\"classic\""),
    Setting {
        key: "keys",
        argument: "bind",
        usual: "those of the scheme",
        example: Example::Lines(&[("quit", "[\"X\", \"F10\"]"), ("pause", "\"P\"")]),
    },
];

/// Options that are said each time, and why.
#[cfg(test)]
const NO_SETTINGS: &[(&str, &str)] = &[
    ("place", "where to look is what one asks"),
    ("connect", "where to look is what one asks"),
    ("replay", "where to look is what one asks"),
    ("at", "belongs to one recording"),
    ("speed", "belongs to one recording"),
    ("pin", "belongs to one server; known keys are remembered"),
    ("netns", "where to look is what one asks"),
    ("activate", "changes the kernel"),
    ("validate", "for those who write a server"),
    ("config", "names the file; it has a variable"),
    ("group", "`list` would print groups each time; the screen remembers its own"),
    ("filter", "a forgotten filter shows a part as if it were the whole"),
];

impl Setting {
    /// Section of the file and the name there; nothing is a name for lines of a section.
    pub(super) fn place(&self) -> (Option<&'static str>, Option<&'static str>) {
        match (self.key.split_once('.'), self.example) {
            (Some((section, name)), _) => (Some(section), Some(name)),
            (None, Example::Lines(_)) => (Some(self.key), None),
            (None, Example::Value(_)) => (None, Some(self.key)),
        }
    }

    /// Option, variable and what it does, from clap; `None` of what is not there.
    pub(super) fn option(&self) -> (Option<String>, Option<String>, String) {
        let command = Cli::command();
        let Some(argument) = command.get_arguments().find(|argument| argument.get_id() == self.argument)
        else {
            return (None, None, String::new());
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        (flags(argument), variable(argument), help)
    }

    /// What the file has, as an example.
    pub(super) fn lines(&self) -> Vec<String> {
        match self.example {
            Example::Value(value) => vec![format!("{} = {value}", self.place().1.unwrap_or(self.key))],
            Example::Lines(lines) => lines.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
        }
    }
}

fn flags(argument: &Arg) -> Option<String> {
    argument.get_long().map(|long| format!("--{long}"))
}

fn variable(argument: &Arg) -> Option<String> {
    argument.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// The file that `config init` writes: every setting, each as a comment.
pub(super) fn file() -> String {
    let mut out = FILE.to_owned();
    let mut section = None;
    for setting in SETTINGS {
        let (of, _) = setting.place();
        out.push('\n');
        if of != section {
            section = of;
            out.push_str(&format!("[{}]\n\n", of.unwrap_or_default()));
        }
        let (flag, variable, help) = setting.option();
        let also: Vec<String> = [flag, variable].into_iter().flatten().collect();
        for line in folded(&format!("{help}. Usually {}. Also {}.", setting.usual, also.join(", "))) {
            out.push_str(&format!("# {line}\n"));
        }
        for line in setting.lines() {
            out.push_str(&format!("#{line}\n"));
        }
    }
    out
}

const FILE: &str = "\
# What conntop is to do each time. All of it is optional: remove the # before what you want.
# An option is believed first, then its variable, then this file. `conntop config show` tells what
# holds and who says so.
";

/// Lines of at most so many characters.
fn folded(text: &str) -> Vec<String> {
    const WIDE: usize = 98;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.chars().count() + 1 + word.chars().count() <= WIDE => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
