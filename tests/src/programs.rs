//! The real programs: found or built, run in a namespace, ended.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::judge::{Seen, uptime_ms};
use crate::netns::Namespace;
use crate::tools;

/// A daemon that has not said that it listens by then will not.
const START: Duration = Duration::from_secs(20);
/// Folders of a crate that go into no program.
const NO_PART: [&str; 3] = ["tests", "benches", "examples"];
/// A directory whose programs are to be used as they are.
const GIVEN: &str = "CONNTOP_PROGRAMS";
/// A daemon gives its clients one second; this is that and a slow machine.
const END: Duration = Duration::from_secs(10);

/// The path of one of the workspace's programs: in the directory that `CONNTOP_PROGRAMS` names, or
/// else built if it is missing or older than its sources.
///
/// # Errors
/// When it cannot be built.
pub fn program(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let directory = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    directory.as_ref().map(|d| d.join(name)).map_err(|error| anyhow!("{error}"))
}

fn build() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os(GIVEN) {
        return Ok(PathBuf::from(given));
    }
    let test = std::env::current_exe().context("finding the test's own file")?;
    let mut directory = test.parent().context("the test has no directory")?.to_owned();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let newest = newest(&sources)?;
    let fresh = |name: &str| {
        let built = directory.join(name).metadata().and_then(|m| m.modified());
        built.is_ok_and(|built| built >= newest)
    };
    // `cargo test --workspace` has built them; a test of this crate alone has not.
    if !(fresh("conntopd") && fresh("conntop")) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // With this package, so that the features are those that it was built with itself.
        let packages = ["conntopd", "conntop", "conntop-tests"];
        cargo.args(["build", "--quiet", "--locked", "--bins"]);
        cargo.args(packages.map(|name| format!("--package={name}")));
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        tools::run(cargo.current_dir(&sources)).context("building conntop and conntopd")?;
    }
    Ok(directory)
}

/// When the newest source that goes into a program was written.
fn newest(directory: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    let entries = directory.read_dir().with_context(|| format!("reading {}", directory.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let counts = path.extension().is_some_and(|e| e == "rs" || e == "toml");
        if path.is_dir() && !NO_PART.iter().any(|name| path.ends_with(name)) {
            newest = newest.max(self::newest(&path)?);
        } else if counts && !path.ends_with("tests.rs") {
            newest = newest.max(path.metadata()?.modified()?);
        }
    }
    Ok(newest)
}

/// A conntopd, which is ended when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    lines: Mutex<Log>,
    directory: Arc<TempDir>,
    program: PathBuf,
}

#[derive(Debug)]
struct Log {
    lines: Vec<String>,
    more: Receiver<String>,
}

impl Daemon {
    /// Starts conntopd in the namespace, on a unix socket of its own, and waits until it listens.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Result<Self> {
        Self::start_program(&program("conntopd")?, namespace, arguments)
    }

    /// The same with another build of conntopd.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_program(program: &Path, namespace: &Namespace, arguments: &[&str]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("conntop-lab-").tempdir().context("a directory")?;
        Self::start_at(program, namespace, arguments, Arc::new(directory))
    }

    /// Kills it in the middle of whatever it does, and starts another one on the same socket.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn replace(&mut self, namespace: &Namespace, arguments: &[&str]) -> Result<()> {
        self.kill()?;
        *self = Self::start_at(&self.program, namespace, arguments, Arc::clone(&self.directory))?;
        Ok(())
    }

    /// Kills it in the middle of whatever it does.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing conntopd")?;
        self.child.wait().context("waiting for conntopd")?;
        Ok(())
    }

    fn start_at(
        program: &Path,
        namespace: &Namespace,
        arguments: &[&str],
        directory: Arc<TempDir>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("--unix").arg(directory.path().join("socket")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let stderr = child.stderr.take().context("no stderr")?;
        let (sender, more) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let lines = Mutex::new(Log { lines: Vec::new(), more });
        let daemon = Daemon { child, lines, directory, program: program.to_owned() };
        let socket = format!("listening on {}", daemon.socket().display());
        daemon.wait_for_line(&socket, START)?;
        Ok(daemon)
    }

    /// The path of its unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// What `--connect` takes.
    #[must_use]
    pub fn target(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Waits until a line of its log contains this, and returns the line.
    ///
    /// # Errors
    /// When the daemon ends or the time is up; the error has the log.
    pub fn wait_for_line(&self, part: &str, time: Duration) -> Result<String> {
        let deadline = Instant::now() + time;
        let mut log = self.lines.lock().map_err(|_| anyhow!("the log is broken"))?;
        loop {
            if let Some(line) = log.lines.iter().find(|line| line.contains(part)) {
                return Ok(line.clone());
            }
            match log.more.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => log.lines.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("conntopd did not say {part:?} in {time:?} but:\n{}", log.lines.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("conntopd ended and did not say {part:?} but:\n{}", log.lines.join("\n"))
                }
            }
        }
    }

    /// What it has logged so far.
    ///
    /// # Errors
    /// When a reader of the log panicked.
    pub fn log(&self) -> Result<Vec<String>> {
        let mut log = self.lines.lock().map_err(|_| anyhow!("the log is broken"))?;
        while let Ok(line) = log.more.try_recv() {
            log.lines.push(line);
        }
        Ok(log.lines.clone())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("asking for conntopd")?.is_none())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && self.is_alive()?
        {
            kill_process(pid, Signal::TERM).context("ending conntopd")?;
        }
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("conntopd does not end after SIGTERM; it said:\n{}", self.log()?.join("\n"))
    }

    /// What `conntop list --format json` shows of this daemon's table.
    ///
    /// # Errors
    /// When it fails, or prints what is not to be understood.
    pub fn list(&self) -> Result<Vec<Seen>> {
        let before = uptime_ms()?;
        let output = self.conntop(&["list", "--format", "json"])?;
        Seen::from_json(&output.stdout, (before, uptime_ms()?))
    }

    /// Runs `conntop --connect` to this daemon with these arguments, in the initial namespace.
    ///
    /// # Errors
    /// When it fails.
    pub fn conntop(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program("conntop")?);
        command.arg("--connect").arg(self.target()).args(arguments);
        tools::run(&mut command)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.terminate().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
