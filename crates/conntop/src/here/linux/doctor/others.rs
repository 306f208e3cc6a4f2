//! Who else is on this machine: programs that zero counters, sockets that get conntrack's events, other
//! network namespaces with flows.

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use conntop_proto::text::sanitize;
use nfnetlink::facts::Facts as Sysctls;
use nfnetlink::netns::{self, Netns};

use super::facts::{Process, Space};

/// Processes that are looked at.
const MOST_PROCESSES: usize = 65_536;
/// Namespaces that are entered.
const MOST_SPACES: usize = 256;
/// Groups of conntrack's events in a socket's mask: new, changed, gone.
const EVENTS: u32 = 0b111;

/// Inode of a namespace.
type Inode = u64;

/// A process and the namespace it is in, as far as that may be seen.
struct Running {
    pid: u32,
    net: Option<Inode>,
}

/// All of them, the oldest first.
fn running() -> Vec<Running> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<u32> = pids.take(MOST_PROCESSES).collect();
    pids.sort_unstable();
    let net = |pid: u32| fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|meta| meta.st_ino());
    pids.into_iter().map(|pid| Running { pid, net: net(pid) }).collect()
}

fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(sanitize(String::from_utf8_lossy(&name).trim_end()).into_owned())
}

/// Programs that are known to zero counters as they read, in the namespace or where that may not be seen.
pub(super) fn zeroing(inside: Option<Inode>) -> Vec<Process> {
    let here = running().into_iter().filter(|process| process.net.is_none() || process.net == inside);
    let found = here.filter_map(|Running { pid, .. }| {
        let name = name_of(pid)?;
        let arguments = || fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        zeroes(&name, &arguments()).then_some(Process { name, pid })
    });
    found.collect()
}

/// Whether a program with that name and command line does.
pub(super) fn zeroes(name: &str, arguments: &[u8]) -> bool {
    match name {
        // Both may be configured to leave the counters alone, which does not show here.
        "nlbwmon" | "ulogd" => true,
        "conntrack" => arguments.split(|byte| *byte == 0).any(|word| {
            word == b"--zero"
                || word.first() == Some(&b'-') && word.get(1) != Some(&b'-') && word.contains(&b'z')
        }),
        _ => false,
    }
}

/// Sockets of the calling thread's namespace that get conntrack's events.
pub(super) fn listening() -> usize {
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    listening_in(&sockets)
}

fn listening_in(sockets: &str) -> usize {
    let listens = |line: &&str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let protocol = columns.next();
        let groups = columns.nth(1).and_then(|groups| u32::from_str_radix(groups, 16).ok());
        protocol == Some("12") && groups.is_some_and(|groups| groups & EVENTS != 0)
    };
    sockets.lines().skip(1).filter(listens).count()
}

/// Other namespaces that have entries, the fullest first, and how many may not be looked into.
pub(super) fn spaces(own: Option<Inode>) -> (Vec<Space>, usize) {
    let mut known: BTreeMap<Inode, (String, PathBuf)> = BTreeMap::new();
    let mut hidden = 0;
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), sanitize(&entry.file_name().to_string_lossy()).into_owned());
        if let Ok(meta) = fs::metadata(&path) {
            known.entry(meta.st_ino()).or_insert((name, path));
        }
    }
    for Running { pid, net } in running() {
        match net {
            Some(net) => {
                let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
                known.entry(net).or_insert((pid.to_string(), path));
            }
            None => hidden += usize::from(Path::new(&format!("/proc/{pid}")).exists()),
        }
    }
    let others = known.into_iter().filter(|(inode, _)| Some(*inode) != own).take(MOST_SPACES);
    let others: Vec<(String, PathBuf)> = others.map(|(_, space)| space).collect();
    // One thread for all of them, as it does not come back.
    let look = move || {
        let mut found = Vec::new();
        let mut refused = 0;
        for (name, path) in others {
            match Netns::Path(path).enter() {
                Ok(()) => found.extend(
                    Sysctls::read().count.filter(|count| *count > 0).map(|entries| Space { name, entries }),
                ),
                Err(netns::NetnsError::Enter { .. }) => refused += 1,
                // It has ended meanwhile.
                Err(netns::NetnsError::Open { .. }) => {}
            }
        }
        found.sort_by_key(|space: &Space| std::cmp::Reverse(space.entries));
        (found, refused)
    };
    let thread = thread::Builder::new().name("ct-spaces".to_owned()).spawn(look);
    let (found, refused) = thread.ok().and_then(|thread| thread.join().ok()).unwrap_or_default();
    // Of processes that hide their namespace it is not known how many namespaces they are.
    (found, refused + usize::from(hidden > 0 && refused == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_zeroes_counters() {
        let check = |name: &str, arguments: &str, wanted: bool| {
            let bytes = arguments.replace(' ', "\0");
            assert_eq!(zeroes(name, bytes.as_bytes()), wanted, "{name} {arguments}");
        };
        check("nlbwmon", "nlbwmon -o /var/lib", true);
        check("ulogd", "/usr/sbin/ulogd --daemon", true);
        check("conntrack", "conntrack -L -z", true);
        check("conntrack", "conntrack -Lz", true);
        check("conntrack", "conntrack -L --zero", true);
        check("conntrack", "conntrack -E --zone 1", false);
        check("zsh", "zsh -z", false);
    }

    #[test]
    fn who_listens() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
                     0000000000000000 12  4242       00000007 0        0        0     2        0        1\n\
                     0000000000000000 12  4243       00000000 0        0        0     2        0        2\n\
                     0000000000000000 0   4244       00000001 0        0        0     2        0        3\n\
                     0000000000000000 12  4245       00000004 0        0        0     2        0        4\n";
        assert_eq!(listening_in(table), 2);
        assert_eq!(listening_in(""), 0);
    }
}
