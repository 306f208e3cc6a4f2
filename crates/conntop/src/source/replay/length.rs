//! How long a recording is: looked for beside it, as the whole of it has to be read for that. Only lines
//! with a time are decoded, and of these only the last ones before each hello.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use conntop_proto::codec::{Validate, decode_line};
use conntop_proto::limits::MAX_SERVER_LINE;
use conntop_proto::message::ServerMessage;
use tokio::sync::oneshot;

use super::timeline::Timeline;

/// Most that is read for it; of a longer recording the length is not told.
const MOST: u64 = 16 << 30;
/// How lines begin that have a time.
const TIMED: [&[u8]; 2] = [b"{\"delta\"", b"{\"table\""];
const HELLO: &[u8] = b"{\"hello\"";

/// Looks for the length in a thread of its own, whose answer nobody has to wait for.
pub(super) fn find(path: PathBuf) -> oneshot::Receiver<Duration> {
    let (answer, found) = oneshot::channel();
    let work = move || {
        if let Ok(Some(length)) = length(&path) {
            let _gone = answer.send(length);
        }
    };
    // Without a thread the length stays unknown.
    let _thread = thread::Builder::new().name("length".to_owned()).spawn(work);
    found
}

fn length(path: &Path) -> io::Result<Option<Duration>> {
    let mut file = File::open(path)?;
    let mut first = [0; 4];
    let read = file.read(&mut first)?;
    file.rewind()?;
    if first.get(..read) == Some(&super::reader::ZSTD) {
        let inflated = zstd::stream::read::Decoder::new(file)?;
        return Ok(scan(BufReader::new(inflated.take(MOST))));
    }
    Ok(scan(BufReader::new(file.take(MOST))))
}

/// Reads as far as it goes: a recording that is cut off has a length as well.
fn scan(mut lines: impl BufRead) -> Option<Duration> {
    let mut timeline = Timeline::default();
    let (mut line, mut timed) = (Vec::new(), Vec::new());
    let most = u64::try_from(MAX_SERVER_LINE).unwrap_or(u64::MAX);
    loop {
        line.clear();
        let read = (&mut lines).take(most).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            place(&mut timeline, &timed);
            return Some(Duration::from_millis(timeline.at())).filter(|length| !length.is_zero());
        }
        if line.starts_with(HELLO) {
            place(&mut timeline, &timed);
            place(&mut timeline, &line);
            timed.clear();
        } else if line.last() == Some(&b'\n') && TIMED.iter().any(|begin| line.starts_with(begin)) {
            std::mem::swap(&mut line, &mut timed);
        }
    }
}

fn place(timeline: &mut Timeline, line: &[u8]) {
    if let Ok(message) = decode_line::<ServerMessage>(line, Validate::Control) {
        timeline.place(&message);
    }
}
