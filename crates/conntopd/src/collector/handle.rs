//! The outside of the collector: its handle and the subscribers.
//!
//! A subscriber has no queue. It asks for one frame at a time; what it wants stands in a place where
//! the newest wish replaces the older ones. So whatever a client does costs bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use conntop_proto::columns::Ids;
use conntop_proto::message::{Resume, ServerHello, Sight, Subscribe};
use tokio::sync::{mpsc, oneshot, watch};

use super::CpuBudget;
use super::clock;
use super::orders::Order;
use crate::frame::Frame;
use crate::privilege::Report;
use crate::table::{FilterError, FlowTable, Interest};

/// How long a hello waits for facts about the kernel: they take less than a millisecond, and older
/// ones do.
const FACTS_WAIT: Duration = Duration::from_millis(50);

/// What a subscriber begins with.
#[derive(Clone, Debug, Default)]
pub struct SubscriberConfig {
    /// What to deliver, and how often.
    pub subscribe: Subscribe,
    /// Where to go on.
    pub resume: Option<Resume>,
}

/// What a subscriber wants now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) interval_ms: u32,
    pub(crate) interest: Arc<Interest>,
    pub(crate) paused: bool,
    pub(crate) focus: Ids,
    pub(crate) look: Look,
}

/// What a subscriber looks at besides flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) interfaces: bool,
    pub(crate) listeners: bool,
}

impl Look {
    fn at(sights: &[Sight]) -> Self {
        let has = |sight| sights.contains(&sight);
        Self { interfaces: has(Sight::Interfaces), listeners: has(Sight::Listeners) }
    }

    /// What either looks at.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { interfaces: self.interfaces || other.interfaces, listeners: self.listeners || other.listeners }
    }
}

impl Wish {
    fn set(&mut self, subscribe: &Subscribe) -> Result<(), FilterError> {
        self.interest = Arc::new(Interest::new(subscribe)?);
        self.interval_ms = subscribe.interval_ms.unwrap_or(0);
        Ok(())
    }
}

/// What the hub hears of a subscriber.
pub(crate) enum Call {
    Open(Opened),
    /// The wish changed.
    Changed(u64),
    /// The next frame is wanted.
    Next(u64),
    Closed(u64),
    /// A change of the table by hand; a tick follows.
    Edit(Edit),
    /// Another name, if there is one, and another budget.
    Configure(Option<String>, CpuBudget),
    /// A flow is to be ended.
    Terminate(Order),
    /// Say when the facts about the kernel are fresh.
    Facts(SyncSender<()>),
    /// A look at the table.
    Inspect(Box<dyn FnOnce(&FlowTable) + Send>),
}

pub(crate) type Edit = Box<dyn FnOnce(&mut FlowTable) + Send>;

pub(crate) struct Opened {
    pub(crate) id: u64,
    pub(crate) resume: Option<Resume>,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) changed: Arc<AtomicBool>,
    pub(crate) frames: mpsc::Sender<Arc<Frame>>,
}

/// A running collector. When the last handle and the last subscriber are gone, its threads end.
#[derive(Clone, Debug)]
pub struct CollectorHandle {
    pub(super) calls: mpsc::UnboundedSender<Call>,
    pub(super) hello: watch::Receiver<ServerHello>,
    /// As wide as every machine can count: MIPS has no atomic of 64 bits.
    pub(super) ids: Arc<AtomicUsize>,
    pub(super) confined: Report,
}

impl CollectorHandle {
    /// What a server with this collector says first, as of now. A collector that sleeps looks at the
    /// kernel for it, which takes a moment.
    #[must_use]
    pub fn hello(&self) -> ServerHello {
        let (tell, told) = sync_channel(1);
        if self.calls.send(Call::Facts(tell)).is_ok() {
            let _ = told.recv_timeout(FACTS_WAIT);
        }
        let mut hello = self.hello.borrow().clone();
        hello.clock = clock::both();
        hello.sandbox = Some(self.confined.to_string());
        hello
    }

    /// What confines its threads.
    #[must_use]
    pub fn confined(&self) -> &Report {
        &self.confined
    }

