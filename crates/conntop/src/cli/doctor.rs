//! `conntop doctor`: what is looked at, how it is printed, and the questions of `--fix`.

use std::env;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::open::{asking, open_for};
use super::{Common, DoctorArgs};
use crate::config;
use crate::doctor::facts::{Client, Database, Naming, Terminal};
use crate::doctor::{Check, Report, Style, Word, checks, elsewhere};
use crate::enrich::geo::{Found, Geo, Search, shown};
use crate::enrich::names::cache::Outcome;
use crate::enrich::names::resolve::{Oracle, Trouble};
use crate::here::checkup;
use crate::output::exit::{FAILURE, Failure, LOST, USAGE, write_failure};
use crate::platform::{LOCALE, TERMINAL, terminal_size};
use crate::tui::glyphs::Charset;

/// An address that is nobody's (RFC 5737): who answers that it has no name has answered.
const NOBODY: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// Sockets of questions that may wait to be told of; nobody looks at them here.
const TOLD: usize = 16;
const DAY: u64 = 24 * 3600;

/// Looks, prints, and repairs if that is wanted.
pub(super) async fn run(common: &Common, args: &DoctorArgs, wrong: Option<String>) -> Result<(), Failure> {
    if args.fix && !common.connect.is_empty() {
        return Err(Failure::new(USAGE, "nothing is repaired from afar: run conntop doctor --fix there"));
    }
    if args.fix && !args.yes && !io::stdin().is_terminal() {
        return Err(Failure::new(USAGE, "--fix asks, and standard input is no terminal: add --yes"));
    }
    let client = checks::of_client(&client(common, wrong).await);
    if !common.connect.is_empty() {
        let mut session = open_for(common, elsewhere::nothing()).await?;
        let remotes = elsewhere::look(&mut session).await?;
        let silent = remotes.iter().find_map(|remote| remote.hello.as_ref().err().cloned());
        let mut reports: Vec<Report> = remotes.iter().map(checks::of_remote).collect();
        reports.push(client);
        print(&reports, args, &[])?;
        return match silent {
            Some(why) => Err(Failure::new(LOST, why)),
            None => verdict(&reports),
        };
    }
    let netns = common.netns.as_deref();
    let mut kernel = checkup(netns)?;
    let mut done = Vec::new();
    if args.fix {
        if !args.json {
            write(&kernel.text(style()))?;
        }
        let mut answers = Answers { yes: args.yes, input: io::stdin().lock(), asking: io::stderr() };
        done = repair(&kernel, netns, &mut answers)?;
        kernel = checkup(netns)?;
    }
    let reports = [kernel, client];
    print(&reports, args, &done)?;
    verdict(&reports)
}

fn verdict(reports: &[Report]) -> Result<(), Failure> {
    let checks = reports.iter().flat_map(|report| &report.checks);
    let failed: Vec<&Check> = checks.filter(|check| check.word == Word::Fail).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|check| check.name).collect();
    let mendable = failed.iter().any(|check| check.fix.is_some());
    let hint = if mendable { "; --fix asks and repairs what conntop may" } else { "" };
    Err(Failure::new(FAILURE, format!("failed: {}{hint}", names.join(", "))))
}

