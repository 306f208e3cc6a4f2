//! One script of table changes through all ways to a mirror: the collector in this process, TCP with
//! compression, a unix socket without, a recording; a client that reads slowly, one that joins in
//! the middle, one whose connection breaks and that goes on from its cursor. After every step every
//! mirror holds what the table holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop::here::linux::local;
use conntop::source::record::Recorder;
use conntop::source::{RemoteConfig, Security, Source, SourceEvent, Target, remote, replay};
use conntop_proto::codec::Validate;
use conntop_proto::flow::{BootMillis, FlowRow};
use conntop_proto::message::{Codec, Coverage, Host, ServerMessage, Subscribe};
use conntopd::args::{Listen, Need};
use conntopd::auth::Credentials;
use conntopd::collector::{CollectorHandle, Feeder, clock};
use conntopd::server::Server;
use conntopd::server::listen::{self, Access, Listener, Listeners};
use conntopd::table::{FlowTable, Origin, Outcome, ReadSpan};
use nfnetlink::ct::{Counters, CtMessage, L4, Status, Tuple};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// More than one chunk, and more than a socket holds when nobody reads.
const FLOWS: u32 = 3_500;
/// No step takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn span() -> ReadSpan {
    let now = clock::now();
    ReadSpan { from: now, to: now }
}

/// Flows of several kinds by number: NAT, zones, marks, protocols without ports.
fn flow(number: u32, bytes: u64) -> CtMessage<'static> {
    let src = Ipv4Addr::from_bits(0x0a00_0000 | number).into();
    let dst = Ipv4Addr::new(192, 0, 2, 1).into();
    let (proto, l4) = match number % 4 {
        0 => (47, L4::None),
        1 => (6, L4::Ports { src: 1000, dst: 443 }),
        _ => (17, L4::Ports { src: 1000, dst: 53 }),
    };
    let orig = Tuple { src, dst, proto, l4, zone: None };
    let mut reply = orig.inverse();
    if number.is_multiple_of(3) {
        reply.dst = Ipv4Addr::new(203, 0, 113, 9).into();
    }
    let counters = Some(Counters { packets: bytes / 100, bytes });
    CtMessage {
        orig,
        reply,
        zone: (number.is_multiple_of(5)).then_some(7),
        mark: (number.is_multiple_of(7)).then_some(number),
        id: Some(number),
        status: Some(Status(if bytes > 100 { 14 } else { 8 })),
        timeout: Some(30),
        counters_orig: counters,
        counters_reply: counters,
        ..CtMessage::default()
    }
}

fn pass(table: &mut FlowTable, numbers: impl Iterator<Item = u32>, bytes: u64) {
    table.begin_pass(clock::now(), Coverage::Whole);
    for number in numbers {
        table.observe(span(), Origin::Dump, &flow(number, bytes));
    }
    table.end_pass(clock::now(), Outcome::Complete);
}

