//! Flows as raw netlink bytes, laid out as the kernel does: as entries of a dump, and as events.

use conntopd::table::{FlowTable, Origin, ReadSpan};
use nfnetlink::ct::{CtEvent, CtMessage};
use nfnetlink::{Read, messages};

/// What a message says of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Entry,
    New,
    Destroy,
}

/// Appends a message about the flow with a number. Each second one is translated.
pub fn write(kind: Kind, number: u32, bytes: u64, out: &mut Vec<u8>) {
    const ANSWER: u16 = 0x2;
    const CREATE: u16 = 0x600;
    let begin = out.len();
    let (message, flags) = match kind {
        Kind::Entry => (0x100u16, ANSWER),
        Kind::New => (0x100, CREATE),
        Kind::Destroy => (0x102, 0),
    };
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&message.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&[1, 0, 0, 0, 9, 0, 0, 0]);
    out.extend_from_slice(&[2, 0, 0, 0]);
    let client = (0x0a00_0000 | number >> 4).to_be_bytes();
    let router = [198, 51, 100, 7];
    let server = (0xc000_0200 | number & 0xff).to_be_bytes();
    let port = u16::try_from(1024 + (number & 0xf) * 4000 + (number >> 20)).unwrap().to_be_bytes();
    let https = 443u16.to_be_bytes();
    tuple(1, client, server, port, https, out);
    tuple(2, server, if number.is_multiple_of(2) { router } else { client }, https, port, out);
    attr(3, &0x18eu32.to_be_bytes(), out);
    if kind != Kind::Destroy {
        attr(7, &300u32.to_be_bytes(), out);
        let state = nest(4, out);
        let tcp = nest(1, out);
        attr(1, &[3], out);
        attr(2, &[10], out);
        attr(3, &[10], out);
        attr(4, &[0x23, 0], out);
        attr(5, &[0x23, 0], out);
        end(tcp, out);
        end(state, out);
    }
    if kind != Kind::New {
        for kind in [9, 10] {
            let counters = nest(kind, out);
            attr(1, &(bytes / 100).to_be_bytes(), out);
            attr(2, &bytes.to_be_bytes(), out);
            end(counters, out);
        }
    }
    attr(8, &0u32.to_be_bytes(), out);
    attr(11, &1u32.to_be_bytes(), out);
    attr(12, &number.wrapping_mul(0x9e37_79b9).to_be_bytes(), out);
    let length = u32::try_from(out.len() - begin).unwrap();
    out[begin..begin + 4].copy_from_slice(&length.to_ne_bytes());
}

fn tuple(kind: u16, src: [u8; 4], dst: [u8; 4], sport: [u8; 2], dport: [u8; 2], out: &mut Vec<u8>) {
    let whole = nest(kind, out);
    let ip = nest(1, out);
    attr(1, &src, out);
    attr(2, &dst, out);
    end(ip, out);
    let proto = nest(2, out);
    attr(1, &[6], out);
    attr(2, &sport, out);
    attr(3, &dport, out);
    end(proto, out);
    end(whole, out);
}

fn attr(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn nest(kind: u16, out: &mut Vec<u8>) -> usize {
    attr(kind | 0x8000, &[], out);
    out.len() - 4
}

fn end(open: usize, out: &mut [u8]) {
    let length = u16::try_from(out.len() - open).unwrap();
    out[open..open + 2].copy_from_slice(&length.to_ne_bytes());
}

/// Parses a buffer into the table as the collector does; returns how many messages it had.
pub fn feed(table: &mut FlowTable, read: ReadSpan, buffer: &[u8]) -> usize {
    let mut all = messages(buffer);
    let mut flow = CtMessage::default();
    let mut count = 0;
    while let Some(one) = all.next_into(&mut flow) {
        match one.expect("a good message").1 {
            Read::Entry => table.observe(read, Origin::Dump, &flow),
            Read::Event(CtEvent::New) => table.observe(read, Origin::NewEvent, &flow),
            Read::Event(CtEvent::Update) => table.observe(read, Origin::UpdateEvent, &flow),
            Read::Event(CtEvent::Destroy) => table.destroy(read, &flow),
            other => panic!("{other:?}"),
        }
        count += 1;
    }
    count
}
