//! One database: a file in the MaxMind DB format, held in memory as a whole, so that nobody who truncates
//! it can do harm. Lookups read its bytes and copy nothing; what is broken or hostile in it is unknown.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use conntop_proto::text;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader};

use super::about::{About, Network};

/// Largest file that is read; the largest that are sold have 400 MB.
pub const MAX_FILE: u64 = 1 << 30;
/// Addresses that are looked up in a file before it is trusted.
const PROBES: u64 = 4096;
/// The same where the library is stricter than the format.
const MANY_PROBES: u64 = 1 << 17;

/// The name of a file, harmless.
#[must_use]
pub fn shown(path: &Path) -> String {
    text::sanitize_bytes(path.as_os_str().as_encoded_bytes())
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// Reading failed.
    #[error("cannot read {}: {error}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// It is no regular file.
    #[error("{} is no regular file", shown(path))]
    NoFile {
        /// What it is called.
        path: PathBuf,
    },
    /// It is larger than any database.
    #[error("{} has more than {} MiB; no database is that large", shown(path), MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or no database at all.
    #[error("{} is damaged or no GeoIP database: {reason}; download it again", shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, sanitized.
        reason: String,
    },
    /// It is a database of something else.
    #[error("{} is a database of the type {kind}, which conntop has no use for", shown(path))]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// Its type as it says itself, sanitized.
        kind: String,
    },
}

/// A database.
#[derive(Debug)]
pub struct Database {
    reader: Reader<Vec<u8>>,
    about: About,
}

/// Holds the whole structure of a file against the format, each network and each record; this reads all
/// of it (seconds for the largest files).
///
/// # Errors
/// What is wrong with it.
pub fn validate(path: &Path) -> Result<About, GeoError> {
    let database = Database::open(path)?;
    database.verify()?;
    Ok(database.about)
}

impl Database {
    /// Reads a file, and trusts it when its frame is right and lookups here and there succeed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(path: &Path) -> Result<Self, GeoError> {
        let damaged = |error: MaxMindDbError| damaged(path, &error);
        let bytes = read(path)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        let metadata = reader.metadata();
        let about = About::new(path, metadata, size)?;
        let database = Self { reader, about };
        probes(PROBES).try_for_each(|address| database.probe(address)).map_err(damaged)?;
        Ok(database)
    }

    /// Holds its whole structure against the format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self) -> Result<(), GeoError> {
        let verified = match self.reader.verify() {
            // No lookup needs what is missed there, so many lookups have to tell.
            Err(error) if is_strict(&error) => {
                probes(MANY_PROBES).try_for_each(|address| self.probe(address))
            }
            verified => verified,
        };
        verified.map_err(|error| damaged(&self.about.path, &error))
    }

    /// What it is.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Two letters of the country: where the address is, else where it is registered, else whom it
    /// represents.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Option<&str> {
        country(&self.find(address).ok()?).ok()?
    }

    /// English name of the city.
    #[must_use]
    pub fn city(&self, address: IpAddr) -> Option<&str> {
        text_at(&self.find(address).ok()?, &CITY).ok()?
    }

    /// Number of the autonomous system.
    #[must_use]
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        asn(&self.find(address).ok()?, self.about.kind.network()?).ok()?
    }

    /// Who runs the autonomous system.
    #[must_use]
    pub fn org(&self, address: IpAddr) -> Option<&str> {
        org(&self.find(address).ok()?, self.about.kind.network()?).ok()?
    }

    fn find(&self, address: IpAddr) -> Result<Found<'_>, MaxMindDbError> {
        self.reader.lookup(address)
    }

    /// Looks up all that is ever looked up, and says what is broken.
    fn probe(&self, address: IpAddr) -> Result<(), MaxMindDbError> {
        if address.is_ipv6() && self.about.ip_version == 4 {
            return Ok(());
        }
        let found = self.find(address)?;
        if self.about.kind.has_country() {
            country(&found).map(drop).or_else(odd)?;
        }
        if self.about.kind.has_city() {
            text_at(&found, &CITY).map(drop).or_else(odd)?;
        }
        if let Some(network) = self.about.kind.network() {
            asn(&found, network).map(drop).or_else(odd)?;
            org(&found, network).map(drop).or_else(odd)?;
        }
        Ok(())
    }
}

