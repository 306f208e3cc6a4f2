//! The programs that the lab runs: found, or installed once per machine.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lock::{self, FileLock};

/// Program and the Debian package that has it.
const NEEDED: [Package; 3] = [("ip", "iproute2"), ("nft", "nftables"), ("conntrack", "conntrack")];
/// What conntop is measured against; the lab does without.
const PEERS: [Package; 2] = [("iptstate", "iptstate"), ("flowtop", "netsniff-ng")];
/// What logging in by ssh is tested with.
const SSH: [Package; 3] =
    [("sshd", "openssh-server"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client")];
/// What completions and manual pages are made for.
const SHELLS: [Package; 3] = [("zsh", "zsh"), ("fish", "fish"), ("mandoc", "mandoc")];
/// Root's `PATH` may lack these.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// A failed installation is not tried again by the next test binary of the same run.
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(600);
/// `apt-get` gives up after this many seconds, as a machine without a network must not hang.
const APT_SECONDS: &str = "300";

/// Whether this machine can build the lab, or why not. Looks (and installs) once per process.
///
/// # Errors
/// Says in one line what is missing.
pub fn ready() -> Result<(), &'static str> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready = READY.get_or_init(|| prepare().map_err(|error| format!("{error:#}")));
    ready.as_ref().copied().map_err(String::as_str)
}

fn prepare() -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "needs root to make network namespaces");
    provide(&NEEDED)?;
    crate::netns::probe()
}

/// Installs the programs that conntop is measured against where they are missing, and names those
/// that cannot be had.
#[must_use]
pub fn peers() -> Vec<&'static str> {
    if let Err(error) = provide(&PEERS) {
        tell(&format!("{error:#}"));
    }
    missing(&PEERS).into_iter().map(|(program, _)| *program).collect()
}

/// Whether there are an ssh server and client. They are installed only where nothing would start the
/// server for everybody.
///
/// # Errors
/// Says in one line what is missing.
pub fn ssh() -> Result<(), String> {
    let services = std::path::Path::new("/run/systemd/system").exists();
    let provided = if services && !missing(&SSH).is_empty() {
        Err(anyhow::anyhow!("needs openssh-server and openssh-client; installing them here would start sshd"))
    } else {
        provide(&SSH)
    };
    provided.map_err(|error| format!("{error:#}"))
}

/// The shells that completions are made for and what checks manual pages, installed where that is possible; names
/// those that cannot be had.
#[must_use]
pub fn shells() -> Vec<&'static str> {
    if rustix::process::geteuid().is_root()
        && let Err(error) = provide(&SHELLS)
    {
        tell(&format!("{error:#}"));
    }
    missing(&SHELLS).into_iter().map(|(program, _)| *program).collect()
}

type Package = (&'static str, &'static str);

fn missing(wanted: &'static [Package]) -> Vec<&'static Package> {
    wanted.iter().filter(|(program, _)| find(program).is_none()).collect()
}

fn provide(wanted: &'static [Package]) -> Result<()> {
    if missing(wanted).is_empty() {
        return Ok(());
    }
    let _lock = FileLock::acquire("install")?;
    let missing = missing(wanted);
    if missing.is_empty() { Ok(()) } else { install(&missing, wanted) }
}

fn install(missing: &[&Package], wanted: &'static [Package]) -> Result<()> {
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let programs = programs.join(", ");
    ensure!(find("apt-get").is_some(), "no {programs} here, and no apt-get to install them");
    let mark = lock::path("install", "failed");
    let recently = fs::metadata(&mark).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    if recently.is_some_and(|age| age < FAILURE_COUNTS_FOR) {
        bail!("no {programs} here, and installing failed a moment ago ({mark})");
    }
    tell(&format!("installing for the lab: {programs}"));
    let installed = apt(&["update"]).and_then(|()| {
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(missing.iter().map(|(_, package)| *package));
        apt(&arguments)
    });
    match installed {
        Ok(()) => {
            let _ = fs::remove_file(mark);
            let gone = self::missing(wanted).is_empty();
            ensure!(gone, "no {programs} here even after installing the packages");
            Ok(())
        }
        Err(error) => {
            let _ = fs::write(&mark, format!("{error:#}\n"));
            Err(error.context(format!("no {programs} here, and installing failed")))
        }
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("timeout");
    command.arg(APT_SECONDS).arg("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    run(command.env("DEBIAN_FRONTEND", "noninteractive")).map(|_| ())
}

/// The path of a program, also in the directories that an ordinary `PATH` lacks.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// A command for one of the programs, wherever it is.
#[must_use]
pub fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)))
}

/// Runs a command to its end without input.
///
/// # Errors
/// When it cannot be started or fails; the error has what it wrote to stderr.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    check(command, output)
}

/// Runs a command that must end by itself within the time, whether it fails or not.
///
/// # Errors
/// When it cannot be started, or does not end and is killed.
pub fn run_within(mut child: Child, time: Duration) -> Result<Output> {
    let deadline = Instant::now() + time;
    while child.try_wait().context("asking for a command")?.is_none() {
        if Instant::now() > deadline {
            child.kill().context("killing a command")?;
            let output = child.wait_with_output().context("reading a command")?;
            bail!("it did not end within {time:?}; it said: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().context("reading a command")
}

/// Runs a command with this input.
///
/// # Errors
/// As [`run`].
pub fn run_with_input(command: &mut Command, input: &str) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends early says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {command:?}"))?;
    check(command, output)
}

fn check(command: &Command, output: Output) -> Result<Output> {
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rev().take(4).collect::<Vec<_>>();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
        bail!("{command:?}: {}: {last}", output.status);
    }
    Ok(output)
}

/// A line on stderr that libtest does not capture: it only redirects the printing macros.
pub fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(format!("{line}\n").as_bytes());
}
