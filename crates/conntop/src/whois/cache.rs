//! Answers of the last day, one file for each address, so that registries are not asked twice.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use conntop_proto::text::sanitize;
use serde::{Deserialize, Serialize};

use super::{Answer, Fields, Hop, Server};
use crate::platform::{make_private_folder, with_mode};

/// How long an answer is good.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Three answers of 64 KiB, made harmless; more is not ours.
const MAX_FILE: u64 = 2 << 20;
/// Files that are kept; what is older than a day goes first, then all.
const MAX_FILES: usize = 512;

/// Where answers are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    fetched: u64,
    hops: Vec<(String, String)>,
    note: Option<String>,
}

impl Cache {
    /// In this folder, which need not exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// In the user's cache directory; `None` without a home.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        crate::places::of_user(crate::places::Base::Cache).map(|folder| Self::new(folder.join("whois")))
    }

    /// What was answered within the last day. A file that is not as it should be is no answer.
    #[must_use]
    pub fn get(&self, address: IpAddr, now: SystemTime) -> Option<Answer> {
        let mut text = String::new();
        let file = fs::File::open(self.path(address)).ok()?;
        file.take(MAX_FILE).read_to_string(&mut text).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        let fetched = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(kept.fetched))?;
        now.duration_since(fetched).ok().filter(|age| *age < DAY)?;
        let hop = |(host, text): (String, String)| {
            let lines: Vec<String> = text.lines().map(|line| sanitize(line).into_owned() + "\n").collect();
            Some(Hop { server: Server::of(&host)?, text: lines.concat() })
        };
        let hops: Vec<Hop> = kept.hops.into_iter().map(hop).collect::<Option<_>>()?;
        if hops.is_empty() {
            return None;
        }
        let note = kept.note.map(|note| sanitize(&note).into_owned());
        Some(Answer { address, fields: Fields::of(address, &hops), hops, note, fetched })
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, answer: &Answer) -> io::Result<()> {
        make_private_folder(&self.folder)?;
        self.make_room(answer.fetched)?;
        let fetched = answer.fetched.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let hops = answer.hops.iter().map(|hop| (hop.server.host().to_owned(), hop.text.clone())).collect();
        let kept = serde_json::to_vec(&Kept { fetched, hops, note: answer.note.clone() })?;
        let path = self.path(answer.address);
        let fresh = self.folder.join(format!(".{}", std::process::id()));
        let _left_by_a_crash = fs::remove_file(&fresh);
        let mut file = with_mode(OpenOptions::new().write(true).create_new(true), 0o600).open(&fresh)?;
        let written = file.write_all(&kept).and_then(|()| fs::rename(&fresh, &path));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    fn make_room(&self, now: SystemTime) -> io::Result<()> {
        let files: Vec<PathBuf> = fs::read_dir(&self.folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
        if files.len() < MAX_FILES {
            return Ok(());
        }
        let old = |path: &Path| {
            let written = fs::metadata(path).and_then(|meta| meta.modified());
            written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age >= DAY))
        };
        let (old, new): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| old(path));
        for path in if old.is_empty() { new } else { old } {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn path(&self, address: IpAddr) -> PathBuf {
        // A name with colons is none on Windows.
        self.folder.join(format!("{address}.json").replace(':', "_"))
    }
}
