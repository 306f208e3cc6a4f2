//! Networks, as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network; bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// What is wrong with the text of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The part before the slash is no address.
    #[error("not an address; write 10.0.0.1, 10.0.0.0/8, 10/8 or 2001:db8::/32")]
    Address,
    /// The part behind the slash is no length.
    #[error("a prefix length is a number from 0 to {most}")]
    Prefix {
        /// 32 or 128.
        most: u8,
    },
}

impl Net {
    /// The network of that prefix around an address; `None` when the prefix is too long.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
            }
            IpAddr::V6(a) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// Just that address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self { address, prefix: longest(address) }
    }

    /// Length of its prefix.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The address, if it holds only one.
    #[must_use]
    pub fn only(self) -> Option<IpAddr> {
        (self.prefix == longest(self.address)).then_some(self.address)
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(a)) => {
                let differing = net.to_bits() ^ a.to_bits();
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(a)) => {
                let differing = net.to_bits() ^ a.to_bits();
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = NetError;

    /// Reads `10.0.0.1`, `10.0.0.0/8`, `10/8` and `2001:db8::/32`.
    fn from_str(text: &str) -> Result<Self, NetError> {
        let (address, prefix) = match text.split_once('/') {
            None => return text.parse().map(Self::host).map_err(|_| NetError::Address),
            Some(parts) => parts,
        };
        let address = address.parse().ok().or_else(|| short_v4(address)).ok_or(NetError::Address)?;
        let most = longest(address);
        let digits = prefix.bytes().all(|b| b.is_ascii_digit());
        let length = prefix.parse().ok().filter(|_| digits);
        length.and_then(|length| Self::new(address, length)).ok_or(NetError::Prefix { most })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `10` or `172.16`: the missing octets are zero.
fn short_v4(text: &str) -> Option<IpAddr> {
    let mut octets = [0_u8; 4];
    let mut places = octets.iter_mut();
    for part in text.split('.') {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        *places.next()? = part.parse().ok().filter(|_| plain)?;
    }
    Some(IpAddr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_networks() {
        let check = |text: &str, printed: &str, inside: &str, outside: &str| {
            let net: Net = text.parse().unwrap();
            assert_eq!(net.to_string(), printed, "{text}");
            assert!(net.contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!net.contains(outside.parse().unwrap()), "{outside} in {text}");
        };
        check("10/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0");
        check("172.16/12", "172.16.0.0/12", "172.31.255.255", "172.32.0.0");
        check("192.0.2.77/24", "192.0.2.0/24", "192.0.2.255", "::ffff:192.0.2.1");
        check("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6");
        check("0/0", "0.0.0.0/0", "255.255.255.255", "::");
        check("2001:db8::1/32", "2001:db8::/32", "2001:db8:ffff::", "2001:db9::");
        check("::/0", "::/0", "ffff::", "0.0.0.0");
        check("fe80::1", "fe80::1", "fe80::1", "fe80::2");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let check = |text: &str, wanted: NetError| {
            assert_eq!(text.parse::<Net>(), Err(wanted), "{text}");
        };
        for text in ["", "10", "10.0", "x", "1.2.3.4.5/8", "1..2/8", "/8", "300/8", "+1/8"] {
            check(text, NetError::Address);
        }
        for text in ["10/33", "10/", "10/+8", "10/-1", "10/8/8"] {
            check(text, NetError::Prefix { most: 32 });
        }
        check("::/129", NetError::Prefix { most: 128 });
    }
}
