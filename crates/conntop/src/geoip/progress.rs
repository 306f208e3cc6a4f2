//! How far a download is: as a line of a terminal, and as news for the screen.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::{FetchError, Step, Update, UpdateError};
use crate::enrich::Learned;
use crate::enrich::geo::{Attribution, shown};
use crate::enrich::lookups::Finder;

/// More often nobody sees it.
const PACE: Duration = Duration::from_millis(200);
/// Width of the bar itself.
const BAR: u64 = 24;

/// What the screen is told of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It goes on: a few words.
    Progress(String),
    /// Both databases are in their place.
    Done,
    /// Why they are not, for people.
    Failed(String),
}

/// Fetches the databases in a thread of its own, which ends with the program: what has come by then is
/// gone on with another time. News that nobody takes in time are left out, but never the last.
pub fn start(finder: Finder) {
    let work = move || {
        let mut pace = Pace::default();
        let mut tell = |step: Step| {
            if pace.lets(&step) {
                let _the_next_one_comes_soon =
                    finder.try_send(Learned::Download(News::Progress(brief(&step))));
            }
        };
        let news = match Update::usual(None).and_then(|update| update.run(&mut tell)) {
            Ok(()) => News::Done,
            Err(error) => News::Failed(error.to_string()),
        };
        let _the_screen_is_gone = finder.blocking_send(Learned::Download(news));
    };
    let _no_thread = std::thread::Builder::new().name("ct-geoip-update".to_owned()).spawn(work);
}

/// Lets one report through in each `PACE`, and every change of what is done.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    fetching: bool,
}

impl Pace {
    /// Whether this one is to be shown.
    pub fn lets(&mut self, step: &Step) -> bool {
        let fetching = matches!(step, Step::Fetching { .. });
        let goes_on = std::mem::replace(&mut self.fetching, fetching) && fetching;
        if goes_on && self.last.is_some_and(|last| last.elapsed() < PACE) {
            return false;
        }
        self.last = Some(Instant::now());
        true
    }
}

/// A few words for the header of the screen.
fn brief(step: &Step) -> String {
    match step {
        Step::Fetching { edition, got, total: Some(total), .. } => {
            format!("fetching {} {}%", edition.stem(), percent(*got, *total))
        }
        Step::Fetching { edition, got, total: None, .. } => {
            format!("fetching {} {}", edition.stem(), megabytes(*got))
        }
        Step::Again(_) => "fetching again".to_owned(),
        Step::Checking(edition, _) => format!("checking {}", edition.stem()),
        Step::Current(edition, _) | Step::Done(edition, ..) => format!("{} is here", edition.stem()),
    }
}

/// Shows how it goes on, for people at a terminal and for logs.
#[derive(Debug)]
pub struct Display<W> {
    out: W,
    form: Form,
    began: Instant,
    /// What had come when the file was begun.
    had: Option<u64>,
}

#[derive(Clone, Debug)]
enum Form {
    /// A bar that is drawn again and again; whether one stands there.
    Bar(Pace, bool),
    /// A line for each thing that is done.
    Lines,
}

impl<W: Write + IsTerminal> Display<W> {
    /// A bar if it is a terminal, else lines.
    pub fn of(out: W) -> Self {
        let form = if out.is_terminal() { Form::Bar(Pace::default(), false) } else { Form::Lines };
        Self { out, form, began: Instant::now(), had: None }
    }
}

