//! Where `--connect` leads.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use conntop_proto::DEFAULT_PORT;

use super::ssh::{AddressError, SshAddress};

/// A conntopd to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By TCP.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port; `None` means the one of `--port`.
        port: Option<u16>,
        /// What is spoken there.
        wire: Wire,
    },
    /// By a unix socket.
    Unix(PathBuf),
    /// By ssh, which starts it there.
    Ssh(SshAddress),
}

/// What is spoken over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// The protocol itself: for loopback, and for tunnels that end there.
    Plain,
    /// The protocol inside of TLS, with a token.
    Tls,
}

impl Wire {
    /// What is spoken with a host unless `tcp://` or `tls://` says otherwise.
    fn usual(host: &str) -> Self {
        let loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
        if host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(loopback) {
            Self::Plain
        } else {
            Self::Tls
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "tcp://",
            Self::Tls => "tls://",
        }
    }
}

/// What is wrong with a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing where a name should be.
    #[error(
        "`{0}` names no host; write HOST, HOST:PORT, [IPV6]:PORT, tls://HOST, tcp://HOST, ssh://[USER@]HOST or unix:PATH"
    )]
    Empty(String),
    /// The port is no port.
    #[error("`{port}` in `{target}` is no port; ports are 1 to 65535")]
    Port {
        /// The whole.
        target: String,
        /// The part after the colon.
        port: String,
    },
    /// A bracket is missing.
    #[error("`{0}`: an IPv6 address with a port is written [ADDRESS]:PORT")]
    Bracket(String),
    /// The part behind `ssh://` is wrong.
    #[error("`{target}`: {error}")]
    Ssh {
        /// The whole.
        target: String,
        /// What is wrong.
        error: AddressError,
    },
}

impl Target {
    /// The target with `port` where none was given.
    #[must_use]
    pub fn with_default_port(self, default: u16) -> Self {
        match self {
            Self::Tcp { host, port, wire } => Self::Tcp { host, port: Some(port.unwrap_or(default)), wire },
            other @ (Self::Unix(_) | Self::Ssh(_)) => other,
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let whole = || text.to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(TargetError::Empty(whole()))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if let Some(address) = text.strip_prefix("ssh://") {
            let address = SshAddress::parse(address);
            return address.map(Self::Ssh).map_err(|error| TargetError::Ssh { target: whole(), error });
        }
        let schemes = [Wire::Tls, Wire::Plain].map(|wire| Some((text.strip_prefix(wire.scheme())?, wire)));
        let scheme = schemes.into_iter().flatten().next();
        let text = scheme.map_or(text, |(rest, _)| rest);
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(|| TargetError::Bracket(whole()))?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(TargetError::Bracket(whole())),
            }
        } else {
            match text.split_once(':') {
                // More than one colon: an IPv6 address without a port.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() || host.starts_with('-') {
            return Err(TargetError::Empty(whole()));
        }
        let port = port.map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(TargetError::Port { target: whole(), port: port.to_owned() }),
            Ok(number) => Ok(number),
        });
        let wire = scheme.map_or_else(|| Wire::usual(host), |(_, wire)| wire);
        Ok(Self::Tcp { host: host.to_owned(), port: port.transpose()?, wire })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Ssh(address) => address.fmt(f),
            Self::Tcp { host, port, wire } => {
                if *wire != Wire::usual(host) {
                    f.write_str(wire.scheme())?;
                }
                let port = port.unwrap_or(DEFAULT_PORT);
                if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |text: &str, wanted: Result<&str, &str>| {
            let got = text.parse::<Target>().map(|t| t.with_default_port(1234).to_string());
            match (got, wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        };
        check("router", Ok("router:1234"));
        check("router:55", Ok("router:55"));
        check("192.0.2.1", Ok("192.0.2.1:1234"));
        check("2001:db8::1", Ok("[2001:db8::1]:1234"));
        check("[2001:db8::1]", Ok("[2001:db8::1]:1234"));
        check("[2001:db8::1]:99", Ok("[2001:db8::1]:99"));
        check("tls://router:99", Ok("router:99"));
        check("tcp://router", Ok("tcp://router:1234"));
        check("tls://127.0.0.1", Ok("tls://127.0.0.1:1234"));
        check("tcp://[::1]:9", Ok("[::1]:9"));
        check("tls://[::1]", Ok("tls://[::1]:1234"));
        check("LocalHost", Ok("LocalHost:1234"));
        check("tls://", Err("names no host"));
        check("tls://-x", Err("names no host"));
        check("unix:/run/conntop.sock", Ok("unix:/run/conntop.sock"));
        check("unix:", Err("names no host"));
        check("", Err("names no host"));
        check(":55", Err("names no host"));
        check("-oProxyCommand=x", Err("names no host"));
        check("router:0", Err("no port"));
        check("router:65536", Err("no port"));
        check("router:http", Err("no port"));
        check("[::1", Err("[ADDRESS]:PORT"));
        check("[::1]5", Err("[ADDRESS]:PORT"));
        check("ssh://root@router", Ok("ssh://root@router"));
        check("ssh://root@[::1]:22", Ok("ssh://root@[::1]:22"));
        check("ssh://-oProxyCommand=x", Err("the host must be"));
    }
}
