//! Asks the terminal for its background, before anybody else reads from it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::tui::background::{QUESTION, Said, read};

/// Longest that the first screen waits for the answer. One that comes later is passed over.
const PATIENCE: Duration = Duration::from_millis(150);
/// More than any answer has.
const MOST: usize = 256;

/// What the terminal says; who has typed meanwhile has not typed in vain.
pub(super) fn background() -> io::Result<Said> {
    let (input, mut output) = (io::stdin(), io::stdout());
    if !input.is_terminal() {
        return Ok(Said { complete: true, ..Said::default() });
    }
    output.write_all(QUESTION)?;
    output.flush()?;
    let end = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    loop {
        let answer = read(&bytes);
        let left = end.saturating_duration_since(Instant::now());
        if answer.complete || left.is_zero() || bytes.len() >= MOST || !readable(&input, left)? {
            return Ok(answer);
        }
        let mut buffer = [0; 64];
        let count = rustix::io::read(&input, &mut buffer)?;
        if count == 0 {
            return Ok(answer);
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

fn readable(input: &io::Stdin, left: Duration) -> io::Result<bool> {
    let mut waits = [PollFd::new(input, PollFlags::IN)];
    let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
    match poll(&mut waits, Some(&left)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
