//! Messages. One JSON object per line, externally tagged: `{"delta":{...}}`.
//!
//! Order on a connection: where a token is needed, server `challenge`, client `proof`, server `proof`; then server `hello`, client `hello` (which subscribes), then from the server
//! `host`, `reset` unless the client resumed, deltas until `synced`, one delta a tick from then on.

mod host;
mod machine;
mod proof;
mod sanitize;
mod terminate;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::columns::{EndedFlows, Ids, MetaChanges, NewFlows, StateChanges, TrafficChanges};
use crate::flow::BootMillis;

pub use self::host::{Host, HostAddress, HostName, Interface, Mac, MacError, NameOrigin, Neighbour};
pub use self::machine::{
    InterfaceState, Interfaces, LinkCounters, LinkState, Listener, Listeners, Look, Sight,
};
pub use self::proof::{Challenge, ClientProof, Hex32, HexError, ServerProof};
pub use self::terminate::{Act, Outcome, Terminate, Terminated};

/// Everything a server sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ServerMessage {
    /// First message where a token is needed.
    Challenge(Challenge),
    /// Answer to the client's proof.
    Proof(ServerProof),
    /// First message, before the client has said anything; where a token is needed, after the proofs.
    Hello(Box<ServerHello>),
    /// The collector's own addresses and networks, and whom it knows in them; again whenever that
    /// changes.
    Host(Host),
    /// All flows follow anew. The client keeps what it shows until `synced`, then drops the flows
    /// that were not sent again.
    Reset(Reset),
    /// What changed.
    Delta(Box<Delta>),
    /// Every flow that was in the table when the client subscribed has been sent.
    Synced(Synced),
    /// The kernel's table as a whole.
    Table(TableStats),
    /// Events were lost; the table is being repaired.
    Lost(Lost),
    /// Answer to the client's `terminate`.
    Terminated(Terminated),
    /// The machine's interfaces and what has passed them, for clients that look at them.
    Interfaces(Interfaces),
    /// The machine's sockets that wait for connections, for clients that look at them.
    Listeners(Listeners),
    /// Are you there? The answer is `pong` with the same number.
    Ping(Ping),
    /// Answer to the client's `ping`.
    Pong(Ping),
    /// The server closes the connection after this.
    Bye(Bye),
}

/// Everything a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Answer to a challenge, before the `hello`.
    Proof(ClientProof),
    /// First message of a client.
    Hello(Box<ClientHello>),
    /// Replaces the subscription of the `hello`; a changed filter starts with a `reset`.
    Subscribe(Subscribe),
    /// Flows on the screen: the server reads them more often where it paces its passes. Replaces
    /// the earlier list. Only for servers with the feature `focus`.
    Focus(Focus),
    /// What the client looks at besides flows: it is read and sent only while somebody does. Replaces
    /// the earlier one. Only what the server's features name.
    Look(Look),
    /// Stops or resumes the delivery of deltas to this client only.
    Pause(Pause),
    /// Ends one flow. Only for servers with the feature `terminate`.
    Terminate(Terminate),
    /// Are you there?
    Ping(Ping),
    /// Answer to the server's `ping`.
    Pong(Ping),
    /// The client closes the connection after this.
    Bye(Bye),
}

/// What a server is and can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerHello {
    /// Protocol version, 1.
    pub protocol: u32,
    /// Program and version, `conntopd 0.1.0`.
    pub server: String,
    /// The node's name (host name unless configured).
    pub name: String,
    /// Names one life of the table; ids and cursors mean nothing in another.
    pub epoch: u64,
    /// Kernel and machine, `Linux 6.18.0 x86_64`.
    pub platform: String,
    /// Optional abilities: `focus`, `terminate`.
    pub features: Vec<String>,
    /// Codecs that the client may choose besides `none`.
    pub codecs: Vec<Codec>,
    /// Shortest interval between deltas, milliseconds.
    pub interval_ms: u32,
    /// What the kernel gives.
    pub kernel: KernelFacts,
    /// Both clocks of the collector at one moment.
    pub clock: Clock,
    /// What confines the collector's threads, for people to read, such as
    /// `best: caps, landlock 6, seccomp`; null when it does not say.
    #[serde(default)]
    pub sandbox: Option<String>,
}

