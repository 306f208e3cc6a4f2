//! What a bad peer does, from one column of the data files.
//!
//! | in the column | means |
//! |---|---|
//! | `⏎` | a newline |
//! | `⟨text*n⟩` | the text n times |
//! | `⟨0x00ff⟩` | these bytes |
//! | `⟨hello⟩` | this side's good hello; a server then waits for the client's |
//! | `⟨zstd⟩` | the same with compression: the client asks for it |
//! | `⟨reset⟩`, `⟨delta N⟩` | a server's reset; its delta of one flow at cursor N |
//! | `⟦lines⟧` | a good frame of these lines |
//! | `⟨frame NAME⟩` | a bad frame ([`super::frames`]) |
//! | `¦` | what follows is sent when the other side has read what came before |
//! | `⟨each⟩` | from here on each byte is sent alone |
//! | `⟨end⟩` | the sending direction is closed |

use super::frames;

pub(crate) const CLIENT_HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"me"}}"#;
pub(crate) const CLIENT_ZSTD: &str =
    r#"{"hello":{"protocol":1,"client":"test 1","name":"me","codec":"zstd"}}"#;
pub(crate) const SERVER_HELLO: &str = include_str!("../../../conntop-proto/tests/golden/server-hello.json");

/// One thing that the peer does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Waits until the other side has read everything.
    Pause,
    /// Waits for the other side's hello.
    Await,
    /// Closes its sending direction.
    End,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A peer's acts in order, and whether it speaks after a hello with compression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    pub(crate) zstd: bool,
    each: bool,
}

impl Script {
    pub(crate) fn new(side: Side, text: &str) -> Self {
        let mut script = Self::default();
        script.read(side, text);
        script
    }

    fn read(&mut self, side: Side, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '⏎' => self.send(b"\n"),
                '¦' => self.acts.push(Act::Pause),
                '⟨' => {
                    let (token, more) = rest.split_once('⟩').expect("a token ends");
                    rest = more;
                    self.token(side, token);
                }
                '⟦' => {
                    let (lines, more) = rest.split_once('⟧').expect("a frame ends");
                    rest = more;
                    let inner = Self::new(side, lines);
                    self.send(&frames::frame(&inner.bytes()));
                }
                other => self.send(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn token(&mut self, side: Side, token: &str) {
        let line = |line: &str| format!("{}\n", line.trim_end()).into_bytes();
        match (token, side) {
            ("hello", Side::Client) => self.send(&line(CLIENT_HELLO)),
            ("zstd", Side::Client) => self.send(&line(CLIENT_ZSTD)),
            ("hello" | "zstd", Side::Server) => {
                self.zstd = token == "zstd";
                self.send(&line(SERVER_HELLO));
                self.acts.push(Act::Await);
            }
            ("reset", _) => self.send(&line(r#"{"reset":{"epoch":1763700000123,"reason":"start"}}"#)),
            ("each", _) => self.each = true,
            ("end", _) => self.acts.push(Act::End),
            _ => self.valued(token),
        }
    }

    fn valued(&mut self, token: &str) {
        if let Some(cursor) = token.strip_prefix("delta ") {
            self.send(format!("{}\n", delta(cursor)).as_bytes());
        } else if let Some(name) = token.strip_prefix("frame ") {
            self.send(&frames::bad(name));
        } else if let Some(hex) = token.strip_prefix("0x") {
            let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            self.send(&pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>());
        } else if let Some((text, n)) = token.rsplit_once('*') {
            self.send(text.replace('⏎', "\n").repeat(n.parse().unwrap()).as_bytes());
        } else {
            panic!("unknown token {token}");
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.each {
            for byte in bytes {
                self.acts.extend([Act::Send(vec![*byte]), Act::Pause]);
            }
        } else if let Some(Act::Send(before)) = self.acts.last_mut() {
            before.extend_from_slice(bytes);
        } else {
            self.acts.push(Act::Send(bytes.to_vec()));
        }
    }

    fn bytes(self) -> Vec<u8> {
        match <[Act; 1]>::try_from(self.acts) {
            Ok([Act::Send(bytes)]) => bytes,
            other => panic!("a frame holds lines, not {other:?}"),
        }
    }
}

/// A delta of one new flow.
pub(crate) fn delta(cursor: &str) -> String {
    format!(
        r#"{{"delta":{{"cursor":{cursor},"at":86400000,"new":{{"id":[1000],"identity":{{"proto":6,"src":"192.0.2.1","dst":"192.0.2.2","sport":1,"dport":2}}}}}}}}"#
    )
}
