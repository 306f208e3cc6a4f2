//! The configuration file: one long option a line, without its dashes, by the same table as the
//! command line, which overrides it.
//!
//! ```text
//! # who may connect
//! unix /run/conntop/conntopd.sock
//! interval 2s
//! no-events
//! ```

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::{Given, Id, OPTIONS, UsageError};

/// Far more than all options need.
const MOST_BYTES: u64 = 64 << 10;

/// The options that the file has.
///
/// # Errors
/// It cannot be read, or a line of it is wrong, which the error names.
pub(super) fn read(path: &Path) -> Result<Given, UsageError> {
    let failed = |error: std::io::Error| UsageError::File { path: path.to_owned(), error: error.to_string() };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_BYTES), &mut text).map_err(failed)?;
    parse(&text).map_err(|(line, error)| UsageError::Line { path: path.to_owned(), line, error })
}

fn parse(text: &[u8]) -> Result<Given, (usize, Box<UsageError>)> {
    let mut given = Given::default();
    for (n, line) in text.split(|&byte| byte == b'\n').enumerate() {
        take(&mut given, line.trim_ascii()).map_err(|error| (n + 1, Box::new(error)))?;
    }
    Ok(given)
}

fn take(given: &mut Given, line: &[u8]) -> Result<(), UsageError> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(());
    }
    let line = line.strip_prefix(b"--").unwrap_or(line);
    let end = line.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'=');
    let (name, value) = line.split_at(end.unwrap_or(line.len()));
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii_start();
    let option = OPTIONS.iter().find(|option| option.long.as_bytes() == name);
    let Some(option) = option.filter(|option| option.id.has_a_place_in_a_file()) else {
        return Err(UsageError::Unknown(String::from_utf8_lossy(name).into_owned()));
    };
    match (option.value.is_empty(), value.is_empty()) {
        (true, false) => Err(UsageError::Syntax(format!("{} takes no value", option.long))),
        (false, true) => Err(UsageError::Syntax(format!("{} lacks its value", option.long))),
        _ => given.take(option.id, option.long, &OsString::from_vec(value.to_vec())),
    }
}

impl Id {
    /// Others make the program do something else than to serve.
    fn has_a_place_in_a_file(self) -> bool {
        !matches!(
            self,
            Self::Help | Self::Version | Self::InitTls | Self::Config | Self::Stdio | Self::SelfTest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = match parse(text.as_bytes()) {
            Ok(given) => format!("{given:?}"),
            Err((line, error)) => format!("line {line}: {error}"),
        };
        assert!(said.contains(expected), "{text:?}: {said}");
    }

    #[test]
    fn lines() {
        check("", "interval: None");
        check("interval 2s", "interval: Some(2s)");
        check("# a\n\n  interval = 2s  \r\n", "interval: Some(2s)");
        check("--interval=2s", "interval: Some(2s)");
        check("name a b = c", "name: Some(\"a b = c\")");
        check("no-events", "no_events: true");
        check("no-events\nno-events yes", "line 2: no-events takes no value");
        check("\n\ninterval", "line 3: interval lacks its value");
        check("interval 3h", "line 1: --interval \"3h\": expected");
        check("intervall 3s", "line 1: unknown option intervall");
        check("i 3s", "unknown option i");
        check("help", "unknown option help");
        check("config x", "unknown option config");
        check("stdio", "unknown option stdio");
        check("\0", "unknown option");
    }
}
