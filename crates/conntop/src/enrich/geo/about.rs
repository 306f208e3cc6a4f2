//! What a database is: who made it, of what, and when.

use std::path::{Path, PathBuf};

use conntop_proto::text;
use maxminddb::Metadata;

use super::database::GeoError;

/// What a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The file.
    pub path: PathBuf,
    /// Its type as it says itself, sanitized: `GeoLite2-City`, `DBIP-ASN-Lite`.
    pub name: String,
    /// What is in it.
    pub kind: Kind,
    /// Who made it.
    pub vendor: Vendor,
    /// When, in seconds since 1970.
    pub built: u64,
    /// 4 when it knows no IPv6 addresses, else 6.
    pub ip_version: u16,
    /// Bytes of the file.
    pub size: u64,
}

/// What is in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Countries.
    Country,
    /// Countries and cities.
    City,
    /// Countries, cities and autonomous systems.
    Enterprise,
    /// Autonomous systems.
    Asn,
    /// Autonomous systems and their providers.
    Isp,
}

/// Where a record has its autonomous system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// In the record.
    Plain,
    /// Among the record's traits.
    Trait,
}

/// Who made a database; those who are preferred come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// MaxMind's, paid.
    MaxMind,
    /// MaxMind's, free.
    MaxMindLite,
    /// DB-IP's, paid.
    DbIp,
    /// DB-IP's, free.
    DbIpLite,
    /// Another's in the same format.
    Other,
}

/// What the maker wants to be read where its data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attribution {
    /// A sentence.
    pub text: &'static str,
    /// Where its maker is.
    pub url: &'static str,
}

impl Attribution {
    /// DB-IP's, whose free databases `conntop geoip update` downloads.
    pub const DB_IP: Self = Self { text: "IP Geolocation by DB-IP", url: "https://db-ip.com" };
    /// MaxMind's.
    pub const MAX_MIND: Self = Self {
        text: "This product includes GeoLite Data created by MaxMind",
        url: "https://www.maxmind.com",
    };
}

impl std::fmt::Display for Attribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.text, self.url)
    }
}

impl About {
    /// By the metadata of a file.
    pub(super) fn new(path: &Path, metadata: &Metadata, size: u64) -> Result<Self, GeoError> {
        let name = &metadata.database_type;
        let clean = text::sanitize(name).into_owned();
        let Some(kind) = Kind::of(name) else {
            return Err(GeoError::OtherKind { path: path.to_owned(), kind: clean });
        };
        Ok(Self {
            path: path.to_owned(),
            name: clean,
            kind,
            vendor: Vendor::of(name),
            built: metadata.build_epoch,
            ip_version: metadata.ip_version,
            size,
        })
    }
}

impl Kind {
    /// By the type that a database says. Makers who follow MaxMind's forms name them as in
    /// `DBIP-Location-ISP (compat=Enterprise)`.
    fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let has = |word: &str| name.contains(word);
        if has("enterprise") {
            Some(Self::Enterprise)
        } else if has("city") {
            Some(Self::City)
        } else if has("country") {
            Some(Self::Country)
        } else if has("asn") {
            Some(Self::Asn)
        } else {
            has("-isp").then_some(Self::Isp)
        }
    }

    /// Whether it knows countries.
    #[must_use]
    pub fn has_country(self) -> bool {
        matches!(self, Self::Country | Self::City | Self::Enterprise)
    }

    /// Whether it knows cities.
    #[must_use]
    pub fn has_city(self) -> bool {
        matches!(self, Self::City | Self::Enterprise)
    }

    /// Whether it knows autonomous systems.
    #[must_use]
    pub fn has_network(self) -> bool {
        self.network().is_some()
    }

    pub(super) fn network(self) -> Option<Network> {
        match self {
            Self::Asn | Self::Isp => Some(Network::Plain),
            Self::Enterprise => Some(Network::Trait),
            Self::Country | Self::City => None,
        }
    }

    /// Its word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::City => "city",
            Self::Enterprise => "enterprise",
            Self::Asn => "asn",
            Self::Isp => "isp",
        }
    }
}

impl Vendor {
    fn of(name: &str) -> Self {
        if name.starts_with("GeoIP2-") {
            Self::MaxMind
        } else if name.starts_with("GeoLite2-") {
            Self::MaxMindLite
        } else if name.starts_with("DBIP-") {
            if name.contains("Lite") { Self::DbIpLite } else { Self::DbIp }
        } else {
            Self::Other
        }
    }

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::MaxMind | Self::MaxMindLite => "MaxMind",
            Self::DbIp | Self::DbIpLite => "DB-IP",
            Self::Other => "other",
        }
    }

    /// What it wants to be read where its data is shown.
    #[must_use]
    pub fn attribution(self) -> Option<Attribution> {
        match self {
            Self::MaxMindLite => Some(Attribution::MAX_MIND),
            Self::DbIpLite => Some(Attribution::DB_IP),
            Self::MaxMind | Self::DbIp | Self::Other => None,
        }
    }
}
