//! Becoming another user. Each thread does so for itself: the one that asks the kernel keeps a
//! capability over it, the others keep none.

use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::{PrivilegeError, caps};

/// A user to become: its own group, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Why a user is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Not in the file.
    #[error("--user {0}: there is no such user in /etc/passwd; useradd --system {0} makes it")]
    Unknown(String),
    /// A number that is nobody's does not tell its group.
    #[error("--user {0}: its group is not known, as /etc/passwd has no such user")]
    NoGroup(u32),
    /// The file cannot be read.
    #[error("reading /etc/passwd: {0}")]
    Passwd(#[from] std::io::Error),
}

impl User {
    /// The user of this name or number, by /etc/passwd. Directory services are not asked: a static
    /// binary has no way to.
    ///
    /// # Errors
    /// There is none.
    pub fn find(name: &str) -> Result<Self, UserError> {
        Self::in_text(&std::fs::read_to_string(Path::new("/etc/passwd"))?, name)
    }

    fn in_text(passwd: &str, name: &str) -> Result<Self, UserError> {
        let number = name.parse::<u32>().ok();
        let found = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (login, uid) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
            let gid = fields.next()?.parse().ok()?;
            let same = login == name || number == Some(uid);
            same.then_some(User { uid, gid })
        });
        found.ok_or_else(|| match number {
            Some(uid) => UserError::NoGroup(uid),
            None => UserError::Unknown(name.to_owned()),
        })
    }

    /// Makes the calling thread this user's, with no capability but `kept`.
    pub(super) fn become_it(&self, kept: CapabilitySet) -> Result<(), PrivilegeError> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        // Else leaving uid 0 would take the permitted set too.
        set_keep_capabilities(true).map_err(PrivilegeError::step("keep capabilities"))?;
        set_thread_groups(&[]).map_err(PrivilegeError::step("leave the groups (for --user)"))?;
        set_thread_res_gid(gid, gid, gid).map_err(PrivilegeError::step("change the group (for --user)"))?;
        set_thread_res_uid(uid, uid, uid).map_err(PrivilegeError::step("change the user (for --user)"))?;
        caps::keep(kept)?;
        set_keep_capabilities(false).map_err(PrivilegeError::step("keep no capabilities"))
    }
}

#[cfg(test)]
mod tests {
    use super::User;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken\n#:x\n\
        conntop:x:990:991::/nonexistent:/usr/sbin/nologin\n1:x:5:6::/:/bin/sh\n";

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let found = match User::in_text(PASSWD, name) {
            Ok(User { uid, gid }) => format!("{uid}:{gid}"),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{name}: {found}");
    }

    #[test]
    fn names_and_numbers() {
        check("conntop", "990:991");
        check("990", "990:991");
        check("0", "0:0");
        check("nobody", "useradd --system nobody");
        check("12", "group is not known");
        check("", "no such user");
        check("broken", "no such user");
    }
}
