//! Mirrors made by hand, for tests: rows go in as messages, as they would from a collector.

use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::{
    BootMillis, Counters, EndReason, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status,
    TrafficRow,
};
use conntop_proto::message::{Coverage, Pass, ServerMessage};
use conntop_proto::tuple::{L4, Proto, Tuple};

use crate::flow::{Now, Source};
use crate::mirror::Mirror;
use crate::orient::LocalNets;

/// A mirror and its time in milliseconds.
pub(crate) struct World {
    pub(crate) mirror: Mirror,
    pub(crate) now: u64,
    cursor: u64,
    pass: Pass,
}

impl Default for World {
    fn default() -> Self {
        let mut world = Self { mirror: Mirror::default(), now: 0, cursor: 0, pass: Pass::default() };
        world.place(LocalNets::default());
        world
    }
}

impl World {
    /// Says what is local.
    pub(crate) fn place(&mut self, nets: LocalNets) {
        self.mirror.set_classify(Box::new(move |orig, reply| nets.orient(orig, reply).into()));
    }

    pub(crate) fn source(&self) -> Source<'_> {
        let now = Now { boot: BootMillis(self.now), wall: Some(self.now * 1000 + WALL) };
        Source { name: "here", ..Source::only(&self.mirror, now) }
    }

    /// Applies a delta at the end of a complete pass, one second after the one before.
    pub(crate) fn pass(&mut self, rows: DeltaRows) {
        self.tell(rows, Some(Coverage::Whole));
    }

    /// Applies a delta one second after the one before, at the end of a pass that covered so much, or
    /// at a moment at which none ends.
    pub(crate) fn tell(&mut self, rows: DeltaRows, pass: Option<Coverage>) {
        self.now += 1000;
        self.cursor += 1;
        let at = BootMillis(self.now);
        if let Some(coverage) = pass {
            let number = self.pass.number + 1;
            let finished = Some(at);
            self.pass = Pass { number, coverage, started: at, finished, read: 0, dirty: false };
        }
        let header = DeltaHeader { cursor: self.cursor, in_step: true, at, pass: self.pass };
        let delta = rows.into_delta(header);
        self.mirror.apply(&ServerMessage::Delta(Box::new(delta))).unwrap();
    }
}

/// Wall clock at the boot of the machine, microseconds.
pub(crate) const WALL: u64 = 1_700_000_000_000_000;

/// A TCP flow from `src` to `dst`, each `address:port`, that began at `first_seen`.
pub(crate) fn flow(id: u64, src: &str, dst: &str) -> FlowRow {
    let (src, dst): (std::net::SocketAddr, std::net::SocketAddr) =
        (src.parse().unwrap(), dst.parse().unwrap());
    let orig = Tuple {
        src: src.ip(),
        dst: dst.ip(),
        proto: Proto::TCP,
        l4: L4::Ports { src: src.port(), dst: dst.port() },
    };
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig,
            reply: orig.inverse(),
            reply_zone: 0,
            ct_id: None,
            start: None,
            first_seen: BootMillis(0),
            born: false,
            master: None,
        },
        state: StateRow { state: State::Established, status: Status(0xe) },
        traffic: TrafficRow::default(),
        meta: MetaRow::default(),
    }
}

/// Counters of both directions, ten packets each, read at `sampled`.
pub(crate) fn traffic(orig: u64, reply: u64, sampled: u64) -> TrafficRow {
    TrafficRow {
        orig: Some(Counters { packets: 10, bytes: orig }),
        reply: Some(Counters { packets: 10, bytes: reply }),
        resets: 0,
        expires: Some(BootMillis(sampled + 100_000)),
        sampled: BootMillis(sampled),
    }
}

/// The end of a flow with these counters.
pub(crate) fn ended(id: u64, at: u64, traffic: TrafficRow) -> EndedRow {
    EndedRow {
        id: FlowId(id),
        at: BootMillis(at),
        reason: EndReason::Destroyed,
        stop: None,
        traffic,
        short: None,
    }
}

/// Compares a generated page of `docs/manual` with the committed one; with `BLESS` in the environment
/// it writes it instead.
pub(crate) fn check_page(name: &str, page: &str) {
    let path = format!("{}/../../docs/manual/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/manual/{name} has drifted: run `BLESS=1 cargo test -p conntop manual`");
}
