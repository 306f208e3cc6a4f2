//! Reading /proc. Processes end while they are read: whatever is not there any more is simply not found.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use conntop_proto::text::sanitize_bytes;
use rustix::fs::{Mode, OFlags, RawDir, open, readlinkat_raw};

use super::unit::unit;
use super::users::Users;
use crate::enrich::Fact;
use crate::enrich::processes::Process;

/// Most that is read of one small file: more of a command line nobody sees, and a control group's name is
/// bounded by the kernel.
const MOST: u64 = 16 << 10;
/// What the kernel fills at once with names of a directory.
const NAMES: usize = 32 << 10;
/// Longest name that the kernel gives a thread.
const COMM: usize = 15;

/// A network namespace by device and inode.
pub(super) type NetId = (u64, u64);

/// The processes of this machine.
#[derive(Debug)]
pub(super) struct Procfs {
    root: PathBuf,
    names: Vec<MaybeUninit<u8>>,
}

/// A process as the directory shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u32,
    /// Inode of its directory: a process that got the number of another one has another inode.
    pub(super) inode: u64,
}

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) uid: u32,
    pub(super) unit: Option<String>,
}

impl About {
    pub(super) fn process(self, pid: u32, users: &Users) -> Process {
        Process {
            pid: Some(pid),
            name: Some(self.name),
            user: users.name(self.uid),
            uid: self.uid,
            unit: self.unit.map_or(Fact::Absent, Fact::Known),
            command: Some(self.command),
        }
    }
}

impl Procfs {
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), names: vec![MaybeUninit::uninit(); NAMES] }
    }

    /// All processes.
    pub(super) fn list(&mut self, into: &mut Vec<Listed>) -> io::Result<()> {
        into.clear();
        let dir = open(&self.root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut entries = RawDir::new(dir, &mut self.names);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if let Some(pid) = number(entry.file_name().to_bytes()) {
                into.push(Listed { pid, inode: entry.ino() });
            }
        }
        Ok(())
    }

    /// The sockets that a process has open, as descriptor and inode, but for the descriptors that
    /// `known` says are as they were.
    pub(super) fn sockets(
        &mut self,
        pid: u32,
        known: impl Fn(u32) -> bool,
        mut found: impl FnMut(u32, u32),
    ) -> io::Result<()> {
        let path = self.root.join(pid.to_string()).join("fd");
        let dir = open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut entries = RawDir::new(&dir, &mut self.names);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let Some(fd) = number(entry.file_name().to_bytes()) else { continue };
            if known(fd) {
                continue;
            }
            let mut target = [0; 64];
            let Ok(length) = readlinkat_raw(&dir, entry.file_name(), &mut target) else { continue };
            if let Some(inode) = target.get(..length).and_then(socket) {
                found(fd, inode);
            }
        }
        Ok(())
    }

    /// The network namespace of a process.
    pub(super) fn net(&self, pid: u32) -> io::Result<NetId> {
        let metadata = fs::metadata(self.root.join(pid.to_string()).join("ns/net"))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// When a process began, in the kernel's ticks since the machine was started.
    pub(super) fn start(&self, pid: u32) -> Option<u64> {
        start(&self.text(pid, "stat")?)
    }

    /// What a process says of itself.
    pub(super) fn about(&self, pid: u32) -> Option<About> {
        let comm = self.text(pid, "comm")?;
        let arguments = self.text(pid, "cmdline").unwrap_or_default();
        let name = name(comm.strip_suffix(b"\n").unwrap_or(&comm), &arguments);
        let cgroup = self.text(pid, "cgroup").unwrap_or_default();
        Some(About {
            name: sanitize_bytes(name),
            command: command(&arguments),
            uid: uid(&self.text(pid, "status")?)?,
            unit: unit(&String::from_utf8_lossy(&cgroup)),
        })
    }

    fn text(&self, pid: u32, file: &str) -> Option<Vec<u8>> {
        let mut path = self.root.join(pid.to_string());
        path.push(file);
        let mut text = Vec::new();
        File::open(path).ok()?.take(MOST).read_to_end(&mut text).ok()?;
        Some(text)
    }
}

fn number(name: &[u8]) -> Option<u32> {
    std::str::from_utf8(name).ok().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))?.parse().ok()
}

