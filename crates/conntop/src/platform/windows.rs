//! Windows. Files made in a user's own folders are his alone by what they inherit, so modes say nothing here.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, Stdin};
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::windows::io::AsHandle as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

use super::Control;

pub use crossterm::event::{DisableMouseCapture as DisableClicks, EnableMouseCapture as EnableClicks};

/// The machine's own names of hosts.
pub(crate) const HOSTS: &str = "C:\\Windows\\System32\\drivers\\etc\\hosts";
/// The machine's own names of ports.
pub(crate) const SERVICES: &str = "C:\\Windows\\System32\\drivers\\etc\\services";
/// The console has all signs, and no variable says so.
pub(crate) const LOCALE: Option<&str> = Some("UTF-8");
/// Nor does one name the kind of terminal.
pub(crate) const TERMINAL: Option<&str> = Some("console");
/// The console gives keys, not bytes.
pub(crate) const LISTENS_TO_ANSWERS: bool = false;

/// Who opens a file that somebody has opened to share it with nobody (ERROR_SHARING_VIOLATION).
const IN_USE: i32 = 32;

/// A file that is made inherits who may use it.
pub(crate) fn with_mode(options: &mut OpenOptions, _: u32) -> &mut OpenOptions {
    options
}

/// Makes a folder that inherits whose it is, and those above it.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// There are no modes.
pub(crate) fn mode_of(_: &Metadata) -> Option<u32> {
    None
}

/// What another file in the place of this one has not.
pub(crate) fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.creation_time(), 0)
}

/// A file that nobody else holds meanwhile, `WouldBlock` if somebody does. The system lets go of it with the process.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).share_mode(0).open(path);
    opened.map_err(|error| {
        if error.raw_os_error() == Some(IN_USE) { io::ErrorKind::WouldBlock.into() } else { error }
    })
}

/// Standard input as a file.
pub(crate) fn stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_handle().try_clone_to_owned()?))
}

/// Standard output as a file.
pub(crate) fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

/// The bytes of a file or a pipe.
pub(crate) fn flow_of(file: File) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    Ok(Box::new(tokio::fs::File::from_std(file)))
}

/// There are no such sockets for us.
#[expect(clippy::unused_async, reason = "the same as where there are some")]
pub(crate) async fn connect_unix(_: &Path) -> io::Result<tokio::net::TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nobody can be asked: whoever holds the process ends it.
pub(crate) fn end_politely(_: u32) {}

/// What this machine is called.
pub(crate) fn node_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "windows".to_owned())
}

/// Columns and lines of the console that stdout is; `None` when it is none or tells none.
pub(crate) fn terminal_size() -> Option<(u16, u16)> {
    let size = io::stdout().is_terminal().then(crossterm::terminal::size)?.ok()?;
    Some(size).filter(|(columns, lines)| *columns > 0 && *lines > 0)
}

/// Whether somebody can type.
pub(crate) fn has_keyboard() -> bool {
    io::stdin().is_terminal() || File::open("CONIN$").is_ok()
}

/// Never returns: a console that is closed says so by a signal.
pub(crate) fn wait_for_hangup() {
    loop {
        std::thread::park();
    }
}

/// Nothing is asked.
pub(crate) fn read_within(_: &Stdin, _: Duration, _: &mut [u8]) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Programs are not stopped here.
pub(crate) fn suspend() {}

/// Programs are not stopped here.
pub(crate) fn stop() {}

/// What ends the program.
pub(crate) struct Signals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// What wants the program to end.
    pub(crate) fn to_end() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The same.
    pub(crate) fn of_screen() -> io::Result<Self> {
        Self::to_end()
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Control {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        Control::Quit
    }
}
