//! Why an ssh session did not come to be or is over: read off the exit code and the last lines of
//! stderr, with what to do about it.

use super::address::SshAddress;
use crate::source::SourceErrorKind;

/// Exit code of ssh when ssh itself failed, not the command.
const SSH_FAILED: i32 = 255;
/// Exit codes of a shell that finds no program.
const NOT_FOUND: [i32; 2] = [126, 127];
/// conntopd: wrong arguments.
const USAGE: i32 = 2;
/// conntopd: no permission.
const NO_PERMISSION: i32 = 77;
/// The line that the remote script writes before it tries sudo; the command follows.
pub(super) const SUDO_MARK: &str = "conntop: trying sudo -n ";
/// Lines of stderr that are shown.
const SHOWN: usize = 3;

/// Why there is no ssh session any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No ssh program on this machine.
    NoSsh,
    /// The host key is not known, and nobody could be asked.
    UnknownHostKey,
    /// The host key is another one than last time.
    ChangedHostKey,
    /// No key or password is accepted.
    Denied,
    /// The machine or its ssh server does not answer.
    Unreachable,
    /// No conntopd there.
    NoProgram,
    /// A conntopd that is too old.
    OldProgram,
    /// conntopd may not read the table, and there is no sudo.
    NoCapability,
    /// conntopd may not read the table, and sudo would not run it.
    SudoRefused,
    /// Something else answers.
    Noise,
    /// Nothing came in time.
    NoAnswer,
    /// The rest: the connection broke, or conntopd failed.
    Lost,
}

impl Cause {
    /// What trying again would not mend, for programs.
    pub(super) fn fatal(self) -> Option<SourceErrorKind> {
        match self {
            Self::UnknownHostKey | Self::ChangedHostKey | Self::Denied => Some(SourceErrorKind::Permission),
            Self::NoCapability | Self::SudoRefused => Some(SourceErrorKind::Permission),
            Self::NoSsh | Self::NoProgram => Some(SourceErrorKind::Other),
            Self::OldProgram | Self::Noise => Some(SourceErrorKind::Protocol),
            Self::Unreachable | Self::NoAnswer | Self::Lost => None,
        }
    }
}

/// Reads the cause off how ssh ended: its exit code (`None`: by a signal) and stderr.
pub(super) fn cause(code: Option<i32>, said: &str) -> Cause {
    let has = |part: &str| said.contains(part);
    match code {
        Some(SSH_FAILED) if has("HOST IDENTIFICATION HAS CHANGED") => Cause::ChangedHostKey,
        Some(SSH_FAILED) if has("Host key verification failed") || has("host key is known for") => {
            Cause::UnknownHostKey
        }
        Some(SSH_FAILED) if has("Permission denied") || has("Too many authentication failures") => {
            Cause::Denied
        }
        Some(SSH_FAILED)
            if ["ssh: connect to host", "Could not resolve hostname", "Connection timed out"]
                .into_iter()
                .any(has) =>
        {
            Cause::Unreachable
        }
        Some(SSH_FAILED) | None => Cause::Lost,
        Some(code) => match said.split_once(SUDO_MARK) {
            // A conntopd that runs says something in lines with a level.
            Some((_, after)) if !["ERROR", "WARN", "INFO"].iter().any(|level| after.contains(level)) => {
                Cause::SudoRefused
            }
            _ if NOT_FOUND.contains(&code) => Cause::NoProgram,
            _ if code == NO_PERMISSION => Cause::NoCapability,
            _ if code == USAGE => Cause::OldProgram,
            _ => Cause::Lost,
        },
    }
}

