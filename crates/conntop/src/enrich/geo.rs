//! Where addresses are: country, city, and the network (autonomous system) that announces them, looked up
//! in databases that are files of this machine; nothing is asked over the network.
//!
//! A [`Geo`] is what a [`Shelf`] found: it never changes, a new one takes its place. Lookups go straight
//! to the bytes of the databases, wait for nothing and copy nothing.

mod about;
mod database;
mod peek;
mod search;
mod shelf;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;

pub use self::about::{About, Attribution, Kind, Vendor};
pub use self::database::{Database, GeoError, MAX_FILE, shown, validate};
pub use self::search::Search;
pub use self::shelf::{Found, Question, Shelf};
pub use self::watch::Watch;
use super::Fact;
use super::range::{self, Range};

/// Databases of places.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    country: Option<Arc<Database>>,
    city: Option<Arc<Database>>,
    network: Option<Arc<Database>>,
    found: Vec<Found>,
    /// Whether somebody has looked.
    looked: bool,
}

impl Geo {
    /// What is there now, for those who need it once.
    #[must_use]
    pub fn open(search: Search) -> Self {
        Shelf::new(search).look().unwrap_or_default()
    }

    /// Whether this is what there is; else nobody has looked yet.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.looked
    }

    /// Whether there is any database.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.country.is_none() && self.city.is_none() && self.network.is_none()
    }

    /// Two letters of the country.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Fact<&str> {
        look_up(self.country.as_deref(), address, Database::country)
    }

    /// Name of the city.
    #[must_use]
    pub fn city(&self, address: IpAddr) -> Fact<&str> {
        look_up(self.city.as_deref(), address, Database::city)
    }

    /// Number of the autonomous system.
    #[must_use]
    pub fn asn(&self, address: IpAddr) -> Fact<u32> {
        look_up(self.network.as_deref(), address, Database::asn)
    }

    /// Who runs the autonomous system.
    #[must_use]
    pub fn org(&self, address: IpAddr) -> Fact<&str> {
        look_up(self.network.as_deref(), address, Database::org)
    }

    /// The files that were found, those that are used and those that are not.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// What is wrong with them, for people.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.found.iter().filter_map(|found| found.problem.as_deref())
    }

    /// What the makers of the databases in use want to be read beside what is shown, each once.
    #[must_use]
    pub fn attributions(&self) -> Vec<Attribution> {
        let used = [&self.country, &self.city, &self.network].into_iter().flatten();
        let mut all: Vec<Attribution> = Vec::new();
        for attribution in used.filter_map(|database| database.about().vendor.attribution()) {
            if !all.contains(&attribution) {
                all.push(attribution);
            }
        }
        all
    }
}

/// Asks a database about an address of the world; others are nowhere.
fn look_up<'a, T>(
    database: Option<&'a Database>,
    address: IpAddr,
    ask: impl FnOnce(&'a Database, IpAddr) -> Option<T>,
) -> Fact<T> {
    if Range::of(address).is_some() {
        return Fact::Absent;
    }
    database.and_then(|database| ask(database, range::of_the_world(address))).into()
}
