//! What the wire costs for each row, in both directions: `cargo bench -p conntop-proto`. What is
//! measured is described in `dataset`; the items of divan's throughput are rows.

use conntop_proto::codec::{LineDecoder, Validate, ZstdEncoder};
use conntop_proto::delta::DeltaRows;
use conntop_proto::message::ServerMessage;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

mod dataset;

use dataset::{Sizes, changes, deltas, flows, header, lines};

fn main() {
    divan::main();
}

/// What is encoded and decoded.
#[derive(Clone, Copy, Debug)]
enum What {
    /// 1,000 changed flows.
    Updates,
    /// 1,000 flows that the client does not know.
    New1k,
    /// A whole table.
    New100k,
}

const ALL: [What; 3] = [What::Updates, What::New1k, What::New100k];

impl What {
    fn rows(self) -> DeltaRows {
        let new = |count| DeltaRows { new: flows(count, Sizes::Usual, 250), ..DeltaRows::default() };
        match self {
            Self::Updates => changes(Sizes::Usual, 250),
            Self::New1k => new(1000),
            Self::New100k => new(100_000),
        }
    }

    fn messages(self) -> Vec<ServerMessage> {
        deltas(&self.rows(), header(250))
    }
}

fn bytes_to_messages(bytes: &[u8]) -> Vec<ServerMessage> {
    let mut decoder = LineDecoder::new(Validate::Control);
    let mut messages = Vec::new();
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        decoder.push(line);
        messages.extend(decoder.next().and_then(Result::ok));
    }
    messages
}

/// Rows to columns, columns to JSON.
#[divan::bench(args = ALL)]
fn encode(bencher: Bencher<'_, '_>, what: What) {
    let rows = what.rows();
    let bencher = bencher.counter(ItemsCount::new(rows.len()));
    bencher.bench_local(|| lines(&deltas(black_box(&rows), header(250))));
}

/// Lines to frames.
#[divan::bench(args = ALL)]
fn compress(bencher: Bencher<'_, '_>, what: What) {
    let lines = lines(&what.messages());
    let mut encoder = ZstdEncoder::new().ok();
    let bencher = bencher.counter(ItemsCount::new(what.rows().len()));
    bencher.bench_local(|| {
        for line in black_box(&lines).split_inclusive(|&b| b == b'\n') {
            let _ = black_box(encoder.as_mut().map(|encoder| encoder.frame(line)));
        }
    });
}

/// Lines to messages, with every check but those across columns.
#[divan::bench(args = ALL)]
fn decode(bencher: Bencher<'_, '_>, what: What) {
    let lines = lines(&what.messages());
    let bencher = bencher.counter(ItemsCount::new(what.rows().len()));
    bencher.bench_local(|| bytes_to_messages(black_box(&lines)));
}

/// Columns to rows, with the checks across columns.
#[divan::bench(args = ALL)]
fn into_rows(bencher: Bencher<'_, '_>, what: What) {
    let messages = what.messages();
    let bencher = bencher.counter(ItemsCount::new(what.rows().len()));
    bencher.bench_local(|| {
        for message in black_box(&messages) {
            if let ServerMessage::Delta(delta) = message {
                let _ = black_box(delta.rows());
            }
        }
    });
}
