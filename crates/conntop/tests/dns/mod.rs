//! A DNS server on loopback that says what a test wants.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What it says.
pub(crate) enum Answer {
    /// Names of an address as labels, and their time to live.
    Ptr(Vec<Vec<Vec<u8>>>, u32),
    /// Addresses of a name, and their time to live.
    A(Vec<[u8; 4]>, u32),
    /// That it cannot or will not.
    Code(u8),
    /// Nonsense.
    Garbage,
    /// Nothing.
    None,
}

type Asked = Arc<Mutex<Vec<(SocketAddr, String)>>>;

/// The server; its thread ends with the test's process.
pub(crate) struct Server {
    address: SocketAddr,
    asked: Asked,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Asked::default();
        let told = asked.clone();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                let (name, end) = question(query);
                told.lock().unwrap_or_else(PoisonError::into_inner).push((from, name.clone()));
                if let Some(reply) = reply(query, end, answer(&name)) {
                    let _gone = socket.send_to(&reply, from);
                }
            }
        });
        Self { address, asked }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who asked for what.
    pub(crate) fn asked(&self) -> Vec<(SocketAddr, String)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The name by which an address is asked for.
pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => {
            let [a, b, c, d] = a.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(a) => {
            let nibbles = a.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]).rev();
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa."
        }
    }
}

pub(crate) fn labels(name: &str) -> Vec<Vec<u8>> {
    name.split('.').map(|label| label.as_bytes().to_vec()).collect()
}

/// The name that is asked for, in lower case, and where the question ends.
fn question(query: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        name += &String::from_utf8_lossy(&query[at + 1..end]).to_lowercase();
        name.push('.');
        at = end;
    }
    (name, at + 5)
}

fn reply(query: &[u8], end: usize, answer: Answer) -> Option<Vec<u8>> {
    let (code, kind, records, ttl): (u8, u16, Vec<Vec<u8>>, u32) = match answer {
        Answer::Ptr(names, ttl) => (0, 12, names.iter().map(|labels| wire(labels)).collect(), ttl),
        Answer::A(addresses, ttl) => (0, 1, addresses.iter().map(|a| a.to_vec()).collect(), ttl),
        Answer::Code(code) => (code, 0, Vec::new(), 0),
        Answer::Garbage => return Some(vec![0xff; 40]),
        Answer::None => return None,
    };
    let count = u16::try_from(records.len()).unwrap();
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(&query[12..end]);
    for record in records {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        reply.extend(record);
    }
    Some(reply)
}

fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label);
    }
    wire.push(0);
    wire
}