    /// Tells with its hellos that the threads which serve it are confined so.
    #[must_use]
    pub fn served_by(mut self, confined: &Report) -> Self {
        self.confined = self.confined.and(confined);
        self
    }

    /// Changes what can change while it runs. `None` leaves the name.
    pub fn configure(&self, name: Option<String>, budget: CpuBudget) {
        // One that has ended has nothing to configure.
        let _ = self.calls.send(Call::Configure(name, budget));
    }

    /// Whether the table's thread takes up what it is asked. Waits until it does.
    pub async fn is_alive(&self) -> bool {
        let (tell, told) = oneshot::channel();
        let look = move |_: &FlowTable| {
            let _ = tell.send(());
        };
        self.calls.send(Call::Inspect(Box::new(look))).is_ok() && told.await.is_ok()
    }

    /// Ends when the collector has ended, which it does not while there is a handle unless it fails.
    pub async fn ended(&self) {
        self.calls.closed().await;
    }

    /// Begins a subscription. Its first frame begins with the host message; a reset follows unless
    /// it could resume.
    ///
    /// # Errors
    /// When the subscription cannot be served as it is.
    pub fn subscribe(&self, config: SubscriberConfig) -> Result<Subscriber, FilterError> {
        let mut wish = Wish::default();
        wish.set(&config.subscribe)?;
        let id = self.ids.fetch_add(1, Ordering::Relaxed) as u64;
        let (wish, seen) = watch::channel(wish);
        let (frames, next) = mpsc::channel(1);
        let changed = Arc::new(AtomicBool::new(false));
        let opened = Opened { id, resume: config.resume, wish: seen, changed: changed.clone(), frames };
        // A collector that has ended drops the sender of frames, which `next` then tells.
        let _ = self.calls.send(Call::Open(opened));
        Ok(Subscriber { id, calls: self.calls.clone(), wish, changed, frames: next, asked: false })
    }
}

/// One subscription. Dropping it ends it.
#[derive(Debug)]
pub struct Subscriber {
    id: u64,
    calls: mpsc::UnboundedSender<Call>,
    wish: watch::Sender<Wish>,
    changed: Arc<AtomicBool>,
    frames: mpsc::Receiver<Arc<Frame>>,
    asked: bool,
}

impl Subscriber {
    /// The next frame, when there is one; `None` when the collector has ended. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Frame>> {
        if !self.asked {
            self.asked = self.calls.send(Call::Next(self.id)).is_ok();
        }
        let frame = self.frames.recv().await;
        self.asked = false;
        frame
    }

    /// Replaces the subscription. A changed filter or other columns begin with a reset.
    ///
    /// # Errors
    /// When it cannot be served; the old one stays.
    pub fn update(&mut self, subscribe: &Subscribe) -> Result<(), FilterError> {
        let mut new = self.wish.borrow().clone();
        new.set(subscribe)?;
        self.wish.send_replace(new);
        self.tell();
        Ok(())
    }

    /// Stops or resumes delivery.
    pub fn pause(&mut self, on: bool) {
        self.wish.send_modify(|wish| wish.paused = on);
        self.tell();
    }

    /// Names the flows to be read more often; replaces the earlier ones.
    pub fn focus(&mut self, ids: Ids) {
        self.wish.send_modify(|wish| wish.focus = ids);
        self.tell();
    }

    /// Asks for the end of a flow.
    pub fn terminate(&self, order: Order) {
        // A collector that has ended answers by the end of its frames.
        let _ = self.calls.send(Call::Terminate(order));
    }

    /// Names what is looked at besides flows; replaces the earlier one.
    pub fn look(&mut self, at: &[Sight]) {
        self.wish.send_modify(|wish| wish.look = Look::at(at));
        self.tell();
    }

    /// At most one notice is under way, however often wishes change.
    fn tell(&self) {
        if !self.changed.swap(true, Ordering::AcqRel) {
            let _ = self.calls.send(Call::Changed(self.id));
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.calls.send(Call::Closed(self.id));
    }
}
