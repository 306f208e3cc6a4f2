//! Unix: Linux, macOS, the BSDs.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, Stdin};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crossterm::Command;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_current_process_group, kill_process};
use tokio::io::AsyncRead;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal as Heard, SignalKind, signal};

use super::Control;

/// The machine's own names of hosts.
pub(crate) const HOSTS: &str = "/etc/hosts";
/// The machine's own names of ports.
pub(crate) const SERVICES: &str = "/etc/services";
/// The locale where no variable names one.
pub(crate) const LOCALE: Option<&str> = None;
/// The kind of terminal where no variable names one.
pub(crate) const TERMINAL: Option<&str> = None;
/// Whether the terminal's answers to questions can be told from keys.
pub(crate) const LISTENS_TO_ANSWERS: bool = true;

/// A file that is made gets this mode.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    options.mode(mode)
}

/// Makes a folder that is its owner's alone, and those above it.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Who may do what with a file; `None` where files have no modes.
pub(crate) fn mode_of(meta: &Metadata) -> Option<u32> {
    Some(meta.mode() & 0o7777)
}

/// What another file in the place of this one has not.
pub(crate) fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// A file that nobody else holds meanwhile, `WouldBlock` if somebody does. The system lets go of it with the process.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Standard input as a file.
pub(crate) fn stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Standard output as a file.
pub(crate) fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// The bytes of a file, a pipe or a socket. Whoever writes into a pipe may take his time, and nobody waits for him
/// when the program ends.
pub(crate) fn flow_of(file: File) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        return Ok(Box::new(pipe::Receiver::from_file(file)?));
    }
    if kind.is_socket() {
        let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(file));
        stream.set_nonblocking(true)?;
        return Ok(Box::new(tokio::net::UnixStream::from_std(stream)?));
    }
    Ok(Box::new(tokio::fs::File::from_std(file)))
}

/// A connection to a socket in the file system.
pub(crate) async fn connect_unix(path: &Path) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(path).await
}

/// Asks a process to end.
pub(crate) fn end_politely(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, Signal::TERM);
    }
}

/// What this machine is called.
pub(crate) fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Columns and lines of the terminal that stdout is; `None` when it is none or tells none.
pub(crate) fn terminal_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row)).filter(|(columns, lines)| *columns > 0 && *lines > 0)
}

/// Whether somebody can type.
pub(crate) fn has_keyboard() -> bool {
    io::stdin().is_terminal() || File::open("/dev/tty").is_ok()
}

/// Returns when the terminal on standard output is gone.
pub(crate) fn wait_for_hangup() {
    let out = io::stdout();
    loop {
        let mut fds = [PollFd::new(&out, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Reads what the terminal sends within this time, of less than a second; `None` if that is nothing.
pub(crate) fn read_within(input: &Stdin, left: Duration, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut waits = [PollFd::new(input, PollFlags::IN)];
    let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
    match poll(&mut waits, Some(&left)) {
        Ok(0) | Err(Errno::INTR) => Ok(None),
        Ok(_) => Ok(Some(rustix::io::read(input, buffer)?)),
        Err(error) => Err(error.into()),
    }
}

/// Stops the whole foreground group, as the terminal itself would do it.
pub(crate) fn suspend() {
    let _ = kill_current_process_group(Signal::TSTP);
}

/// Stops this process.
pub(crate) fn stop() {
    let _ = kill_process(getpid(), Signal::STOP);
}

/// The signals that ask something of the program.
pub(crate) struct Signals {
    terminate: Heard,
    hangup: Heard,
    interrupt: Heard,
    stop: Option<(Heard, Heard)>,
}

impl Signals {
    /// Those that want the program to end.
    pub(crate) fn to_end() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: None,
        })
    }

    /// Those, and the ones that stop it and let it go on.
    pub(crate) fn of_screen() -> io::Result<Self> {
        let raw = |s: Signal| signal(SignalKind::from_raw(s.as_raw()));
        Ok(Self { stop: Some((raw(Signal::TSTP)?, raw(Signal::CONT)?)), ..Self::to_end()? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Control {
        let stop = async {
            match &mut self.stop {
                Some((stop, go_on)) => tokio::select! {
                    _ = stop.recv() => Control::Stop,
                    _ = go_on.recv() => Control::Continued,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Control::Quit,
            _ = self.hangup.recv() => Control::Quit,
            _ = self.interrupt.recv() => Control::Quit,
            control = stop => control,
        }
    }
}

/// Asks for presses and the wheel, not for each movement, and for places beyond column 223.
#[derive(Clone, Copy, Debug)]
pub struct EnableClicks;
/// Leaves them to the terminal again.
#[derive(Clone, Copy, Debug)]
pub struct DisableClicks;

impl Command for EnableClicks {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1006h")
    }
}

impl Command for DisableClicks {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1006l\x1b[?1000l")
    }
}
