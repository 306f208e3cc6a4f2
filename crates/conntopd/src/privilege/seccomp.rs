//! seccomp: a list of the system calls that a thread needs; the kernel answers EPERM to all others.
//!
//! EPERM rather than an end of the process, everywhere: a library that tries a call which is not
//! there then does without, and one surprise does not take all clients along. The lists hold what
//! glibc and musl use for the same functions on x86_64 and aarch64.
//!
//! Threads that need no files may open some to read nevertheless where Landlock says which: what
//! randomness comes from.

use std::collections::BTreeMap;

use libc::{AF_NETLINK, O_ACCMODE, O_APPEND, O_CREAT, O_RDONLY, O_TMPFILE, O_TRUNC, PROT_EXEC, c_long};
use rustix::io::Errno;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::Role;

/// Memory, time, locks, waiting, the end, and the log: what each thread's runtime needs.
const ALWAYS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// To look at files and at what a link names; Landlock says which may be opened.
const LOOK: &[c_long] = &[
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_pread64,
    libc::SYS_getdents64,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// To talk by sockets that there are.
const TALK: &[c_long] = &[
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

const EVENTS: &[c_long] = &[libc::SYS_recvmmsg, libc::SYS_recvfrom, libc::SYS_getsockopt];

const REQUESTS: &[c_long] = &[libc::SYS_bind, libc::SYS_recvmmsg];

const SERVE: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_accept,
    libc::SYS_shutdown,
    libc::SYS_getpeername,
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];

/// Calls that one value or bits of one argument make harmless.
struct Guarded {
    call: c_long,
    argument: u8,
    compare: SeccompCmpOp,
    value: u64,
}

const fn without(call: c_long, argument: u8, bits: i32) -> Guarded {
    Guarded { call, argument, compare: SeccompCmpOp::MaskedEq(unsigned(bits)), value: 0 }
}

const fn only(call: c_long, argument: u8, value: u64) -> Guarded {
    Guarded { call, argument, compare: SeccompCmpOp::Eq, value }
}

/// The 32 bits as the kernel's filter sees them.
const fn unsigned(bits: i32) -> u64 {
    bits.cast_unsigned() as u64
}

/// Opening that changes nothing; `O_TMPFILE` has a bit of its own beside that of directories.
const WRITING: i32 =
    (O_ACCMODE & !O_RDONLY) | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & !libc::O_DIRECTORY);

/// No memory becomes code.
const NO_CODE: &[Guarded] =
    &[without(libc::SYS_mmap, 2, PROT_EXEC), without(libc::SYS_mprotect, 2, PROT_EXEC)];

const READ_ONLY: &[Guarded] = &[
    without(libc::SYS_openat, 2, WRITING),
    #[cfg(target_arch = "x86_64")]
    without(libc::SYS_open, 1, WRITING),
];

const NETLINK: &[Guarded] = &[only(libc::SYS_socket, 0, unsigned(AF_NETLINK))];

/// `libc` gives it another type for each C library.
const FIONBIO: u64 = 0x5421;

/// `set_nonblocking` of the standard library.
const NONBLOCKING: &[Guarded] = &[only(libc::SYS_ioctl, 1, FIONBIO)];

/// Installs the filter of `role` in the calling thread, which Landlock restricts already or not.
pub(super) fn filter(role: Role, landlocked: bool) -> Result<String, String> {
    let program = compile(role, landlocked).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    Ok(String::new())
}

fn compile(role: Role, landlocked: bool) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let randomness: &[&[Guarded]] = if landlocked { &[READ_ONLY] } else { &[] };
    let (calls, guarded): (&[&[c_long]], &[&[Guarded]]) = match role {
        Role::Table => (&[], randomness),
        Role::Events => (&[EVENTS], randomness),
        Role::Requests => (&[LOOK, TALK, REQUESTS], &[READ_ONLY, NETLINK]),
        Role::Serve => (&[LOOK, TALK, SERVE], &[READ_ONLY, NETLINK, NONBLOCKING]),
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls.iter().copied().chain([ALWAYS]).flatten() {
        rules.insert(*call, Vec::new());
    }
    // abort() signals its own process.
    let own = u64::from(std::process::id());
    for Guarded { call, argument, compare, value } in
        guarded.iter().copied().chain([NO_CODE, &[only(libc::SYS_tgkill, 0, own)]]).flatten()
    {
        // Each of these arguments is an int; the kernel does not look at the upper half.
        let condition = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, compare.clone(), *value)?;
        rules.entry(*call).or_default().push(SeccompRule::new(vec![condition])?);
    }
    let refuse = SeccompAction::Errno(Errno::PERM.raw_os_error().cast_unsigned());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::{Role, compile};

    /// The kernel takes at most 4,096 instructions.
    #[test]
    fn every_role_has_a_filter() {
        for role in [Role::Requests, Role::Events, Role::Table, Role::Serve] {
            for landlocked in [false, true] {
                let length = compile(role, landlocked).map(|program| program.len());
                assert!(matches!(length, Ok(50..4096)), "{role:?}: {length:?}");
            }
        }
    }
}
