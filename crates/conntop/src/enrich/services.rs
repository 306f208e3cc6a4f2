//! What ports are called: /etc/services, and a small table for machines without, or with a short one.
//!
//! This machine's file goes first, as it says what its user is used to. A filter that names a port goes
//! by the table first, so that it means the same everywhere.

mod table;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use conntop_proto::text;
use conntop_proto::tuple::Proto;

use self::table::{ALIASES, TABLE};
use crate::platform;

const FILE: &str = platform::SERVICES;
/// Far more than IANA has.
const MOST_BYTES: u64 = 4 << 20;
const MOST: usize = 50_000;
/// Longest name that is taken; IANA's have at most 15.
const LONGEST: usize = 32;

/// Which protocols a name of the table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Tcp,
    Udp,
    Both,
}

impl Over {
    fn has(self, proto: Proto) -> bool {
        match self {
            Self::Tcp => proto == Proto::TCP,
            Self::Udp => proto == Proto::UDP || proto == Proto::UDPLITE,
            Self::Both => Self::Tcp.has(proto) || Self::Udp.has(proto),
        }
    }
}

/// Names of ports. Without a file there is still the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    names: BTreeMap<(Proto, u16), Box<str>>,
    /// In lower case, with aliases.
    ports: BTreeMap<Box<str>, u16>,
}

impl Services {
    /// Those of this machine, read once.
    #[must_use]
    pub fn of_machine() -> &'static Self {
        static SERVICES: LazyLock<Services> = LazyLock::new(|| Services::read(Path::new(FILE)));
        &SERVICES
    }

    fn read(path: &Path) -> Self {
        let mut text = Vec::new();
        // Without the file, or with a part of it, there is the table.
        if path.is_file()
            && let Ok(file) = std::fs::File::open(path)
            && let Err(error) = file.take(MOST_BYTES).read_to_end(&mut text)
        {
            tracing::debug!(%error, "{} is read in part", path.display());
        }
        Self::parse(&text)
    }

    /// Reads what stands in such a file: lines with name, `port/protocol` and aliases. Of two names for a
    /// port the first counts; what is no such line is left out.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut services = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let (Some(name), Some(port)) = (words.next().and_then(name), words.next()) else { continue };
            let Some((port, proto)) = std::str::from_utf8(port).ok().and_then(|port| port.split_once('/'))
            else {
                continue;
            };
            let (Ok(port), Some(proto)) = (port.parse(), Proto::from_name(proto)) else { continue };
            if services.names.len() >= MOST {
                break;
            }
            for called in words.take(8).filter_map(self::name).chain([name.clone()]) {
                services.ports.entry(called.to_ascii_lowercase().into()).or_insert(port);
            }
            services.names.entry((proto, port)).or_insert(name);
        }
        services
    }

    /// The usual name of what a port serves.
    #[must_use]
    pub fn name(&self, proto: Proto, port: u16) -> Option<&str> {
        match self.names.get(&(proto, port)) {
            Some(name) => Some(name),
            None => usual(proto, port),
        }
    }

    /// The port with this name or alias, in any case.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        let usual = Self::usual_names().find(|(usual, _)| usual.eq_ignore_ascii_case(name));
        match usual {
            Some((_, port)) => Some(port),
            None => self.ports.get(name.to_ascii_lowercase().as_str()).copied(),
        }
    }

    /// Names that are known everywhere, with their ports.
    pub fn usual_names() -> impl Iterator<Item = (&'static str, u16)> {
        TABLE.iter().map(|(port, _, name)| (*name, *port)).chain(ALIASES.iter().copied())
    }
}

fn usual(proto: Proto, port: u16) -> Option<&'static str> {
    let first = TABLE.partition_point(|(at, ..)| *at < port);
    let of_port = TABLE.iter().skip(first).take_while(|(at, ..)| *at == port);
    of_port.into_iter().find(|(_, over, _)| over.has(proto)).map(|(.., name)| *name)
}

fn name(word: &[u8]) -> Option<Box<str>> {
    let name = text::sanitize_bytes(word);
    (name.len() <= LONGEST).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::table::{ALIASES, TABLE};
    use super::{Over, Services};
    use conntop_proto::tuple::Proto;

    #[test]
    fn the_table_is_in_order() {
        let overlap = |a: Over, b: Over| a == b || a == Over::Both || b == Over::Both;
        for pair in TABLE.windows(2) {
            let [(a, over, _), (b, other, _)] = pair else { unreachable!() };
            assert!(a < b || a == b && !overlap(*over, *other), "{pair:?}");
        }
        for (name, _) in Services::usual_names() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        }
        for (alias, _) in ALIASES {
            assert!(TABLE.iter().all(|(.., name)| name != alias), "{alias}");
        }
    }

    #[track_caller]
    fn check(file: &str, proto: Proto, port: u16, expected: Option<&str>) {
        assert_eq!(Services::parse(file.as_bytes()).name(proto, port), expected, "{file:?}");
    }

    #[test]
    fn names_by_protocol_and_port() {
        check("", Proto::TCP, 443, Some("https"));
        check("", Proto::UDP, 443, Some("https"));
        check("", Proto::TCP, 514, Some("shell"));
        check("", Proto::UDP, 514, Some("syslog"));
        check("", Proto::UDP, 22, None);
        check("", Proto::SCTP, 443, None);
        check("", Proto::TCP, 0, None);
        check("", Proto::TCP, 65535, None);
        check("web\t443/tcp\tx # y\n", Proto::TCP, 443, Some("web"));
        check("web\t443/tcp\tx # y\n", Proto::UDP, 443, Some("https"));
        check("m3ua 2905/sctp\r\n", Proto::SCTP, 2905, Some("m3ua"));
        check("a 1/tcp\nb 1/tcp", Proto::TCP, 1, Some("a"));
        check("#a 1/tcp\na 1\na 1/\na /tcp\na x/tcp\na 65536/tcp\na 1/what\na", Proto::TCP, 1, None);
        check("a\u{202e}b 1/tcp", Proto::TCP, 1, Some("a\\u{202e}b"));
        check(&format!("{} 1/tcp", "a".repeat(33)), Proto::TCP, 1, None);
    }

    #[test]
    fn ports_by_name() {
        let file = Services::parse(b"web 8000/tcp www Site\nssh 2222/tcp\n");
        for (name, port) in [
            ("web", 8000),
            ("WEB", 8000),
            ("site", 8000),
            ("ssh", 22),
            ("dns", 53),
            ("www", 80),
            ("SMB", 445),
        ] {
            assert_eq!(file.port(name), Some(port), "{name}");
        }
        assert_eq!(file.port("what"), None);
    }

    #[test]
    fn hostile_files_end() {
        assert_eq!(Services::parse(&[0xff; 100_000]), Services::default());
        let many: String = (0..60_000).map(|n| format!("n{n} {}/udp\n", n % 65536)).collect();
        assert!(Services::parse(many.as_bytes()).names.len() <= super::MOST);
    }
}
