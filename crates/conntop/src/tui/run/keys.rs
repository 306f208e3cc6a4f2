//! Events of the terminal, read by a thread of their own. crossterm's own stream asks for them anew
//! each time that the loop wakes, and its thread and the loop then contend for one lock: that was most
//! of what an idle screen cost.

use std::collections::VecDeque;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, read};
use tokio::sync::mpsc;

use crate::tui::background::Said;

/// Events that wait for the loop; more wait in the terminal.
const WAITING: usize = 64;

/// What comes from the terminal.
#[derive(Debug)]
pub(super) struct Keys {
    events: mpsc::Receiver<io::Result<Event>>,
    early: VecDeque<Event>,
    late: Late,
}

impl Keys {
    /// Begins to read, behind what came while the terminal was asked for its background.
    pub(super) fn listen(asked: &Said) -> io::Result<Self> {
        let (tell, events) = mpsc::channel(WAITING);
        thread::Builder::new().name("ct-keys".to_owned()).spawn(move || {
            loop {
                let event = read();
                let last = event.is_err();
                if tell.blocking_send(event).is_err() || last {
                    return;
                }
            }
        })?;
        let key = |ch| Event::Key(KeyEvent::new(KeyCode::Char(ch), KeyModifiers::NONE));
        let late = if asked.complete { Late::Never } else { Late::Expected(Instant::now() + AWHILE) };
        Ok(Self { events, early: asked.typed.chars().map(key).collect(), late })
    }

    /// The next event; `None` when there will be none any more.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        if let Some(event) = self.early.pop_front() {
            return Some(Ok(event));
        }
        loop {
            let event = self.events.recv().await?;
            if !self.late.takes(&event, Instant::now()) {
                return Some(event);
            }
        }
    }

    /// An event that is there already.
    pub(super) fn try_next(&mut self) -> Option<io::Result<Event>> {
        if let Some(event) = self.early.pop_front() {
            return Some(Ok(event));
        }
        loop {
            let event = self.events.try_recv().ok()?;
            if !self.late.takes(&event, Instant::now()) {
                return Some(event);
            }
        }
    }
}

/// How long an answer of the terminal may be under way.
const AWHILE: Duration = Duration::from_secs(10);
/// Characters of an answer come together, and are not many.
const TOGETHER: Duration = Duration::from_millis(200);
const MOST: usize = 40;

/// An answer that comes later than anybody waited for it looks like typed characters, some of which
/// would do something: `ESC ] 11;rgb:ffff/ffff/ffff BEL`.
#[derive(Clone, Copy, Debug)]
enum Late {
    Never,
    Expected(Instant),
    Coming { until: Instant, left: usize },
}

impl Late {
    /// Whether this is a part of it.
    fn takes(&mut self, event: &io::Result<Event>, now: Instant) -> bool {
        let Ok(Event::Key(KeyEvent { code: KeyCode::Char(ch), modifiers, .. })) = event else { return false };
        let alt = modifiers.contains(KeyModifiers::ALT);
        match *self {
            Self::Never => false,
            Self::Expected(until) if now >= until => {
                *self = Self::Never;
                false
            }
            Self::Expected(_) if *ch == ']' && alt => {
                *self = Self::Coming { until: now + TOGETHER, left: MOST };
                true
            }
            Self::Expected(_) => false,
            Self::Coming { until, left } if now < until && left > 0 => {
                let bell = *ch == 'g' && modifiers.contains(KeyModifiers::CONTROL);
                let ends = bell || (*ch == '\\' && alt);
                *self = if ends { Self::Never } else { Self::Coming { until, left: left - 1 } };
                true
            }
            Self::Coming { .. } => {
                *self = Self::Never;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_is_no_typing() {
        let now = Instant::now();
        let mut late = Late::Expected(now + AWHILE);
        let mut takes =
            |ch, modifiers| late.takes(&Ok(Event::Key(KeyEvent::new(KeyCode::Char(ch), modifiers))), now);
        assert!(!takes('q', KeyModifiers::NONE));
        assert!(takes(']', KeyModifiers::ALT));
        for ch in "11;rgb:ffff/ffff/ffff".chars() {
            assert!(takes(ch, KeyModifiers::NONE));
        }
        assert!(takes('\\', KeyModifiers::ALT));
        assert!(!takes(']', KeyModifiers::ALT));
        let key = |ch| Ok(Event::Key(KeyEvent::new(KeyCode::Char(ch), KeyModifiers::ALT)));
        let mut old = Late::Expected(now);
        assert!(!old.takes(&key(']'), now));
        let mut broken = Late::Expected(now + AWHILE);
        assert!(broken.takes(&key(']'), now));
        assert!(!broken.takes(&key('q'), now + TOGETHER));
        assert!(!broken.takes(&key('q'), now));
    }
}
