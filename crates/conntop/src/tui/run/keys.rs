//! Events of the terminal, read by a thread of their own. crossterm's own stream asks for them anew
//! each time that the loop wakes, and its thread and the loop then contend for one lock: that was most
//! of what an idle screen cost.

use std::io;
use std::thread;

use crossterm::event::{Event, read};
use tokio::sync::mpsc;

/// Events that wait for the loop; more wait in the terminal.
const WAITING: usize = 64;

/// What comes from the terminal.
#[derive(Debug)]
pub(super) struct Keys(mpsc::Receiver<io::Result<Event>>);

impl Keys {
    /// Begins to read.
    pub(super) fn listen() -> io::Result<Self> {
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
        Ok(Self(events))
    }

    /// The next event; `None` when there will be none any more.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.0.recv().await
    }

    /// An event that is there already.
    pub(super) fn try_next(&mut self) -> Option<io::Result<Event>> {
        self.0.try_recv().ok()
    }
}
