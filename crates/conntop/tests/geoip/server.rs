//! A server for files on loopback that does as it is told, right or wrong.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two bytes to a client that waits for them.
const DRIP: Duration = Duration::from_millis(20);

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With the file, or the part of it that was asked for.
    File(Vec<u8>),
    /// With all of the file, whatever was asked for.
    Whole(Vec<u8>),
    /// With all of the file, without saying how long it is.
    Unmeasured(Vec<u8>),
    /// As [`Reply::File`], but the connection breaks after so many bytes.
    Broken(Vec<u8>, usize),
    /// As [`Reply::Broken`], but the connection stays and nothing more comes.
    Stalled(Vec<u8>, usize),
    /// As [`Reply::File`], one byte after the other.
    Dripping(Vec<u8>),
    /// With a part that was not asked for.
    OtherPart(Vec<u8>),
    /// With these lines and nothing more.
    Head(String),
    /// With something that is no HTTP.
    Nonsense(Vec<u8>),
}

/// The server; it ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    replies: Mutex<HashMap<String, Vec<Reply>>>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    /// Answers requests for these files by one reply after the other; the last one stays.
    pub(crate) fn of(replies: &[(&str, &[Reply])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        for (name, replies) in replies {
            lock(&state.replies).insert(format!("/{name}"), replies.to_vec());
        }
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for: `/file`, or `/file from 100`.
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.state.asked).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|read| read > 0) && !head.ends_with("\r\n\r\n") {}
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let range = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("range")
                .then(|| value.trim().strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())?
        });
        let from: usize = range.unwrap_or(0);
        lock(&self.asked).push(if from > 0 { format!("{path} from {from}") } else { path.clone() });
        let reply = match lock(&self.replies).get_mut(&path) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::Head("HTTP/1.1 404 Not Found\r\nContent-Length: 0".to_owned()),
        };
        // The client may leave when it has seen enough.
        let _gone = answer(stream, &mut reader, &reply, from);
    }
}

fn answer(
    mut stream: TcpStream,
    reader: &mut BufReader<TcpStream>,
    reply: &Reply,
    from: usize,
) -> std::io::Result<()> {
    let head = |file: &[u8]| {
        let (total, left) = (file.len(), file.len().saturating_sub(from));
        match from {
            0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {total}"),
            _ if from >= total => format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\nContent-Length: 0"
            ),
            _ => {
                let last = total - 1;
                format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\nContent-Length: {left}"
                )
            }
        }
    };
    let rest = |file: &[u8]| file.get(from..).unwrap_or_default().to_vec();
    let (head, body) = match reply {
        Reply::File(file) => (head(file), rest(file)),
        Reply::Dripping(file) => (head(file), Vec::new()),
        Reply::Broken(file, bytes) | Reply::Stalled(file, bytes) => {
            let mut part = rest(file);
            part.truncate(*bytes);
            (head(file), part)
        }
        Reply::Whole(file) => (format!("HTTP/1.1 200 OK\r\nContent-Length: {}", file.len()), file.clone()),
        Reply::Unmeasured(file) => ("HTTP/1.1 200 OK".to_owned(), file.clone()),
        Reply::OtherPart(file) => {
            let (last, total) = (file.len() - 1, file.len());
            (
                format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-{last}/{total}\r\nContent-Length: {last}"
                ),
                file[1..].to_vec(),
            )
        }
        Reply::Head(head) => (head.clone(), Vec::new()),
        Reply::Nonsense(bytes) => return stream.write_all(bytes),
    };
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    stream.write_all(&body)?;
    if let Reply::Dripping(file) = reply {
        stream.set_read_timeout(Some(DRIP))?;
        for byte in rest(file) {
            stream.write_all(&[byte])?;
            // The next one as soon as it is clear that the client still waits for it.
            if matches!(reader.read(&mut [0]), Ok(0)) {
                break;
            }
        }
    }
    if matches!(reply, Reply::Stalled(..)) {
        // Until the client has had enough.
        reader.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
