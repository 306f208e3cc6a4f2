//! Names of users, from the file of this machine. Users of a directory service keep their numbers: asking
//! for them may take seconds.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use conntop_proto::text::sanitize_bytes;

/// Largest file that is read: hundreds of thousands of users.
const LARGEST: u64 = 16 << 20;

/// Users by their numbers.
#[derive(Debug)]
pub(super) struct Users {
    path: PathBuf,
    read: Option<SystemTime>,
    names: HashMap<u32, String>,
}

impl Users {
    pub(super) fn of(path: impl Into<PathBuf>) -> Self {
        let mut users = Self { path: path.into(), read: None, names: HashMap::new() };
        users.refresh();
        users
    }

    /// Reads the file again if it is another one. A file that cannot be read changes nothing.
    pub(super) fn refresh(&mut self) {
        let Ok(metadata) = fs::metadata(&self.path) else { return };
        let modified = metadata.modified().ok();
        if metadata.len() > LARGEST || (modified.is_some() && modified == self.read) {
            return;
        }
        let Ok(text) = fs::read(&self.path) else { return };
        self.read = modified;
        self.names = parse(&text);
    }

    /// What a user is called: his number if nobody has named him.
    pub(super) fn name(&self, uid: u32) -> String {
        self.names.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}

/// `name:password:uid:...`; the first one of a number counts, as for the C library.
fn parse(text: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b':');
        let (Some(name), _, Some(uid)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let uid = std::str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok());
        if let Some(uid) = uid.filter(|_| !name.is_empty() && !name.starts_with(b"#")) {
            names.entry(uid).or_insert_with(|| sanitize_bytes(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file() {
        let check = |text: &str, uid: u32, expected: &str| {
            let users = Users { path: PathBuf::new(), read: None, names: parse(text.as_bytes()) };
            assert_eq!(users.name(uid), expected, "{text:?}");
        };
        let text =
            "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n";
        check(text, 0, "root");
        check(text, 33, "www-data");
        check(text, 1000, "1000");
        check("#off:x:5:\nshort:x\n:x:6:\nno:x:number:\n+nis\n", 5, "5");
        check("ev\u{1b}il:x:7:7::/:/", 7, "ev\\x1bil");
        check("huge:x:4294967296:\nlast:x:4294967294:", u32::MAX - 1, "last");
    }

    #[test]
    fn the_file_is_read_again_when_it_changes() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("passwd");
        let mut users = Users::of(&path);
        assert_eq!(users.name(7), "7");
        fs::write(&path, "seven:x:7:7::/:/bin/sh\n")?;
        users.refresh();
        assert_eq!(users.name(7), "seven");
        fs::remove_file(&path)?;
        users.refresh();
        assert_eq!(users.name(7), "seven");
        Ok(())
    }
}
