//! Addresses that are nowhere in the world, and what they are for.
//!
//! An IPv6 address that only wraps an IPv4 address (mapped, 6to4, NAT64) is judged by that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a range of addresses is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// RFC 1918, unique local.
    Private,
    /// This machine.
    Loopback,
    /// One link.
    LinkLocal,
    /// Many receivers.
    Multicast,
    /// All receivers on a link.
    Broadcast,
    /// Behind a carrier's NAT, RFC 6598.
    CarrierNat,
    /// Examples in documents.
    Documentation,
    /// Anything else that is not routed.
    Reserved,
}

impl Range {
    /// The range that an address is in; `None` for addresses of the world.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        match of_the_world(address) {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        Some(match address.octets() {
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [100, 64..=127, ..] => Self::CarrierNat,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Documentation,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            // 192.0.0.9 and 192.0.0.10 are anycast of the world (RFC 7723, 8155).
            [192, 0, 0, 9 | 10] => return None,
            // This network; IETF protocols; benchmarks; what is left.
            [0, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..] => Self::Reserved,
            _ => return None,
        })
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        Some(match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // Unique local; site-local of old; NAT64 of one's own (RFC 8215).
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Documentation,
            // Benchmarks; ORCHID of old.
            [0x2001, 2, 0, ..] | [0x2001, 0x10..=0x1f, ..] => Self::Reserved,
            // What the world uses, Teredo and ORCHIDv2 among it.
            [0x2000..=0x3fff, ..] => return None,
            _ => Self::Reserved,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::CarrierNat => "carrier NAT",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        }
    }
}

/// The address by which the world knows a host: the IPv4 address that an IPv6 address wraps, if it does.
#[must_use]
pub fn of_the_world(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let (high, low) = match v6.segments() {
        // Mapped; NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => (high, low),
        _ => return address,
    };
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: Option<Range>, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(Range::of(address.parse().unwrap()), range, "{address}");
        }
    }

    #[test]
    fn ranges_end_where_the_registries_say() {
        check(Some(Range::Private), &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"]);
        check(Some(Range::Private), &["192.168.0.1", "fc00::", "fdff:ffff::1", "fec0::1", "64:ff9b:1::1"]);
        check(Some(Range::Loopback), &["127.0.0.1", "127.255.255.255", "::1"]);
        check(Some(Range::LinkLocal), &["169.254.0.0", "169.254.255.255", "fe80::1", "febf::"]);
        check(Some(Range::Multicast), &["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "ffff::"]);
        check(Some(Range::Broadcast), &["255.255.255.255"]);
        check(Some(Range::CarrierNat), &["100.64.0.0", "100.127.255.255"]);
        check(Some(Range::Documentation), &["192.0.2.1", "198.51.100.255", "203.0.113.0", "2001:db8::1"]);
        check(Some(Range::Documentation), &["3fff::1", "3fff:fff:ffff::"]);
        check(Some(Range::Reserved), &["0.0.0.0", "0.1.2.3", "192.0.0.8", "198.18.0.0", "198.19.255.255"]);
        check(Some(Range::Reserved), &["240.0.0.1", "255.255.255.254", "::", "::2", "1::", "100::1"]);
        check(Some(Range::Reserved), &["2001:2::1", "2001:10::1", "4000::", "5f00::1", "::10.0.0.1"]);
    }

    #[test]
    fn the_world_is_between_them() {
        check(None, &["9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"]);
        check(None, &["100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255"]);
        check(None, &["192.0.1.255", "192.0.3.0", "192.0.0.9", "192.0.0.10", "192.88.99.1", "1.1.1.1"]);
        check(None, &["198.17.255.255", "198.20.0.0", "198.51.101.0", "203.0.112.255", "223.255.255.255"]);
        check(None, &["2000::", "2001::1", "2001:db7::", "2001:db9::", "2001:2:1::", "2001:20::1"]);
        check(None, &["2606:4700::1111", "3ffe::1", "3fff:1000::"]);
    }

    #[test]
    fn wrapped_addresses_are_judged_by_what_is_in_them() {
        check(Some(Range::Private), &["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1"]);
        check(Some(Range::Loopback), &["::ffff:127.0.0.1", "2002:7f00:1::"]);
        check(Some(Range::CarrierNat), &["64:ff9b::100.64.0.1"]);
        check(None, &["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]);
        let of = |text: &str| of_the_world(text.parse().unwrap()).to_string();
        assert_eq!(of("64:ff9b::1.2.3.4"), "1.2.3.4");
        assert_eq!(of("2002:102:304::9"), "1.2.3.4");
        assert_eq!(of("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(of("2001:db8::1"), "2001:db8::1");
    }
}
