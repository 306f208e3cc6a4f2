//! What else is known of a collector's machine than its flows: its interfaces, the sockets that listen,
//! and how full its table has been. State beside the mirror, changed only by the messages that tell of it;
//! time is that of the collector's clock.

mod fill;
mod links;

use std::time::Duration;

use conntop_proto::message::{Listeners, ServerMessage, Sight};

pub use self::fill::{Fill, Refusals};
pub use self::links::{LinkRates, Links, Throughput};

/// What else is known of a machine.
#[derive(Debug, Default)]
pub struct Machine {
    links: Links,
    listeners: Option<Listeners>,
    fill: Fill,
    revision: u64,
}

impl Machine {
    /// Takes in what a message tells of it.
    pub fn apply(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Interfaces(interfaces) => self.links.push(interfaces),
            ServerMessage::Listeners(listeners) => self.listeners = Some(listeners.clone()),
            ServerMessage::Table(table) => self.fill.push(table),
            _ => return,
        }
        self.revision += 1;
    }

    /// Somebody looks at these from now on. Counters of before are too old to be compared with.
    pub fn look(&mut self, at: &[Sight]) {
        if !at.contains(&Sight::Interfaces) {
            self.links.rest();
        }
    }

    /// Forgets everything, as if nothing had been heard yet; what was wished stays.
    pub fn begin_again(&mut self) {
        self.links.begin_again();
        self.listeners = None;
        self.fill = Fill::default();
        self.revision += 1;
    }

    /// Wishes another window for the rates.
    pub fn set_window(&mut self, length: Duration) {
        self.links.set_window(length);
        self.revision += 1;
    }

    /// Interfaces and what passes them.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Sockets that wait for connections; `None` before they were told.
    #[must_use]
    pub fn listeners(&self) -> Option<&Listeners> {
        self.listeners.as_ref()
    }

    /// How full the table has been, and what it has refused.
    #[must_use]
    pub fn fill(&self) -> &Fill {
        &self.fill
    }

    /// Changes with everything that is learned.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }
}
