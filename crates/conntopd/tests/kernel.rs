//! The collector against a real kernel, in a network namespace of its own. Needs root and `ip`;
//! skipped with a word otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::process::Command;
use std::time::Duration;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::EndReason;
use conntop_proto::message::{ServerMessage, Subscribe};
use conntopd::collector::{Collector, CollectorConfig, Netns, Subscriber, SubscriberConfig};
use nfnetlink::RequestSocket;
use nfnetlink::ct::{FlowRef, L4, NewFlow, ProtoState, Requests, Tuple};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Option<Self> {
        let name = format!("ct-daemon-{name}-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).status().is_ok_and(|s| s.success());
        if !made {
            eprintln!("skipped: needs root and `ip netns`");
        }
        made.then_some(Self(name))
    }

    fn run<T: Send>(&self, body: impl FnOnce(&mut RequestSocket) -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                Netns::Name(self.0.clone()).enter().unwrap();
                body(&mut RequestSocket::open().unwrap())
            });
            thread.join().unwrap()
        })
    }

    fn create(&self, ports: std::ops::Range<u16>) {
        self.run(|socket| {
            for port in ports {
                let mut requests = Requests::new();
                let state = Some(ProtoState::Tcp(3));
                let (orig, reply) = (tuple(port), tuple(port).inverse());
                requests.create(&NewFlow { orig, reply, timeout: 300, state, ..NewFlow::default() });
                assert_eq!(socket.run("creating", &mut requests).unwrap().failed, 0);
            }
        });
    }

    fn delete(&self, ports: std::ops::Range<u16>) {
        self.run(|socket| {
            for port in ports {
                let mut requests = Requests::new();
                requests.delete(&FlowRef { orig: tuple(port), ..FlowRef::default() });
                assert_eq!(socket.run("deleting", &mut requests).unwrap().failed, 0);
            }
        });
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn tuple(port: u16) -> Tuple {
    Tuple {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        proto: 6,
        l4: L4::Ports { src: port, dst: 443 },
        zone: None,
    }
}

/// Reads frames until `done` says so, all deltas put together.
async fn until(subscriber: &mut Subscriber, done: impl Fn(&DeltaRows, bool) -> bool) -> DeltaRows {
    let mut all = DeltaRows::default();
    let mut synced = false;
    let reading = async {
        while !done(&all, synced) {
            let frame = subscriber.next().await.expect("the collector goes on");
            for message in &frame.messages {
                match message {
                    ServerMessage::Delta(delta) => {
                        let rows = delta.rows().unwrap();
                        all.ended.extend(rows.ended);
                        all.new.extend(rows.new);
                        all.traffic.extend(rows.traffic);
                    }
                    ServerMessage::Synced(_) => synced = true,
                    _ => {}
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("in time");
    all
}

fn collect(namespace: &Namespace, events: bool, subscribe: Subscribe) -> Subscriber {
    let netns = Some(Netns::Name(namespace.0.clone()));
    let interval = Duration::from_millis(100);
    let config = CollectorConfig { netns, events, interval, ..CollectorConfig::default() };
    let handle = Collector::spawn(config).unwrap();
    handle.subscribe(SubscriberConfig { subscribe, resume: None }).unwrap()
}

async fn check(name: &str, events: bool) {
    let Some(namespace) = Namespace::new(name) else { return };
    namespace.create(1..101);
    let mut subscriber = collect(&namespace, events, Subscribe::default());
    let first = until(&mut subscriber, |_, synced| synced).await;
    assert_eq!(first.new.len(), 100);
    assert!(first.new.iter().all(|row| !row.identity.born && row.identity.ct_id.is_some()));

    namespace.delete(1..11);
    let then = until(&mut subscriber, |rows, _| rows.ended.len() >= 10).await;
    // Whether flows from before tell their end depends on who listened when they were made.
    let missing = then.ended.iter().filter(|row| row.reason == EndReason::Missing).count();
    assert!(events || missing == then.ended.len(), "{:?}", then.ended);

    namespace.create(200..210);
    let then = until(&mut subscriber, |rows, _| rows.new.len() >= 10).await;
    assert_eq!(then.new.len(), 10);
    assert!(then.new.iter().all(|row| row.identity.born == events));

    if events {
        namespace.create(300..305);
        namespace.delete(300..305);
        let then = until(&mut subscriber, |rows, _| rows.ended.len() >= 5).await;
        assert!(then.ended.iter().all(|row| row.reason == EndReason::Destroyed));
    }
}

#[tokio::test]
async fn events_and_dumps() {
    check("events", true).await;
}

#[tokio::test]
async fn dumps_only() {
    check("dumps", false).await;
}
