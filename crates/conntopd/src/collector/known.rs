//! Whom this machine knows in its networks: names from hosts files and DHCP leases, neighbours with
//! their MAC addresses.
//!
//! A file is read again when its size, time or number has changed; so a look costs a `stat` a file. Of
//! a large lease file the end counts, where the newest leases are, of a large hosts file the beginning.
//! A file that cannot be read any more keeps its say, one that is gone loses it.

mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use conntop_proto::message::{HostName, Mac, NameOrigin, Neighbour};

use self::parse::Entries;

/// Bytes that are read of one file.
const BYTES: u64 = 1 << 20;
/// Files of one folder.
const FILES: usize = 64;

/// Where names come from. A folder stands for the files in it; what does not exist is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFiles {
    /// Hosts files.
    pub hosts: Vec<PathBuf>,
    /// Lease files of DHCP servers.
    pub leases: Vec<PathBuf>,
}

/// What a collector tells of the hosts in its networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing.
    Kept,
    /// Names from these files, and neighbours.
    Told(NameFiles),
}

impl Default for Knowledge {
    fn default() -> Self {
        Self::Told(NameFiles::default())
    }
}

/// Only root writes there.
const HOSTS: &[&str] = &["/etc/hosts"];
/// Of Debian, Fedora, Pi-hole, and their kin.
const LEASES: &[&str] = &[
    "/var/lib/misc/dnsmasq.leases",
    "/var/lib/dnsmasq/dnsmasq.leases",
    "/etc/pihole/dhcp.leases",
    "/var/lib/dhcp/dhcpd.leases",
    "/var/lib/dhcpd/dhcpd.leases",
    "/var/lib/kea/kea-leases4.csv",
    "/var/lib/kea/kea-leases6.csv",
];
/// Elsewhere anybody could write there.
const OPENWRT: &str = "/etc/openwrt_release";
const OPENWRT_HOSTS: &[&str] = &["/tmp/hosts"];
const OPENWRT_LEASES: &[&str] = &["/tmp/dhcp.leases", "/tmp/odhcpd.leases", "/tmp/hosts/odhcpd"];

impl Default for NameFiles {
    /// The usual ones.
    fn default() -> Self {
        Self { hosts: Self::usual(HOSTS, OPENWRT_HOSTS), leases: Self::usual(LEASES, OPENWRT_LEASES) }
    }
}

impl NameFiles {
    fn usual(everywhere: &[&str], openwrt: &[&str]) -> Vec<PathBuf> {
        let openwrt = if Path::new(OPENWRT).exists() { openwrt } else { &[] };
        everywhere.iter().chain(openwrt).map(PathBuf::from).collect()
    }

    /// The same with other hosts files or leases where some are named.
    #[must_use]
    pub fn or_usual(hosts: Vec<PathBuf>, leases: Vec<PathBuf>) -> Self {
        let usual = Self::default();
        Self {
            hosts: if hosts.is_empty() { usual.hosts } else { hosts },
            leases: if leases.is_empty() { usual.leases } else { leases },
        }
    }
}

impl NameFiles {
    /// The names of now.
    #[must_use]
    pub fn read(self) -> Vec<HostName> {
        Known::new(&Knowledge::Told(self)).names(&[])
    }
}

impl Knowledge {
    /// Files and folders that are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = match self {
            Self::Kept => None,
            Self::Told(files) => Some(files),
        };
        files.into_iter().flat_map(|files| files.hosts.iter().chain(&files.leases)).map(PathBuf::as_path)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hosts,
    Leases,
}

/// What shows that a file is another, or has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    time: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let (device, inode, size) = (file.dev(), file.ino(), file.size());
        Self { device, inode, size, time: (file.mtime(), file.mtime_nsec()) }
    }
}

/// A file that has been read, or could not be.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    entries: Entries,
}

/// Reads what is known, again and again.
#[derive(Debug, Default)]
pub(super) struct Known {
    files: Vec<(PathBuf, Kind)>,
    told: bool,
    seen: BTreeMap<PathBuf, Seen>,
}

