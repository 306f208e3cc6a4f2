//! conntop's own questions for names: they are connections as well, and would be seen among those that
//! somebody came to see. The ends of each socket are remembered, so that its flow can be marked.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::time::{Duration, Instant};

use conntop_proto::tuple::{L4, Proto, Tuple};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use tokio::sync::mpsc;

/// Questions that are remembered: as many as are asked in a few minutes by somebody who pages through a
/// large table.
pub const MOST: usize = 4_096;
/// How long a question is remembered: longer than the kernel remembers it, shorter than it takes until
/// another program is likely to get the same port for the same server.
pub const LIFE: Duration = Duration::from_secs(300);

/// The ends of a socket that asks for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// UDP or TCP.
    pub proto: Proto,
    /// Our end.
    pub from: SocketAddr,
    /// The server's.
    pub to: SocketAddr,
}

/// The latest questions.
#[derive(Debug, Default)]
pub struct Own {
    known: HashSet<Query, FixedState>,
    order: VecDeque<(Instant, Query)>,
}

impl Own {
    /// Takes in questions that were asked until now.
    pub fn learn(&mut self, queries: impl IntoIterator<Item = Query>, now: Instant) {
        for query in queries {
            if self.known.insert(query) {
                self.order.push_back((now, query));
            }
        }
        while let Some((asked, query)) = self.order.front() {
            if self.order.len() <= MOST && now.saturating_duration_since(*asked) < LIFE {
                break;
            }
            self.known.remove(query);
            self.order.pop_front();
        }
    }

    /// Whether a flow is one of them, by its original tuple.
    #[must_use]
    pub fn has(&self, orig: &Tuple) -> bool {
        let L4::Ports { src, dst } = orig.l4 else { return false };
        !self.known.is_empty()
            && self.known.contains(&Query {
                proto: orig.proto,
                from: SocketAddr::new(orig.src, src),
                to: SocketAddr::new(orig.dst, dst),
            })
    }
}

/// Opens sockets and tells of each. When nobody listens for a while some remain untold.
#[derive(Clone)]
pub struct Telling {
    inner: TokioRuntimeProvider,
    told: mpsc::Sender<Query>,
}

impl Telling {
    /// One that tells there.
    #[must_use]
    pub fn new(told: mpsc::Sender<Query>) -> Self {
        Self { inner: TokioRuntimeProvider::new(), told }
    }
}

type Opening<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for Telling {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.inner.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        bind: Option<SocketAddr>,
        wait: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        let (opening, told) = (self.inner.connect_tcp(server, bind, wait), self.told.clone());
        Box::pin(async move {
            let stream = opening.await?;
            if let Ok(from) = stream.0.local_addr() {
                let _untold = told.try_send(Query { proto: Proto::TCP, from, to: server });
            }
            Ok(stream)
        })
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        let (opening, told) = (self.inner.bind_udp(local, server), self.told.clone());
        Box::pin(async move {
            let socket = opening.await?;
            if let Ok(from) = socket.local_addr().and_then(|from| from_whom(from, server)) {
                let _untold = told.try_send(Query { proto: Proto::UDP, from, to: server });
            }
            Ok(socket)
        })
    }
}

/// The end of a socket as the server sees it: the kernel chooses the address by the route.
fn from_whom(from: SocketAddr, server: SocketAddr) -> io::Result<SocketAddr> {
    if !from.ip().is_unspecified() {
        return Ok(from);
    }
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let probe = UdpSocket::bind(any)?;
    probe.connect(server)?;
    Ok(SocketAddr::new(probe.local_addr()?.ip(), from.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(port: u16) -> Query {
        let from = SocketAddr::from(([192, 0, 2, 1], port));
        Query { proto: Proto::UDP, from, to: "192.0.2.53:53".parse().unwrap() }
    }

    fn tuple(src: &str, sport: u16, dport: u16, proto: Proto) -> Tuple {
        let l4 = L4::Ports { src: sport, dst: dport };
        Tuple { src: src.parse().unwrap(), dst: "192.0.2.53".parse().unwrap(), proto, l4 }
    }

    #[test]
    fn only_the_very_flow_is_own() {
        let mut own = Own::default();
        own.learn([query(4000)], Instant::now());
        let check = |tuple: Tuple, wanted: bool| assert_eq!(own.has(&tuple), wanted, "{tuple:?}");
        check(tuple("192.0.2.1", 4000, 53, Proto::UDP), true);
        check(tuple("192.0.2.1", 4000, 53, Proto::TCP), false);
        check(tuple("192.0.2.2", 4000, 53, Proto::UDP), false);
        check(tuple("192.0.2.1", 4001, 53, Proto::UDP), false);
        check(tuple("192.0.2.1", 4000, 54, Proto::UDP), false);
        check(Tuple { l4: L4::None, ..tuple("192.0.2.1", 4000, 53, Proto::UDP) }, false);
    }

    #[test]
    fn few_are_remembered_and_not_for_long() {
        let (mut own, begun) = (Own::default(), Instant::now());
        let ports = 1..=u16::try_from(MOST + 10).unwrap();
        own.learn(ports.map(query), begun);
        assert_eq!((own.known.len(), own.order.len()), (MOST, MOST));
        let has = |own: &Own, port| own.has(&tuple("192.0.2.1", port, 53, Proto::UDP));
        assert!(!has(&own, 10) && has(&own, 11));
        own.learn([query(1)], begun + LIFE);
        assert_eq!((own.known.len(), own.order.len()), (1, 1));
        assert!(has(&own, 1));
    }
}
