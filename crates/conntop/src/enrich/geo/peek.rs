//! Reads of a file only what it says of itself, which stands at its end, so that choosing among files
//! does not take reading all of them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use maxminddb::{MaxMindDbError, Metadata, Reader};

use super::about::About;
use super::database::{GeoError, damaged, open};

/// The format says that its metadata is within that many bytes of the end.
const TAIL: u64 = 128 << 10;
/// What stands before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// What a file says that it is.
pub(super) fn peek(path: &Path) -> Result<About, GeoError> {
    let (file, length) = open(path)?;
    let tail = tail(file, length).map_err(|error| GeoError::Read { path: path.to_owned(), error })?;
    let metadata = metadata(&tail).map_err(|error| damaged(path, &error))?;
    About::new(path, &metadata, length)
}

fn tail(mut file: File, length: u64) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The reader of the library wants a whole file, so it gets one: a tree of one node, whose record is the
/// metadata.
fn metadata(tail: &[u8]) -> Result<Metadata, MaxMindDbError> {
    let none = || MaxMindDbError::invalid_database("there is no metadata at its end");
    let at = tail.windows(MARKER.len()).rposition(|window| window == MARKER).ok_or_else(none)?;
    let metadata = tail.get(at + MARKER.len()..).unwrap_or_default();
    let frame = [NODE, &[0; 16], metadata, MARKER, FRAME].concat();
    let reader = Reader::from_source(frame)?;
    reader.lookup(IpAddr::V4(Ipv4Addr::UNSPECIFIED))?.decode()?.ok_or_else(none)
}

/// A node whose two children are the first record.
const NODE: &[u8] = &[0, 0, 17, 0, 0, 17];

/// The metadata of such a file: a map of all that has to be there.
const FRAME: &[u8] = b"\xe9\
    \x5bbinary_format_major_version\xa1\x02\
    \x5bbinary_format_minor_version\xa0\
    \x4bbuild_epoch\x00\x02\
    \x4ddatabase_type\x41-\
    \x4bdescription\xe0\
    \x4aip_version\xa1\x04\
    \x49languages\x00\x04\
    \x4anode_count\xc1\x01\
    \x4brecord_size\xa1\x18";
