//! What it costs to know where an address is, per lookup: in databases of 300,000 networks, of hosts that
//! come again and again as those of flows do, and of hosts that never come again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may fail")]

#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;

use std::fs;
use std::net::IpAddr;

use conntop::enrich::geo::{Geo, Search};
use conntop::enrich::range::Range;
use divan::Bencher;
use divan::counter::ItemsCount;

use self::mmdb::{Mmdb, asn, city};

const NETWORKS: u32 = 300_000;
const LOOKUPS: usize = 100_000;

fn main() {
    divan::main();
}

/// Numbers that look random and are the same each time.
fn scattered(n: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1).rotate_left(15).wrapping_mul(0x85eb_ca77)
}

fn geo() -> Geo {
    let directory = tempfile::tempdir().unwrap();
    let mut cities = Mmdb::new("DBIP-City-Lite");
    let mut systems = Mmdb::new("DBIP-ASN-Lite");
    for n in 0..NETWORKS {
        let (address, length) = (IpAddr::from(scattered(n).to_be_bytes()), if n < 4096 { 12 } else { 22 });
        let country = ["DE", "FR", "US", "GB", "CN"][n as usize % 5];
        cities.insert(address, length, &city(country, &format!("Town of {}", n % 50_000)));
        systems.insert(address, length, &asn(n % 80_000 + 1, &format!("Organisation {} Ltd.", n % 80_000)));
    }
    fs::write(directory.path().join("city.mmdb"), cities.bytes()).unwrap();
    fs::write(directory.path().join("asn.mmdb"), systems.bytes()).unwrap();
    let geo = Geo::open(Search::of(vec![directory.path().to_owned()], vec![]));
    assert!(!geo.is_empty());
    geo
}

/// Addresses of so many hosts, looked up in turn.
fn look_up<T>(bencher: Bencher<'_, '_>, hosts: u32, ask: impl Fn(&Geo, IpAddr) -> T + Sync) {
    let geo = geo();
    let world = |n| IpAddr::from(scattered(n ^ 0x5555_5555).to_be_bytes());
    let hosts: Vec<IpAddr> = (0..hosts).map(world).filter(|host| Range::of(*host).is_none()).collect();
    bencher.counter(ItemsCount::new(LOOKUPS)).bench_local(|| {
        for host in hosts.iter().cycle().take(LOOKUPS) {
            divan::black_box(ask(&geo, *host));
        }
    });
}

#[divan::bench(args = [1_000, 100_000], sample_count = 10)]
fn country(bencher: Bencher<'_, '_>, hosts: u32) {
    look_up(bencher, hosts, |geo, host| geo.country(host).known().is_some());
}

#[divan::bench(args = [1_000, 100_000], sample_count = 10)]
fn org(bencher: Bencher<'_, '_>, hosts: u32) {
    look_up(bencher, hosts, |geo, host| geo.org(host).known().is_some());
}
