//! The sockets of this process and of its children (ssh), as /proc shows them.

use std::fs;
use std::net::SocketAddr;

use rustix::net::{getpeername, getsockname};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Files of a process that are looked at, so that it never takes long.
const MOST: usize = 4096;

/// Both ends of the connections of this process and of its children.
pub(crate) fn connections() -> Vec<(SocketAddr, SocketAddr)> {
    std::iter::once(getpid()).chain(children()).flat_map(of_process).collect()
}

fn children() -> impl Iterator<Item = Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>());
    pids.filter_map(Pid::from_raw)
}

/// Those of one process.
fn of_process(pid: Pid) -> Vec<(SocketAddr, SocketAddr)> {
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
            let found = connections();
            assert!(found.contains(&ends), "{ends:?} in {found:?}");
        }
    }
}
