//! Conntop where anybody can run it, for those who have less than root.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use conntop_tests::programs::program;

/// A copy, as long as this lives.
pub(crate) struct Program {
    _directory: tempfile::TempDir,
    path: String,
}

impl Program {
    pub(crate) fn copy() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let copy = directory.path().join("conntop");
        let built = program("conntop").unwrap();
        // A link where that can be had: it is large.
        std::fs::hard_link(&built, &copy).or_else(|_| std::fs::copy(&built, &copy).map(drop)).unwrap();
        Self { path: copy.to_str().unwrap().to_owned(), _directory: directory }
    }

    pub(crate) fn as_nobody(&self, arguments: &[&str]) -> Command {
        let rights = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
        self.with(&rights, arguments)
    }

    /// As root of a container has it.
    pub(crate) fn as_contained(&self, arguments: &[&str]) -> Command {
        let rights = ["--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin"];
        self.with(&rights, arguments)
    }

    fn with(&self, rights: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(rights).arg(&self.path).args(arguments).env("HOME", "/nonexistent");
        command
    }

    pub(crate) fn as_root(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        command
    }
}
