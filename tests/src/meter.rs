//! What processes cost: CPU time and memory, as the kernel accounts them.
//!
//! CPU time comes from `schedstat`, which counts nanoseconds where `stat` counts ticks of 10 ms; it
//! includes what the kernel did for the process (netlink dumps are nearly all that).

use std::fs;
use std::ops::Add;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often a short command's memory is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// A tick of `stat` (USER_HZ is 100 on every architecture that Debian has).
const TICK: Duration = Duration::from_millis(10);

/// What processes have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads, and of children that have ended.
    pub cpu: Duration,
    /// Bytes resident now.
    pub rss: u64,
    /// Most bytes resident at a time.
    pub peak: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Usage { cpu: self.cpu + other.cpu, rss: self.rss + other.rss, peak: self.peak + other.peak }
    }
}

impl Usage {
    /// Of a process and its living descendants.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> Result<Self> {
        let proc = Path::new("/proc").join(pid.to_string());
        let mut usage = Usage { cpu: cpu(&proc)?, ..memory(&proc)? };
        for child in children(&proc) {
            // It may end while we look.
            usage = usage + Usage::of(child).unwrap_or_default();
        }
        Ok(usage)
    }
}

/// Of the threads that live, or, where more (some ended), of the process by ticks; and of the
/// children that were waited for.
fn cpu(proc: &Path) -> Result<Duration> {
    let tasks = fs::read_dir(proc.join("task")).with_context(|| format!("{} is gone", proc.display()))?;
    let threads: Duration = tasks.flatten().map(|task| schedstat(&task.path()).unwrap_or_default()).sum();
    let stat = fs::read_to_string(proc.join("stat")).context("reading a stat of /proc")?;
    // The name in parentheses may contain anything.
    let fields: Vec<u32> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().skip(11).take(4).filter_map(|f| f.parse().ok()).collect())
        .unwrap_or_default();
    let [user, system, of_children @ ..] = fields.as_slice() else { bail!("unexpected stat: {stat}") };
    let process = TICK * (user + system);
    let ended = TICK * of_children.iter().sum::<u32>();
    // Rounding up to two ticks is no reason to prefer the coarser clock.
    Ok(if process > threads + 3 * TICK { process } else { threads } + ended)
}

fn schedstat(task: &Path) -> Result<Duration> {
    let text = fs::read_to_string(task.join("schedstat"))?;
    let nanos = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn memory(proc: &Path) -> Result<Usage> {
    let status = fs::read_to_string(proc.join("status")).context("reading a status of /proc")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.map_or(0, |kib| kib * 1024)
    };
    Ok(Usage { cpu: Duration::ZERO, rss: field("VmRSS"), peak: field("VmHWM") })
}

fn children(proc: &Path) -> Vec<u32> {
    let tasks = fs::read_dir(proc.join("task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// What a command used that runs to its end by itself, and how long it took.
///
/// # Errors
/// When it cannot be waited for or fails.
pub fn whole_run(mut child: Child) -> Result<(Usage, Duration)> {
    let began = Instant::now();
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
    let proc: PathBuf = Path::new("/proc").join(child.id().to_string());
    let mut usage = Usage::default();
    // Not yet reaped, its CPU time can still be read.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(id), look).context("waiting for a command")?.is_none() {
        let now = memory(&proc)?;
        usage = Usage { peak: usage.peak.max(now.peak), rss: usage.rss.max(now.rss), ..usage };
        // Between two looks at its memory, which nobody tells.
        std::thread::sleep(GLANCE);
    }
    let wall = began.elapsed();
    usage.cpu = cpu(&proc)?;
    let status = child.wait().context("reaping a command")?;
    if !status.success() {
        bail!("a command that was measured failed: {status}");
    }
    Ok((usage, wall))
}

/// Runs a command to its end and says what it used.
///
/// # Errors
/// As [`whole_run`], or when it cannot be started.
pub fn run(command: &mut Command) -> Result<(Usage, Duration)> {
    whole_run(command.spawn().with_context(|| format!("starting {command:?}"))?)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn work_is_counted_and_sleep_is_not() {
        for (script, least, most) in [
            ("sleep 0.3", 0, 150),
            ("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", 20, 20_000),
            // In a child that has ended.
            ("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; true", 20, 20_000),
        ] {
            let (usage, _) = run(Command::new("sh").args(["-c", script]).stdin(Stdio::null())).unwrap();
            let millis = usage.cpu.as_millis();
            assert!((least..most).contains(&millis), "{script}: {usage:?}");
            assert!(usage.peak > 100_000, "{script}: {usage:?}");
        }
    }

    #[test]
    fn this_process_is_there() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss > 0 && usage.peak >= usage.rss / 2 && usage.cpu > Duration::ZERO, "{usage:?}");
    }
}
