//! What is left in the log of this machine when a flow was ended from here. The screen has no log of its
//! own, so the line goes to the system's.

use std::os::unix::net::UnixDatagram;

/// Where the system's log listens.
const LOG: &str = "/dev/log";
/// authpriv.notice, as of others who use a privilege for somebody.
const PRIORITY: u8 = 10 << 3 | 5;

/// Who wants it: the program and its user, and who became that by sudo.
pub(super) fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let before = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse::<u32>().ok());
    before.map_or_else(
        || format!("conntop of uid {uid}"),
        |before| format!("conntop of uid {uid}, by sudo of uid {before}"),
    )
}

/// Leaves a line in the log, where there is one. It consists of numbers, addresses and our own words.
pub(super) fn tell(line: &str) {
    let send = || -> std::io::Result<usize> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(format!("<{PRIORITY}>conntop[{}]: {line}", std::process::id()).as_bytes(), LOG)
    };
    if let Err(error) = send() {
        tracing::debug!("{LOG}: {error}");
    }
}
