//! Where addresses are: country, city, and the network (autonomous system) that announces them.

use std::net::IpAddr;

use super::Fact;

/// Databases of places.
#[derive(Debug, Default)]
pub struct Geo {}

impl Geo {
    /// Whether there is any database.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Two letters of the country.
    #[must_use]
    pub fn country(&self, _address: IpAddr) -> Fact<&str> {
        Fact::Unknown
    }

    /// Name of the city.
    #[must_use]
    pub fn city(&self, _address: IpAddr) -> Fact<&str> {
        Fact::Unknown
    }

    /// Number of the autonomous system.
    #[must_use]
    pub fn asn(&self, _address: IpAddr) -> Fact<u32> {
        Fact::Unknown
    }

    /// Who runs the autonomous system.
    #[must_use]
    pub fn org(&self, _address: IpAddr) -> Fact<&str> {
        Fact::Unknown
    }
}