impl<W: Write> Display<W> {
    /// Shows a step.
    pub fn show(&mut self, step: &Step) {
        let begins = match step {
            Step::Fetching { got, .. } => {
                self.had.is_none_or(|had| had > *got).then(|| self.had = Some(*got))
            }
            _ => {
                self.had = None;
                None
            }
        };
        if begins.is_some() {
            self.began = Instant::now();
        }
        let fetching = matches!(step, Step::Fetching { .. });
        let text = match &mut self.form {
            Form::Bar(pace, stands) if fetching => {
                if !pace.lets(step) {
                    return;
                }
                *stands = true;
                let line = line(step, self.had.unwrap_or(0), self.began.elapsed());
                format!("\r{line}\x1b[K")
            }
            Form::Bar(_, stands) => {
                let clear = if std::mem::take(stands) { "\r\x1b[K" } else { "" };
                format!("{clear}conntop: {}\n", words(step))
            }
            Form::Lines if fetching && begins.is_none() => return,
            Form::Lines => format!("conntop: {}\n", words(step)),
        };
        let _nobody_reads = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Leaves the line of a bar.
    pub fn end(&mut self) {
        if let Form::Bar(_, stands) = &mut self.form
            && std::mem::take(stands)
        {
            let _nobody_reads = self.out.write_all(b"\n").and_then(|()| self.out.flush());
        }
    }
}

/// A line with a bar, for a terminal of 80 columns.
fn line(step: &Step, had: u64, took: Duration) -> String {
    let Step::Fetching { edition, month, got, total } = step else { return words(step) };
    let came = u128::from(got.saturating_sub(had));
    let speed = u64::try_from(came * 1000 / took.as_millis().max(1)).unwrap_or(u64::MAX);
    let Some(total) = total else {
        return format!("{} {month}  {}  {}/s", edition.stem(), megabytes(*got), megabytes(speed));
    };
    let percent = percent(*got, *total);
    let full = usize::try_from(percent * BAR / 100).unwrap_or(0);
    let bar: String =
        (0..usize::try_from(BAR).unwrap_or(0)).map(|at| if at < full { '#' } else { '.' }).collect();
    let (of, speed) = (megabytes(*total), megabytes(speed));
    format!("{} {month} [{bar}] {percent:>3}% of {of} {speed}/s", edition.stem())
}

/// What is done, for people.
#[must_use]
pub fn words(step: &Step) -> String {
    match step {
        Step::Current(edition, month) => format!("{} is of {month} already", edition.stem()),
        Step::Fetching { edition, month, got, total } => {
            let size = total.map_or_else(String::new, |total| format!(", {}", megabytes(total)));
            let from = if *got > 0 { format!(", going on after {}", megabytes(*got)) } else { String::new() };
            format!("fetching {} of {month}{size}{from}", edition.stem())
        }
        Step::Again(why) => format!("{why}: fetching it once more as a whole"),
        Step::Checking(edition, month) => format!("unpacking and checking {} of {month}", edition.stem()),
        Step::Done(edition, month, path) => {
            format!("{} of {month} is in {}", edition.stem(), shown(path))
        }
    }
}

fn percent(got: u64, total: u64) -> u64 {
    u64::try_from(u128::from(got.min(total)) * 100 / u128::from(total.max(1))).unwrap_or(100)
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// What [`News::Done`] says to people.
#[must_use]
pub fn done() -> String {
    format!("Countries, cities and networks of addresses are shown from now on.\n\n{}", Attribution::DB_IP)
}

/// What [`News::Failed`] says to people.
#[must_use]
pub fn failed(why: &str) -> String {
    format!("{why}\n\n`conntop geoip update` tries it again.")
}

impl From<UpdateError> for crate::output::exit::Failure {
    fn from(error: UpdateError) -> Self {
        use crate::output::exit::{FAILURE, LOST};
        let code = match error {
            UpdateError::Fetch { error: FetchError::Part(_), .. } => FAILURE,
            UpdateError::Fetch { .. } | UpdateError::Missing { .. } => LOST,
            _ => FAILURE,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geoip::Edition;

    fn fetching(got: u64, total: Option<u64>) -> Step {
        Step::Fetching { edition: Edition::City, month: "2026-11".parse().unwrap(), got, total }
    }

    #[test]
    fn a_bar_fits_a_terminal_and_tells_how_far_it_is() {
        let check = |got, total, had, millis, wanted: &str| {
            let line = line(&fetching(got, total), had, Duration::from_millis(millis));
            assert_eq!(line, wanted);
            assert!(line.len() < 80, "{}", line.len());
        };
        let mb = 1_000_000;
        check(
            0,
            Some(60 * mb),
            0,
            0,
            "dbip-city-lite 2026-11 [........................]   0% of 60.0 MB 0.0 MB/s",
        );
        check(
            30 * mb,
            Some(60 * mb),
            0,
            3000,
            "dbip-city-lite 2026-11 [############............]  50% of 60.0 MB 10.0 MB/s",
        );
        check(
            30 * mb,
            Some(60 * mb),
            20 * mb,
            1000,
            "dbip-city-lite 2026-11 [############............]  50% of 60.0 MB 10.0 MB/s",
        );
        check(
            60 * mb,
            Some(60 * mb),
            0,
            60_000,
            "dbip-city-lite 2026-11 [########################] 100% of 60.0 MB 1.0 MB/s",
        );
        check(5 * mb, None, 0, 1000, "dbip-city-lite 2026-11  5.0 MB  5.0 MB/s");
        check(7, Some(0), 9, 0, "dbip-city-lite 2026-11 [........................]   0% of 0.0 MB 0.0 MB/s");
    }

    #[test]
    fn logs_get_a_line_for_each_thing_and_terminals_a_bar() {
        let month = "2026-11".parse().unwrap();
        let steps = [
            fetching(0, Some(2_000_000)),
            fetching(1_000_000, Some(2_000_000)),
            fetching(2_000_000, Some(2_000_000)),
            Step::Checking(Edition::City, month),
            Step::Current(Edition::Asn, month),
        ];
        let check = |form: Form, wanted: &str| {
            let mut out = Vec::new();
            let mut display = Display { out: &mut out, form, began: Instant::now(), had: None };
            steps.iter().for_each(|step| display.show(step));
            display.end();
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        };
        check(
            Form::Lines,
            "conntop: fetching dbip-city-lite of 2026-11, 2.0 MB\n\
             conntop: unpacking and checking dbip-city-lite of 2026-11\n\
             conntop: dbip-asn-lite is of 2026-11 already\n",
        );
        check(
            Form::Bar(Pace::default(), false),
            "\rdbip-city-lite 2026-11 [........................]   0% of 2.0 MB 0.0 MB/s\x1b[K\
             \r\x1b[Kconntop: unpacking and checking dbip-city-lite of 2026-11\n\
             conntop: dbip-asn-lite is of 2026-11 already\n",
        );
    }
}
