//! A unix socket between a client and a daemon: counts the bytes, and lets them through no faster
//! than a line would.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::netns::join;

/// Bytes that go through at once: 3 ms of 40 Mbit/s.
const PIECE: usize = 16 * 1024;

/// What goes towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// As fast as it comes.
    Free,
    /// So many bits a second.
    BitsPerSecond(u64),
}

/// A running relay; dropping it cuts its connections.
#[derive(Debug)]
pub struct Relay {
    directory: TempDir,
    down: Arc<AtomicU64>,
    up: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on a socket of its own and connects to this one for each client.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(to: &Path, line: Line) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("conntop-relay-").tempdir().context("a directory")?;
        let listener = UnixListener::bind(directory.path().join("socket")).context("the relay's socket")?;
        let [down, up] = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
        let stop = Arc::new(AtomicBool::new(false));
        let (to, counts, stopped) = (to.to_owned(), (down.clone(), up.clone()), stop.clone());
        let thread = std::thread::spawn(move || serve(&listener, &to, line, &counts, &stopped));
        Ok(Relay { directory, down, up, stop, thread: Some(thread) })
    }

    /// The socket for clients.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Bytes to the clients, and from them.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.down.load(Ordering::Relaxed), self.up.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Ends the wait for the next client.
        let _ = UnixStream::connect(self.socket());
        if let Some(thread) = self.thread.take() {
            let _ = join(thread);
        }
    }
}

fn serve(
    listener: &UnixListener,
    to: &Path,
    line: Line,
    (down, up): &(Arc<AtomicU64>, Arc<AtomicU64>),
    stop: &AtomicBool,
) {
    let mut open = Vec::new();
    let mut pumps = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(server) = UnixStream::connect(to) else { continue };
        let clones = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
        let (Ok(client_in), Ok(server_in), Ok(client_end), Ok(server_end)) = clones else { continue };
        open.extend([client_end, server_end]);
        let (down, up) = (down.clone(), up.clone());
        pumps.push(std::thread::spawn(move || pump(server_in, client, line, &down)));
        pumps.push(std::thread::spawn(move || pump(client_in, server, Line::Free, &up)));
    }
    for stream in open {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for pump in pumps {
        let _ = join(pump);
    }
}

fn pump(mut from: UnixStream, mut to: UnixStream, line: Line, count: &AtomicU64) {
    let mut buffer = vec![0; PIECE];
    // When the line is free again.
    let mut free = Instant::now();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..length).unwrap_or_default();
        let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
        if let Line::BitsPerSecond(rate) = line {
            let takes = Duration::from_nanos(bits.saturating_mul(1_000_000_000) / rate.max(1));
            free = free.max(Instant::now()) + takes;
            // The line itself; nothing waits here for anything.
            std::thread::sleep(free.saturating_duration_since(Instant::now()));
        }
        count.fetch_add(bits / 8, Ordering::Relaxed);
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_through_at_the_speed_of_the_line() {
        for (line, least) in
            [(Line::Free, Duration::ZERO), (Line::BitsPerSecond(8_000_000), Duration::from_millis(400))]
        {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("server");
            let server = UnixListener::bind(&path).unwrap();
            let relay = Relay::start(&path, line).unwrap();
            let began = Instant::now();
            let mut client = UnixStream::connect(relay.socket()).unwrap();
            let (mut accepted, _) = server.accept().unwrap();
            let writer = std::thread::spawn(move || accepted.write_all(&vec![7; 500_000]).unwrap());
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            writer.join().unwrap();
            assert_eq!((all.len(), relay.bytes().0), (500_000, 500_000), "{line:?}");
            assert!(began.elapsed() >= least, "{line:?}: {:?}", began.elapsed());
        }
    }
}
