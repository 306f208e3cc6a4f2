//! A socket that keeps the first bytes that it reads, to explain a handshake that failed: a server
//! without TLS, or one that refuses at the door, answers with a line of text.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As long as a `bye` gets.
const MOST: usize = 4096;

/// Keeps the first bytes until it is told to stop.
#[derive(Debug)]
pub(in crate::source) struct Sniff<S> {
    inner: S,
    first: Option<Vec<u8>>,
}

impl<S> Sniff<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, first: Some(Vec::new()) }
    }

    pub(super) fn stop(&mut self) {
        self.first = None;
    }

    /// The first line, if the first byte can only be that of a message without TLS.
    pub(super) fn plain_line(&self) -> Option<&[u8]> {
        let first = self.first.as_ref().filter(|first| first.starts_with(b"{"))?;
        first.split_inclusive(|&byte| byte == b'\n').next()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniff<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Some(first) = &mut self.first {
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            first.extend(fresh.iter().take(MOST.saturating_sub(first.len())));
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniff<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