impl Known {
    pub(super) fn new(knowledge: &Knowledge) -> Self {
        let Knowledge::Told(NameFiles { hosts, leases }) = knowledge else { return Self::default() };
        let of =
            |files: &[PathBuf], kind| files.iter().map(move |file| (file.clone(), kind)).collect::<Vec<_>>();
        let files = [of(hosts, Kind::Hosts), of(leases, Kind::Leases)].concat();
        Self { files, told: true, seen: BTreeMap::new() }
    }

    /// Whether anything of it is to be told.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// The names of now, in order of addresses; `neighbours` show which addresses are one device.
    pub(super) fn names(&mut self, neighbours: &[Neighbour]) -> Vec<HostName> {
        self.look();
        let mut names: BTreeMap<IpAddr, (NameOrigin, &str)> = BTreeMap::new();
        let mut devices: BTreeMap<Mac, BTreeSet<&str>> = BTreeMap::new();
        // Of several files of one kind the first counts.
        let order = self.seen_in_order();
        for (address, entry) in order.into_iter().flat_map(|seen| &seen.entries) {
            let known = (entry.from, entry.name.as_str());
            let name = names.entry(*address).or_insert(known);
            if known.0 < name.0 {
                *name = known;
            }
            if let Some(mac) = entry.mac {
                devices.entry(mac).or_default().insert(&entry.name);
            }
        }
        for neighbour in neighbours {
            if let Some((_, name)) = names.get(&neighbour.address) {
                devices.entry(neighbour.mac).or_default().insert(name);
            }
        }
        // Only IPv6: a device with several IPv4 addresses and one name is rather a router that answers
        // for others.
        for neighbour in neighbours.iter().filter(|neighbour| neighbour.address.is_ipv6()) {
            let called = devices.get(&neighbour.mac).filter(|called| called.len() == 1);
            if let Some(name) = called.and_then(BTreeSet::first) {
                names.entry(neighbour.address).or_insert((NameOrigin::Mac, *name));
            }
        }
        let named = |(address, (from, name)): (IpAddr, (NameOrigin, &str))| HostName {
            address,
            name: name.to_owned(),
            from,
        };
        names.into_iter().map(named).collect()
    }

    fn seen_in_order(&self) -> Vec<&Seen> {
        let within = |path: &PathBuf| {
            self.seen.range(path.clone()..).take_while({
                let path = path.clone();
                move |(file, _)| file.starts_with(&path)
            })
        };
        self.files.iter().flat_map(|(path, _)| within(path)).map(|(_, seen)| seen).collect()
    }

    /// Reads what has changed.
    fn look(&mut self) {
        let mut there = BTreeSet::new();
        for (path, kind) in self.files.clone() {
            for file in files(&path) {
                // A file that is named itself goes before the folder that it lies in.
                let named = file != path && self.files.iter().any(|(other, _)| *other == file);
                if !named && self.look_at(&file, kind) {
                    there.insert(file);
                }
            }
        }
        self.seen.retain(|file, _| there.contains(file));
    }

    /// Whether the file is there.
    fn look_at(&mut self, path: &Path, kind: Kind) -> bool {
        let Ok(file) = std::fs::metadata(path) else { return false };
        if !file.is_file() {
            return false;
        }
        let stamp = Stamp::of(&file);
        if self.seen.get(path).is_some_and(|seen| seen.stamp == stamp) {
            return true;
        }
        let entries = match read(path, kind) {
            Ok(bytes) if kind == Kind::Hosts => parse::hosts(&bytes),
            Ok(bytes) => parse::leases(&bytes),
            Err(error) => {
                tracing::warn!("no new names from {}: {error}", path.display());
                self.seen.remove(path).map(|seen| seen.entries).unwrap_or_default()
            }
        };
        self.seen.insert(path.to_owned(), Seen { stamp, entries });
        true
    }
}

/// The file, or the files in the folder.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(folder) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let plain = |path: &PathBuf| {
        let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
        !name.starts_with(b".") && !name.ends_with(b"~")
    };
    let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).filter(plain).take(FILES).collect();
    files.sort();
    files
}

fn read(path: &Path, kind: Kind) -> io::Result<Vec<u8>> {
    // A pipe in its place would otherwise make this wait.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file: File = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let all = file.metadata()?;
    if !all.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if kind == Kind::Leases && all.len() > BYTES {
        file.seek(SeekFrom::Start(all.len() - BYTES))?;
    }
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
