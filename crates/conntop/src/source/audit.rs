//! What is left in the log of this machine when a flow was ended from here.

/// Who wants it: the program and its user.
pub(super) fn who() -> String {
    format!("conntop of uid {}", rustix::process::getuid().as_raw())
}