/// What happened and what to do, for people.
pub(super) fn text(cause: Cause, address: &SshAddress, said: &str) -> String {
    let by_hand = address.by_hand();
    let capability = "log in as root, or run there once: setcap cap_net_admin+ep \"$(command -v conntopd)\"";
    match cause {
        Cause::NoSsh => "there is no ssh program on this machine: install openssh-client".to_owned(),
        Cause::UnknownHostKey => format!(
            "{address}: the host key is not known here: run `ssh {by_hand}` once, compare the \
             fingerprint and accept it"
        ),
        Cause::ChangedHostKey => format!(
            "{address}: the host key has changed: another machine may answer in its place. Run `ssh \
             {by_hand}` to see both fingerprints; only if you know why it changed, remove the old one with \
             ssh-keygen -R"
        ),
        Cause::Denied => format!(
            "{address}: the login is refused{}: install a key with `ssh-copy-id {by_hand}`, or start \
             conntop anew to be asked for the password",
            quoted(said)
        ),
        Cause::Unreachable => format!("{address}: not reachable{}", quoted(said)),
        Cause::NoProgram => format!(
            "{address}: there is no conntopd: copy it there, as with `{}`; one file is enough{}",
            address.copy_by_hand("conntopd", "/usr/local/sbin/"),
            quoted(said)
        ),
        Cause::OldProgram => {
            format!("{address}: the conntopd there does not know --stdio: upgrade it{}", quoted(said))
        }
        Cause::NoCapability => format!(
            "{address}: conntopd may not read the table as this user (it needs CAP_NET_ADMIN): {capability}"
        ),
        Cause::SudoRefused => {
            let after = said.split_once(SUDO_MARK).map_or("", |(_, after)| after);
            let (command, said) = after.split_once('\n').unwrap_or((after, ""));
            let user = address.user().unwrap_or("USER");
            format!(
                "{address}: conntopd may not read the table as this user, and sudo does not run it without \
                 a password{}: add `{user} ALL=(root) NOPASSWD: {command}` with `visudo -f \
                 /etc/sudoers.d/conntop` there, or {capability}",
                quoted(said),
            )
        }
        Cause::Noise => format!(
            "{address}: the other side sends something else than conntopd: make its login shell print \
             nothing when it is no terminal, and try `ssh {by_hand} conntopd --stdio`"
        ),
        Cause::NoAnswer => format!("{address}: no answer in time{}", quoted(said)),
        Cause::Lost => format!("{address}: ssh has ended{}", quoted(said)),
    }
}

/// The last lines that say what is wrong, in brackets.
fn quoted(said: &str) -> String {
    let lines =
        || said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(SUDO_MARK));
    let quiet = |line: &&str| !line.contains(" INFO ") && !line.contains(" WARN ");
    let mut last: Vec<&str> = lines().rev().filter(quiet).take(SHOWN).collect();
    last.reverse();
    if last.is_empty() { String::new() } else { format!(" ({})", last.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes() {
        let check = |code: Option<i32>, said: &str, wanted: Cause, part: &str| {
            let got = cause(code, said);
            assert_eq!(got, wanted, "{code:?} {said}");
            let text = text(got, &SshAddress::parse("joe@router:2222").unwrap(), said);
            assert!(text.contains(part), "{text}");
        };
        let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.";
        check(Some(255), changed, Cause::ChangedHostKey, "ssh-keygen -R");
        check(Some(255), "Host key verification failed.", Cause::UnknownHostKey, "`ssh -p 2222 joe@router`");
        let denied = "joe@router: Permission denied (publickey,password).";
        check(Some(255), denied, Cause::Denied, "ssh-copy-id -p 2222 joe@router");
        let refused = "ssh: connect to host router port 2222: Connection refused";
        check(Some(255), refused, Cause::Unreachable, "Connection refused");
        let copy = "`scp -P 2222 conntopd joe@router:/usr/local/sbin/`";
        check(Some(127), "", Cause::NoProgram, copy);
        check(Some(127), "sh: conntopd: not found", Cause::NoProgram, "not found");
        check(Some(77), "… ERROR reading needs", Cause::NoCapability, "setcap");
        check(Some(2), "conntopd: unknown option --stdio", Cause::OldProgram, "upgrade");
        let mark = format!("… ERROR x\n{SUDO_MARK}/usr/sbin/conntopd --stdio\n");
        let asks = format!("{mark}sudo: a password is required");
        check(Some(1), &asks, Cause::SudoRefused, "joe ALL=(root) NOPASSWD: /usr/sbin/conntopd --stdio`");
        check(Some(1), &asks, Cause::SudoRefused, "a password is required");
        check(Some(77), &format!("{mark}… ERROR reading"), Cause::NoCapability, "CAP_NET_ADMIN");
        check(Some(1), &format!("{mark}… ERROR no table"), Cause::Lost, "no table");
        check(Some(255), "client_loop: send disconnect: Broken pipe", Cause::Lost, "Broken pipe");
        check(None, "", Cause::Lost, "ssh has ended");
    }
}
