//! What conntop itself may mend when it is asked to: each in the namespace that was looked at.

use std::thread;

use nfnetlink::facts::Switch;
use nfnetlink::netns::Netns;
use nfnetlink::{RequestSocket, nft};

use crate::here::linux::activate::{Leftovers, OLD_FLOWS};

/// What can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fix {
    /// Have the kernel load its connection tracking.
    Module,
    /// Remove what conntops that crashed have left.
    Leftovers,
    /// Have the kernel track for good.
    Rule,
    /// Switch a sysctl on.
    Switch(Switch),
}

impl Fix {
    /// What would be done, and for how long it lasts, for the question.
    #[must_use]
    pub fn offer(self) -> String {
        match self {
            Self::Module => "ask the kernel for nf_conntrack_netlink, which loads nf_conntrack".to_owned(),
            Self::Leftovers => "remove what a crashed conntop has left".to_owned(),
            Self::Rule => format!(
                "make the nft table inet {0}, whose only rule meets no packet; it stays until the next boot \
                 or `nft delete table inet {0}` (conntop --activate does the same only while it runs)",
                nft::KEPT
            ),
            Self::Switch(switch) => format!(
                "set net.netfilter.{} = {} until the next boot; {}",
                switch.name(),
                switch.on().first().copied().unwrap_or("1"),
                match switch {
                    Switch::Acct => OLD_FLOWS,
                    Switch::Timestamp => "flows that exist already get no start",
                    Switch::Events => "flows that exist already send none",
                }
            ),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What the kernel said, for people.
    pub fn carry_out(self, netns: Option<Netns>) -> Result<(), String> {
        let work = move || {
            netns.map_or(Ok(()), |netns| netns.enter()).map_err(|error| error.to_string())?;
            self.within()
        };
        // A thread of its own, as it stays in the namespace.
        let thread = thread::Builder::new().name("ct-repair".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("start a thread to repair in: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("the thread that repairs has panicked".to_owned()))
    }

    fn within(self) -> Result<(), String> {
        match self {
            Self::Module => {
                let asked = RequestSocket::open().and_then(|mut socket| socket.stats());
                asked.map(drop).map_err(|error| error.to_string())
            }
            Self::Leftovers => Leftovers::remove(None).map(drop).map_err(|error| error.to_string()),
            Self::Rule => nft::keep_tracking().map_err(|error| error.to_string()),
            Self::Switch(switch) => {
                switch.set(true).map_err(|error| format!("net.netfilter.{}: {error}", switch.name()))
            }
        }
    }
}