type Found<'a> = LookupResult<'a, Vec<u8>>;

const CITY: [PathElement<'_>; 3] =
    [PathElement::Key("city"), PathElement::Key("names"), PathElement::Key("en")];
const TRAITS: PathElement<'_> = PathElement::Key("traits");
const ASN: PathElement<'_> = PathElement::Key("autonomous_system_number");
const ORG: PathElement<'_> = PathElement::Key("autonomous_system_organization");

fn country<'a>(found: &Found<'a>) -> Result<Option<&'a str>, MaxMindDbError> {
    for of in ["country", "registered_country", "represented_country"] {
        let code = text_at(found, &[PathElement::Key(of), PathElement::Key("iso_code")])?;
        // DB-IP's word for nowhere is ZZ.
        let is_one = |code: &&str| {
            code.len() == 2 && *code != "ZZ" && code.bytes().all(|byte| byte.is_ascii_uppercase())
        };
        if let Some(code) = code.filter(is_one) {
            return Ok(Some(code));
        }
    }
    Ok(None)
}

fn asn(found: &Found<'_>, network: Network) -> Result<Option<u32>, MaxMindDbError> {
    let number: Option<u32> = match network {
        Network::Plain => found.decode_path(&[ASN])?,
        Network::Trait => found.decode_path(&[TRAITS, ASN])?,
    };
    Ok(number.filter(|number| *number != 0))
}

fn org<'a>(found: &Found<'a>, network: Network) -> Result<Option<&'a str>, MaxMindDbError> {
    match network {
        Network::Plain => text_at(found, &[ORG]),
        Network::Trait => text_at(found, &[TRAITS, ORG]),
    }
}

/// Text of a record, if there is any and nothing hostile is in it.
fn text_at<'a>(found: &Found<'a>, path: &[PathElement<'_>]) -> Result<Option<&'a str>, MaxMindDbError> {
    let Some(text) = found.decode_path::<&str>(path)? else { return Ok(None) };
    Ok(match text::sanitize(text) {
        Cow::Borrowed(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

/// Whether a file was refused for what the format allows: a tree that shares more of its branches than
/// the verifier counts on, or no description.
fn is_strict(error: &MaxMindDbError) -> bool {
    match error {
        MaxMindDbError::ResourceLimit { .. } => true,
        MaxMindDbError::InvalidDatabase { message, .. } => {
            message.starts_with("description") || message.contains("iterations")
        }
        _ => false,
    }
}

/// Passes over what is only unexpected; such a record is as good as none.
fn odd(error: MaxMindDbError) -> Result<(), MaxMindDbError> {
    if matches!(error, MaxMindDbError::Decoding { .. }) { Ok(()) } else { Err(error) }
}

fn read(path: &Path) -> Result<Vec<u8>, GeoError> {
    let failed = |error| GeoError::Read { path: path.to_owned(), error };
    let (file, length) = open(path)?;
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX));
    room.map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Opens a file that may be a database, and says how long it is.
pub(super) fn open(path: &Path) -> Result<(File, u64), GeoError> {
    let failed = |error| GeoError::Read { path: path.to_owned(), error };
    // A pipe would keep whoever opens it waiting.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(GeoError::NoFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > MAX_FILE {
        return Err(GeoError::TooLarge { path: path.to_owned() });
    }
    Ok((file, length))
}

pub(super) fn damaged(path: &Path, error: &MaxMindDbError) -> GeoError {
    let reason = match error {
        MaxMindDbError::InvalidDatabase { message, .. } => text::sanitize(message).into_owned(),
        other => text::sanitize(&other.to_string()).into_owned(),
    };
    GeoError::Damaged { path: path.to_owned(), reason }
}

/// Addresses all over the world, the same ones each time.
fn probes(count: u64) -> impl Iterator<Item = IpAddr> {
    // Steps by the golden ratio leave no large gap.
    (0..count).map(|n| {
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let high = u32::try_from(spread >> 32).unwrap_or(0);
        if n % 4 == 0 {
            // 2000::/3 is what the world uses.
            IpAddr::from((u128::from(spread) >> 3 | 1 << 61).wrapping_shl(64).to_be_bytes())
        } else {
            IpAddr::from(high.to_be_bytes())
        }
    })
}
