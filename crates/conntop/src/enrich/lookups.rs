//! Those who find things out: tasks and threads that work beside the screen and never make it wait.
//!
//! They get what is looked at and answer with [`Learned`] by one bounded queue. Dropping this ends them;
//! nothing is waited for.

use std::net::IpAddr;

use tokio::sync::mpsc;

use super::names::hosts::HOSTS;
use super::names::{Asking, Dns, Looking};
use super::{Learned, geo};
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
    /// How names are asked for, if they are.
    asking: Option<Asking>,
    /// The one who asks, from the first host on that is looked at.
    looking: Option<Looking>,
    places: Option<geo::Watch>,
}

impl Default for Lookups {
    fn default() -> Self {
        let (finder, learned) = mpsc::channel(QUEUE);
        Self { learned, finder, asking: None, looking: None, places: None }
    }
}

impl Lookups {
    /// Where another one may put what it finds.
    #[must_use]
    pub fn finder(&self) -> Finder {
        self.finder.clone()
    }

    /// Databases of places are to be looked for, now and again and again.
    pub fn watch_places(&mut self, search: geo::Search) {
        self.places = geo::Watch::start(search, self.finder());
    }

    /// Whether a [`Learned::Geo`] will come.
    #[must_use]
    pub fn has_places(&self) -> bool {
        self.places.is_some()
    }

    /// There are new databases of places.
    pub fn look_at_places(&self) {
        if let Some(places) = &self.places {
            places.look();
        }
    }

    /// The same with somebody who asks for names.
    #[must_use]
    pub fn with_names(self, asking: Asking) -> Self {
        Self { asking: (asking.dns != Dns::Off).then_some(asking), ..self }
    }

    /// Whether anybody can be asked for names.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asking.is_some() || self.looking.is_some()
    }

    /// These hosts are on the screen of somebody who wants to see names that nobody has told yet.
    pub fn look_at(&mut self, hosts: &[(NodeId, IpAddr)]) {
        if self.looking.is_none()
            && !hosts.is_empty()
            && let Some(asking) = self.asking.take()
        {
            // Without a thread there are no names, and everything else as usual.
            self.looking = Looking::start(asking, HOSTS.into(), self.finder.clone()).ok();
        }
        if let Some(looking) = &self.looking {
            looking.at(hosts.iter().map(|(_, host)| *host).collect());
        }
    }

    /// What was found out next.
    pub async fn next(&mut self) -> Learned {
        match self.learned.recv().await {
            Some(learned) => learned,
            // Cannot be: a sender is held here.
            None => std::future::pending().await,
        }
    }
}
