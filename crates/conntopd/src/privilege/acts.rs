//! Forbidden acts: what somebody who has taken over a thread would like to do. The self-test tries
//! each in each thread, after that is confined, and each has to be refused with EPERM or EACCES:
//! another error is no refusal but a badly chosen act. And what a thread must still be able to do.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

use nfnetlink::forbidden::CALLS;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::net::{AddressFamily, RawProtocol, SocketType, ipproto};
use rustix::process::{DumpableBehavior, Gid, Pid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::PrivilegeError;

struct Act {
    name: &'static str,
    attempt: fn() -> io::Result<()>,
}

/// What libraries do at any time, and end the thread if they cannot.
const NEEDS: &[Act] = &[
    Act { name: "read /dev/urandom", attempt: || read("/dev/urandom") },
    Act { name: "open /dev/random", attempt: || std::fs::File::open("/dev/random").map(drop) },
];

fn read(path: &str) -> io::Result<()> {
    std::fs::File::open(path)?.read_exact(&mut [0; 16])
}

/// Where /proc shows nobody else's processes (`ProtectProc=invisible`), there is nothing to open: that is a refusal.
fn open_of_another_process() -> io::Result<()> {
    match std::fs::File::open("/proc/1/environ").map(drop) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::ErrorKind::PermissionDenied.into()),
        opened => opened,
    }
}

/// What acts would make; where they are not refused it is removed again.
const FILE: &str = "/tmp/conntop-self-test";
const RENAMED: &str = "/tmp/conntop-self-test-2";

const ACTS: &[Act] = &[
    Act { name: "open /etc/shadow", attempt: || std::fs::File::open("/etc/shadow").map(drop) },
    Act { name: "open /proc/version", attempt: || std::fs::File::open("/proc/version").map(drop) },
    Act { name: "open /proc/1/environ", attempt: open_of_another_process },
    Act {
        name: "write to a device",
        attempt: || Ok(rustix::fs::open("/dev/null", OFlags::WRONLY, Mode::empty()).map(drop)?),
    },
    Act {
        name: "write to /dev/urandom",
        attempt: || Ok(rustix::fs::open("/dev/urandom", OFlags::WRONLY, Mode::empty()).map(drop)?),
    },
    Act { name: "list /", attempt: || std::fs::read_dir("/").map(drop) },
    Act { name: "write a file", attempt: || std::fs::write(FILE, "") },
    Act {
        name: "write a sysctl",
        attempt: || Ok(rustix::fs::open("/proc/sys/net/netfilter", OFlags::WRONLY, Mode::empty()).map(drop)?),
    },
    Act { name: "make a directory", attempt: || std::fs::create_dir(FILE) },
    Act { name: "make a symbolic link", attempt: || std::os::unix::fs::symlink("/", FILE) },
    Act { name: "make a link", attempt: || std::fs::hard_link("/etc/passwd", FILE) },
    Act { name: "rename a file", attempt: || std::fs::rename(FILE, RENAMED) },
    Act {
        name: "make a device",
        attempt: || Ok(rustix::fs::mknodat(CWD, FILE, FileType::CharacterDevice, Mode::RUSR, 0)?),
    },
    Act {
        name: "change a file's mode",
        attempt: || Ok(rustix::fs::chmodat(CWD, FILE, Mode::RWXU, AtFlags::empty())?),
    },
    Act {
        name: "change a file's owner",
        attempt: || Ok(rustix::fs::chownat(CWD, FILE, Some(Uid::ROOT), None, AtFlags::empty())?),
    },
    Act { name: "chroot", attempt: || Ok(rustix::process::chroot("/")?) },
    Act { name: "change the directory", attempt: || std::env::set_current_dir("/") },
    Act { name: "run a program", attempt: || Command::new("/bin/true").status().map(drop) },
    Act { name: "connect by TCP", attempt: || TcpStream::connect((Ipv4Addr::LOCALHOST, 9)).map(drop) },
    Act { name: "listen on a TCP port", attempt: || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop) },
    Act { name: "open a UDP socket", attempt: || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop) },
    Act {
        name: "connect to a unix socket",
        attempt: || UnixStream::connect("/run/systemd/notify").map(drop),
    },
    Act { name: "open a raw socket", attempt: || socket(AddressFamily::INET, Some(ipproto::ICMP.as_raw())) },
    Act { name: "open a packet socket", attempt: || socket(AddressFamily::PACKET, None) },
    Act { name: "kill another process", attempt: || Ok(rustix::process::test_kill_process(Pid::INIT)?) },
    Act { name: "become root", attempt: || Ok(rustix::thread::set_thread_uid(Uid::ROOT)?) },
    Act { name: "change the group", attempt: || Ok(rustix::thread::set_thread_gid(Gid::ROOT)?) },
    Act { name: "change the groups", attempt: || Ok(rustix::thread::set_thread_groups(&[Gid::ROOT])?) },
    Act {
        name: "take capabilities",
        attempt: || {
            let all = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
            let sets = CapabilitySets { effective: all, permitted: all, inheritable: all };
            Ok(rustix::thread::set_capabilities(None, sets)?)
        },
    },
    Act {
        name: "allow core dumps",
        attempt: || Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?),
    },
];

fn socket(family: AddressFamily, protocol: Option<RawProtocol>) -> io::Result<()> {
    let protocol = protocol.map(rustix::net::Protocol::from_raw);
    Ok(rustix::net::socket(family, SocketType::RAW, protocol).map(drop)?)
}

/// Tries them all in the calling thread.
///
/// # Errors
/// Names those that were not refused, or that are needed and were.
pub(super) fn attempt_all() -> Result<usize, PrivilegeError> {
    for Act { name, attempt } in NEEDS {
        attempt().map_err(|error| PrivilegeError::Needed(format!("{name}: {error}")))?;
        tracing::info!("self-test: {name}: possible");
    }
    let own = ACTS.iter().map(|act| (act.name, (act.attempt)()));
    let calls = CALLS.iter().map(|call| (call.name, call.attempt()));
    let mut refused = 0;
    let mut done = Vec::new();
    for (name, result) in own.chain(calls) {
        match result {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::info!("self-test: {name}: refused");
                refused += 1;
            }
            Ok(()) => done.push(format!("{name}: done")),
            Err(error) => done.push(format!("{name}: {error}")),
        }
    }
    if done.is_empty() {
        return Ok(refused);
    }
    for path in [FILE, RENAMED] {
        let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
    }
    Err(PrivilegeError::SelfTest(done.join("; ")))
}
