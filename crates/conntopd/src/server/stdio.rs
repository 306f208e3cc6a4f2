//! One client on this process's stdin and stdout. Whoever started the process may read the table, so
//! nobody is asked who it is.
//!
//! Both may be pipes, sockets, terminals or files. They are non-blocking while this lives and what
//! they were before afterwards, for others (a shell, a program that comes after) may share them.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::watch;
use tokio::time::timeout;

use super::admission::{Admission, Source};
use super::connection::{Connection, Rights, Slot, now};
use super::feed::Feed;
use super::stream::Stream;
use super::{STOP_TIME, limit, refuse};

/// What the log calls the client.
const PEER: &str = "stdio";

/// Serves `feed` on stdin and stdout until the client leaves or `stop` resolves; then the client is
/// told, and this returns within [`STOP_TIME`]. Must be called within a tokio runtime.
///
/// # Errors
/// Stdin or stdout is closed or cannot be used.
pub async fn run<F: Feed>(feed: F, stop: impl Future<Output = ()>) -> io::Result<()> {
    let stream = Stream::Stdio(Stdio::new()?);
    let admission = Rc::new(RefCell::new(Admission::new(1, 0)));
    if let Err(refusal) = admission.borrow_mut().connect(Source::Unix, now()) {
        refuse(&stream, limit(refusal));
        return Ok(());
    }
    let (stopping, stopped) = watch::channel(false);
    let slot = Slot::new(Rc::clone(&admission), Source::Unix);
    let client = Connection::new(stream, (PEER.to_owned(), Rights::End), slot, Rc::new(feed), stopped).run();
    tokio::pin!(client);
    tokio::select! {
        () = &mut client => return Ok(()),
        () = stop => {}
    }
    let _ = stopping.send(true);
    if timeout(STOP_TIME, client).await.is_err() {
        tracing::warn!("{PEER} did not take its bye");
    }
    Ok(())
}

/// Stdin and stdout as a client's stream.
#[derive(Debug)]
pub(super) struct Stdio {
    input: Input,
    output: Output,
    /// Of stdin and stdout; they may be one description, so both were read before either was set.
    before: [OFlags; 2],
}

/// epoll takes no files and no /dev/null, which never make anybody wait.
#[derive(Debug)]
enum Input {
    Polled(Receiver),
    File(OwnedFd),
}

#[derive(Debug)]
enum Output {
    Polled(Sender),
    File(OwnedFd),
}

impl Stdio {
    fn new() -> io::Result<Self> {
        let before = [fcntl_getfl(io::stdin())?, fcntl_getfl(io::stdout())?];
        Self::set(before).inspect_err(|_| restore(before))
    }

    fn set(before: [OFlags; 2]) -> io::Result<Self> {
        let [input, output] = before;
        fcntl_setfl(io::stdin(), input | OFlags::NONBLOCK)?;
        fcntl_setfl(io::stdout(), output | OFlags::NONBLOCK)?;
        let (input, output) =
            (|| io::stdin().as_fd().try_clone_to_owned(), || io::stdout().as_fd().try_clone_to_owned());
        // Unchecked for being pipes: they use nothing but epoll, read(2) and write(2).
        let input = match Receiver::from_owned_fd_unchecked(input()?) {
            Err(error) if is_file(&error) => Input::File(input()?),
            polled => Input::Polled(polled?),
        };
        let output = match Sender::from_owned_fd_unchecked(output()?) {
            Err(error) if is_file(&error) => Output::File(output()?),
            polled => Output::Polled(polled?),
        };
        Ok(Self { input, output, before })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.input {
            Input::Polled(pipe) => pipe.readable().await,
            Input::File(_) => Ok(()),
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match &self.output {
            Output::Polled(pipe) => pipe.writable().await,
            Output::File(_) => Ok(()),
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.input {
            Input::Polled(pipe) => pipe.try_read(buffer),
            Input::File(file) => Ok(rustix::io::read(file, buffer)?),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.output {
            Output::Polled(pipe) => pipe.try_write(bytes),
            Output::File(file) => Ok(rustix::io::write(file, bytes)?),
        }
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        restore(self.before);
    }
}

fn restore([input, output]: [OFlags; 2]) {
    let _ = fcntl_setfl(io::stdin(), input);
    let _ = fcntl_setfl(io::stdout(), output);
}

fn is_file(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}