/// `socket:[4711]`
fn socket(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// The kernel keeps 15 bytes of a name; the first argument often has the rest.
fn name<'a>(comm: &'a [u8], arguments: &'a [u8]) -> &'a [u8] {
    let first = arguments.split(|b| *b == 0).next().unwrap_or_default();
    let base = first.rsplit(|b| *b == b'/').next().unwrap_or_default();
    if comm.len() == COMM && base.starts_with(comm) && !base.contains(&b' ') { base } else { comm }
}

/// Arguments with blanks between them. A process may have written anything there.
fn command(arguments: &[u8]) -> String {
    let end = arguments.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let arguments = arguments.get(..end).unwrap_or_default();
    let text: Vec<u8> = arguments.iter().map(|b| if *b == 0 { b' ' } else { *b }).collect();
    sanitize_bytes(&text)
}

/// The effective user, `Uid:\treal\teffective\t...`.
fn uid(status: &[u8]) -> Option<u32> {
    let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    let mut ids = line.split(u8::is_ascii_whitespace).filter(|id| !id.is_empty());
    number(ids.nth(1)?)
}

/// The 22nd field; the second is the name in parentheses, which may hold anything.
fn start(stat: &[u8]) -> Option<u64> {
    let after = stat.iter().rposition(|b| *b == b')')? + 2;
    let field = stat.get(after..)?.split(|b| *b == b' ').nth(19)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_descriptors() {
        let check =
            |target: &str, expected: Option<u32>| assert_eq!(socket(target.as_bytes()), expected, "{target}");
        check("socket:[4711]", Some(4711));
        check("socket:[4294967295]", Some(u32::MAX));
        check("socket:[4294967296]", None);
        check("socket:[]", None);
        check("socket:[+5]", None);
        check("pipe:[4711]", None);
        check("/tmp/socket:[5]", None);
    }

    #[test]
    fn names_of_processes() {
        let check = |comm: &str, arguments: &str, expected: &str| {
            let found = String::from_utf8_lossy(name(comm.as_bytes(), arguments.as_bytes())).into_owned();
            assert_eq!(found, expected, "{comm} {arguments:?}");
        };
        check("curl", "curl\0https://example.com\0", "curl");
        check("systemd-resolve", "/usr/lib/systemd/systemd-resolved\0", "systemd-resolved");
        check("sshd", "sshd: me [priv]\0\0\0", "sshd");
        check("tokio-runtime-w", "/usr/bin/conntop\0", "tokio-runtime-w");
        check("a name with spa", "a name with spaces\0", "a name with spa");
        check("kworker/0:0", "", "kworker/0:0");
    }

    #[test]
    fn command_lines() {
        let check = |arguments: &str, expected: &str| assert_eq!(command(arguments.as_bytes()), expected);
        check("", "");
        check("curl\0-s\0https://example.com\0", "curl -s https://example.com");
        check("sshd: me@pts/0\0\0\0\0", "sshd: me@pts/0");
        check("evil\0\u{1b}]0;title\u{7}\0\u{202e}\0", "evil \\x1b]0;title\\x07 \\u{202e}");
        assert_eq!(command(&[0xff, b'a', 0]), "\\xffa");
        assert!(command(&[b'x'; 9000]).len() <= 255);
    }

    #[test]
    fn other_files() {
        assert_eq!(uid(b"Name:\tx\nUid:\t1000\t1001\t0\t0\nGid:\t5\t5\t5\t5\n"), Some(1001));
        assert_eq!(uid(b"Name:\tx\n"), None);
        let stat = b"12 (a) b (c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n";
        assert_eq!(start(stat), Some(987_654));
        assert_eq!(start(b"12 (a"), None);
    }

    #[test]
    fn this_process() -> io::Result<()> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let wanted = rustix::fs::fstat(&listener)?.st_ino;
        let (mut proc, me, mut all) = (Procfs::at("/proc"), std::process::id(), Vec::new());
        proc.list(&mut all)?;
        assert!(all.iter().any(|listed| listed.pid == me), "{all:?}");
        let mut found = Vec::new();
        proc.sockets(me, |_| false, |_, inode| found.push(u64::from(inode)))?;
        assert!(found.contains(&wanted), "{wanted} in {found:?}");
        found.clear();
        proc.sockets(me, |_| true, |_, inode| found.push(u64::from(inode)))?;
        assert!(found.is_empty());
        let about = proc.about(me);
        assert_eq!(about.map(|about| about.uid), Some(rustix::process::geteuid().as_raw()));
        assert!(proc.start(me).is_some_and(|start| start > 0));
        assert_eq!(Some(proc.net(me)?), nfnetlink::netns::identity().ok());
        Ok(())
    }
}
