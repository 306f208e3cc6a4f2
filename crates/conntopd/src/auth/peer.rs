//! Who is at the other end of a loopback connection: the kernel knows which user made the socket.
//!
//! Allowed are root, the daemon's own user, and members of group [`GROUP`] in /etc/group, by the
//! primary group of /etc/passwd too. Directory services are not asked: a static binary has no way to.
//! Both files are read when somebody connects, so a new member needs no restart; while a sandbox hides
//! them, what was read at the start counts.

use std::cell::RefCell;
use std::net::SocketAddr;

use nfnetlink::diag::{DiagSocket, Owner, TcpTables};

/// Members of this group may read.
pub const GROUP: &str = "conntop";

/// Finds out and decides.
#[derive(Debug)]
pub struct Peers {
    finder: RefCell<Finder>,
    /// As read at the start.
    users: Users,
}

/// Why a loopback peer is refused. The text is for the person there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The kernel does not know the socket: it is closed already, or not of this machine.
    #[error("the user of this connection is not known here: connect from this machine itself, or by tls://")]
    Unknown,
    /// A user who may not read.
    #[error(
        "user {0} may not read this table: ask for membership of group {GROUP} (usermod -aG {GROUP} USER), \
         or connect as root"
    )]
    User(u32),
}

#[derive(Debug)]
enum Finder {
    Diag(DiagSocket),
    Tables(TcpTables),
    None,
}

impl Peers {
    /// Opens what it takes; later nothing but /etc/group and /etc/passwd is opened. `own` is an
    /// address that this process listens on: whether the kernel finds it says whether it can find
    /// any.
    #[must_use]
    pub fn new(own: SocketAddr) -> Self {
        let finder = DiagSocket::open().ok().and_then(|mut diag| {
            let found = diag.tcp_owner(own, own).ok().flatten();
            found.map(|_| Finder::Diag(diag))
        });
        let finder = finder.unwrap_or_else(|| match TcpTables::open() {
            Ok(tables) => Finder::Tables(tables),
            Err(error) => {
                tracing::warn!("cannot tell who connects by loopback, so nobody may: {error}");
                Finder::None
            }
        });
        Self { finder: RefCell::new(finder), users: Users::read() }
    }

    /// Whether the user who connected from `peer` to `own` may read; the user's number.
    ///
    /// # Errors
    /// He may not, or cannot be found.
    pub fn check(&self, peer: SocketAddr, own: SocketAddr) -> Result<u32, PeerError> {
        let owner = match &mut *self.finder.borrow_mut() {
            Finder::Diag(diag) => diag.tcp_owner(peer, own).map_err(|error| tracing::debug!("{error}")),
            Finder::Tables(tables) => {
                tables.tcp_owner(peer, own).map_err(|error| tracing::debug!("reading /proc/net/tcp: {error}"))
            }
            Finder::None => Ok(None),
        };
        let Ok(Some(Owner { uid, .. })) = owner else { return Err(PeerError::Unknown) };
        if uid == 0 || uid == rustix::process::geteuid().as_raw() {
            return Ok(uid);
        }
        let now = Users::read();
        let users = if now.passwd.is_empty() { &self.users } else { &now };
        if users.is_member(uid) { Ok(uid) } else { Err(PeerError::User(uid)) }
    }
}

/// The text of /etc/group and /etc/passwd; empty when it cannot be read.
#[derive(Debug, Default)]
struct Users {
    group: String,
    passwd: String,
}

impl Users {
    fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self { group: read("/etc/group"), passwd: read("/etc/passwd") }
    }

    /// Whether a user is in [`GROUP`], as a listed member or by the primary group.
    fn is_member(&self, uid: u32) -> bool {
        // name:password:gid:members
        let group = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let Some((gid, members)) = group.into_iter().find_map(|fields| match *fields.as_slice() {
            [name, _, gid, members, ..] if name == GROUP => Some((gid, members)),
            _ => None,
        }) else {
            return false;
        };
        // name:password:uid:gid:...
        self.passwd.lines().any(|line| match *line.split(':').collect::<Vec<_>>().as_slice() {
            [name, _, user, primary, ..] => {
                user.parse() == Ok(uid) && (primary == gid || members.split(',').any(|member| member == name))
            }
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_by_list_and_by_primary_group() {
        let users = Users {
            group: "root:x:0:\nconntop2:x:7:eve\nconntop:x:995:alice,bob\n".into(),
            passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/:\ncarol:x:1002:995::/:\n\
                     eve:x:1003:1003::/:\nbroken\nali:x:1004:1004::/:\n"
                .into(),
        };
        for (uid, expected) in [(1000, true), (1002, true), (1003, false), (1004, false), (99, false)] {
            assert_eq!(users.is_member(uid), expected, "{uid}");
        }
        assert!(!Users::default().is_member(0));
    }
}
