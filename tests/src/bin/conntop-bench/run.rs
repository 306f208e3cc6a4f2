//! Programs as they are measured: started, watched for a while, ended.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use conntop_tests::Namespace;
use conntop_tests::meter::Usage;
use conntop_tests::programs::program;
use conntop_tests::terminal::Terminal;

use crate::report::Cost;
use crate::stop;

/// The longest wait for a screen or a daemon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What these processes cost for so long, each for itself.
pub(crate) fn over<const N: usize>(window: Duration, pids: [u32; N]) -> Result<[Cost; N]> {
    let began = Instant::now();
    let before = pids.map(Usage::of);
    stop::wait(window)?;
    let after = pids.map(Usage::of);
    let time = began.elapsed().as_secs_f64();
    let mut costs = [Cost::default(); N];
    for ((cost, before), after) in costs.iter_mut().zip(before).zip(after) {
        let (before, after) = (before?, after.context("it ended while it was measured")?);
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        *cost = Cost { percent: cpu / time * 100.0, rss: after.rss, peak: after.peak };
    }
    Ok(costs)
}

/// A program without a terminal whose output nobody reads; ended when dropped.
pub(crate) struct Silent(Child);

impl Silent {
    pub(crate) fn start(namespace: &Namespace, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Silent(namespace.spawn(command)?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// conntop, local or connected to this.
pub(crate) fn conntop(target: Option<&str>, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("conntop")?);
    if let Some(target) = target {
        command.args(["--connect", target]);
    }
    command.args(arguments);
    Ok(command)
}

/// Flows that conntop's screen says it has.
pub(crate) fn flows(screen: &str) -> Option<usize> {
    let (_, rest) = screen.split_once("flows ")?;
    let digits: String =
        rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    digits.parse().ok()
}

/// Rows of flows on conntop's screen.
pub(crate) fn rows(screen: &str) -> usize {
    let is_row = |line: &&str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        // The header's second line begins with the word itself.
        line.len() > 40 && word != "flows" && word != "PROT" && word != "?"
    };
    screen.lines().skip(2).filter(is_row).count()
}

/// Waits until conntop's screen has so many flows.
pub(crate) fn wait_for_flows(terminal: &mut Terminal, count: usize) -> Result<Duration> {
    terminal.wait(&format!("{count} flows"), PATIENCE, |screen| flows(screen).is_some_and(|n| n >= count))
}
