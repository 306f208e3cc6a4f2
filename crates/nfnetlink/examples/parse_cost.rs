//! What parsing costs: `cargo run --release -p nfnetlink --example parse_cost`
//!
//! A chunk as a dump gives it, filled with the captured TCP entry, is read again and again.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use nfnetlink::ct::CtMessage;
use nfnetlink::{Item, Read, messages};

const CHUNK: usize = 32 * 1024;
const ROUNDS: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    for (name, text) in [
        ("tcp", include_str!("../tests/fixtures/tcp.hex")),
        ("udp-ipv6", include_str!("../tests/fixtures/udp-ipv6.hex")),
    ] {
        let message = bytes(text)?;
        let chunk = message.repeat(CHUNK / message.len());
        let mut count = 0u32;
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            let mut all = messages(black_box(&chunk));
            let mut flow = CtMessage::default();
            while let Some(read) = all.next_into(&mut flow) {
                if read?.1 == Read::Entry {
                    black_box(&flow);
                    count += 1;
                }
            }
        }
        let in_place = begin.elapsed() / count;
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            for message in messages(black_box(&chunk)) {
                if let Item::Entry(flow) = message?.item {
                    black_box(&flow);
                }
            }
        }
        let as_items = begin.elapsed() / count;
        println!("{name}, {} bytes: {in_place:?} in place, {as_items:?} as items", message.len());
    }
    Ok(())
}

fn bytes(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    let digits: Vec<char> = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16)).collect()
}
