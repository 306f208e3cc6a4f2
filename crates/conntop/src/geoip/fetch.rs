//! One file by HTTP, a part after the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, Uri, header};

use super::Limits;

/// Time for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// A mirror may be one step away, not more.
const REDIRECTS: u32 = 3;
/// Attempts that bring nothing, one after the other, before it is given up.
const ATTEMPTS: u32 = 3;
/// Attempts in all, as each may bring a little.
const MOST_ATTEMPTS: u32 = 20;
/// Bytes in a second below which it would take a day, and somebody may be playing with us.
const SLOWEST: u64 = 1024;
/// Read at once.
const CHUNK: usize = 64 * 1024;

/// A file to be fetched.
pub(super) struct Fetch<'a> {
    url: &'a str,
    part: &'a Path,
    limits: Limits,
    agent: Agent,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// All of it is in the file.
    Whole,
    /// The server has no such file.
    Nothing,
}

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, no TLS, no HTTP.
    #[error("{0}; is the network reachable, is there a proxy (https_proxy)?")]
    Request(String),
    /// The server does not give it.
    #[error("the server says {0}; try again later")]
    Status(StatusCode),
    /// It is larger than it can be.
    #[error("it has more than {most} bytes, which no database has; nothing was changed")]
    Large {
        /// The bound.
        most: u64,
    },
    /// The connection broke, again and again.
    #[error("it broke off after {kept} bytes: {error}; the next attempt goes on from there")]
    Broken {
        /// Bytes in the part file.
        kept: u64,
        /// What happened last.
        error: String,
    },
    /// It would never end.
    #[error("it comes too slowly, {kept} bytes so far; the next attempt goes on from there")]
    Slow {
        /// Bytes in the part file.
        kept: u64,
    },
    /// The part file.
    #[error("cannot write the part that has come: {0}")]
    Part(io::Error),
}

/// What one attempt came to.
enum Attempt {
    Whole,
    Nothing,
    /// The connection broke.
    Broken(String),
    /// What is in the part file is of no use.
    Anew,
}

impl<'a> Fetch<'a> {
    pub(super) fn new(url: &'a str, part: &'a Path, limits: Limits) -> Self {
        let uri: Option<Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(url.starts_with("https:"))
            .max_redirects(REDIRECTS)
            .user_agent(concat!("conntop/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(limits.patience))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(limits.patience))
            .timeout_per_read(Some(limits.patience))
            .timeout_per_write(Some(limits.patience));
        if here {
            // No proxy reaches this machine's own loopback.
            config = config.proxy(None);
        }
        Self { url, part, limits, agent: config.build().new_agent() }
    }

    /// Fetches it, or what is missing of it. `tell` hears how many bytes there are, and how many there
    /// will be.
    pub(super) fn run(&self, tell: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched, FetchError> {
        let part = OpenOptions::new().create(true).truncate(false).write(true).open(self.part);
        let mut part = part.map_err(FetchError::Part)?;
        let fetched = self.fetch(&mut part, tell);
        if matches!(fetched, Ok(Fetched::Nothing) | Err(_))
            && part.metadata().is_ok_and(|meta| meta.len() == 0)
        {
            let _nothing_in_it = std::fs::remove_file(self.part);
        }
        fetched
    }

    fn fetch(&self, part: &mut File, tell: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched, FetchError> {
        let mut idle = 0;
        let mut anew = 0;
        for attempt in 1.. {
            let last = attempt >= MOST_ATTEMPTS;
            let before = part.seek(SeekFrom::End(0)).map_err(FetchError::Part)?;
            let attempt = self.attempt(part, before, tell);
            if matches!(attempt, Ok(Attempt::Nothing | Attempt::Anew) | Err(FetchError::Large { .. })) {
                part.set_len(0).map_err(FetchError::Part)?;
            }
            match attempt? {
                Attempt::Whole => return Ok(Fetched::Whole),
                Attempt::Nothing => return Ok(Fetched::Nothing),
                Attempt::Anew => {
                    anew += 1;
                    if anew > 1 {
                        return Err(FetchError::Request("the server contradicts itself".to_owned()));
                    }
                }
                Attempt::Broken(error) => {
                    let kept = part.seek(SeekFrom::End(0)).map_err(FetchError::Part)?;
                    idle = if kept > before { 0 } else { idle + 1 };
                    if last || idle >= ATTEMPTS {
                        return Err(match kept {
                            0 => FetchError::Request(error),
                            kept => FetchError::Broken { kept, error },
                        });
                    }
                }
            }
        }
        Ok(Fetched::Nothing)
    }

    fn attempt(
        &self,
        part: &mut File,
        had: u64,
        tell: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Attempt, FetchError> {
        let mut request = self.agent.get(self.url);
        if had > 0 {
            request = request.header(header::RANGE, format!("bytes={had}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) if is_passing(&error) => return Ok(Attempt::Broken(said(&error))),
            // What has come stays for the next attempt.
            Err(error) if had > 0 => return Err(FetchError::Broken { kept: had, error: said(&error) }),
            Err(error) => return Err(FetchError::Request(said(&error))),
        };
        let (begin, total) = match response.status() {
            StatusCode::OK => (0, length(response.headers())),
            StatusCode::PARTIAL_CONTENT => match range(response.headers()) {
                Some((from, total)) if from == had => (had, Some(total)),
                _ => return Ok(Attempt::Anew),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if had > 0 => {
                return Ok(if whole(response.headers()) == Some(had) {
                    Attempt::Whole
                } else {
                    Attempt::Anew
                });
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Attempt::Nothing),
            status => return Err(FetchError::Status(status)),
        };
        let most = self.limits.packed;
        if total.is_some_and(|total| total > most) {
            return Err(FetchError::Large { most });
        }
        part.set_len(begin).map_err(FetchError::Part)?;
        part.seek(SeekFrom::Start(begin)).map_err(FetchError::Part)?;
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        let mut got = begin;
        let began = Instant::now();
        tell(got, total);
        loop {
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Attempt::Broken(error.to_string())),
            };
            got = got.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if got > most {
                return Err(FetchError::Large { most });
            }
            part.write_all(chunk.get(..read).unwrap_or_default()).map_err(FetchError::Part)?;
            tell(got, total);
            let took = began.elapsed();
            if took > self.limits.patience * 2 && (got - begin) / took.as_secs().max(1) < SLOWEST {
                return Err(FetchError::Slow { kept: got });
            }
        }
        match total {
            Some(total) if got < total => {
                Ok(Attempt::Broken("the connection was closed too early".to_owned()))
            }
            Some(total) if got > total => Ok(Attempt::Anew),
            _ => Ok(Attempt::Whole),
        }
    }
}

/// Whether it may be well a moment later.
fn is_passing(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
    ))
}

/// What went wrong, harmless: some of it is what the server sent.
fn said(error: &ureq::Error) -> String {
    conntop_proto::text::sanitize(&error.to_string()).into_owned()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// `bytes 100-199/200`: where it begins, and the length of the whole.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (bytes, total) = content_range(headers)?;
    let (from, _) = bytes.split_once('-')?;
    Some((from.parse().ok()?, total))
}

/// `bytes */200`: the length of the whole.
fn whole(headers: &HeaderMap) -> Option<u64> {
    content_range(headers).filter(|(bytes, _)| *bytes == "*").map(|(_, total)| total)
}

fn content_range(headers: &HeaderMap) -> Option<(&str, u64)> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (bytes, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((bytes.trim(), total.trim().parse().ok()?))
}
