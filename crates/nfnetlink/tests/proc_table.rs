//! [`ProcTable`] gives whole lines, however the file gives its bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};

use nfnetlink::Error;
use nfnetlink::proc::ProcTable;

/// A file without a name.
fn file(content: &[u8]) -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("nfnetlink-{}-{number}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(content).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// All chunks of one reading.
fn read(table: &mut ProcTable, buffer: usize) -> Vec<Vec<u8>> {
    let mut buffer = vec![b'#'; buffer];
    let mut chunks = Vec::new();
    while let Some(length) = table.read_chunk(&mut buffer).unwrap() {
        assert!(length > 0);
        chunks.push(buffer[..length].to_vec());
    }
    assert_eq!(table.read_chunk(&mut buffer).unwrap(), None);
    chunks
}

const LEAST: usize = 2 * ProcTable::LINE_MAX;

#[test]
fn chunks_have_whole_lines() {
    let lines: Vec<String> = (0..2000).map(|n| format!("{n} {}\n", "x".repeat(n % 700))).collect();
    let content = lines.concat();
    let mut table = ProcTable::from(file(content.as_bytes()));
    for buffer in [LEAST, LEAST + 1, 10_007, ProcTable::CHUNK] {
        let chunks = read(&mut table, buffer);
        assert!(chunks.len() >= content.len() / buffer);
        assert!(chunks.iter().all(|chunk| chunk.ends_with(b"\n")), "{buffer}");
        assert_eq!(chunks.concat(), content.as_bytes(), "{buffer}");
        assert_eq!(read(&mut table, buffer), Vec::<Vec<u8>>::new(), "the end stays the end");
        table.rewind().unwrap();
    }
}

#[test]
fn a_reading_that_is_left_off_begins_anew() {
    let content = "a line of some length\n".repeat(5000);
    let mut table = ProcTable::from(file(content.as_bytes()));
    let mut buffer = vec![0; LEAST];
    table.read_chunk(&mut buffer).unwrap();
    table.rewind().unwrap();
    assert_eq!(read(&mut table, LEAST).concat(), content.as_bytes());
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    for long in [ProcTable::LINE_MAX + 1, 20_000, 1 << 20] {
        for before in ["", "before\n", &"before\n".repeat(1000)] {
            let content = format!("{before}{}\nafter\n", "y".repeat(long));
            let mut table = ProcTable::from(file(content.as_bytes()));
            let chunks = read(&mut table, LEAST);
            let text: Vec<_> = chunks.iter().map(|chunk| String::from_utf8(chunk.clone()).unwrap()).collect();
            // What is left of it is one line to whoever reads the chunk.
            let lines: Vec<&str> = text.iter().flat_map(|chunk| chunk.lines()).collect();
            let long: Vec<_> = lines.iter().filter(|line| line.starts_with('y')).collect();
            assert_eq!(long.len(), 1);
            assert!(long[0].len() > ProcTable::LINE_MAX && long[0].len() <= LEAST + 1);
            assert_eq!(lines.len(), before.lines().count() + 2);
            assert_eq!(lines.last(), Some(&"after"));
        }
    }
}

#[test]
fn a_last_line_without_newline_is_given_as_it_is() {
    let mut table = ProcTable::from(file(b"one\ntwo"));
    assert_eq!(read(&mut table, LEAST).concat(), b"one\ntwo");
    assert_eq!(read(&mut ProcTable::from(file(b"")), LEAST), Vec::<Vec<u8>>::new());
}

#[test]
fn errors_say_what_to_do() {
    let mut table = ProcTable::from(file(b"one\n"));
    let short = table.read_chunk(&mut [0; LEAST - 1]).unwrap_err();
    assert!(matches!(short, Error::TooLong { .. }), "{short}");
    match ProcTable::open() {
        Ok(mut table) => table.rewind().unwrap(),
        Err(Error::NotRoot { .. }) => assert!(File::open("/proc/thread-self/net/nf_conntrack").is_err()),
        Err(error) => assert!(matches!(error, Error::NoFile { .. }), "{error}"),
    }
}
