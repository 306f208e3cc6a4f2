//! A client over real sockets that decodes strictly.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use conntop_proto::codec::{ServerStream, Validate};
use conntop_proto::message::{ByeReason, Codec, ServerMessage};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

pub(crate) const HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"me"}}"#;
pub(crate) const ZSTD_HELLO: &str =
    r#"{"hello":{"protocol":1,"client":"test 1","name":"me","codec":"zstd"}}"#;

/// No test waits longer: a failure is a message, not a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

/// A client that decodes strictly.
pub(crate) struct Client {
    socket: Box<dyn Socket>,
    stream: ServerStream,
}

impl Client {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        Self { socket: Box::new(socket), stream: ServerStream::new(Validate::All) }
    }

    pub(crate) async fn tcp(to: SocketAddr, from: Ipv4Addr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        Self::new(socket.connect(to).await.unwrap())
    }

    pub(crate) async fn greeted(mut self) -> Self {
        let first = self.next().await;
        assert!(matches!(first, ServerMessage::Hello(_)), "{first:?}");
        self
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes()).await;
    }

    /// The server may have closed before it took all.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Says hello and decodes what follows as it asks.
    pub(crate) async fn hello(&mut self, line: &str) {
        self.send(line).await;
        let codec = if line == ZSTD_HELLO { Codec::Zstd } else { Codec::None };
        self.stream.switch(codec).unwrap();
    }

    pub(crate) async fn next(&mut self) -> ServerMessage {
        self.try_next().await.expect("the server has closed")
    }

    async fn try_next(&mut self) -> Option<ServerMessage> {
        loop {
            if let Some(message) = self.stream.next() {
                return Some(message.unwrap());
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut buffer)).await;
            match read.expect("the server says something") {
                Ok(0) => return None,
                Ok(n) => self.stream.push(&buffer[..n]),
                Err(error) => panic!("reading: {error}"),
            }
        }
    }

    /// The next bye, whatever comes before it.
    pub(crate) async fn bye(&mut self) -> (ByeReason, String) {
        loop {
            if let ServerMessage::Bye(bye) = self.next().await {
                return (bye.reason, bye.text);
            }
        }
    }

    /// Nothing more comes.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.try_next().await, None);
    }
}
