//! Those who find things out: tasks and threads that work beside the screen and never make it wait.
//!
//! They get what is looked at and answer with [`Learned`] by one bounded queue. Dropping this ends them;
//! nothing is waited for.

use std::net::IpAddr;

use tokio::sync::mpsc;

use super::Learned;
use crate::source::NodeId;

/// Answers that may wait to be taken in; those who ask wait then.
const QUEUE: usize = 64;

/// Where those who find things out put it.
pub type Finder = mpsc::Sender<Learned>;

/// Those who find things out.
#[derive(Debug)]
pub struct Lookups {
    learned: mpsc::Receiver<Learned>,
    finder: Finder,
}

impl Default for Lookups {
    fn default() -> Self {
        let (finder, learned) = mpsc::channel(QUEUE);
        Self { learned, finder }
    }
}

impl Lookups {
    /// Where another one may put what it finds.
    #[must_use]
    pub fn finder(&self) -> Finder {
        self.finder.clone()
    }

    /// These hosts are on the screen of somebody who wants to see names.
    pub fn look_at(&mut self, _hosts: &[(NodeId, IpAddr)]) {}

    /// What was found out next.
    pub async fn next(&mut self) -> Learned {
        match self.learned.recv().await {
            Some(learned) => learned,
            // Cannot be: a sender is held here.
            None => std::future::pending().await,
        }
    }
}
