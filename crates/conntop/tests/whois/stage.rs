//! Servers on loopback that stand for those of the world.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conntop::whois::Server;
use conntop::whois::ask::Network;

/// What a server says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// This, and closes.
    Bytes(Vec<u8>),
    /// Closes at once.
    Nothing,
    /// Line after line.
    Endless,
    /// A line, and then nothing.
    Silence,
}

impl Says {
    pub(crate) fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

/// The servers, and what was asked.
#[derive(Debug)]
pub(crate) struct Stage {
    says: HashMap<&'static str, Says>,
    resolved: Option<IpAddr>,
    asked: Mutex<Vec<String>>,
    questions: std::sync::Arc<QuestionLog>,
}

#[derive(Debug, Default)]
pub(crate) struct QuestionLog(Mutex<Vec<String>>);

impl Stage {
    pub(crate) fn of(path: &[(Server, Says)]) -> Self {
        let says = path.iter().map(|(server, says)| (server.host(), says.clone())).collect();
        Self { says, resolved: None, asked: Mutex::default(), questions: std::sync::Arc::default() }
    }

    /// The DNS lies.
    pub(crate) fn resolving_to(mut self, address: &str) -> Self {
        self.resolved = Some(address.parse().unwrap());
        self
    }

    /// Who was connected to.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.questions.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Addresses of the world by which the test knows who is meant.
fn address_of(host: &str) -> IpAddr {
    let at = Server::ALL.iter().position(|server| server.host() == host).expect("one of the six");
    IpAddr::V4(Ipv4Addr::new(9, 9, 9, u8::try_from(at).unwrap()))
}

impl Network for Stage {
    fn addresses(&self, host: &str, _within: Duration) -> io::Result<Vec<IpAddr>> {
        Ok(vec![self.resolved.unwrap_or_else(|| address_of(host))])
    }

    fn connect(&self, to: SocketAddr, _within: Duration) -> io::Result<TcpStream> {
        assert_eq!(to.port(), 43);
        let server =
            Server::ALL.into_iter().find(|server| address_of(server.host()) == to.ip()).expect("known");
        self.asked.lock().unwrap().push(server.host().to_owned());
        let Some(says) = self.says.get(server.host()).cloned() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let log = self.questions.clone();
        std::thread::spawn(move || serve(&listener, &says, &log));
        TcpStream::connect(address)
    }
}

fn serve(listener: &TcpListener, says: &Says, log: &QuestionLog) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut question = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    reader.read_line(&mut question).unwrap();
    log.0.lock().unwrap().push(question);
    match says {
        Says::Bytes(bytes) => stream.write_all(bytes).unwrap(),
        Says::Nothing => {}
        Says::Endless => while stream.write_all(b"remarks: and so on, and so on, and so on\n").is_ok() {},
        Says::Silence => {
            stream.write_all(b"# wait\n").unwrap();
            // Until the other side has had enough.
            let _its_end = reader.read_line(&mut String::new());
        }
    }
}
