//! System calls that no program of ours makes, to try whether a sandbox refuses them. This is here
//! because `rustix` has no safe form of most, and all unsafe code is in this crate. Numbers are those of
//! x86_64 and aarch64.
//!
//! The arguments are such that a call does no harm where it is permitted: most pointers are null,
//! processes do not exist, or it only asks.

use std::io;

use crate::sys;

/// A process id beyond the largest that the kernel gives.
const NOBODY: usize = 0x7fff_fff0;
/// Without the flags that have to go with it: no thread begins even where this is permitted.
const CLONE_THREAD: usize = 0x0001_0000;
const PTRACE_ATTACH: usize = 16;
const KEY_SPEC_SESSION_KEYRING: usize = usize::MAX - 2;
const READ_EXECUTE: usize = 5;
const PRIVATE_ANONYMOUS: usize = 0x22;
const NO_FILE: usize = usize::MAX;
const PAGE: usize = 4096;

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What it would do.
    pub name: &'static str,
    number: libc::c_long,
    arguments: [usize; 6],
}

const fn call(name: &'static str, number: libc::c_long, arguments: [usize; 6]) -> Call {
    Call { name, number, arguments }
}

/// All of them.
pub const CALLS: &[Call] = &[
    call("execve", libc::SYS_execve, [0; 6]),
    call("execveat", libc::SYS_execveat, [NO_FILE, 0, 0, 0, 0, 0]),
    call("clone", libc::SYS_clone, [CLONE_THREAD, 0, 0, 0, 0, 0]),
    call("clone3", libc::SYS_clone3, [0; 6]),
    call("unshare", libc::SYS_unshare, [0; 6]),
    call("setns", libc::SYS_setns, [NO_FILE, 0, 0, 0, 0, 0]),
    call("ptrace", libc::SYS_ptrace, [PTRACE_ATTACH, NOBODY, 0, 0, 0, 0]),
    call("process_vm_readv", libc::SYS_process_vm_readv, [NOBODY, 0, 0, 0, 0, 0]),
    call("process_vm_writev", libc::SYS_process_vm_writev, [NOBODY, 0, 0, 0, 0, 0]),
    call("pidfd_open", libc::SYS_pidfd_open, [NOBODY, 0, 0, 0, 0, 0]),
    call("pidfd_getfd", libc::SYS_pidfd_getfd, [NO_FILE, 0, 0, 0, 0, 0]),
    call("mount", libc::SYS_mount, [0; 6]),
    call("umount2", libc::SYS_umount2, [0; 6]),
    call("pivot_root", libc::SYS_pivot_root, [0; 6]),
    call("bpf", libc::SYS_bpf, [0; 6]),
    call("perf_event_open", libc::SYS_perf_event_open, [0, NOBODY, 0, 0, 0, 0]),
    call("keyctl", libc::SYS_keyctl, [0, KEY_SPEC_SESSION_KEYRING, 0, 0, 0, 0]),
    call("add_key", libc::SYS_add_key, [0; 6]),
    call("reboot", libc::SYS_reboot, [0; 6]),
    call("swapon", libc::SYS_swapon, [0; 6]),
    call("init_module", libc::SYS_init_module, [0; 6]),
    call("finit_module", libc::SYS_finit_module, [NO_FILE, 0, 0, 0, 0, 0]),
    call("delete_module", libc::SYS_delete_module, [0; 6]),
    call("kexec_load", libc::SYS_kexec_load, [0; 6]),
    call("personality", libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]),
    call("userfaultfd", libc::SYS_userfaultfd, [usize::MAX, 0, 0, 0, 0, 0]),
    call("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
    call("memfd_create", libc::SYS_memfd_create, [0; 6]),
    call("open_by_handle_at", libc::SYS_open_by_handle_at, [NO_FILE, 0, 0, 0, 0, 0]),
    call("settimeofday", libc::SYS_settimeofday, [0; 6]),
    call("sethostname", libc::SYS_sethostname, [0, usize::MAX, 0, 0, 0, 0]),
    call("syslog", libc::SYS_syslog, [10, 0, 0, 0, 0, 0]),
    call("acct", libc::SYS_acct, [1, 0, 0, 0, 0, 0]),
    call("seccomp", libc::SYS_seccomp, [NO_FILE, 0, 0, 0, 0, 0]),
    call("executable memory", libc::SYS_mmap, [0, PAGE, READ_EXECUTE, PRIVATE_ANONYMOUS, NO_FILE, 0]),
    call("memory made executable", libc::SYS_mprotect, [0, 0, READ_EXECUTE, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    call("ioperm", libc::SYS_ioperm, [0x80, 1, 0, 0, 0, 0]),
    #[cfg(target_arch = "x86_64")]
    call("iopl", libc::SYS_iopl, [0; 6]),
];

impl Call {
    /// Makes the call.
    ///
    /// # Errors
    /// What the kernel answers; EPERM where the call is refused.
    pub fn attempt(&self) -> io::Result<()> {
        sys::call(self.number, self.arguments).map_err(io::Error::from)
    }
}
