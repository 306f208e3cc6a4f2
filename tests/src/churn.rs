//! Storms: flows that come and go all the time, and bursts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::inject::{Injector, Plan};
use crate::netns::{Namespace, join};

/// Most flows per step: one datagram of the injector. Slow storms take smaller ones.
const STEP: u32 = 128;
/// Steps per second of a slow storm.
const STEPS: u32 = 20;
/// A plan has no flows beyond; a storm that comes to it ends.
const LAST: u32 = 1 << 24;
/// A storm that nobody ends, ends.
const LONGEST: Duration = Duration::from_secs(600);

/// How a storm blows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChurnOptions {
    /// Which flows come and go.
    pub plan: Plan,
    /// How many live at a time; each new one beyond ends the oldest.
    pub alive: u32,
    /// New flows per second; 0 is as fast as the kernel goes.
    pub rate: u32,
}

/// What a storm did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churned {
    /// Flows created.
    pub created: usize,
    /// Flows deleted, those at the end included.
    pub deleted: usize,
}

/// A storm on a thread of its own; it ends when asked or dropped, and takes its flows with it.
#[derive(Debug)]
pub struct Churn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Churned>>>,
}

impl Churn {
    /// Begins a storm in the namespace.
    ///
    /// # Errors
    /// When the injector's socket cannot be opened.
    pub fn start(namespace: &Namespace, options: ChurnOptions) -> Result<Self> {
        let injector = Injector::new(namespace)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || storm(injector, options, &stopped));
        Ok(Churn { stop, thread: Some(thread) })
    }

    /// Ends the storm and says what it did.
    ///
    /// # Errors
    /// What went wrong in it.
    pub fn finish(mut self) -> Result<Churned> {
        self.stop.store(true, Ordering::Relaxed);
        join(self.thread.take().ok_or_else(|| anyhow!("the storm is over already"))?)?
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = join(thread);
        }
    }
}

fn storm(mut injector: Injector, options: ChurnOptions, stop: &AtomicBool) -> Result<Churned> {
    let ChurnOptions { plan, alive, rate } = options;
    let began = Instant::now();
    let mut churned = Churned::default();
    let step = if rate == 0 { STEP } else { (rate / STEPS).clamp(1, STEP) };
    let (mut oldest, mut next) = (0, 0);
    while !stop.load(Ordering::Relaxed) && began.elapsed() < LONGEST && next < LAST {
        churned.created += injector.create(&plan, next..next + step)?.done;
        next += step;
        let keep_from = next.saturating_sub(alive);
        if keep_from > oldest {
            churned.deleted += injector.delete(&plan, oldest..keep_from)?.done;
            oldest = keep_from;
        }
        if rate > 0 {
            let due = Duration::from_secs_f64(f64::from(next) / f64::from(rate));
            std::thread::sleep(due.saturating_sub(began.elapsed()).min(Duration::from_secs(1)));
        }
    }
    churned.deleted += injector.delete(&plan, oldest..next)?.done;
    Ok(churned)
}
