//! Who has an address, by the WHOIS service of the registries.
//!
//! IANA names the registry of an address, the registry tells what it knows, and may name another one.
//! Only these six servers are asked, on port 43, by addresses of the world; everything together takes
//! at most ten seconds, and each answer is cut at 64 KiB. What they say is text of strangers: it is
//! made harmless when it comes in, and nothing in it leads anywhere but to one of the six.
//!
//! Answers are kept for a day ([`cache`]). Looking one up blocks, so it is done in a thread that
//! nobody waits for ([`start`]).

pub mod ask;
pub mod cache;
mod fields;
mod referral;
pub mod server;
mod span;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use conntop_proto::text::sanitize;
use tokio::sync::oneshot;

pub use self::ask::AskError;
use self::ask::{Network, System};
use self::cache::Cache;
pub use self::fields::Fields;
use self::referral::Referral;
pub use self::server::Server;
use crate::enrich::range::Range;

/// Time that everything together may take.
pub const TIME: Duration = Duration::from_secs(10);
/// Referrals that are followed: from IANA to a registry, and from there to another one.
const DEPTH: usize = 2;

/// What one server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who.
    pub server: Server,
    /// All of it, sanitized line by line.
    pub text: String,
}

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The address.
    pub address: IpAddr,
    /// What matters.
    pub fields: Fields,
    /// What each server said, IANA first; never empty.
    pub hops: Vec<Hop>,
    /// What was left out: a server that is not asked, one that did not answer.
    pub note: Option<String>,
    /// When they were asked.
    pub fetched: SystemTime,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum WhoisError {
    /// Nobody in the world has this address.
    #[error("{address} is a {} address: it belongs to no one, and no registry is asked", range.word())]
    Special {
        /// The address.
        address: IpAddr,
        /// What it is for.
        range: Range,
    },
    /// A server was not to be had.
    #[error("{server}: {error}")]
    Ask {
        /// Which.
        server: Server,
        /// Why.
        error: AskError,
    },
    /// A server wants to be left alone.
    #[error("{server} refuses: {text}; try again later")]
    Refused {
        /// Which.
        server: Server,
        /// What it said.
        text: String,
    },
}

/// What is known of an address, from the user's cache or from the registries. It may take ten seconds.
///
/// # Errors
/// As [`WhoisError`] says.
pub fn look_up(address: IpAddr) -> Result<Answer, WhoisError> {
    Whois { network: &System, cache: Cache::of_user(), time: TIME }.look_up(address, SystemTime::now())
}

/// The same in a thread of its own. It ends with the program; whoever does not want the answer any
/// more drops the receiver, which is closed without an answer if there can be no thread.
#[must_use]
pub fn start(address: IpAddr) -> oneshot::Receiver<Result<Answer, WhoisError>> {
    let (tell, hear) = oneshot::channel();
    let work = move || {
        let _nobody_wants_it_any_more = tell.send(look_up(address));
    };
    let _no_thread = std::thread::Builder::new().name("ct-whois".to_owned()).spawn(work);
    hear
}

/// Who is asked, and where answers are kept.
#[derive(Debug)]
pub struct Whois<'a, N> {
    /// The way to the servers.
    pub network: &'a N,
    /// `None` keeps nothing.
    pub cache: Option<Cache>,
    /// Time for everything together, mostly [`TIME`].
    pub time: Duration,
}

impl<N: Network> Whois<'_, N> {
    /// What is known of an address.
    ///
    /// # Errors
    /// As [`WhoisError`] says.
    pub fn look_up(&self, address: IpAddr, now: SystemTime) -> Result<Answer, WhoisError> {
        let address = address.to_canonical();
        if let Some(range) = Range::of(address) {
            return Err(WhoisError::Special { address, range });
        }
        if let Some(answer) = self.cache.as_ref().and_then(|cache| cache.get(address, now)) {
            return Ok(answer);
        }
        let (hops, note) = self.ask(address, Instant::now() + self.time)?;
        let answer = Answer { address, fields: Fields::of(address, &hops), hops, note, fetched: now };
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(&answer)
        {
            tracing::debug!(%error, "an answer is not kept");
        }
        Ok(answer)
    }

    fn ask(&self, address: IpAddr, deadline: Instant) -> Result<(Vec<Hop>, Option<String>), WhoisError> {
        let mut hops: Vec<Hop> = Vec::new();
        let mut server = Server::Iana;
        loop {
            let text = match ask::ask(self.network, server, address, deadline) {
                Ok(text) => text,
                // The first registry knows more than nothing.
                Err(error) if hops.len() > 1 => return Ok((hops, Some(format!("{server}: {error}")))),
                Err(error) => return Err(WhoisError::Ask { server, error }),
            };
            if let Some(text) = refusal(&text) {
                return Err(WhoisError::Refused { server, text });
            }
            let referral = Referral::of(&text);
            hops.push(Hop { server, text });
            server = match referral {
                Some(Referral::To(next)) if hops.iter().all(|hop| hop.server != next) => next,
                Some(Referral::Elsewhere(host)) => {
                    return Ok((hops, Some(format!("it refers to {host}, which is not asked"))));
                }
                Some(Referral::To(_)) | None => return Ok((hops, None)),
            };
            if hops.len() > DEPTH {
                return Ok((hops, Some(format!("it refers to {server}, one too many"))));
            }
        }
    }
}

/// The line by which a server says that it was asked too often.
fn refusal(text: &str) -> Option<String> {
    const SIGNS: [&str; 4] = ["%error:201", "%error:306", "query rate limit exceeded", "rate limit reached"];
    let line = text.lines().take(40).find(|line| {
        let line = line.to_ascii_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign))
    })?;
    Some(sanitize(line.trim_start_matches(['%', '#', ' '])).into_owned())
}

impl Answer {
    /// Everything for people, line by line: what matters, then the whole text of the last server.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.labelled().map(|(label, value)| format!("{label:<8} {value}")).collect();
        lines.push(String::new());
        lines.extend(self.hops.last().into_iter().flat_map(|hop| hop.text.lines()).map(str::to_owned));
        lines
    }

    /// What matters, each with what it is.
    pub fn labelled(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Fields { range, name, org, country, abuse, origin } = self.fields.clone();
        let servers: Vec<&str> = self.hops.iter().map(|hop| hop.server.host()).collect();
        [
            ("address", Some(self.address.to_string())),
            ("range", range),
            ("name", name),
            ("org", org),
            ("country", country),
            ("abuse", abuse),
            ("origin", origin),
            ("source", Some(servers.join(" > "))),
            ("note", self.note.clone()),
        ]
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
    }
}
