//! The calls that `rustix` does not have, and with them all unsafe code.
//!
//! Every pointer handed to the kernel here points into a local or borrowed array that outlives
//! the call, and the length handed along with it is that array's.

use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

/// Messages that one `recvmmsg` fetches at most.
pub(crate) const SLOTS: usize = 64;
/// Bytes of a slot. Events have about 300, and 1,000 with every attribute at its longest.
pub(crate) const SLOT_LEN: usize = 2048;

/// Room for one datagram.
#[derive(Debug)]
pub(crate) struct Slot {
    bytes: [u8; SLOT_LEN],
    length: usize,
    port: u32,
    cut: bool,
}

impl Slot {
    pub(crate) const EMPTY: Slot = Slot { bytes: [0; SLOT_LEN], length: 0, port: 0, cut: false };

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn is_from_kernel(&self) -> bool {
        self.port == 0
    }

    /// The datagram was longer than the slot.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Receives at most `max` datagrams that are there, without waiting. Returns how many.
pub(crate) fn recv_many(fd: BorrowedFd<'_>, slots: &mut [Slot], max: usize) -> Result<usize, Errno> {
    let count = slots.len().min(max).min(SLOTS);
    // SAFETY: the three are plain C structs of integers and pointers, for which zeros are valid.
    let mut names: [libc::sockaddr_nl; SLOTS] = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut vectors: [libc::iovec; SLOTS] = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };

    let parts = slots.iter_mut().zip(&mut names).zip(&mut vectors).zip(&mut headers);
    for (((slot, name), vector), header) in parts.take(count) {
        vector.iov_base = slot.bytes.as_mut_ptr().cast();
        vector.iov_len = SLOT_LEN;
        header.msg_hdr.msg_name = (&raw mut *name).cast();
        header.msg_hdr.msg_namelen = socklen::<libc::sockaddr_nl>();
        header.msg_hdr.msg_iov = &raw mut *vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    let length = libc::c_uint::try_from(count).unwrap_or(0);
    // SAFETY: `headers` has at least `length` entries; each points to a name, a vector and a slot
    // of which the first `count` were set up above, all alive and not aliased during the call.
    let received = unsafe {
        libc::recvmmsg(
            fd.as_raw_fd(),
            headers.as_mut_ptr(),
            length,
            // The type of this constant differs between C libraries.
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| last_errno())?;
    for ((slot, name), header) in slots.iter_mut().zip(&names).zip(&headers).take(received) {
        slot.length = usize::try_from(header.msg_len).unwrap_or(0).min(SLOT_LEN);
        slot.port = name.nl_pid;
        slot.cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
    }
    Ok(received)
}

/// Datagrams that the socket had to drop since it was opened (`SO_MEMINFO`).
pub(crate) fn drops(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    /// `SK_MEMINFO_VARS`; drops are the last.
    const VARS: usize = 9;
    let mut info = MaybeUninit::<[u32; VARS]>::zeroed();
    let mut length = socklen::<[u32; VARS]>();
    // SAFETY: `info` has room for `length` bytes, and both live during the call.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(last_errno());
    }
    // SAFETY: it was zeroed, so it is initialized whatever the kernel wrote; any u32 is valid.
    let info = unsafe { info.assume_init() };
    Ok(info[VARS - 1])
}

/// Switches an option of level `SOL_NETLINK` on.
pub(crate) fn enable_netlink_option(fd: BorrowedFd<'_>, option: libc::c_int) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length are those of `on`, which lives during the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            socklen::<libc::c_int>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// What a clock says, 0 if there is no such clock.
pub(crate) fn clock(id: libc::clockid_t) -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` has room for one, and lives during the call.
    unsafe { libc::clock_gettime(id, time.as_mut_ptr()) };
    // SAFETY: it was zeroed, so it is initialized whatever was written; it has integers only.
    let time = unsafe { time.assume_init() };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Any system call, for [`crate::forbidden`] and its constants only: null pointers and numbers, with
/// which the kernel has nothing of ours to write to.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<(), Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: no argument points into memory of this process, none of the calls ends it, makes
    // another thread of it, or changes memory that is mapped.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 { Err(last_errno()) } else { Ok(()) }
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0)
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