fn print(reports: &[Report], args: &DoctorArgs, done: &[Done]) -> Result<(), Failure> {
    if !args.json {
        let texts: Vec<String> = reports.iter().map(|report| report.text(style())).collect();
        return write(&texts.join("\n"));
    }
    let checks: Vec<Value> = reports.iter().flat_map(Report::json).collect();
    let failed = reports.iter().any(Report::has_failed);
    let done: Vec<Value> = done.iter().map(|d| json!({ "check": d.check, "error": d.error })).collect();
    let version = env!("CARGO_PKG_VERSION");
    write(&format!("{}\n", json!({ "version": version, "ok": !failed, "checks": checks, "repaired": done })))
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn style() -> Style {
    let plain = no_color() || term().is_none_or(|term| term == "dumb");
    let width = terminal_size().map(|(columns, _)| columns);
    Style { colours: width.is_some() && !plain, width }
}

/// What kind of terminal it is.
fn term() -> Option<String> {
    env::var("TERM").ok().or_else(|| TERMINAL.map(str::to_owned))
}

fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// A repair that was attempted.
struct Done {
    check: &'static str,
    error: Option<String>,
}

/// Who is asked before each repair.
struct Answers<R, W> {
    yes: bool,
    input: R,
    asking: W,
}

impl<R: BufRead, W: Write> Answers<R, W> {
    /// Whether to go on. Nothing but a yes is one; the end of the answers is a no.
    fn ask(&mut self, question: &str) -> io::Result<bool> {
        if self.yes {
            writeln!(self.asking, "{question}")?;
            return Ok(true);
        }
        write!(self.asking, "{question}? [y/N] ")?;
        self.asking.flush()?;
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    fn say(&mut self, text: &str) {
        let _nobody_reads = writeln!(self.asking, "{text}");
    }
}

fn repair<R: BufRead, W: Write>(
    report: &Report,
    netns: Option<&str>,
    answers: &mut Answers<R, W>,
) -> Result<Vec<Done>, Failure> {
    let mut done = Vec::new();
    for check in &report.checks {
        let Some(fix) = check.fix else { continue };
        let question = format!("{}: {}", check.name, fix.offer());
        let agreed =
            answers.ask(&question).map_err(|error| Failure::new(FAILURE, format!("ask: {error}")))?;
        if !agreed {
            answers.say("left as it is");
            continue;
        }
        let error = fix.mend(netns).err();
        answers.say(error.as_deref().unwrap_or("done"));
        done.push(Done { check: check.name, error });
    }
    Ok(done)
}

async fn client(common: &Common, wrong: Option<String>) -> Client {
    let path = common.config.clone().or_else(config::usual_path).filter(|path| path.exists());
    Client {
        config: wrong.map_or_else(|| Ok(path.map(|path| shown(&path))), Err),
        places: (common.no_geoip != Some(true)).then(|| places(common)),
        names: naming(common).await,
        terminal: terminal(),
    }
}

fn places(common: &Common) -> Vec<Database> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let database = |found: &Found| Database {
        path: shown(&found.path),
        about: found.about.as_ref().map(|about| (about.name.clone(), now.saturating_sub(about.built) / DAY)),
        used: !found.used.is_empty(),
        problem: found.problem.clone(),
    };
    Geo::open(Search::new(&common.geoip_paths)).found().iter().map(database).collect()
}

async fn naming(common: &Common) -> Naming {
    let (told, _nobody_looks) = mpsc::channel(TOLD);
    let asking = asking(common);
    let oracle = match Oracle::new(&asking, told) {
        Ok(Oracle::Nobody) => return Naming::Off,
        Ok(oracle) => oracle,
        Err(Trouble::NoProgram) => return Naming::NoProgram,
        Err(Trouble::Silent | Trouble::NoServer) => return Naming::NoServer,
    };
    let asked = Instant::now();
    let outcome = oracle.ask(NOBODY, false).await;
    let time = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    match (outcome, oracle) {
        (Outcome::Named(..) | Outcome::Nameless(_), _) => Naming::Answered(time),
        (Outcome::Failed, Oracle::Program(_)) => Naming::NoProgram,
        (Outcome::Failed, _) => Naming::Refused,
        (Outcome::Silent, _) => Naming::Silent,
    }
}

fn terminal() -> Terminal {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| (name, env::var(name).ok()));
    let said = variables.iter().find_map(|(name, value)| {
        let value = value.as_ref().filter(|value| !value.is_empty())?;
        Some(format!("{name}={value}"))
    });
    let values = variables.each_ref().map(|(_, value)| value.as_deref().or(LOCALE));
    Terminal {
        size: terminal_size(),
        term: term(),
        no_color: no_color(),
        locale: said.map(|said| conntop_proto::text::sanitize(&said).into_owned()),
        unicode: Charset::of_locale(values) == Charset::Unicode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::here::Fix;

    /// A report with a repair that cannot be made, as there is no such namespace.
    fn report() -> (Report, &'static str) {
        let check =
            |name, fix| Check { name, word: Word::Fail, found: String::new(), repair: Vec::new(), fix };
        let checks = vec![check("capability", None), check("rule", Some(Fix::Rule))];
        (Report { place: String::new(), checks }, "/nonexistent/netns")
    }

    #[test]
    fn nothing_but_a_yes_is_one() {
        let check = |answer: &str, yes: bool, attempted: bool, said: &str| {
            let (report, netns) = report();
            let mut asking = Vec::new();
            let mut answers = Answers { yes, input: answer.as_bytes(), asking: &mut asking };
            let done = repair(&report, Some(netns), &mut answers).map_err(|error| error.text).unwrap();
            let asked = String::from_utf8(asking).unwrap();
            assert_eq!(done.len(), usize::from(attempted), "{answer:?}: {asked}");
            assert!(done.iter().all(|done| done.error.as_ref().is_some_and(|e| e.contains("/nonexistent"))));
            assert!(asked.starts_with("rule: make the nft table inet conntop-keep"), "{asked}");
            assert!(asked.contains(said), "{answer:?}: {asked}");
        };
        for yes in ["y\n", "Y\n", " yes \n"] {
            check(yes, false, true, "/nonexistent/netns");
        }
        for no in ["", "\n", "n\n", "yeah\n", "no, y\n"] {
            check(no, false, false, "? [y/N] left as it is");
        }
        check("", true, true, "/nonexistent/netns");
    }
}