/// What it is about, and what it does to the table.
type Step = (&'static str, fn(&mut FlowTable));

/// What happens to the table, one step after the other.
const SCRIPT: &[Step] = &[
    ("a first pass", |t| pass(t, 0..FLOWS, 100)),
    ("nothing changes", |t| pass(t, 0..FLOWS, 100)),
    ("half of them move", |t| {
        pass(t, 0..FLOWS, 100);
        pass(t, FLOWS / 2..FLOWS, 200);
    }),
    ("some end, some begin, some do both", |t| {
        for number in FLOWS / 2..FLOWS / 2 + 1500 {
            t.destroy(span(), &flow(number, 350));
        }
        for number in FLOWS..FLOWS + 1000 {
            t.observe(span(), Origin::NewEvent, &flow(number, 0));
        }
        for number in FLOWS + 500..FLOWS + 800 {
            t.destroy(span(), &flow(number, 60));
        }
    }),
    ("the same tuples live again", |t| {
        for number in FLOWS / 2..FLOWS / 2 + 1000 {
            t.observe(span(), Origin::NewEvent, &flow(number, 0));
        }
        pass(t, 0..FLOWS, 400);
    }),
    ("counters are zeroed by somebody", |t| pass(t, 0..FLOWS, 50)),
    ("a flush", |t| pass(t, 0..0, 0)),
    ("a new beginning", |t| pass(t, 100..3000, 900)),
];

/// What can be compared: expiry is rounded on the wire, and a sample that changed nothing is not
/// sent.
fn comparable(mut row: FlowRow) -> FlowRow {
    row.traffic.expires = None;
    row.traffic.sampled = BootMillis(0);
    row
}

fn sorted(rows: impl Iterator<Item = FlowRow>) -> Vec<FlowRow> {
    let mut rows: Vec<FlowRow> = rows.map(comparable).collect();
    rows.sort_by_key(|row| row.identity.id);
    rows
}

/// A front end.
struct Client {
    name: &'static str,
    source: Source,
    engine: Engine,
    resets: u32,
    lost: u32,
    recording: Recorder<Vec<u8>>,
}

impl Client {
    fn new(name: &'static str, source: Source) -> Self {
        let recording = Recorder::new(Vec::new());
        Self { name, source, engine: Engine::default(), resets: 0, lost: 0, recording }
    }

    fn remote(name: &'static str, target: Target, codec: Codec) -> Self {
        let subscribe = Subscribe::default();
        let config = RemoteConfig {
            target,
            name: name.to_owned(),
            subscribe,
            codec,
            validate: Validate::All,
            security: Security::default(),
        };
        Self::new(name, remote(config))
    }

    fn secure(name: &'static str, address: SocketAddr, security: &Security) -> Self {
        let config = RemoteConfig {
            target: format!("tls://{address}").parse().unwrap(),
            name: name.to_owned(),
            subscribe: Subscribe::default(),
            codec: Codec::Zstd,
            validate: Validate::All,
            security: security.clone(),
        };
        Self::new(name, remote(config))
    }

    fn rows(&self) -> Vec<FlowRow> {
        sorted(self.engine.mirror().flows().map(|(_, flow)| flow.row()))
    }

    fn take(&mut self, event: SourceEvent) {
        match &event {
            SourceEvent::Messages(messages) => {
                let reset = |m: &&ServerMessage| matches!(m, ServerMessage::Reset(_));
                self.resets += u32::try_from(messages.as_slice().iter().filter(reset).count()).unwrap();
            }
            SourceEvent::Stale { .. } => self.lost += 1,
            SourceEvent::Ended(end) => panic!("{}: {end:?}", self.name),
            SourceEvent::Connected(_) | SourceEvent::Playing(_) | SourceEvent::Rewound => {}
        }
        self.recording.event(&event).unwrap();
        self.engine.apply(event, Instant::now()).unwrap();
    }

    /// Takes in events until the mirror is what the table is.
    async fn reach(&mut self, step: &str, table: &[FlowRow]) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let position = self.engine.mirror().position();
            if position.synced && position.in_step && self.rows() == table {
                break;
            }
            match tokio::time::timeout_at(deadline, self.source.next()).await {
                Ok(event) => self.take(event.unwrap()),
                Err(_) => self.explain(step, table),
            }
        }
    }

    fn explain(&self, step: &str, table: &[FlowRow]) -> ! {
        let rows = self.rows();
        let first = rows.iter().zip(table).find(|(a, b)| a != b);
        panic!(
            "{} after `{step}`: {} flows, the table has {}; {:?}; first difference {first:#?}",
            self.name,
            rows.len(),
            table.len(),
            self.engine.mirror().position(),
        );
    }
}

async fn held(feeder: &Feeder) -> Vec<FlowRow> {
    feeder.inspect(|table| sorted(table.flows())).await.unwrap()
}

