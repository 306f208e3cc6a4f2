//! Questions to the registries that are under way. Each is a thread that nobody waits for; a few at most
//! run at once, and of those that have to wait only the latest is still wanted.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::oneshot::Receiver;

use crate::whois::{Answer, WhoisError, start};

/// Questions at once: more are asked only by a key that is held down.
const MOST: usize = 4;

type Hears = Receiver<Result<Answer, WhoisError>>;

#[derive(Debug, Default)]
pub(super) struct Registries {
    asked: Vec<(IpAddr, Hears)>,
    waits: Option<IpAddr>,
}

impl Registries {
    /// Asks who has an address, unless that is being asked already.
    pub(super) fn ask(&mut self, address: IpAddr) {
        if self.asked.iter().any(|(asked, _)| *asked == address) {
            return;
        }
        if self.asked.len() < MOST {
            self.asked.push((address, start(address)));
        } else {
            self.waits = Some(address);
        }
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> (IpAddr, Result<Answer, String>) {
        let (at, heard) = poll_fn(|context| {
            for (at, (_, hears)) in self.asked.iter_mut().enumerate() {
                if let Poll::Ready(heard) = Pin::new(hears).poll(context) {
                    return Poll::Ready((at, heard));
                }
            }
            Poll::Pending
        })
        .await;
        let (address, _) = self.asked.swap_remove(at);
        if let Some(next) = self.waits.take() {
            self.ask(next);
        }
        let said = match heard {
            Ok(said) => said.map_err(|error| error.to_string()),
            Err(_) => Err("there is no room for one more thread".to_owned()),
        };
        (address, said)
    }
}
