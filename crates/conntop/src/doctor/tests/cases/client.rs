//! What may be wrong with the client and its terminal.

use super::{Case, case, nothing};
use crate::doctor::facts::{Client, Database, Naming, Terminal};
use crate::doctor::report::Word::{Ok as Fine, Warn};

/// A client to which nothing has happened.
pub(in super::super) fn a_client() -> Client {
    Client {
        config: Ok(Some("/root/.config/conntop/config.toml".to_owned())),
        places: Some(vec![database("DBIP-City-Lite", 12), database("DBIP-ASN-Lite", 12)]),
        names: Naming::Answered(3),
        terminal: Terminal {
            size: Some((120, 40)),
            term: Some("xterm-256color".to_owned()),
            no_color: false,
            locale: Some("LANG=en_GB.UTF-8".to_owned()),
            unicode: true,
        },
    }
}

fn database(name: &str, days: u64) -> Database {
    let path = format!("/root/.local/share/GeoIP/{}.mmdb", name.to_lowercase());
    Database { path, about: Some((name.to_owned(), days)), used: true, problem: None }
}

pub(in super::super) const CLIENT_CASES: &[Case<Client>] = &[
    case("config", nothing, Fine, "/root/.config/conntop/config.toml is understood", &[]),
    case("config", |c| c.config = Ok(None), Fine, "there is no configuration file; the defaults hold", &[]),
    case(
        "config",
        |c| {
            c.config = Err("configuration /root/.config/conntop/config.toml: line 3: there is no setting `dsn`; did you mean `dns`?".to_owned())
        },
        Warn,
        "configuration /root/.config/conntop/config.toml: line 3: there is no setting `dsn`; did you mean `dns`?",
        &["mend that line; until then conntop does not start"],
    ),
    case("geoip", nothing, Fine, "DBIP-City-Lite (12 days old), DBIP-ASN-Lite (12 days old)", &[]),
    case("geoip", |c| c.places = None, Fine, "not wanted (no-geoip)", &[]),
    case(
        "geoip",
        |c| c.places = Some(Vec::new()),
        Warn,
        "no database: countries, cities and networks are not known",
        &["conntop geoip update"],
    ),
    case(
        "geoip",
        |c| c.places = Some(vec![database("GeoLite2-City", 400)]),
        Warn,
        "GeoLite2-City (400 days old): addresses have moved since",
        &["conntop geoip update"],
    ),
    case(
        "geoip",
        |c| {
            let problem = Some("it is damaged: the metadata is missing".to_owned());
            c.places =
                Some(vec![Database { about: None, used: false, problem, ..database("DBIP-City-Lite", 1) }]);
        },
        Warn,
        "/root/.local/share/GeoIP/dbip-city-lite.mmdb: it is damaged: the metadata is missing",
        &["conntop geoip update --again"],
    ),
    case("dns", nothing, Fine, "somebody answers, in 3 ms", &[]),
    case("dns", |c| c.names = Naming::Off, Fine, "nobody is asked (dns off)", &[]),
    case(
        "dns",
        |c| c.names = Naming::Answered(1_700),
        Warn,
        "an answer takes 1700 ms: names come late",
        &["put a nearer server into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::Refused,
        Warn,
        "the server answers that it cannot tell names (SERVFAIL or REFUSED)",
        &["put another server into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::Silent,
        Warn,
        "no server answers: addresses keep their numbers, nothing waits for it",
        &["put a server that answers into /etc/resolv.conf", "conntop --dns off"],
    ),
    case(
        "dns",
        |c| c.names = Naming::NoServer,
        Warn,
        "/etc/resolv.conf names no server: addresses keep their numbers",
        &["put a server into /etc/resolv.conf", "conntop --dns system"],
    ),
    case(
        "dns",
        |c| c.names = Naming::NoProgram,
        Warn,
        "there is no getent, which --dns system asks",
        &["conntop --dns ptr"],
    ),
    case("terminal", nothing, Fine, "120 columns and 40 lines", &[]),
    case(
        "terminal",
        |c| c.terminal.size = None,
        Fine,
        "standard output is no terminal: conntop prints the table once",
        &[],
    ),
    case(
        "terminal",
        |c| c.terminal.term = Some("dumb".to_owned()),
        Warn,
        "TERM=dumb moves no cursor: conntop prints the table once",
        &["TERM=xterm-256color conntop, if the terminal is one"],
    ),
    case(
        "terminal",
        |c| c.terminal.size = Some((20, 3)),
        Warn,
        "20 columns and 3 lines: little more than the largest flows has room",
        &["make the window larger; 80x24 has room for everything that matters"],
    ),
    case("colours", nothing, Fine, "the sixteen of the terminal's own palette (xterm-256color)", &[]),
    case("colours", |c| c.terminal.size = None, Fine, "not needed", &[]),
    case(
        "colours",
        |c| c.terminal.no_color = true,
        Fine,
        "switched off by NO_COLOR; bold and reversed say the same",
        &[],
    ),
    case(
        "colours",
        |c| c.terminal.term = None,
        Warn,
        "TERM names no terminal with colours",
        &["TERM=xterm-256color conntop"],
    ),
    case("unicode", nothing, Fine, "all of it (LANG=en_GB.UTF-8)", &[]),
    case(
        "unicode",
        |c| (c.terminal.unicode, c.terminal.locale) = (false, Some("LANG=C".to_owned())),
        Warn,
        "ASCII only (LANG=C): lines and bars are made of letters",
        &["LC_ALL=C.UTF-8 conntop"],
    ),
    case(
        "unicode",
        |c| (c.terminal.unicode, c.terminal.locale) = (false, None),
        Warn,
        "ASCII only (no LC_ALL, LC_CTYPE or LANG): lines and bars are made of letters",
        &["LC_ALL=C.UTF-8 conntop"],
    ),
];