/// Plays what was recorded so far into a fresh engine.
async fn replayed(recording: Vec<u8>) -> Vec<FlowRow> {
    let mut source = replay(Cursor::new(recording), Validate::Control);
    let mut engine = Engine::default();
    while let Some(event) = source.next().await {
        if matches!(event, SourceEvent::Ended(_)) {
            break;
        }
        engine.apply(event, Instant::now()).unwrap();
    }
    sorted(engine.mirror().flows().map(|(_, flow)| flow.row()))
}

/// Passes connections on; each `cut` ends those that are there.
async fn proxy(listener: TcpListener, to: SocketAddr, cut: watch::Receiver<u32>) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut cut = cut.clone();
        cut.mark_unchanged();
        tokio::spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

#[tokio::test]
async fn every_way_ends_in_the_same_mirror() {
    let (collector, feeder) = CollectorHandle::by_hand(Host::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unix = listen::unix(&directory.path().join("socket")).await.unwrap();
    let path = unix.path().to_owned();
    let loopback = Listen { address: (Ipv4Addr::LOCALHOST, 0).into(), need: Need::Required };
    let secrets = directory.path().join("secrets");
    let made = Credentials::create(&secrets).unwrap();
    let token = std::fs::read_to_string(made.token).unwrap().parse().unwrap();
    let security = Security { token: Some(token), pin: Some(made.fingerprint), known: None };
    let credentials = watch::Sender::new(Arc::new(Credentials::load(&secrets).unwrap()));
    let [plain, secure] = [loopback; 2].map(|listen| listen::tcp(&[listen]).unwrap().remove(0));
    let (address, by_tls) = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
    let listeners = vec![
        Listener::peer(unix),
        Listener::peer(plain),
        Listener { socket: secure.into(), access: Access::Token(credentials.subscribe()) },
    ];
    let server = Server::new(collector.clone(), Listeners::new(listeners), 16);
    let (cut, cuts) = watch::channel(0);
    let [mut broken, mut broken_tls] = [address; 2];
    for (to, through) in [(address, &mut broken), (by_tls, &mut broken_tls)] {
        let between = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        *through = between.local_addr().unwrap();
        tokio::spawn(proxy(between, to, cuts.clone()));
    }
    let (stop, stopped) = oneshot::channel::<()>();

    let tcp = |address: SocketAddr| address.to_string().parse::<Target>().unwrap();
    let script = async {
        let mut clients = vec![
            Client::new("local", local(&collector, Subscribe::default()).unwrap()),
            Client::remote("tcp", tcp(address), Codec::Zstd),
            Client::remote("unix", Target::Unix(path), Codec::None),
            Client::remote("resuming", tcp(broken), Codec::Zstd),
            Client::secure("resuming by TLS", broken_tls, &security),
        ];
        let mut slow = Client::remote("slow", tcp(address), Codec::None);
        for (number, (step, edit)) in SCRIPT.iter().enumerate() {
            if number == 3 {
                // In the middle of what happens: the edit is not waited for.
                clients.push(Client::remote("late", tcp(address), Codec::Zstd));
            }
            if number >= 2 {
                cut.send_modify(|n| *n += 1);
            }
            feeder.edit(*edit);
            let table = held(&feeder).await;
            for client in &mut clients {
                client.reach(step, &table).await;
            }
            let recording = std::mem::replace(&mut clients[0].recording, Recorder::new(Vec::new()));
            let recording = recording.finish().unwrap();
            assert_eq!(replayed(recording.clone()).await, table, "recording after `{step}`");
            clients[0].recording = Recorder::new(recording);
            // The slow one takes an event now and then, and everything at the end.
            if let Some(event) = slow.source.try_next() {
                slow.take(event);
            }
        }
        let table = held(&feeder).await;
        slow.reach("the end", &table).await;
        for resuming in clients.iter().filter(|client| client.name.starts_with("resuming")) {
            let Client { name, lost, resets, .. } = resuming;
            assert!(*lost >= 3, "{name}: its connection broke {lost} times");
            assert_eq!(*resets, 1, "{name}: it went on from its cursor every time");
        }
        drop(stop);
    };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::join!(server.run(stopped), script);
}