/// What the collector's kernel and namespace give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KernelFacts {
    /// Whether new flows are accounted (nf_conntrack_acct); null when not known.
    pub acct: Option<bool>,
    /// Whether new flows get start times (nf_conntrack_timestamp).
    pub timestamp: Option<bool>,
    /// nf_conntrack_events: 0 none, 1 all, 2 only while somebody listens.
    pub events: Option<u32>,
    /// Most entries that the table takes; global to the machine.
    pub max: Option<u64>,
    /// Hash buckets; global to the machine.
    pub buckets: Option<u64>,
    /// Whether the collector listens to events (`--no-events` turns it off).
    pub listening: bool,
    /// Bytes of the event socket's buffer as the kernel granted them.
    pub event_buffer: Option<u64>,
    /// Network namespace: the inode of its nsfs file.
    pub netns: Option<u64>,
    /// Whether something in the namespace makes the kernel track connections; null when not known.
    pub tracking: Option<bool>,
    /// What the flows are read from; left out when it is the connection tracking table.
    #[serde(default, skip_serializing_if = "Origin::is_conntrack")]
    pub origin: Origin,
}

/// What flows are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The connection tracking table: all flows of the machine, forwarded ones too; bytes are IP bytes.
    #[default]
    Conntrack,
    /// The sockets of the machine: flows that end there. Bytes are those of the TCP stream that arrived,
    /// without headers; other protocols have no counters.
    Sockets,
}

impl Origin {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    fn is_conntrack(&self) -> bool {
        *self == Self::Conntrack
    }
}

/// Both clocks of the collector at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// CLOCK_BOOTTIME.
    pub boot: BootMillis,
    /// Milliseconds since 1970 by the wall clock.
    pub wall_ms: u64,
}

/// What a client is and wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientHello {
    /// Protocol version, 1.
    pub protocol: u32,
    /// Program and version.
    pub client: String,
    /// Name of the machine or person, for the server's log.
    pub name: String,
    /// Encoding of everything that the server sends after this.
    #[serde(default)]
    pub codec: Codec,
    /// Where to go on after a lost connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// What to send.
    #[serde(default)]
    pub subscribe: Subscribe,
}

/// Encoding of the server's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Lines of JSON.
    #[default]
    None,
    /// 4-byte big-endian lengths, each followed by one zstd frame of whole lines.
    Zstd,
}

/// A point in the stream that the client has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Epoch of the server's hello or reset.
    pub epoch: u64,
    /// `cursor` of the last delta whose `in_step` was true.
    pub cursor: u64,
}

/// What a client wants to get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Milliseconds between deltas; null or less than the server's interval means the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// Groups of columns to send besides identity; null means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<ColumnGroup>>,
    /// Only flows that match; tests only what never changes in a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<ServerFilter>,
}

/// Groups of columns that change together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ColumnGroup {
    /// State and status.
    State,
    /// Counters and timeout.
    Traffic,
    /// Mark, labels, helper.
    Meta,
}

/// A filter applied by the server: every list that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerFilter {
    /// IP protocol numbers, any of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protos: Vec<u8>,
    /// Networks as `address/prefix`; any address of either tuple in any of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<String>,
    /// Ports; any port of either tuple.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Zones of the original direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<u16>,
}

/// Flows that a client shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Focus {
    /// Ids, ascending.
    pub id: Ids,
}

/// Stops or resumes delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// True stops.
    pub on: bool,
}

/// Start of a new life of the table, or of a full repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Epoch that is valid from now on.
    pub epoch: u64,
    /// Why.
    pub reason: ResetReason,
}

/// Why all flows follow anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// A new client, or one with a cursor of another epoch.
    Start,
    /// The client was so far behind that ended flows had been forgotten.
    Behind,
    /// The subscription changed.
    Subscription,
    /// The collector slept and began a new table.
    Restart,
}

/// What changed since the client's cursor. The parts are to be applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// Position in the stream of changes that this delta reaches.
    pub cursor: u64,
    /// Whether nothing was pending after it: a point to resume from. Left out when true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub in_step: bool,
    /// When the delta was made.
    pub at: BootMillis,
    /// The pass over the table that the counters come from; left out before the first.
    #[serde(default, skip_serializing_if = "PassAgo::is_none")]
    pub pass: PassAgo,
    /// Flows that ended.
    #[serde(default, skip_serializing_if = "EndedFlows::is_empty")]
    pub ended: EndedFlows,
    /// Flows that the client does not know yet; a row of a known id replaces it.
    #[serde(default, skip_serializing_if = "NewFlows::is_empty")]
    pub new: NewFlows,
    /// Changed states.
    #[serde(default, skip_serializing_if = "StateChanges::is_empty")]
    pub state: StateChanges,
    /// Changed counters and timeouts.
    #[serde(default, skip_serializing_if = "TrafficChanges::is_empty")]
    pub traffic: TrafficChanges,
    /// Changed marks, labels, helpers.
    #[serde(default, skip_serializing_if = "MetaChanges::is_empty")]
    pub meta: MetaChanges,
}

