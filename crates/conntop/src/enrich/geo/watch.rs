//! A thread that looks at the databases now and then and tells what has changed. It ends when nobody
//! listens any more; nothing waits for it.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{Search, Shelf};
use crate::enrich::Learned;
use crate::enrich::lookups::Finder;

/// Time between two looks. A file that has changed is read at the second look that finds it the same.
const PACE: Duration = Duration::from_secs(2);

/// Keeps the thread going.
#[derive(Debug)]
pub struct Watch {
    wish: SyncSender<()>,
}

impl Watch {
    /// Starts to look; what is there at the beginning is told as soon as it has been read, even if that is
    /// nothing. `None` when there can be no thread.
    #[must_use]
    pub fn start(search: Search, finder: Finder) -> Option<Self> {
        let (wish, wishes) = sync_channel(1);
        let work = move || {
            let mut shelf = Shelf::new(search);
            loop {
                if let Some(geo) = shelf.look()
                    && finder.blocking_send(Learned::Geo(Box::new(geo))).is_err()
                {
                    return;
                }
                if wishes.recv_timeout(PACE) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        };
        thread::Builder::new().name("places".to_owned()).spawn(work).ok()?;
        Some(Self { wish })
    }

    /// Looks at once: somebody knows that there is something new.
    pub fn look(&self) {
        match self.wish.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}
