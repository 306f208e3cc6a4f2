//! `conntopd --stdio` on another machine, started by the system's ssh: nothing listens there, and who
//! may log in and run it is the affair of ssh and sudo.
//!
//! One command line tries conntopd and, where it lacks the capability, `sudo -n conntopd`, so that a
//! person is asked for a password once. ssh may ask its questions on the terminal only while nothing
//! else uses that ([`Questions::OnTerminal`]); afterwards it is told to ask nothing. What it writes to
//! stderr is kept and becomes the cause that is shown.
//!
//! Invariants
//! - Nothing that is on the command line of ssh can be taken for an option or for shell syntax.
//! - Dropping the stream ends ssh and reaps it, whatever ssh is doing.

mod address;
mod cause;

use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use conntop_proto::text;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

pub use self::address::{AddressError, SshAddress};
pub use self::cause::Cause;
use self::cause::SUDO_MARK;
use super::{SourceError, SourceErrorKind};
use crate::platform::end_politely;

/// Bytes before conntopd's first line: what a login shell prints that should not.
const NOISE: usize = 16 * 1024;
/// What is kept of stderr: its last lines, each cut to [`LINE`] bytes.
const LINES: usize = 20;
const LINE: usize = 400;
/// Time for a session when nobody is asked anything.
const QUIET_TIME: Duration = Duration::from_secs(30);
/// Time for a session when somebody may have to type; a server gives them two minutes.
const ASKING_TIME: Duration = Duration::from_secs(150);
/// Time for ssh to end once its stdout has.
const END_TIME: Duration = Duration::from_secs(2);
/// Time for ssh to end when it is told to.
const KILL_TIME: Duration = Duration::from_secs(1);

/// Without a terminal there; nothing of the user's configuration that would get in the way; dead
/// connections are noticed.
const OPTIONS: [&str; 12] = [
    "LogLevel=ERROR",
    "Compression=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    // A master would stay behind.
    "ControlMaster=no",
    "ConnectTimeout=10",
    "ConnectionAttempts=1",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
];

/// Who may be asked for passwords and host keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// The person at the terminal, which must not be in use.
    OnTerminal,
    /// Nobody.
    None,
}

/// Why there is no ssh session (any more).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SshError {
    /// For programs.
    pub cause: Cause,
    text: String,
}

impl SshError {
    /// What trying again would not mend.
    #[must_use]
    pub fn fatal(&self) -> Option<SourceErrorKind> {
        self.cause.fatal()
    }
}

impl From<SshError> for SourceError {
    fn from(error: SshError) -> Self {
        Self { kind: error.fatal().unwrap_or(SourceErrorKind::Lost), text: error.text }
    }
}

/// The command for the shell there. In single quotes every shell hands it on as it is.
fn remote_command() -> String {
    format!(
        "sh -c 'PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin; \
         if c=$(command -v conntopd); then set -- \"$c\" --stdio; \
         elif c=$(command -v conntop); then set -- \"$c\" --server --stdio; else exit 127; fi; \
         \"$@\"; r=$?; [ $r = 77 ] && command -v sudo >/dev/null || exit $r; \
         echo \"{SUDO_MARK}$*\" >&2; exec sudo -n \"$@\"'"
    )
}

/// A session: stdin and stdout of a conntopd, from its first line on.
#[derive(Debug)]
pub struct SshStream {
    /// What was read after the noise.
    first: Vec<u8>,
    input: ChildStdin,
    output: ChildStdout,
    ssh: Ssh,
    ending: Option<Ending>,
}

struct Ending(Pin<Box<dyn Future<Output = SshError> + Send + Sync>>);

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ending")
    }
}

/// Starts ssh and waits for conntopd's first line.
///
/// # Errors
/// Why there is none, and what to do.
pub async fn dial(address: &SshAddress, questions: Questions) -> Result<SshStream, SshError> {
    let fail = |cause, said: &str| SshError { cause, text: cause::text(cause, address, said) };
    let mut command = Command::new("ssh");
    command.arg("-T");
    let batch = match questions {
        Questions::OnTerminal => None,
        Questions::None => Some("BatchMode=yes"),
    };
    for option in OPTIONS.into_iter().chain(batch) {
        command.args(["-o", option]);
    }
    command.args(address.arguments()).arg(remote_command());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => fail(Cause::NoSsh, ""),
        _ => fail(Cause::Lost, &format!("starting ssh: {error}")),
    })?;
    let (Some(input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(fail(Cause::Lost, "ssh has no pipes"));
    };
    let (tell, said) = watch::channel(String::new());
    tokio::spawn(listen(errors, tell));
    let mut ssh = Ssh { address: address.clone(), child: Some(child), said };
    let mut output = output;
    let time = match questions {
        Questions::OnTerminal => ASKING_TIME,
        Questions::None => QUIET_TIME,
    };
    match timeout(time, skip_noise(&mut output)).await {
        Ok(Ok(Begin::At(first))) => Ok(SshStream { first, input, output, ssh, ending: None }),
        Ok(Ok(Begin::Never)) => Err(fail(Cause::Noise, "")),
        // It has to say why.
        Ok(Ok(Begin::End) | Err(_)) => {
            drop(input);
            Err(ssh.end().await)
        }
        Err(_) => {
            let said = ssh.said.borrow_and_update().clone();
            Err(fail(Cause::NoAnswer, &said))
        }
    }
}