/// Which flows a pass reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// The whole table: what it does not find has ended.
    #[default]
    Whole,
    /// The flows that are known already.
    Known,
    /// Assured flows (status bit 2) only.
    Assured,
}

impl Coverage {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_true(value: &bool) -> bool {
    *value
}

/// One reading of the kernel's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Number of the latest pass, 0 before the first.
    pub number: u64,
    /// Which flows it reads.
    pub coverage: Coverage,
    /// When it began.
    pub started: BootMillis,
    /// When it was done; `None` while it runs.
    pub finished: Option<BootMillis>,
    /// Entries read so far; a client learns of it only while the pass runs.
    pub read: u64,
    /// Whether it may have missed changes (events lost meanwhile); another one follows.
    pub dirty: bool,
}

/// One reading of the kernel's table, as a delta tells of it: times before its `at`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PassAgo {
    /// Number of the latest pass, from 1.
    #[serde(deserialize_with = "from_one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub number: u64,
    /// Which flows it reads; left out when it is the whole table.
    #[serde(default, rename = "of", skip_serializing_if = "Coverage::is_whole")]
    pub coverage: Coverage,
    /// Milliseconds from its beginning to the delta's `at`; 0 when left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lag: u64,
    /// Milliseconds that it took, at most `lag`; null or left out while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// Entries read so far; left out when it is done, and when there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read: u64,
    /// Whether it may have missed changes (events lost meanwhile); left out when false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
}

/// A delta without a pass leaves it out: one of number 0 would be encoded as none.
fn from_one<'de, D: Deserializer<'de>>(number: D) -> Result<u64, D::Error> {
    match u64::deserialize(number)? {
        0 => Err(D::Error::custom("pass 0, passes are counted from 1")),
        number => Ok(number),
    }
}

impl PassAgo {
    /// Puts the pass before `at`; what lies after `at` becomes `at`.
    #[must_use]
    pub fn new(pass: Pass, at: BootMillis) -> Self {
        if pass.number == 0 {
            return Self::default();
        }
        Self {
            number: pass.number,
            coverage: pass.coverage,
            lag: at.since(pass.started),
            took: pass.finished.map(|finished| finished.min(at).since(pass.started)),
            read: if pass.finished.is_some() { 0 } else { pass.read },
            dirty: pass.dirty,
        }
    }

    /// The pass by the collector's clock.
    #[must_use]
    pub fn absolute(self, at: BootMillis) -> Pass {
        if self.is_none() {
            return Pass::default();
        }
        let started = BootMillis(at.0.saturating_sub(self.lag));
        Pass {
            number: self.number,
            coverage: self.coverage,
            started,
            finished: self.took.map(|took| BootMillis(started.0.saturating_add(took).min(at.0))),
            read: self.read,
            dirty: self.dirty,
        }
    }

    /// Whether there was none yet.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.number == 0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The first full transfer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Synced {
    /// The head of the table when the client subscribed.
    pub cursor: u64,
}

/// The kernel's table as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableStats {
    /// When it was read.
    pub at: BootMillis,
    /// Entries in this namespace as the kernel counts them; null when it would not say.
    pub count: Option<u64>,
    /// Most entries, global to the machine.
    pub max: Option<u64>,
    /// Flows that the collector holds.
    pub flows: u64,
    /// Whether the collector holds fewer than there are, because its own limit was reached.
    pub truncated: bool,
    /// Packets dropped by connection tracking since boot.
    pub drop: Option<u64>,
    /// Entries that could not be inserted since boot.
    pub insert_failed: Option<u64>,
    /// Entries dropped early because the table was full, since boot.
    pub early_drop: Option<u64>,
    /// Whether something in the namespace makes the kernel track connections, as the hello's
    /// `kernel.tracking`, but of now; null or left out when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<bool>,
}

/// Events that the kernel could not deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// How many overruns the kernel reported since the collector began.
    pub overruns: u64,
    /// How many events were dropped, as far as the kernel counts them; null when it does not.
    pub events: Option<u64>,
    /// When the first one since the last clean pass was seen; null when all is repaired.
    pub since: Option<BootMillis>,
}

/// A number to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// Any number.
    pub nonce: u32,
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bye {
    /// For programs.
    pub reason: ByeReason,
    /// For people: what happened and what to do.
    pub text: String,
}

/// Why a connection ends, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ByeReason {
    /// The sender stops.
    Shutdown,
    /// The two protocol versions do not fit.
    Version,
    /// The other side broke the protocol; the text says how.
    Protocol,
    /// A limit of the sender was reached.
    Limit,
    /// The reader took nothing for too long.
    Slow,
    /// No answer to pings.
    Timeout,
    /// The sender failed.
    Internal,
    /// The client has not proved, or is not known, to be somebody who may read.
    Auth,
}
