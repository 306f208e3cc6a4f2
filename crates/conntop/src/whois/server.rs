//! The servers that are asked: IANA and the five registries. There are no others.

use std::fmt;
use std::net::IpAddr;

/// One of the six.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Knows which registry an address is from.
    Iana,
    /// North America.
    Arin,
    /// Europe, the Middle East, Central Asia.
    Ripe,
    /// Asia and the Pacific.
    Apnic,
    /// Latin America.
    Lacnic,
    /// Africa.
    Afrinic,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Iana, Self::Arin, Self::Ripe, Self::Apnic, Self::Lacnic, Self::Afrinic];

    /// Its name in the DNS.
    #[must_use]
    pub fn host(self) -> &'static str {
        match self {
            Self::Iana => "whois.iana.org",
            Self::Arin => "whois.arin.net",
            Self::Ripe => "whois.ripe.net",
            Self::Apnic => "whois.apnic.net",
            Self::Lacnic => "whois.lacnic.net",
            Self::Afrinic => "whois.afrinic.net",
        }
    }

    /// The server with this name in the DNS.
    #[must_use]
    pub fn of(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.host().eq_ignore_ascii_case(host))
    }

    /// The question about an address. ARIN gives a list of names for a bare one.
    pub(super) fn question(self, address: IpAddr) -> String {
        match self {
            Self::Arin => format!("n + {address}\r\n"),
            _ => format!("{address}\r\n"),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host())
    }
}
