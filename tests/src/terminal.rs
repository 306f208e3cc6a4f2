//! A program on a terminal of its own, whose screen can be read.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::netns::Namespace;

/// Rows and columns: a large terminal window.
pub const SIZE: (u16, u16) = (50, 200);

/// A program and its terminal; dropping it ends the program.
pub struct Terminal {
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    child: Child,
    bytes: usize,
}

impl Terminal {
    /// Starts the command on a new terminal, inside the namespace.
    ///
    /// # Errors
    /// When there is no terminal to be had, or the command cannot be started.
    pub fn start(namespace: &Namespace, command: &mut Command) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?.into_string().context("the name of a terminal")?;
        let (ws_row, ws_col) = SIZE;
        tcsetwinsize(&master, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 })?;
        let slave = || File::options().read(true).write(true).open(&path).context("opening a terminal");
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        // The first start would offer databases of places.
        command.env("CONNTOP_NO_GEOIP", "true");
        command.stdin(slave()?).stdout(slave()?).stderr(slave()?);
        let child = namespace.spawn(command)?;
        // The command has its own copies, and ours would keep the terminal open after its end.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let keys = File::from(master);
        let mut reader = keys.try_clone().context("a second handle of a terminal")?;
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
            }
        });
        let (rows, columns) = (ws_row.try_into()?, ws_col.try_into()?);
        let screen = vt100::Parser::new(rows, columns, 0);
        Ok(Terminal { keys, output, screen, child, bytes: 0 })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program still runs.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("asking for a program")?.is_none())
    }

    /// Bytes that it has written so far, as far as they were taken in.
    #[must_use]
    pub fn written(&self) -> usize {
        self.bytes
    }

    /// Presses keys.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.keys.write_all(keys).context("pressing keys")
    }

    /// What the screen shows now, after taking in what was written.
    #[must_use]
    pub fn screen(&mut self) -> String {
        while let Ok(bytes) = self.output.try_recv() {
            self.take(&bytes);
        }
        self.screen.screen().contents()
    }

    /// Waits until the screen satisfies the condition, and says how long that took.
    ///
    /// # Errors
    /// When it does not, or the program ends; the error has the screen.
    pub fn wait(
        &mut self,
        what: &str,
        time: Duration,
        mut condition: impl FnMut(&str) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return Ok(began.elapsed());
            }
            match self.output.recv_timeout(time.saturating_sub(began.elapsed())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{time:?} were not enough for: {what}; it shows:\n{screen}")
                }
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before: {what}; it showed:\n{screen}"),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.screen.process(bytes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
