//! The time zone of the person at the terminal, from the system's TZif files (RFC 9636). Pure but
//! for [`Zone::system`], which reads the file once.

mod rule;

use std::fs;

use self::rule::Rule;

/// Offsets from UTC by time; the default is UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// (From when on, seconds since 1970; seconds east of UTC), ascending.
    changes: Vec<(i64, i64)>,
    /// Offset before the first change.
    first: i64,
    /// What holds after the last change.
    rule: Option<Rule>,
}

/// Largest file that is read: the largest that exist have a few kilobytes.
const MAX_FILE: usize = 1 << 18;

impl Zone {
    /// The zone that TZ or the system names; UTC when there is none that can be read.
    #[must_use]
    pub fn system(tz: Option<&str>) -> Self {
        let name = tz.map(|name| name.trim_start_matches(':'));
        let path = match name {
            None => "/etc/localtime".to_owned(),
            Some(path) if path.starts_with('/') => path.to_owned(),
            Some(name) => format!("/usr/share/zoneinfo/{name}"),
        };
        match fs::read(path) {
            Ok(bytes) if bytes.len() <= MAX_FILE => Self::parse(&bytes),
            _ => name.and_then(Rule::parse).map(|rule| Self { rule: Some(rule), ..Self::default() }),
        }
        .unwrap_or_default()
    }

    /// The zone of a TZif file; `None` when it is damaged or of version 1, whose times end in 2038.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let mut reader = Reader(file);
        let old = reader.header()?;
        reader.take(old.length(4)?)?;
        let counts = reader.header()?;
        let times = reader.take(counts.times.checked_mul(8)?)?;
        let kinds = reader.take(counts.times)?;
        let types = reader.take(counts.types.checked_mul(6)?)?;
        reader.take(counts.length(8)?.checked_sub(counts.times * 9 + counts.types * 6)?)?;
        let footer = std::str::from_utf8(reader.0).ok()?.trim_matches('\n');
        let offset = |kind: usize| {
            let bytes: [u8; 4] = types.get(kind * 6..kind * 6 + 4)?.try_into().ok()?;
            Some(i64::from(i32::from_be_bytes(bytes)))
        };
        let changes = times
            .chunks_exact(8)
            .zip(kinds)
            .map(|(time, kind)| {
                let time = i64::from_be_bytes(time.try_into().ok()?);
                Some((time, offset(usize::from(*kind))?))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { changes, first: offset(0)?, rule: Rule::parse(footer) })
    }

    /// Seconds east of UTC at a time in seconds since 1970.
    #[must_use]
    pub fn offset(&self, at: i64) -> i64 {
        match (self.changes.last(), &self.rule) {
            (Some((last, _)), Some(rule)) if at >= *last => rule.offset(at),
            (None, Some(rule)) => rule.offset(at),
            _ => {
                let before = self.changes.partition_point(|(time, _)| *time <= at);
                let change = before.checked_sub(1).and_then(|index| self.changes.get(index));
                change.map_or(self.first, |(_, offset)| *offset)
            }
        }
    }

    /// Local time as seconds since 1970-01-01 00:00 of the zone.
    #[must_use]
    pub fn local(&self, seconds: u64) -> u64 {
        let offset = i64::try_from(seconds).map_or(0, |at| self.offset(at));
        seconds.checked_add_signed(offset).unwrap_or(seconds)
    }
}

struct Counts {
    is_ut: usize,
    is_std: usize,
    leaps: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Counts {
    /// Bytes of the data block with times of that many bytes.
    fn length(&self, time: usize) -> Option<usize> {
        let times = self.times.checked_mul(time + 1)?;
        let leaps = self.leaps.checked_mul(time + 4)?;
        let types = self.types.checked_mul(6)?;
        [times, types, self.chars, leaps, self.is_std, self.is_ut]
            .into_iter()
            .try_fold(0usize, usize::checked_add)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    fn header(&mut self) -> Option<Counts> {
        let start = self.take(20)?;
        if !start.starts_with(b"TZif") || start.get(4)? < &b'2' {
            return None;
        }
        Some(Counts {
            is_ut: self.number()?,
            is_std: self.number()?,
            leaps: self.number()?,
            times: self.number()?,
            types: self.number()?,
            chars: self.number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2: an empty old block, two kinds of time, one change, a rule.
    fn file(footer: &str) -> Vec<u8> {
        let header = |times: u8, types: u8| {
            let mut block = b"TZif2".to_vec();
            block.extend([0; 15]);
            for count in [0, 0, 0, times, types, 4] {
                block.extend([0, 0, 0, count]);
            }
            block
        };
        let mut file = header(0, 1);
        file.extend([0; 6]);
        file.extend(b"UTC\0");
        file.extend(header(1, 2));
        file.extend(1_000_000_i64.to_be_bytes());
        file.push(1);
        for offset in [600_i32, 7200] {
            file.extend(offset.to_be_bytes());
            file.extend([0, 0]);
        }
        file.extend(b"EET\0");
        file.extend(format!("\n{footer}\n").bytes());
        file
    }

    #[test]
    fn offsets_by_time() {
        let check = |footer: &str, at: i64, seconds: i64| {
            let zone = Zone::parse(&file(footer)).expect("a sound file");
            assert_eq!(zone.offset(at), seconds, "{footer} at {at}");
        };
        check("", 999_999, 600);
        check("", 1_000_000, 7200);
        check("", 1_795_262_640, 7200);
        check("<+03>-3", 999_999, 600);
        check("<+03>-3", 1_795_262_640, 10_800);
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file("EET-2");
        for end in 0..whole.len() - 7 {
            assert_eq!(Zone::parse(&whole[..end]), None, "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut hostile = whole.clone();
            hostile[at] = 0xff;
            let _ = Zone::parse(&hostile).map(|zone| zone.offset(i64::MAX) + zone.offset(i64::MIN));
        }
    }
}
