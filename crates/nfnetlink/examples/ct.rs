//! A small tool to look at and to fill the conntrack table of a network namespace.
//!
//! `ct NETNS list | raw | raw-events MS | stats | flush | inject N | flood N | events MS | route | survey | clean-up | activate MS`

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use nfnetlink::ct::{CtMessage, DumpFilter, Family, L4, NewFlow, ProtoState, Requests, Status, Tuple};
use nfnetlink::facts::{Facts, Switch};
use nfnetlink::netns::Netns;
use nfnetlink::nft;
use nfnetlink::route::RouteSocket;
use nfnetlink::{EventSocket, Read, RequestSocket, Subscription, messages};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (netns, command) = args.split_first().ok_or("ct NETNS COMMAND")?;
    if *netns != "-" {
        netns.parse::<Netns>()?.enter()?;
    }
    match command {
        ["list"] => list(),
        ["raw"] => raw(),
        ["raw-events", ms] => events(ms.parse()?, true),
        ["events", ms] => events(ms.parse()?, false),
        ["stats"] => stats(),
        ["flush"] => {
            let mut requests = Requests::new();
            requests.flush(Default::default());
            println!("{:?}", RequestSocket::open()?.run("flushing", &mut requests)?);
            Ok(())
        }
        ["inject", count] => inject(count.parse()?, established),
        ["flood", count] => inject(count.parse()?, unanswered),
        ["route"] => {
            let mut socket = RouteSocket::open()?;
            println!("{:?}\n{:?}\n{:?}", socket.links()?, socket.addresses()?, socket.routes(Family::Any)?);
            Ok(())
        }
        ["survey"] => {
            println!("{:?}, {} rules track", nft::survey()?, nft::tracking_rules()?);
            Ok(())
        }
        ["clean-up"] => {
            println!("{:?}", nft::clean_up()?);
            Ok(())
        }
        ["activate", ms] => {
            let activation = nft::Activation::begin(&[Switch::Acct, Switch::Timestamp])?;
            println!("{activation:?}");
            std::thread::sleep(Duration::from_millis(ms.parse()?));
            Ok(activation.end()?)
        }
        _ => Err("unknown command".into()),
    }
}

fn list() -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let mut socket = RequestSocket::open()?;
    let mut dump = socket.dump(&DumpFilter::default())?;
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let (mut entries, mut parsing) = (0u32, Duration::ZERO);
    while let Some(chunk) = dump.next_chunk(&mut buffer)? {
        let parse = Instant::now();
        let (mut all, mut flow) = (messages(chunk), CtMessage::default());
        while let Some(read) = all.next_into(&mut flow) {
            if read?.1 == Read::Entry {
                entries += 1;
                if entries <= 20 {
                    println!("{flow:?}");
                }
            }
        }
        parsing += parse.elapsed();
    }
    println!("{entries} entries in {:?}, of which {parsing:?} here", begin.elapsed());
    Ok(())
}

fn raw() -> Result<(), Box<dyn Error>> {
    let mut socket = RequestSocket::open()?;
    let mut dump = socket.dump(&DumpFilter::default())?;
    let mut buffer = vec![0; RequestSocket::CHUNK];
    while let Some(chunk) = dump.next_chunk(&mut buffer)? {
        hex(chunk);
    }
    Ok(())
}

/// One message per paragraph, 32 bytes per line.
fn hex(mut chunk: &[u8]) {
    while let Some(length) = chunk.first_chunk::<4>() {
        let length = u32::from_ne_bytes(*length) as usize;
        let (message, rest) = chunk.split_at(length.next_multiple_of(4).min(chunk.len()));
        for line in message.chunks(32) {
            println!("{}", line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        println!();
        chunk = rest;
    }
}

fn events(ms: u64, raw: bool) -> Result<(), Box<dyn Error>> {
    let mut socket = EventSocket::open(Subscription::All, 16 << 20)?;
    eprintln!("buffer {}", socket.buffer_size());
    std::thread::sleep(Duration::from_millis(ms));
    let mut out = Vec::new();
    let begin = Instant::now();
    let drained = socket.drain(usize::MAX, &mut out)?;
    let took = begin.elapsed();
    if raw {
        hex(&out);
        return Ok(());
    }
    let begin = Instant::now();
    for (number, message) in messages(&out).enumerate() {
        let message = message?;
        if number < 20 {
            println!("{:?}", message.item);
        }
    }
    println!("{drained:?} drained in {took:?}, parsed in {:?}, drops {}", begin.elapsed(), socket.drops()?);
    Ok(())
}

fn stats() -> Result<(), Box<dyn Error>> {
    let mut socket = RequestSocket::open()?;
    println!("{:?}\n{:?}\n{:?}", Facts::read(), socket.stats()?, socket.stats_cpu()?);
    Ok(())
}

/// The n-th of many established connections.
fn established(number: u32) -> NewFlow<'static> {
    let status = Status::ASSURED | Status::SEEN_REPLY;
    NewFlow { status, state: Some(ProtoState::Tcp(3)), ..flow(0x0a00_0000 + number, 6) }
}

/// The n-th of many packets that nobody answered.
fn unanswered(number: u32) -> NewFlow<'static> {
    flow(0x2c00_0000 + number, 17)
}

fn flow(src: u32, proto: u8) -> NewFlow<'static> {
    let src = IpAddr::V4(Ipv4Addr::from(src));
    let dst = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let l4 = L4::Ports { src: 40_000, dst: 443 };
    let orig = Tuple { src, dst, proto, l4, zone: None };
    NewFlow { orig, reply: orig.inverse(), timeout: 3600, ..NewFlow::default() }
}

fn inject(count: u32, flow: impl Fn(u32) -> NewFlow<'static>) -> Result<(), Box<dyn Error>> {
    let mut socket = RequestSocket::open()?;
    let mut requests = Requests::new();
    let begin = Instant::now();
    let mut failed = 0;
    for number in 0..count {
        requests.create(&flow(number));
        if requests.len() == RequestSocket::BATCH || number + 1 == count {
            let outcome = socket.run("creating flows", &mut requests)?;
            failed += outcome.failed;
            requests.clear();
        }
    }
    println!("{count} flows, {failed} refused, in {:?}", begin.elapsed());
    Ok(())
}