/// What came before conntopd's first line.
enum Begin {
    /// Its first bytes.
    At(Vec<u8>),
    /// Too much.
    Never,
    /// The end.
    End,
}

async fn skip_noise(output: &mut ChildStdout) -> io::Result<Begin> {
    let mut bytes = Vec::new();
    loop {
        if let Some(begin) = begin(&bytes) {
            return Ok(Begin::At(bytes.split_off(begin)));
        }
        if bytes.len() >= NOISE {
            return Ok(Begin::Never);
        }
        if output.read_buf(&mut bytes).await? == 0 {
            return Ok(Begin::End);
        }
    }
}

/// Where a line begins that may be a message, or a hello behind something without a line's end.
fn begin(bytes: &[u8]) -> Option<usize> {
    let hello = b"{\"hello\":";
    let line = bytes.iter().enumerate().position(|(n, &byte)| {
        byte == b'{' && (n == 0 || bytes.get(n - 1).is_some_and(|&before| before == b'\n'))
    });
    line.or_else(|| bytes.windows(hello.len()).position(|window| window == hello))
}

/// Keeps the last lines of stderr, sanitized, until its end.
async fn listen(errors: ChildStderr, tell: watch::Sender<String>) {
    let mut errors = BufReader::new(errors);
    let mut lines = std::collections::VecDeque::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut errors).take(LINE as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let plain = String::from_utf8_lossy(&line);
        lines.push_back(text::sanitize(plain.trim_end()).into_owned());
        if lines.len() > LINES {
            lines.pop_front();
        }
        let all: Vec<&str> = lines.iter().map(String::as_str).collect();
        if tell.send(all.join("\n")).is_err() {
            return;
        }
    }
}

/// The process.
#[derive(Debug)]
struct Ssh {
    address: SshAddress,
    child: Option<Child>,
    said: watch::Receiver<String>,
}

impl Ssh {
    /// Waits for its end, which its stdout's end announces, and says why.
    async fn end(&mut self) -> SshError {
        let status: Option<ExitStatus> = match &mut self.child {
            Some(child) => timeout(END_TIME, child.wait()).await.ok().and_then(Result::ok),
            None => None,
        };
        // The last words are in the pipe; somebody else may hold its other end open.
        let _ = timeout(END_TIME, async { while self.said.changed().await.is_ok() {} }).await;
        let said = self.said.borrow_and_update().clone();
        let cause = cause::cause(status.and_then(|status| status.code()), &said);
        SshError { cause, text: cause::text(cause, &self.address, &said) }
    }
}

impl Drop for Ssh {
    /// Asks ssh to end, so that it ends its proxies as well; kills it if it does not, or at once when
    /// this program ends.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let Some(pid) = child.id() else { return };
        end_politely(pid);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(KILL_TIME, child.wait()).await;
            });
        }
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.first.is_empty() {
            let n = this.first.len().min(buffer.remaining());
            buffer.put_slice(this.first.get(..n).unwrap_or_default());
            this.first.drain(..n);
            return Poll::Ready(Ok(()));
        }
        if this.ending.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.output).poll_read(context, buffer))?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            let mut ssh = Ssh {
                address: this.ssh.address.clone(),
                child: this.ssh.child.take(),
                said: this.ssh.said.clone(),
            };
            this.ending = Some(Ending(Box::pin(async move { ssh.end().await })));
        }
        match &mut this.ending {
            Some(Ending(ending)) => {
                let error = ready!(ending.as_mut().poll(context));
                Poll::Ready(Err(io::Error::other(error)))
            }
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_before_the_first_line() {
        let check = |text: &str, wanted: Option<&str>| {
            let got = begin(text.as_bytes()).and_then(|n| text.get(n..));
            assert_eq!(got, wanted, "{text:?}");
        };
        check("{\"hello\":{", Some("{\"hello\":{"));
        check("Welcome!\n{\"bye\":{", Some("{\"bye\":{"));
        check("Welcome {you}!\r\n", None);
        check("no end {\"hello\":{}", Some("{\"hello\":{}"));
        check("", None);
    }

    #[test]
    fn the_remote_command_is_one_word_for_every_shell() {
        let command = remote_command();
        let inside = command.strip_prefix("sh -c '").unwrap().strip_suffix('\'').unwrap();
        assert!(!inside.contains(['\'', '\\', '!', '\n']), "{inside}");
    }
}
