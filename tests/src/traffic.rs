//! Real packets: TCP and UDP echo, pings, and a sprayer that moves the counters of many flows.
//!
//! Sockets are made inside a namespace and used from anywhere; every wait is bounded.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketAddrAny, SocketType, ipproto, recv, sendto, socket,
};

use crate::netns::{Namespace, join};

/// The longest wait for one answer across the router.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a server looks whether it shall end.
const TURN: Duration = Duration::from_millis(20);
const BUFFER: usize = 16 * 1024;

/// Answers TCP and UDP on one port with what it got, until dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Echo {
    /// Listens in the namespace; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        let (tcp, udp) = namespace.run(|| {
            let tcp = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
            let udp = UdpSocket::bind(tcp.local_addr()?).with_context(|| format!("binding {address}"))?;
            Ok((tcp, udp))
        })?;
        let address = tcp.local_addr()?;
        tcp.set_nonblocking(true)?;
        udp.set_read_timeout(Some(TURN))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_tcp, stop_udp) = (stop.clone(), stop.clone());
        let threads = vec![
            std::thread::spawn(move || serve_tcp(&tcp, &stop_tcp)),
            std::thread::spawn(move || serve_udp(&udp, &stop_udp)),
        ];
        Ok(Echo { address, stop, threads })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = join(thread);
        }
    }
}

/// One thread serves all connections: the lab is about flows, not about speed.
fn serve_tcp(listener: &TcpListener, stop: &AtomicBool) {
    let mut connections: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    while !stop.load(Ordering::Relaxed) {
        let mut idle = true;
        while let Ok((connection, _)) = listener.accept() {
            idle = false;
            if connection.set_nonblocking(true).is_ok() {
                connections.push(connection);
            }
        }
        connections.retain_mut(|connection| match connection.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                idle = false;
                let data = buffer.get(..length).unwrap_or_default();
                connection.set_nonblocking(false).is_ok()
                    && connection.set_write_timeout(Some(PATIENCE)).is_ok()
                    && connection.write_all(data).is_ok()
                    && connection.set_nonblocking(true).is_ok()
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if idle {
            std::thread::sleep(TURN / 20);
        }
    }
}

fn serve_udp(socket: &UdpSocket, stop: &AtomicBool) {
    let mut buffer = vec![0; BUFFER];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), peer);
        }
    }
}

/// Opens a TCP connection from the namespace, for [`exchange`].
///
/// # Errors
/// When nobody answers.
pub fn connect(namespace: &Namespace, to: SocketAddr) -> Result<TcpStream> {
    let connect = || TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("connecting to {to}"));
    let stream = namespace.run(connect)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends bytes over an echoing connection and waits until all have come back.
///
/// # Errors
/// When they do not.
pub fn exchange(mut stream: &TcpStream, bytes: usize) -> Result<()> {
    let mut rest = bytes;
    let mut back = vec![0; BUFFER];
    while rest > 0 {
        let size = rest.min(BUFFER);
        stream.write_all(&vec![0x55; size]).context("sending to the echo")?;
        let back = back.get_mut(..size).context("no buffer")?;
        stream.read_exact(back).context("waiting for the echo")?;
        rest -= size;
    }
    Ok(())
}

/// A whole TCP connection: open, exchange, close in good order.
///
/// # Errors
/// When a step of it fails.
pub fn tcp(namespace: &Namespace, to: SocketAddr, bytes: usize) -> Result<()> {
    let mut stream = connect(namespace, to)?;
    exchange(&stream, bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let rest = stream.read_to_end(&mut Vec::new()).context("waiting for the end of the echo")?;
    ensure!(rest == 0, "{rest} bytes too many came back");
    Ok(())
}

/// One datagram there and back. Returns the socket's own address, which names the flow.
///
/// # Errors
/// When no answer comes.
pub fn udp(namespace: &Namespace, to: SocketAddr, bytes: usize) -> Result<SocketAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0; 16].into() };
    let socket = namespace.run(|| UdpSocket::bind((any, 0)).context("binding a UDP socket"))?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&vec![0x33; bytes]).with_context(|| format!("sending to {to}"))?;
    let length = socket.recv(&mut vec![0; BUFFER]).with_context(|| format!("waiting for {to}"))?;
    ensure!(length == bytes, "{length} bytes came back, {bytes} were sent");
    Ok(socket.local_addr()?)
}

