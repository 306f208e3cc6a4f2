//! This machine's hosts file: names that nobody has to be asked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::label::host_name_of;
use crate::platform;

/// Where it is.
pub const HOSTS: &str = platform::HOSTS;
/// How much of it is read: the largest lists that block advertisements are half as long.
const MAX_FILE: u64 = 16 << 20;
/// Most addresses with names; a list that blocks hosts gives all of them the same.
const MOST: usize = 65_536;
/// Longest line; the rest of a longer one is left out.
const MAX_LINE: u64 = 4_096;

/// Names by address.
pub type HostsFile = HashMap<IpAddr, Box<str>, FixedState>;

/// When a file was changed, and its length: another file is another.
pub type Stamp = Option<(SystemTime, u64)>;

/// When the file was changed; `None` where there is none.
#[must_use]
pub fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// The names of the file, the first of each address.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> io::Result<HostsFile> {
    parse(BufReader::new(File::open(path)?.take(MAX_FILE)))
}

/// The names of a text, the first of each address.
///
/// # Errors
/// It cannot be read.
pub fn parse(mut text: impl BufRead) -> io::Result<HostsFile> {
    let mut names = HostsFile::default();
    let mut line = Vec::new();
    while names.len() < MOST {
        line.clear();
        let length = text.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if !line.ends_with(b"\n") && u64::try_from(length).is_ok_and(|length| length >= MAX_LINE) {
            text.skip_until(b'\n')?;
        }
        if let Some((address, name)) = entry(&line) {
            names.entry(address).or_insert(name);
        }
    }
    Ok(names)
}

/// Address and first name of a line.
fn entry(line: &[u8]) -> Option<(IpAddr, Box<str>)> {
    let line = line.split(|b| *b == b'#').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let address = std::str::from_utf8(words.next()?).ok()?;
    // Of a link: `fe80::1%eth0`.
    let address: IpAddr = address.split('%').next()?.parse().ok()?;
    let address = address.to_canonical();
    if address.is_unspecified() {
        return None;
    }
    Some((address, host_name_of(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: impl AsRef<[u8]>) -> Vec<String> {
        let names = parse(text.as_ref()).unwrap();
        let mut names: Vec<_> = names.iter().map(|(a, n)| format!("{a} {n}")).collect();
        names.sort();
        names
    }

    #[test]
    fn lines() {
        let check = |line: &str, wanted: Option<&str>| {
            assert_eq!(names(line), wanted.into_iter().collect::<Vec<_>>(), "{line:?}");
        };
        check("127.0.0.1 localhost", Some("127.0.0.1 localhost"));
        check("\t192.0.2.1\t NAS.lan  nas # mine", Some("192.0.2.1 nas.lan"));
        check("2001:db8::1 v6", Some("2001:db8::1 v6"));
        check("fe80::1%eth0 link", Some("fe80::1 link"));
        check("::ffff:192.0.2.1 mapped", Some("192.0.2.1 mapped"));
        check("192.0.2.1 first\n192.0.2.1 second\n", Some("192.0.2.1 first"));
        check("192.0.2.1\tname\r\n", Some("192.0.2.1 name"));
        for none in [
            "",
            "#",
            "192.0.2.1",
            "192.0.2.1 # name",
            "name 192.0.2.1",
            "300.0.0.1 name",
            "0.0.0.0 ads.example",
            "192.0.2.1 \u{1b}[2J",
            "192.0.2.1 a\u{202e}b",
            "192.0.2.1 r\u{e4}t",
            "192.0.2.1 a\0b",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn large_and_strange_files() {
        let long = format!("192.0.2.1 {} # x\n192.0.2.2 good\n", "a".repeat(10_000));
        assert_eq!(names(long), ["192.0.2.2 good"]);
        let comment = format!("192.0.2.1 good #{}192.0.2.3 none\n", "x ".repeat(10_000));
        assert_eq!(names(comment), ["192.0.2.1 good"]);
        assert_eq!(names([0xff; 5_000]), [""; 0]);
        let many: String = (0..70_000_u32)
            .map(|n| format!("{} h{n}\n", std::net::Ipv4Addr::from_bits(n + (10 << 24))))
            .collect();
        assert_eq!(names(many).len(), MOST);
    }
}
