//! Finds the process that listens on a TCP port, for the error that names it. Best effort: without
//! root only the user's own processes are found.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use conntop_proto::text;

/// State of a listening socket in /proc/net/tcp.
const LISTENING: &str = "0A";
/// Sockets of one process that are looked at, so that an error never takes long.
const MAX_FDS: usize = 4096;

/// `name (pid 123)` of the process that listens where `address` wants to.
pub(super) fn of(address: SocketAddr) -> Option<String> {
    let inode = inode(address)?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if has_socket(&process.path(), &wanted) {
            let comm = std::fs::read(process.path().join("comm")).unwrap_or_default();
            let comm = text::sanitize_bytes(comm.trim_ascii());
            return Some(format!("{comm} (pid {pid})"));
        }
    }
    None
}

fn has_socket(process: &Path, wanted: &str) -> bool {
    let Ok(files) = std::fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .flatten()
        .take(MAX_FDS)
        .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted))
}

fn inode(address: SocketAddr) -> Option<u64> {
    let (table, own, any) = match address.ip() {
        IpAddr::V4(ip) => {
            ("/proc/net/tcp", format!("{:08X}", u32::from_ne_bytes(ip.octets())), "0".repeat(8))
        }
        IpAddr::V6(ip) => (
            "/proc/net/tcp6",
            ip.octets()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|word| format!("{:08X}", u32::from_ne_bytes(*word)))
                .collect(),
            "0".repeat(32),
        ),
    };
    let port = format!("{:04X}", address.port());
    let lines = std::fs::read_to_string(table).ok()?;
    lines.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (ip, own_port) = fields.nth(1)?.split_once(':')?;
        let listens = own_port == port && (ip == own || ip == any);
        (listens && fields.nth(1)? == LISTENING).then(|| fields.nth(5)?.parse().ok())?
    })
}
