//! What this program and the person before it are connected by: its sockets and those of its children (ssh), and the
//! login that the environment tells of. Only asked before a flow is ended, to warn.

use std::net::SocketAddr;

use crate::here;
use crate::tui::app::Surroundings;

/// Looks.
pub(super) fn look() -> Surroundings {
    Surroundings {
        ours: here::connections(),
        login: std::env::var("SSH_CONNECTION").ok().and_then(|text| login(&text)),
    }
}

/// `client port server port`.
fn login(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split_whitespace();
    let mut end = || Some(SocketAddr::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?));
    Some((end()?, end()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        let check = |text: &str, expected: Option<&str>| {
            let found = login(text).map(|(client, server)| format!("{client} {server}"));
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("192.0.2.7 50522 10.0.0.1 22", Some("192.0.2.7:50522 10.0.0.1:22"));
        check("2001:db8::7 50522 2001:db8::1 22", Some("[2001:db8::7]:50522 [2001:db8::1]:22"));
        check("192.0.2.7 50522 22", None);
        check("UNKNOWN 65535 UNKNOWN 65535", None);
        check("", None);
    }
}
