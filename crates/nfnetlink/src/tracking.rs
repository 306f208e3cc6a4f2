//! Traces of what makes the kernel track connections without a rule of nf_tables that says so: the tables
//! of legacy iptables, Open vSwitch, tc's `ct` and IPVS, and the module's own parameter.
//!
//! A trace proves nothing: a legacy table may hold no rule that tracks. That there is none, together with
//! no rule of [`nft::tracking_rules`](crate::nft::tracking_rules), proves that nothing is tracked.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What may track, and the file that lists its tables.
const LEGACY: [(&str, &str); 2] = [
    ("legacy iptables", "/proc/thread-self/net/ip_tables_names"),
    ("legacy ip6tables", "/proc/thread-self/net/ip6_tables_names"),
];
/// Modules that track by themselves, for people and as they are called.
const MODULES: [(&str, &str); 3] =
    [("Open vSwitch", "openvswitch"), ("tc's action ct", "act_ct"), ("IPVS", "ip_vs")];
/// Makes every namespace track.
const ALWAYS: &str = "/sys/module/nf_conntrack/parameters/enable_hooks";

/// Where to look, of the namespace of the thread that made it. What only root may open is opened at once
/// and read again later, when nobody may open it any more.
#[derive(Debug)]
pub struct Others {
    legacy: Vec<(&'static str, &'static str, Tables)>,
    always: bool,
}

#[derive(Debug)]
enum Tables {
    Absent,
    Open(File),
    /// They may not be read, so they may track.
    Hidden,
}

impl Tables {
    fn open(path: &str) -> Self {
        match File::open(path) {
            Ok(file) => Self::Open(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            Err(_) => Self::Hidden,
        }
    }

    fn may_track(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Open(file) => file.read_at(&mut [0; 8], 0).is_ok_and(|read| read > 0),
            Self::Hidden => true,
        }
    }
}

impl Others {
    /// In the calling thread's namespace.
    #[must_use]
    pub fn open() -> Self {
        let always = fs::read_to_string(ALWAYS).is_ok_and(|value| matches!(value.trim(), "Y" | "1"));
        Self { legacy: LEGACY.map(|(who, path)| (who, path, Tables::open(path))).into(), always }
    }

    /// Who may track now, for people; nobody where nothing but rules of nf_tables can.
    pub fn look(&mut self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for (who, path, tables) in &mut self.legacy {
            if matches!(tables, Tables::Absent) {
                *tables = Tables::open(path);
            }
            if tables.may_track() {
                found.push(*who);
            }
        }
        let loaded = |module: &str| Path::new("/sys/module").join(module).exists();
        found.extend(MODULES.iter().filter(|(_, module)| loaded(module)).map(|(who, _)| *who));
        if self.always {
            found.push("nf_conntrack's enable_hooks");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let open = || Tables::open(path.to_str().unwrap());
        assert!(!open().may_track(), "there is no such file");
        fs::write(&path, "").unwrap();
        let tables = open();
        assert!(!tables.may_track() && !tables.may_track());
        fs::write(&path, "nat\nfilter\n").unwrap();
        assert!(tables.may_track() && tables.may_track());
        fs::write(&path, "").unwrap();
        assert!(!tables.may_track());
        assert!(Tables::Hidden.may_track());
    }
}
