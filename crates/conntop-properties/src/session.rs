//! A client's session, driven as a connection drives it, by any bytes at any times: what it holds is
//! bounded, it never stalls, it ends within its time once it is closing, and what it wrote is whole
//! messages as a client reads them, of which a `bye` is the last.

use std::time::{Duration, Instant};

use bytes::Bytes;
use conntop_proto::codec::{ServerStream, Validate, ZstdEncoder};
use conntop_proto::message::{Clock, Codec, KernelFacts, ServerHello, ServerMessage};
use conntopd::session::{CLOSE_TIME, CONTROL_BYTES, End, Session};

/// A frame on its way, and the control messages: those that one read brings come on top.
const MOST_HELD: usize = 64 << 10;
/// Bytes of one read, as a connection reads.
const READ: usize = 8 << 10;

fn hello() -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "conntopd".into(),
        name: "router".into(),
        epoch: 7,
        platform: "Linux".into(),
        features: vec![],
        codecs: vec![Codec::Zstd],
        interval_ms: 1000,
        kernel: KernelFacts::default(),
        clock: Clock::default(),
        sandbox: None,
    }
}

struct World {
    session: Session,
    now: Instant,
    written: Vec<u8>,
    /// Where the client's codec begins in `written`.
    switched: Option<(usize, Codec)>,
}

pub(crate) fn check(mut bytes: &[u8]) {
    let now = Instant::now();
    let session = Session::new(now, &hello());
    let mut world = World { session, now, written: Vec::new(), switched: None };
    while let [op, rest @ ..] = bytes {
        bytes = rest;
        match op % 8 {
            0..=2 => world.input(line_or_noise(*op, &mut bytes)),
            3 => {
                let n = crate::take(&mut bytes, READ).min(bytes.len());
                let (input, rest) = bytes.split_at(n);
                bytes = rest;
                world.input(input.to_vec());
            }
            4 => world.wait(Duration::from_millis(crate::take(&mut bytes, 40_000) as u64)),
            5 => world.offer(crate::take(&mut bytes, 5_000)),
            6 => {
                let n = crate::take(&mut bytes, usize::MAX);
                world.write(n);
            }
            _ => {
                if *op == u8::MAX {
                    world.session.lost(world.now);
                }
                world.write(usize::MAX);
            }
        }
        world.bounded();
    }
    world.finish();
}

/// A line that a client may say, or nearly, or the next bytes as they are with a newline.
fn line_or_noise(op: u8, bytes: &mut &[u8]) -> Vec<u8> {
    const LINES: [&str; 11] = [
        r#"{"hello":{"protocol":1,"client":"a","name":"b"}}"#,
        r#"{"hello":{"protocol":1,"client":"a","name":"b","codec":"zstd"}}"#,
        r#"{"hello":{"protocol":2,"client":"a","codec":"zstd"}}"#,
        r#"{"ping":{"nonce":1}}"#,
        r#"{"pong":{"nonce":1}}"#,
        r#"{"pause":{"on":true}}"#,
        r#"{"focus":{"id":[1,2,3]}}"#,
        r#"{"terminate":{"request":1,"epoch":1,"id":1,"act":"forget"}}"#,
        r#"{"subscribe":{"filter":{"ports":[53]}}}"#,
        r#"{"bye":{"reason":"shutdown","text":"q"}}"#,
        r#"{"delta":{}}"#,
    ];
    if op >= 128 {
        let n = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let (line, rest) = bytes.split_at(n);
        *bytes = rest;
        return line.to_vec();
    }
    let line = LINES[crate::take(bytes, LINES.len())];
    let times = if op >= 64 { crate::take(bytes, 400) } else { 1 };
    format!("{line}\n").repeat(times).into_bytes()
}

impl World {
    fn input(&mut self, input: Vec<u8>) {
        for piece in input.chunks(READ) {
            if !self.session.wants_input() {
                return;
            }
            let greeting = self.session.is_greeting();
            let before = self.written.len() + self.session.output().len();
            let requests = self.session.receive(self.now, piece);
            assert!(requests.len() <= piece.len() / 10, "{requests:?}");
            if greeting && !self.session.is_greeting() {
                // What waits already, the server's hello, stays as it is.
                self.switched = Some((before, self.session.codec()));
            }
        }
    }

    /// As a connection waits: not beyond a deadline.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut ticks = 0;
        while self.session.deadline() <= until && !self.session.is_done() {
            self.now = self.now.max(self.session.deadline());
            self.session.tick(self.now);
            ticks += 1;
            assert!(ticks < 10_000, "a deadline comes again and again");
        }
        self.now = until;
    }

    fn offer(&mut self, len: usize) {
        if !self.session.wants_frame() {
            return;
        }
        let line = format!("{{\"pong\":{{\"nonce\":{}}}}}\n", " ".repeat(len) + "9");
        let frame = match self.session.codec() {
            Codec::None => line.into_bytes(),
            Codec::Zstd => ZstdEncoder::new().unwrap().frame(line.as_bytes()).unwrap(),
        };
        self.session.offer(self.now, Bytes::from(frame));
    }

    fn write(&mut self, most: usize) {
        let mut left = most;
        while left > 0 && self.session.has_output() {
            let output = self.session.output();
            let n = output.len().min(left);
            assert!(n > 0, "there is output, but nothing to write");
            self.written.extend_from_slice(&output[..n]);
            self.session.written(self.now, n);
            left -= n;
        }
    }

    fn bounded(&mut self) {
        let held = self.session.output().len();
        assert!(held <= CONTROL_BYTES + MOST_HELD, "{held} bytes are held");
        if self.session.is_done() {
            assert!(!self.session.wants_frame() && !self.session.wants_input());
            assert!(self.session.end().is_some());
        }
    }

    fn finish(mut self) {
        if self.session.end().is_some() {
            // Nobody reads, and it ends all the same.
            self.wait(CLOSE_TIME + Duration::from_millis(1));
            assert!(self.session.is_done(), "{:?}", self.session);
        } else {
            self.write(usize::MAX);
        }
        self.whole();
    }

    /// Reads what was written as a client does.
    fn whole(&self) {
        let (switched, codec) = self.switched.unwrap_or((self.written.len(), Codec::None));
        let (plain, rest) = self.written.split_at(switched.min(self.written.len()));
        let mut stream = ServerStream::new(Validate::All);
        let mut read = Vec::new();
        let mut take = |stream: &mut ServerStream, bytes: &[u8]| {
            stream.push(bytes);
            while let Some(message) = stream.next() {
                read.push(message.unwrap_or_else(|error| panic!("written, but {error}")));
            }
        };
        take(&mut stream, plain);
        stream.switch(codec).unwrap();
        take(&mut stream, rest);
        let byes = read.iter().filter(|message| matches!(message, ServerMessage::Bye(_))).count();
        assert!(byes <= 1, "{byes} byes");
        if byes == 1 {
            assert!(matches!(read.last(), Some(ServerMessage::Bye(_))), "something after the bye");
            assert!(matches!(self.session.end(), Some(End::Server(_))));
        }
    }
}
