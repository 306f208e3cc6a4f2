//! Checks of what the client itself needs, wherever the flows come from.

use super::{Finding, Gravity, Row, good, missing, odd};
use crate::doctor::facts::{Client, Naming};

/// Days after which a database of places is worth renewing.
const OLD: u64 = 60;
/// Below this nothing but a table of two lines has room.
const SMALL: (u16, u16) = (40, 6);
/// An answer about a name that takes longer is slow, milliseconds.
const SLOW: u64 = 1_000;

pub(super) const ROWS: &[Row<Client>] = &[
    Row {
        name: "config",
        gravity: Gravity::Wished,
        about: "whether the configuration file is understood",
        judge: config,
    },
    Row {
        name: "geoip",
        gravity: Gravity::Wished,
        about: "whether there are databases of places, whole and not too old",
        judge: geoip,
    },
    Row {
        name: "dns",
        gravity: Gravity::Wished,
        about: "whether somebody answers who is asked for names",
        judge: dns,
    },
    Row {
        name: "terminal",
        gravity: Gravity::Wished,
        about: "whether standard output is a terminal that has room for the screen",
        judge: terminal,
    },
    Row {
        name: "colours",
        gravity: Gravity::Wished,
        about: "whether the terminal shows colours",
        judge: colours,
    },
    Row {
        name: "unicode",
        gravity: Gravity::Wished,
        about: "whether the locale has more than ASCII",
        judge: unicode,
    },
];

fn config(client: &Client) -> Finding {
    match &client.config {
        Ok(Some(path)) => good(format!("{path} is understood")),
        Ok(None) => good("there is no configuration file; the defaults hold"),
        Err(wrong) => missing(wrong.clone()).repair("mend that line; until then conntop does not start"),
    }
}

fn geoip(client: &Client) -> Finding {
    let Some(databases) = &client.places else { return good("not wanted (no-geoip)") };
    if let Some((file, problem)) =
        databases.iter().find_map(|file| file.problem.as_ref().map(|problem| (file, problem)))
    {
        return odd(format!("{}: {problem}", file.path)).repair("conntop geoip update --again");
    }
    let used: Vec<(&str, u64)> = databases
        .iter()
        .filter(|file| file.used)
        .filter_map(|file| file.about.as_ref().map(|(name, days)| (name.as_str(), *days)))
        .collect();
    let names: Vec<String> = used.iter().map(|(name, days)| format!("{name} ({days} days old)")).collect();
    let names = names.join(", ");
    match used.iter().map(|(_, days)| *days).max() {
        None => {
            odd("no database: countries, cities and networks are not known").repair("conntop geoip update")
        }
        Some(days) if days > OLD => {
            odd(format!("{names}: addresses have moved since")).repair("conntop geoip update")
        }
        Some(_) => good(names),
    }
}

fn dns(client: &Client) -> Finding {
    let off = "conntop --dns off";
    match client.names {
        Naming::Off => good("nobody is asked (dns off)"),
        Naming::Answered(time) if time > SLOW => odd(format!("an answer takes {time} ms: names come late"))
            .repair("put a nearer server into /etc/resolv.conf")
            .repair(off),
        Naming::Answered(time) => good(format!("somebody answers, in {time} ms")),
        Naming::Refused => odd("the server answers that it cannot tell names (SERVFAIL or REFUSED)")
            .repair("put another server into /etc/resolv.conf")
            .repair(off),
        Naming::Silent => odd("no server answers: addresses keep their numbers, nothing waits for it")
            .repair("put a server that answers into /etc/resolv.conf")
            .repair(off),
        Naming::NoServer => odd("/etc/resolv.conf names no server: addresses keep their numbers")
            .repair("put a server into /etc/resolv.conf")
            .repair("conntop --dns system"),
        Naming::NoProgram => odd("there is no getent, which --dns system asks").repair("conntop --dns ptr"),
    }
}

fn terminal(client: &Client) -> Finding {
    let terminal = &client.terminal;
    match (terminal.size, terminal.term.as_deref()) {
        (None, _) => good("standard output is no terminal: conntop prints the table once"),
        (Some(_), Some("dumb")) => odd("TERM=dumb moves no cursor: conntop prints the table once")
            .repair("TERM=xterm-256color conntop, if the terminal is one"),
        (Some((columns, lines)), _) if columns < SMALL.0 || lines < SMALL.1 => {
            odd(format!("{columns} columns and {lines} lines: little more than the largest flows has room"))
                .repair("make the window larger; 80x24 has room for everything that matters")
        }
        (Some((columns, lines)), _) => good(format!("{columns} columns and {lines} lines")),
    }
}

fn colours(client: &Client) -> Finding {
    let terminal = &client.terminal;
    match (terminal.size, terminal.term.as_deref()) {
        (None, _) => good("not needed"),
        (Some(_), _) if terminal.no_color => good("switched off by NO_COLOR; bold and reversed say the same"),
        (Some(_), None | Some("" | "dumb")) => {
            odd("TERM names no terminal with colours").repair("TERM=xterm-256color conntop")
        }
        (Some(_), Some(term)) => good(format!("the sixteen of the terminal's own palette ({term})")),
    }
}

fn unicode(client: &Client) -> Finding {
    let terminal = &client.terminal;
    let locale = terminal.locale.as_deref().unwrap_or("no LC_ALL, LC_CTYPE or LANG");
    match terminal.unicode {
        true => good(format!("all of it ({locale})")),
        false => odd(format!("ASCII only ({locale}): lines and bars are made of letters"))
            .repair("LC_ALL=C.UTF-8 conntop"),
    }
}