/// One ping with this identifier, and its answer.
///
/// # Errors
/// When no answer comes.
pub fn ping(namespace: &Namespace, to: IpAddr, id: u16) -> Result<()> {
    let (family, protocol, request, reply) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8, 0),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128, 129),
    };
    let socket = namespace.run(|| raw(family, protocol))?;
    let [id0, id1] = id.to_be_bytes();
    let mut echo = [request, 0, 0, 0, id0, id1, 0, 1];
    // The kernel fills in the checksum of ICMPv6 only.
    let [sum0, sum1] = if to.is_ipv4() { checksum(&echo).to_be_bytes() } else { [0, 0] };
    echo[2] = sum0;
    echo[3] = sum1;
    let target = SocketAddr::new(to, 0);
    sendto(&socket, &echo, SendFlags::empty(), &target).with_context(|| format!("pinging {to}"))?;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; 256];
    while Instant::now() < deadline {
        match recv(&socket, &mut buffer, RecvFlags::empty()) {
            Ok((_, length)) => {
                let packet = buffer.get(..length).unwrap_or_default();
                let header =
                    if to.is_ipv4() { packet.first().map_or(0, |b| usize::from(b & 15) * 4) } else { 0 };
                let icmp = packet.get(header..).unwrap_or_default();
                if matches!(icmp, [ty, 0, _, _, a, b, ..] if *ty == reply && [*a, *b] == [id0, id1]) {
                    return Ok(());
                }
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error).context("waiting for the answer to a ping"),
        }
    }
    bail!("{to} does not answer the ping {id}")
}

fn raw(family: AddressFamily, protocol: Protocol) -> Result<OwnedFd> {
    let socket = socket(family, SocketType::RAW, Some(protocol)).context("making a raw socket")?;
    let timeout = rustix::net::sockopt::Timeout::Recv;
    rustix::net::sockopt::set_socket_timeout(&socket, timeout, Some(TURN))?;
    Ok(socket)
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0u32, |sum, pair| {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum + u32::from(word)
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0)
}

/// Sends UDP packets of many flows through the router: the n-th flow has the n-th source out of
/// 10.64.0.0/10, so as many flows as the table holds can be made and moved without a socket each.
#[derive(Debug)]
pub struct Sprayer {
    socket: OwnedFd,
    target: SocketAddr,
    /// Takes what is sent, so that the wan does not answer that nobody is there.
    sink: UdpSocket,
}

impl Sprayer {
    /// A sprayer from the lan to a host in the wan.
    ///
    /// # Errors
    /// When the raw socket cannot be made.
    pub fn new(lan: &Namespace, wan: &Namespace, to: Ipv4Addr) -> Result<Self> {
        let sink = wan.run(|| UdpSocket::bind((to, 0)).context("binding the sink"))?;
        let target = sink.local_addr()?;
        let socket = lan.run(|| raw(AddressFamily::INET, ipproto::RAW))?;
        Ok(Sprayer { socket, target, sink })
    }

    /// Where the packets go.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// Answers each packet from now on, until dropped. The answers need a route of the router to
    /// 10.64.0.0/10, and end in the lan.
    ///
    /// # Errors
    /// When the socket cannot be shared.
    pub fn answer(&self) -> Result<Answers> {
        let socket = self.sink.try_clone().context("sharing the sink")?;
        socket.set_read_timeout(Some(TURN))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || serve_udp(&socket, &stopped));
        Ok(Answers { stop, thread: Some(thread) })
    }

    /// Sends one packet in each of these flows, with this many bytes of payload.
    ///
    /// # Errors
    /// When the kernel refuses a packet.
    pub fn spray(&self, flows: std::ops::Range<u32>, payload: u16) -> Result<()> {
        let IpAddr::V4(to) = self.target.ip() else { bail!("the sprayer only knows IPv4") };
        let target = SocketAddrAny::from(SocketAddr::from((to, 0)));
        let mut packet = vec![0; 28 + usize::from(payload)];
        for flow in flows {
            write_udp(&mut packet, source(flow), to, self.target.port(), payload);
            sendto(&self.socket, &packet, SendFlags::empty(), &target).context("spraying")?;
        }
        Ok(())
    }
}

/// What answers a sprayer.
#[derive(Debug)]
pub struct Answers {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = join(thread);
        }
    }
}

/// Source address and port of a flow of the sprayer: 2^22 addresses, one port each.
#[must_use]
pub fn source(flow: u32) -> (Ipv4Addr, u16) {
    let base = u32::from_be_bytes([10, 64, 0, 0]);
    let port = u16::try_from(1024 + flow % 60_000).unwrap_or(1024);
    (Ipv4Addr::from(base | (flow & 0x003f_ffff)), port)
}

fn write_udp(packet: &mut [u8], (src, port): (Ipv4Addr, u16), dst: Ipv4Addr, to_port: u16, payload: u16) {
    let total = 28 + payload;
    let [t0, t1] = total.to_be_bytes();
    let [u0, u1] = (8 + payload).to_be_bytes();
    let [p0, p1] = port.to_be_bytes();
    let [d0, d1] = to_port.to_be_bytes();
    let ([s, r, c, e], [f, g, h, i]) = (src.octets(), dst.octets());
    // The kernel fills in the checksum of the IP header; UDP may do without one over IPv4.
    let head =
        [0x45, 0, t0, t1, 0, 0, 0, 0, 64, 17, 0, 0, s, r, c, e, f, g, h, i, p0, p1, d0, d1, u0, u1, 0, 0];
    if let Some(place) = packet.first_chunk_mut::<28>() {
        *place = head;
    }
}
