//! TLS 1.3 around a TCP socket, with the same readiness and non-blocking calls: the TLS connection is
//! a state machine without I/O that the calls feed.
//!
//! What a client costs here: [`PENDING`] bytes that wait to be sent, one record of at most 18 KiB on
//! its way in, one of 16 KiB that has been decrypted, and some 10 KiB of state.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use conntop_proto::auth::EXPORTER_LABEL;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Encrypted bytes that wait for the socket: two records, so that one can be sent while the next is
/// made.
const PENDING: usize = 32 << 10;

/// A client's TLS connection.
#[derive(Debug)]
pub(in crate::server) struct Tls {
    socket: TcpStream,
    tls: RefCell<ServerConnection>,
    /// Decrypted bytes that were not taken yet.
    plain: Cell<usize>,
    /// Bytes that may still be read, before the client is known.
    budget: Cell<usize>,
}

impl Tls {
    /// Begins; reads at most `budget` bytes until [`Tls::trust`].
    pub(in crate::server) fn new(
        socket: TcpStream,
        config: Arc<ServerConfig>,
        budget: usize,
    ) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(PENDING));
        Ok(Self { socket, tls: RefCell::new(tls), plain: Cell::new(0), budget: Cell::new(budget) })
    }

    /// Completes the handshake and returns the exporter.
    pub(in crate::server) async fn handshake(&self) -> io::Result<[u8; 32]> {
        while self.tls.borrow().is_handshaking() {
            self.readable().await?;
            match self.receive() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let tls = self.tls.borrow();
        tls.export_keying_material([0; 32], EXPORTER_LABEL, None).map_err(io::Error::other)
    }

    /// The client is known: it may send as much as it likes.
    pub(in crate::server) fn trust(&self) {
        self.budget.set(usize::MAX);
    }

    /// Ready when there is something to read. What waits to be sent goes out meanwhile.
    pub(in crate::server) async fn readable(&self) -> io::Result<()> {
        while self.plain.get() == 0 {
            if !self.tls.borrow().wants_write() {
                return self.socket.readable().await;
            }
            tokio::select! {
                ready = self.socket.readable() => return ready,
                ready = self.socket.writable() => ready.and_then(|()| self.flush())?,
            }
        }
        Ok(())
    }

    pub(in crate::server) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    pub(in crate::server) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.plain.get() == 0 && self.receive()? == 0 {
            return Ok(0);
        }
        if self.plain.get() == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.tls.borrow_mut().reader().read(buffer)?;
        self.plain.set(self.plain.get().saturating_sub(read));
        Ok(read)
    }

    pub(in crate::server) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.tls.borrow_mut().writer().write(bytes)?;
        if taken == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.flush()?;
        Ok(taken)
    }

    /// Ends the writing side, after everything has been sent.
    pub(in crate::server) async fn finish(&mut self) -> io::Result<()> {
        self.tls.borrow_mut().send_close_notify();
        while self.tls.borrow().wants_write() {
            self.socket.writable().await?;
            self.flush()?;
        }
        self.socket.shutdown().await
    }

    /// Reads once and decrypts. Returns how many bytes came, 0 at the end.
    fn receive(&self) -> io::Result<usize> {
        let mut tls = self.tls.borrow_mut();
        let mut socket = Socket { socket: &self.socket, budget: &self.budget };
        let count = tls.read_tls(&mut socket)?;
        let state = tls.process_new_packets();
        drop(tls);
        // An alert says why, or the handshake goes on.
        let flushed = self.flush();
        let state = state.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        flushed?;
        self.plain.set(state.plaintext_bytes_to_read());
        Ok(if state.peer_has_closed() && self.plain.get() == 0 { 0 } else { count })
    }

    /// Sends what the socket takes; what it does not take waits.
    fn flush(&self) -> io::Result<()> {
        let mut tls = self.tls.borrow_mut();
        let mut socket = Socket { socket: &self.socket, budget: &self.budget };
        while tls.wants_write() {
            match tls.write_tls(&mut socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The socket as the TLS connection sees it.
struct Socket<'a> {
    socket: &'a TcpStream,
    budget: &'a Cell<usize>,
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.get();
        if budget == 0 {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "too many bytes before the proof"));
        }
        let most = buffer.len().min(budget);
        let read = self.socket.try_read(buffer.get_mut(..most).unwrap_or_default())?;
        if budget != usize::MAX {
            self.budget.set(budget - read);
        }
        Ok(read)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
