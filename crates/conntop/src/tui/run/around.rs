//! What this program and the person before it are connected by: the sockets of the process and of its
//! children (ssh), and the login that the environment tells of. Only asked before a flow is ended, to warn.

use std::fs;
use std::net::SocketAddr;

use rustix::net::{getpeername, getsockname};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::tui::app::Surroundings;

/// Files of a process that are looked at, so that it never takes long.
const MOST: usize = 4096;

/// Looks.
pub(super) fn look() -> Surroundings {
    let pids = std::iter::once(getpid()).chain(children());
    Surroundings {
        ours: pids.flat_map(connections).collect(),
        login: std::env::var("SSH_CONNECTION").ok().and_then(|text| login(&text)),
    }
}

/// `client port server port`.
fn login(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split_whitespace();
    let mut end = || Some(SocketAddr::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?));
    Some((end()?, end()?))
}

fn children() -> impl Iterator<Item = Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>());
    pids.filter_map(Pid::from_raw)
}

/// Both ends of a process's connections.
fn connections(pid: Pid) -> Vec<(SocketAddr, SocketAddr)> {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Vec::new() };
    let files = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    let sockets = files.take(MOST).filter(|file| {
        fs::read_link(file.path())
            .is_ok_and(|link| link.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
    });
    let numbers = sockets.filter_map(|file| file.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|number| {
            let socket = pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).ok()?;
            let own = SocketAddr::try_from(getsockname(&socket).ok()?).ok()?;
            let other = SocketAddr::try_from(getpeername(&socket).ok()??).ok()?;
            Some((canonical(own), canonical(other)))
        })
        .collect()
}

fn canonical(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip().to_canonical(), end.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_connections_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ends = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        // A kernel before 5.6, or a container that forbids it.
        if pidfd_open(getpid(), PidfdFlags::empty())
            .is_ok_and(|own| pidfd_getfd(&own, 0, PidfdGetfdFlags::empty()).is_ok())
        {
            assert!(look().ours.contains(&ends), "{ends:?} in {:?}", look());
        }
    }

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
