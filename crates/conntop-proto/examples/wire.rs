//! Counts the bytes of the wire, raw and compressed: traffic updates, whole flows, an idle stream, and
//! a whole table for a client that connects. What is measured is described in `benches/dataset`; the
//! times are in `benches/codec.rs`.

use conntop_proto::codec::{EncodeError, ZstdEncoder};
use conntop_proto::delta::DeltaRows;
use conntop_proto::limits::MAX_FRAME_OUTPUT;
use conntop_proto::message::{Ping, ServerMessage};

#[path = "../benches/dataset/mod.rs"]
mod dataset;

use dataset::{FLOWS, Sizes, changes, deltas, flows, header, lines};

/// Bytes a second that 40 Mbit/s carry.
const LINK: f64 = 40e6 / 8.0;

fn main() -> Result<(), EncodeError> {
    println!("bytes for each of 1,000 traffic updates, raw and compressed:");
    for (what, sizes) in [("1 to 10^3 packets", Sizes::Usual), ("1 to 10^5 packets", Sizes::Large)] {
        for (when, spread) in [("read at once", 0), ("read within 250 ms", 250), ("within 25 s", 25_000)] {
            let lines = lines(&deltas(&changes(sizes, spread), header(spread)));
            report(&format!("{what}, {when}"), &lines, 1000)?;
        }
    }
    let one = |count| {
        let mut rows = changes(Sizes::Usual, 250);
        rows.traffic.truncate(count);
        lines(&deltas(&rows, header(250)))
    };
    for count in [1, 10, 100] {
        report(&format!("{count} updates in a delta"), &one(count), count)?;
    }
    let pass = lines(&deltas(&DeltaRows::default(), header(250)));
    let ping = lines(&[ServerMessage::Ping(Ping { nonce: 123 })]);
    println!("idle: {} bytes a pass and {} each 10 s for a ping", pass.len(), ping.len());
    for (what, spread) in [("one dump", 250), ("a paced pass", 25_000)] {
        let new = flows(FLOWS, Sizes::Usual, spread);
        let table = lines(&deltas(&DeltaRows { new, ..DeltaRows::default() }, header(spread)));
        let compressed = report(&format!("a flow of a whole table after {what}"), &table, 100_000)?;
        println!(
            "  {:.1} MB raw, {:.1} MB compressed: {:.2} s and {:.2} s over 40 Mbit/s",
            float(table.len()) / 1e6,
            float(compressed) / 1e6,
            float(table.len()) / LINK,
            float(compressed) / LINK
        );
    }
    Ok(())
}

/// Prints the bytes of each row and returns how many there are in all when compressed.
fn report(what: &str, lines: &[u8], rows: usize) -> Result<usize, EncodeError> {
    let mut encoder = ZstdEncoder::new()?;
    let mut compressed = 0;
    // As a session sends them: each line is a frame.
    for line in lines.split_inclusive(|&b| b == b'\n') {
        debug_assert!(line.len() <= MAX_FRAME_OUTPUT);
        compressed += encoder.frame(line)?.len();
    }
    let each = |bytes: usize| float(bytes) / float(rows);
    println!("  {what}: {:.1}, {:.1}", each(lines.len()), each(compressed));
    Ok(compressed)
}

fn float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::NAN, f64::from)
}
