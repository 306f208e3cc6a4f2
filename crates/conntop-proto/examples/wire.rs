//! Measures the wire: bytes per traffic update and per new flow, raw and compressed, and the time to
//! encode and decode them. Typical values: 1,000 changed flows of 100,000, counters of two to nine
//! digits.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use conntop_proto::codec::{EncodeError, Validate, ZstdEncoder, decode_line, encode_line};
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::message::{Coverage, Pass, ServerMessage};
use conntop_proto::tuple::{L4, Proto, Tuple};

const AT: BootMillis = BootMillis(864_000_123);
const ROWS: u64 = 1000;
const ROUNDS: u32 = 200;

/// xorshift: the same figures in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Every order of magnitude up to 10^digits is as likely.
    fn magnitude(&mut self, digits: u64) -> u64 {
        let digits = self.below(digits) + 1;
        let top = 10_u64.saturating_pow(u32::try_from(digits).unwrap_or(1));
        self.below(top)
    }
}

fn main() -> Result<(), EncodeError> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let traffic: Vec<_> = (0..ROWS).map(|i| (FlowId(7 + i * 100), traffic(&mut random, 0))).collect();
    let lagging: Vec<_> = traffic
        .iter()
        .map(|(id, row)| (*id, TrafficRow { sampled: BootMillis(AT.0 - random.below(900)), ..*row }))
        .collect();
    let new: Vec<_> = (0..ROWS).map(|i| flow(i, &mut random)).collect();
    for (what, rows) in [
        ("traffic update", DeltaRows { traffic, ..DeltaRows::default() }),
        ("traffic update, paced pass", DeltaRows { traffic: lagging, ..DeltaRows::default() }),
        ("new flow", DeltaRows { new, ..DeltaRows::default() }),
    ] {
        measure(what, &rows)?;
    }
    Ok(())
}

fn traffic(random: &mut Random, lag: u64) -> TrafficRow {
    let mut counters = || {
        let packets = random.magnitude(5) + 1;
        Counters { packets, bytes: packets * (40 + random.below(1400)) }
    };
    let (orig, reply) = (Some(counters()), Some(counters()));
    let timeout =
        [120, 300, 432_000].get(usize::try_from(random.below(3)).unwrap_or(0)).copied().unwrap_or(0);
    TrafficRow {
        orig,
        reply,
        resets: 0,
        expires: Some(BootMillis(AT.0 + timeout * 1000)),
        sampled: BootMillis(AT.0 - lag),
    }
}

fn flow(i: u64, random: &mut Random) -> FlowRow {
    let mut host = |net: u8| {
        let [.., c, d] = random.below(0xffff).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(net, 20, c, d))
    };
    let (src, dst) = (host(10), host(203));
    let src_port = 32_768 + u16::try_from(random.below(28_000)).unwrap_or(0);
    let orig = Tuple { src, dst, proto: Proto::TCP, l4: L4::Ports { src: src_port, dst: 443 } };
    let mut reply = orig.inverse();
    if i.is_multiple_of(2) {
        reply.dst = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
    }
    FlowRow {
        identity: IdentityRow {
            id: FlowId(1_000_000 + i),
            zone: 0,
            orig,
            reply,
            reply_zone: 0,
            ct_id: u32::try_from(random.below(u32::MAX.into())).ok(),
            start: None,
            first_seen: BootMillis(AT.0 - random.below(1000)),
            born: false,
            master: None,
        },
        state: StateRow { state: State::Established, status: Status(0x18e) },
        traffic: traffic(random, 0),
        meta: MetaRow::default(),
    }
}

fn measure(what: &str, rows: &DeltaRows) -> Result<(), EncodeError> {
    let header = DeltaHeader {
        cursor: 123_456_789,
        in_step: true,
        at: AT,
        pass: Pass {
            number: 8_640,
            coverage: Coverage::Whole,
            started: AT,
            finished: Some(AT),
            read: 100_000,
            dirty: false,
        },
    };
    let mut encoder = ZstdEncoder::new()?;
    let (mut lines, mut deltas) = (Vec::new(), 0);
    let encode = fastest(|| {
        lines.clear();
        let messages = rows.clone().into_deltas(header);
        deltas = messages.len();
        messages
            .into_iter()
            .try_for_each(|delta| encode_line(&ServerMessage::Delta(Box::new(delta)), &mut lines))
    })?;
    let each_line = || lines.split_inclusive(|&b| b == b'\n');
    let decode = fastest(|| {
        for line in each_line() {
            if let Ok(ServerMessage::Delta(delta)) = decode_line(black_box(line), Validate::Control) {
                let _ = black_box(delta.rows());
            }
        }
        Ok(())
    })?;
    let validated = fastest(|| {
        for line in each_line() {
            let _ = black_box(decode_line::<ServerMessage>(black_box(line), Validate::All));
        }
        Ok(())
    })?;
    let frame = encoder.frame(&lines)?;
    let bytes = |n: usize| u32::try_from(n).map_or(f64::NAN, f64::from) / 1000.0;
    println!(
        "{what}: {:.1} bytes, {:.1} compressed; rows to bytes {encode:.0} ns, bytes to rows {decode:.0} ns, \
         bytes to message with the whole schema {validated:.0} ns; {deltas} line(s)",
        bytes(lines.len()),
        bytes(frame.len()),
    );
    Ok(())
}

/// Nanoseconds per row of the fastest of many rounds: the others were disturbed.
fn fastest(mut round: impl FnMut() -> Result<(), EncodeError>) -> Result<f64, EncodeError> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        round()?;
        best = best.min(begun.elapsed().as_secs_f64() * 1e9 / 1000.0);
    }
    Ok(best)
}
