//! Files, terminals and signals as this kind of system has them: Unix or Windows. The only place, with
//! [`crate::here`], that asks which one it is; both give the same names.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use self::unix as system;
#[cfg(windows)]
use self::windows as system;

pub use self::system::{DisableClicks, EnableClicks};
pub(crate) use self::system::{
    HOSTS, LISTENS_TO_ANSWERS, LOCALE, SERVICES, Signals, TERMINAL, connect_unix, end_politely, flow_of,
    has_keyboard, identity, lock, make_private_folder, mode_of, node_name, read_within, stdin, stdout, stop,
    suspend, terminal_size, wait_for_hangup, with_mode,
};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// To end.
    Quit,
    /// To stop until somebody says to go on.
    Stop,
    /// To go on.
    Continued,
}
