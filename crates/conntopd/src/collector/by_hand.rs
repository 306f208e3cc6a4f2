//! A collector whose table is fed by hand instead of by a kernel: for tests of everything behind it.

use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use conntop_proto::message::{Host, KernelFacts};
use tokio::sync::{mpsc, watch};

use super::budget::CpuBudget;
use super::handle::Call;
use super::hub::{Hub, Setup, Wires};
use super::report::{Found, Report, Sysctls};
use super::{Acts, CollectorError, CollectorHandle, clock, hello, start_hub};
use crate::privilege::{Plan, Sandbox};
use crate::table::{FlowTable, Limits};

/// Feeds the table of a [`CollectorHandle::by_hand`].
#[derive(Debug)]
pub struct Feeder {
    calls: mpsc::UnboundedSender<Call>,
    /// Keeps the hub from taking the reading threads for dead.
    _reports: mpsc::Sender<Report>,
}

impl Feeder {
    /// Changes the table; then a tick delivers to all that are in step. Begin and end a pass in it
    /// (`begin_pass`, `end_pass`): before the first one subscribers are not synced.
    pub fn edit(&self, edit: impl FnOnce(&mut FlowTable) + Send + 'static) {
        // A hub that has ended has told its subscribers.
        let _ = self.calls.send(Call::Edit(Box::new(edit)));
    }

    /// Looks at the table, without a tick.
    ///
    /// # Errors
    /// The collector has ended.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&FlowTable) -> T + Send + 'static,
    ) -> Result<T, CollectorError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let look = move |table: &FlowTable| {
            let _ = answer.send(look(table));
        };
        let _ = self.calls.send(Call::Inspect(Box::new(look)));
        answered.await.map_err(|_| CollectorError::Ended("ct-table"))
    }
}

impl CollectorHandle {
    /// A collector without a kernel. Its table changes only by the feeder, ticks come only from
    /// there, and it is dropped like any other a minute after the last subscriber.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn by_hand(host: Host) -> Result<(Self, Feeder), CollectorError> {
        let (reports, reported) = mpsc::channel(1);
        let (calls, called) = mpsc::unbounded_channel();
        let (buffers, _) = std_mpsc::sync_channel(1);
        let interval = Duration::from_secs(1);
        let epoch = clock::both().wall_ms;
        let kernel = KernelFacts::default();
        let (say_hello, hello) = watch::channel(hello(Some("by hand".into()), interval, epoch, kernel));
        let wires = Wires {
            reports: reported,
            calls: called,
            events: None,
            requests: None,
            batches: buffers.clone(),
            buffers,
            hello: say_hello,
        };
        let found = Found { sysctls: Sysctls::default(), host, offers: Vec::new(), granted: None };
        let (budget, limits, acts) = (CpuBudget::default(), Limits::default(), Acts::default());
        let setup = Setup { interval, budget, limits, epoch, acts };
        let plan = Plan { sandbox: Sandbox::Off, ..Plan::default() };
        let confined = start_hub(&plan, move || Hub::new(wires, setup, found))?;
        let feeder = Feeder { calls: calls.clone(), _reports: reports };
        Ok((Self { calls, hello, ids: Arc::default(), confined }, feeder))
    }
}
