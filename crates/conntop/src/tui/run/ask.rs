//! Asks the terminal for its background, before anybody else reads from it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::platform::{LISTENS_TO_ANSWERS, read_within};
use crate::tui::background::{QUESTION, Said, read};

/// Longest that the first screen waits for the answer. One that comes later is passed over.
const PATIENCE: Duration = Duration::from_millis(150);
/// More than any answer has.
const MOST: usize = 256;

/// What the terminal says; who has typed meanwhile has not typed in vain.
pub(super) fn background() -> io::Result<Said> {
    let (input, mut output) = (io::stdin(), io::stdout());
    if !LISTENS_TO_ANSWERS || !input.is_terminal() {
        return Ok(Said { complete: true, ..Said::default() });
    }
    output.write_all(QUESTION)?;
    output.flush()?;
    let end = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    loop {
        let answer = read(&bytes);
        let left = end.saturating_duration_since(Instant::now());
        if answer.complete || left.is_zero() || bytes.len() >= MOST {
            return Ok(answer);
        }
        let mut buffer = [0; 64];
        let count = match read_within(&input, left, &mut buffer)? {
            None | Some(0) => return Ok(answer),
            Some(count) => count,
        };
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}
