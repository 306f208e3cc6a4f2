//! What parsing costs: `cargo bench -p nfnetlink --bench parse`
//!
//! Captured entries, repeated to tables of 1,000 and 100,000 flows, in chunks as a dump and
//! `/proc` give them. The numbers of items per second are flows per second.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use nfnetlink::ct::CtMessage;
use nfnetlink::proc::{ProcTable, lines};
use nfnetlink::{Item, Read, RequestSocket, messages};

const TCP: &str = include_str!("../tests/fixtures/tcp.hex");
const UDP_IPV6: &str = include_str!("../tests/fixtures/udp-ipv6.hex");
const PROC: &str = include_str!("../tests/fixtures/proc.txt");
const SIZES: [usize; 2] = [1_000, 100_000];

fn main() {
    divan::main();
}

/// In place, as the table reads a dump.
#[divan::bench(args = SIZES)]
fn next_into(bencher: Bencher<'_, '_>, flows: usize) {
    let table = dump(&[TCP, UDP_IPV6], flows);
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        let mut read = 0;
        for chunk in &table {
            let (mut all, mut flow) = (messages(black_box(chunk)), CtMessage::default());
            while let Some(Ok((_, Read::Entry))) = all.next_into(&mut flow) {
                black_box(&flow);
                read += 1;
            }
        }
        assert_eq!(read, flows);
    });
}

/// As items, each of which is copied out.
#[divan::bench(args = SIZES)]
fn items(bencher: Bencher<'_, '_>, flows: usize) {
    let table = dump(&[TCP, UDP_IPV6], flows);
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        let mut read = 0;
        for message in table.iter().flat_map(|chunk| messages(black_box(chunk))) {
            if let Item::Entry(flow) = message.unwrap().item {
                black_box(&flow);
                read += 1;
            }
        }
        assert_eq!(read, flows);
    });
}

/// Lines of `/proc`: established TCP over IPv4, as most are.
#[divan::bench(args = SIZES)]
fn proc_tcp(bencher: Bencher<'_, '_>, flows: usize) {
    proc(bencher, flows, |line| line.starts_with("ipv4") && line.contains(" tcp "));
}

/// Lines of `/proc`: IPv6 of any protocol.
#[divan::bench(args = SIZES)]
fn proc_ipv6(bencher: Bencher<'_, '_>, flows: usize) {
    proc(bencher, flows, |line| line.starts_with("ipv6"));
}

/// Lines of `/proc`: one of each protocol, state and zone after the other.
#[divan::bench(args = SIZES)]
fn proc_mixed(bencher: Bencher<'_, '_>, flows: usize) {
    proc(bencher, flows, |_| true);
}

fn proc(bencher: Bencher<'_, '_>, flows: usize, wanted: impl Fn(&str) -> bool) {
    let captured: Vec<_> = PROC
        .lines()
        .filter(|line| line.starts_with("ipv") && wanted(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let table = chunks(&captured, flows, ProcTable::CHUNK);
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        let mut read = 0;
        for chunk in &table {
            let (mut all, mut flow) = (lines(black_box(chunk)), CtMessage::default());
            while let Some(Ok(())) = all.next_into(&mut flow) {
                black_box(&flow);
                read += 1;
            }
        }
        assert_eq!(read, flows);
    });
}

fn dump(captured: &[&str], flows: usize) -> Vec<Vec<u8>> {
    let messages: Vec<_> = captured.iter().map(|text| bytes(text)).collect();
    chunks(&messages, flows, RequestSocket::CHUNK)
}

/// That many entries, taken in turn, in chunks of at most that size.
fn chunks<T: AsRef<[u8]>>(entries: &[T], flows: usize, size: usize) -> Vec<Vec<u8>> {
    let mut chunks: Vec<Vec<u8>> = vec![Vec::new()];
    for entry in entries.iter().cycle().take(flows).map(AsRef::as_ref) {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + entry.len() <= size => chunk.extend_from_slice(entry),
            _ => chunks.push(entry.to_vec()),
        }
    }
    chunks
}

/// The bytes of a fixture.
fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter_map(|line| line.split('#').next()).collect();
    let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}
