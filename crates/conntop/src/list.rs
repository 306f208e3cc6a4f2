//! `list`: the table once. It waits until the collector has sent everything and one whole pass over
//! the kernel's table lies behind it, then prints and ends.

use std::io::Write;
use std::time::{Duration, Instant};

use conntop_proto::flow::BootMillis;

use crate::cli::{Common, ListArgs, Session, open};
use crate::engine::{Engine, NoticeKind};
use crate::output::exit::{FAILURE, Failure, LOST};
use crate::output::say;
use crate::output::{groups, rows};
use crate::source::{SourceEnd, SourceEvent};

/// How long a table that is complete may be waited for to become fresh and clean: a pass that began
/// after we asked, without lost events. A collector that paces its passes takes longer.
const FRESH_TIME: Duration = Duration::from_secs(3);
/// How long the rates may be waited for beyond their window.
const SAMPLE_TIME: Duration = Duration::from_secs(60);
/// How long the first look at the processes may be waited for; it usually takes some milliseconds.
const PROCESSES_TIME: Duration = Duration::from_secs(2);
/// How long names may be waited for.
const NAMES_TIME: Duration = Duration::from_secs(5);
/// Longest pause between two looks at the clock.
const LOOK: Duration = Duration::from_millis(250);
/// Window of the rates when they are wanted and nothing is said.
pub const SAMPLE: Duration = Duration::from_secs(2);

/// Prints the table. Of several nodes those that answer are printed, and the others make it fail.
///
/// # Errors
/// Wrong arguments, a source that cannot be opened or is lost, a failing writer.
pub async fn run(common: &Common, args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let grouped = groups::Query::parse(common, args)?;
    let query = match &grouped {
        // Order and columns are those of groups.
        Some(_) => rows::Query::parse(&Common { sort: None, columns: Vec::new(), ..common.clone() })?,
        None => rows::Query::parse(common)?.with_names(args.names),
    };
    let rates = query.wants_rates() || grouped.as_ref().is_some_and(groups::Query::wants_rates);
    let mut session = open(common).await?;
    // In a recording nobody has to wait for them.
    let sample = args.sample.or_else(|| (rates || session.recording).then_some(SAMPLE));
    session.announce();
    if let Some(sample) = sample {
        session.nodes.set_window(sample);
    }
    let failure = match session.recording {
        true => play(&mut session).await?,
        false => settle(&mut session, sample).await?,
    };
    session.know_places().await;
    if args.names {
        let unasked = session.find_names(session.hosts(), NAMES_TIME).await;
        if unasked > 0 {
            say(&format_args!("names: nobody has answered for {unasked} hosts"));
        }
    }
    if query.asks_names() {
        let more = if args.names { "" } else { "; --names asks for the others" };
        say(&format_args!("names of {} hosts are known{more}", session.nodes.enricher().named()));
    }
    for notice in session.notices() {
        say(&notice);
    }
    let processes = query.wants_processes() || grouped.as_ref().is_some_and(groups::Query::wants_processes);
    if processes && session.nodes.enricher().processes().is_some_and(|p| p.hidden().others) {
        say(
            &"processes of other users are hidden; root sees them, or CAP_SYS_PTRACE with CAP_DAC_READ_SEARCH",
        );
    }
    match &grouped {
        Some(grouped) => groups::print(&session.nodes, grouped, args, sample.is_some(), out)?,
        None => rows::print(&session.nodes, &query, args, sample.is_some(), out)?,
    }
    session.close()?;
    failure.map_or(Ok(()), Err)
}

