//! Ranges of addresses as registries write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    from: IpAddr,
    to: IpAddr,
}

impl Span {
    /// Reads `192.0.2.0 - 192.0.2.255`, `192.0.2.0/24`, `192.0.2/24`, `2001:db8::/32`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((from, to)) = text.split_once('-') {
            let (from, to): (IpAddr, IpAddr) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            return (from.is_ipv4() == to.is_ipv4() && from <= to).then_some(Self { from, to });
        }
        let (base, length) = text.split_once('/')?;
        let length: u32 = length.trim().parse().ok()?;
        match address(base.trim())? {
            IpAddr::V4(base) => {
                let host = u32::MAX.checked_shr(length).unwrap_or(0);
                let from = u32::from(base) & !host;
                (length <= 32).then(|| Self {
                    from: Ipv4Addr::from(from).into(),
                    to: Ipv4Addr::from(from | host).into(),
                })
            }
            IpAddr::V6(base) => {
                let host = u128::MAX.checked_shr(length).unwrap_or(0);
                let from = u128::from(base) & !host;
                (length <= 128).then(|| Self {
                    from: Ipv6Addr::from(from).into(),
                    to: Ipv6Addr::from(from | host).into(),
                })
            }
        }
    }

    /// Whether an address is in it.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        self.from.is_ipv4() == address.is_ipv4() && self.from <= address && address <= self.to
    }

    /// How many addresses it has, less one.
    pub(super) fn size(self) -> u128 {
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => u128::from(u32::from(to).saturating_sub(u32::from(from))),
            (IpAddr::V6(from), IpAddr::V6(to)) => u128::from(to).saturating_sub(u128::from(from)),
            _ => u128::MAX,
        }
    }
}

/// An address; LACNIC leaves out the last zeros.
fn address(text: &str) -> Option<IpAddr> {
    let dots = text.bytes().filter(|byte| *byte == b'.').count();
    if text.contains(':') || dots >= 3 {
        return text.parse().ok();
    }
    format!("{text}{}", ".0".repeat(3 - dots)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_registries_write_them() {
        let check = |text: &str, wanted: Option<(&str, &str)>| {
            let wanted =
                wanted.map(|(from, to)| Span { from: from.parse().unwrap(), to: to.parse().unwrap() });
            assert_eq!(Span::parse(text), wanted, "{text}");
        };
        check("8.0.0.0 - 8.127.255.255", Some(("8.0.0.0", "8.127.255.255")));
        check("8.0.0.0-8.127.255.255", Some(("8.0.0.0", "8.127.255.255")));
        check("200.160.0.0/20", Some(("200.160.0.0", "200.160.15.255")));
        check("200.160/20", Some(("200.160.0.0", "200.160.15.255")));
        check("0.0.0.0/0", Some(("0.0.0.0", "255.255.255.255")));
        check("8.8.8.8/32", Some(("8.8.8.8", "8.8.8.8")));
        check("2001:db8::/126", Some(("2001:db8::", "2001:db8::3")));
        check("::/0", Some(("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
        for wrong in
            ["", "-", "/", "8.8.8.8", "8.8.8.8/33", "::/129", "9.0.0.0 - 8.0.0.0", "8.0.0.0 - ::1", "a/b"]
        {
            check(wrong, None);
        }
    }
}
