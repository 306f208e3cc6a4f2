//! How far a download is: as a line of a terminal, and as news for the screen.

use std::time::{Duration, Instant};

use super::{Step, Update, UpdateError};
use crate::enrich::Learned;
use crate::enrich::geo::Attribution;
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
        let news = match Update::usual().and_then(|update| update.run(&mut tell)) {
            Ok(()) => News::Done,
            Err(error) => News::Failed(error.to_string()),
        };
        let _the_screen_is_gone = finder.blocking_send(Learned::Download(news));
    };
    let _no_thread = std::thread::Builder::new().name("ct-geoip-update".to_owned()).spawn(work);
}

/// Lets one report through in each [`PACE`], and every change of what is done.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    fetching: bool,
}

impl Pace {
    /// Whether this one is to be shown.
    pub fn lets(&mut self, step: &Step) -> bool {
        let fetching = matches!(step, Step::Fetching { .. });
        let goes_on = fetching && std::mem::replace(&mut self.fetching, fetching);
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

/// A line with a bar, for a terminal.
#[must_use]
pub fn line(step: &Step, began: Duration) -> String {
    let Step::Fetching { edition, month, got, total } = step else { return words(step) };
    let speed = u64::try_from(u128::from(*got) * 1000 / began.as_millis().max(1)).unwrap_or(u64::MAX);
    let Some(total) = total else {
        return format!("{} {month}  {}  {}/s", edition.stem(), megabytes(*got), megabytes(speed));
    };
    let full = usize::try_from(percent(*got, *total) * BAR / 100).unwrap_or(0);
    let bar: String =
        (0..usize::try_from(BAR).unwrap_or(0)).map(|at| if at < full { '#' } else { '.' }).collect();
    let percent = percent(*got, *total);
    let of = megabytes(*total);
    format!("{} {month} [{bar}] {percent:>3}% of {of}  {}/s", edition.stem(), megabytes(speed))
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
            format!("{} of {month} is in {}", edition.stem(), path.display())
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
            UpdateError::Fetch { .. } | UpdateError::Missing { .. } => LOST,
            _ => FAILURE,
        };
        Self::new(code, error.to_string())
    }
}