/// Takes in events until the table of each node is complete, and for the rates' window. Returns why
/// some of several nodes are left out, if any are.
///
/// # Errors
/// None is left.
pub(crate) async fn settle(
    session: &mut Session,
    sample: Option<Duration>,
) -> Result<Option<Failure>, Failure> {
    let begun = Instant::now();
    let mut progress: Vec<Progress> = session.nodes.iter().map(|_| Progress::Waiting(None)).collect();
    let mut failure = None;
    loop {
        let now = Instant::now();
        for (progress, engine) in progress.iter_mut().zip(session.nodes.engines()) {
            progress.look(engine, now, begun, sample);
        }
        let complete = progress.iter().all(|progress| !matches!(progress, Progress::Waiting(_)));
        let looking = session.looks_for_processes() && now.duration_since(begun) < PROCESSES_TIME;
        if complete && !looking {
            return Ok(failure);
        }
        let Some((node, event)) = session.peek(Some(now + if looking { LOOK / 10 } else { LOOK })).await?
        else {
            continue;
        };
        if matches!(progress.get(usize::from(node.0)), Some(Progress::Done)) && over(&event).is_some() {
            // What is complete is printed, whatever comes after.
            continue;
        }
        let Some(over) = over(&event).or(session.apply(node, event).err()) else { continue };
        if let Some(progress) = progress.get_mut(usize::from(node.0)) {
            *progress = Progress::LeftOut;
        }
        if progress.iter().all(|progress| matches!(progress, Progress::LeftOut)) {
            return Err(over);
        }
        session.sources.end(node);
        session.nodes.forget(node);
        let name = session.nodes.get(node).map_or("", |node| node.name());
        let left_out = Failure::new(over.code, format!("{name} is left out: {over}"));
        if let Some(told) = failure.replace(left_out) {
            say(&told);
        }
    }
}

/// Takes in a recording as far as it is asked for. Returns why it is not whole, if it is not.
///
/// # Errors
/// There is nothing in it.
async fn play(session: &mut Session) -> Result<Option<Failure>, Failure> {
    let end = loop {
        match session.peek(None).await? {
            Some((node, SourceEvent::Ended(end))) => {
                // From here on its clock stands.
                session.apply(node, SourceEvent::Ended(end.clone()))?;
                break end;
            }
            Some((node, event)) => session.apply(node, event)?,
            None => {}
        }
    };
    let engine = session.nodes.first().engine();
    let failed = match end {
        SourceEnd::Failed(error) => Some(Failure::from(error)),
        SourceEnd::Finished if completeness(engine) == Completeness::Partial => {
            Some(Failure::new(FAILURE, "the table was not complete yet at that time of the recording"))
        }
        SourceEnd::Finished => None,
    };
    match (engine.hello(), failed) {
        (None, Some(failure)) => Err(failure),
        (_, failed) => Ok(failed),
    }
}

/// Why an event is the end of a table that is printed once.
fn over(event: &SourceEvent) -> Option<Failure> {
    match event {
        SourceEvent::Stale { cause, .. } => Some(Failure::new(LOST, cause.clone())),
        SourceEvent::Ended(end) => Some(Failure::from(end.clone())),
        _ => None,
    }
}

/// How far a node has come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// Its table is complete since then, if it is.
    Waiting(Option<Instant>),
    Done,
    LeftOut,
}

impl Progress {
    fn look(&mut self, engine: &Engine, now: Instant, begun: Instant, sample: Option<Duration>) {
        let Self::Waiting(complete_at) = self else { return };
        let state = completeness(engine);
        if state < Completeness::Complete {
            return;
        }
        let since = *complete_at.get_or_insert(now);
        let settled = state == Completeness::Fresh || now.duration_since(since) >= FRESH_TIME;
        let sampled = sample.is_none_or(|sample| {
            let window = engine.mirror().window();
            window.is_some_and(|w| w.length().mul_f64(1.0 / 0.85) >= sample)
                || now.duration_since(begun) >= sample + SAMPLE_TIME
        });
        if settled && sampled {
            *self = Self::Done;
        }
    }
}

/// How much of the table has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Completeness {
    /// Not all of it.
    Partial,
    /// All of it, as of some pass.
    Complete,
    /// All of it, as of a clean pass that began after the connection.
    Fresh,
}

/// How much of the table has arrived.
pub(crate) fn completeness(engine: &Engine) -> Completeness {
    let position = engine.mirror().position();
    let pass = &position.pass;
    if !position.synced || !position.in_step || (pass.finished.is_none() && pass.number <= 1) {
        return Completeness::Partial;
    }
    let asked = engine.hello().map_or(BootMillis(0), |hello| hello.clock.boot);
    let fresh = pass.finished.is_some() && pass.started >= asked && !pass.dirty;
    let lossless = engine.notices().iter().all(|notice| notice.kind != NoticeKind::Lost);
    if fresh && lossless { Completeness::Fresh } else { Completeness::Complete }
}
