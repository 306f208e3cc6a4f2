//! Recordings that somebody has made up: refused by name, and never more than a part of them in memory.

use std::io::Write as _;
use std::time::Instant;

use allocation_counter::measure;
use conntop::engine::Engine;
use conntop::source::replay::replay;
use conntop::source::{SourceEnd, SourceEvent};
use conntop_proto::codec::Validate;

use super::OFFICE;

/// What a bad recording may make us allocate beyond what a good one does.
const MEMORY: u64 = 2 << 20;

/// How a recording ended, and how many flows were held then.
fn read(recording: Vec<u8>) -> (String, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut source = replay(std::io::Cursor::new(recording), Validate::Control);
        let mut engine = Engine::default();
        loop {
            match source.next().await.expect("an end") {
                SourceEvent::Ended(SourceEnd::Finished) => return ("fine".to_owned(), engine.mirror().len()),
                SourceEvent::Ended(SourceEnd::Failed(error)) => return (error.text, engine.mirror().len()),
                event => {
                    if let Err(error) = engine.apply(event, Instant::now()) {
                        return (error.to_string(), engine.mirror().len());
                    }
                }
            }
        }
    })
}

fn hello() -> &'static str {
    OFFICE.split_once('\n').unwrap().0
}

fn packed(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 3).unwrap()
}

#[track_caller]
fn check(name: &str, recording: impl Into<Vec<u8>>, wanted: &str) {
    let recording = recording.into();
    // What is made once stays out of the measure.
    read(OFFICE.into());
    let mut said = String::new();
    let info = measure(|| (said, _) = read(recording.clone()));
    assert!(said.contains(wanted), "{name}: {said}\n  not: {wanted}");
    let own = u64::try_from(recording.len()).unwrap();
    assert!(info.bytes_max < own + MEMORY, "{name}: {} bytes are allocated", info.bytes_max);
}

#[test]
fn what_is_no_recording_is_told() {
    let hello = hello();
    check("nothing", "", "it is empty");
    check("a line", "\n", "this is no recording of conntop");
    check("a picture", b"\x89PNG\r\n\x1a\n".to_vec(), "this is no recording of conntop");
    check("a page", "<html>\n</html>\n", "this is no recording of conntop");
    check("short", "{\"h", "it is cut off");
    check("gzip", b"\x1f\x8b\x08\0\0\0".to_vec(), "zcat FILE | conntop replay -");
    check("no hello", "{\"ping\":{\"nonce\":1}}\n", "it does not begin with a hello");
    check("another version", hello.replace("\"protocol\":1", "\"protocol\":2") + "\n", "it is of protocol 2");
    check(
        "a delta first",
        format!("{hello}\n{{\"delta\":{{\"cursor\":5,\"at\":9}}}}\n"),
        "a delta before the first reset",
    );
    check(
        "a token",
        format!("{hello}\n{{\"challenge\":{{\"protocol\":1,\"nonce\":\"{}\"}}}}\n", "0".repeat(64)),
        "a challenge or proof after the hello",
    );
    check("a megabyte without a newline", format!("{hello}\n{}", " ".repeat(1 << 20)), "131072");
    check("brackets", format!("{hello}\n{}", "[".repeat(100_000)), "nest");
    check("only a hello", format!("{hello}\n"), "fine");
    check("twice the same", OFFICE.repeat(2), "fine");
}

#[test]
fn what_is_cut_off_is_shown_as_far_as_it_goes() {
    let whole = read(OFFICE.into());
    assert_eq!(whole.0, "fine");
    assert_eq!(read(packed(OFFICE.as_bytes())), whole, "compressed");
    let two = [packed(&OFFICE.as_bytes()[..5000]), packed(&OFFICE.as_bytes()[5000..])].concat();
    assert_eq!(read(two), whole, "several frames");
    let cut = OFFICE.len() / 2;
    let (said, flows) = read(OFFICE.as_bytes()[..cut].to_vec());
    assert!(said.contains("cut off") && flows > 50, "{said} {flows}");
    let half = packed(OFFICE.as_bytes());
    let (said, _) = read(half[..half.len() - 9].to_vec());
    assert!(said.contains("cut off"), "{said}");
}

#[test]
fn a_compressed_bomb_takes_no_memory() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
    encoder.write_all(hello().as_bytes()).unwrap();
    encoder.write_all(b"\n").unwrap();
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    check("bomb", encoder.finish().unwrap(), "131072");
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(27).unwrap();
    wide.long_distance_matching(true).unwrap();
    wide.write_all(OFFICE.as_bytes()).unwrap();
    wide.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    check("a window of 128 MiB", wide.finish().unwrap(), "too much memory");
}

/// The lines of the decoder's own test, each in a recording.
#[test]
fn no_line_is_believed_more_than_a_servers() {
    let lines = include_str!("../../../conntop-proto/tests/data/hostile.tsv");
    let mut tried = 0;
    for line in lines.lines().filter(|line| !line.starts_with("# ")) {
        let columns: Vec<&str> = line.split('\t').collect();
        // What the marks mean is not read here; lines without them are enough.
        if columns[0] != "server" || columns[1].contains('⟨') {
            continue;
        }
        let (said, _) = read(format!("{}\n{}\n", hello(), columns[1]).into());
        let wanted: String = columns[2].chars().take(150).collect();
        assert!(said.contains(&wanted), "{}\n  {said}\n  not: {wanted}", columns[1]);
        tried += 1;
    }
    assert!(tried > 40, "only {tried} lines");
}
