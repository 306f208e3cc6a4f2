//! What hosts files and lease files say. Their lines come from programs that believe what DHCP clients
//! tell them, so nothing in them is believed but its form: what is no address, name or MAC address is
//! left out, lines that are none of the formats are, too, and there is an end to all of it.
//!
//! Lease files need no name for their format, each line shows it:
//!
//! | Program | A line |
//! |---|---|
//! | dnsmasq | expiry, MAC address (of IPv6: IAID), address, name or `*`, client id |
//! | odhcpd | `#`, interface, MAC address or DUID, `ipv4` or IAID, name or `-`, expiry, id, length, addresses |
//! | ISC dhcpd | `lease ADDRESS {`, statements, `}`; the last one of an address counts |
//! | Kea | comma separated, address first; the last one of an address counts |

use std::collections::BTreeMap;
use std::net::IpAddr;

use conntop_proto::message::{Mac, NameOrigin};
use conntop_proto::text;

/// Most hosts of one file.
const MOST: usize = 4096;
/// Longest line that is looked at.
const LINE: usize = 2048;

/// What a file says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Sanitized, not empty.
    pub(super) name: String,
    pub(super) from: NameOrigin,
    pub(super) mac: Option<Mac>,
}

/// Hosts by address.
pub(super) type Entries = BTreeMap<IpAddr, Entry>;

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| line.len() <= LINE)
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// An address that is a host's and not this machine's to itself.
fn address(word: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(word).ok()?.parse().ok()?;
    let address = address.to_canonical();
    let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    let broadcast = address == IpAddr::from([255; 4]);
    (!special && !broadcast).then_some(address)
}

fn name(word: &[u8]) -> Option<String> {
    let word = word.strip_suffix(b".").unwrap_or(word);
    (!word.is_empty() && word != b"*" && word != b"-").then(|| text::sanitize_bytes(word))
}

/// With colons, or without as odhcpd writes it.
fn mac(word: &[u8]) -> Option<Mac> {
    let word = std::str::from_utf8(word).ok()?;
    if word.len() != 12 {
        return word.parse().ok();
    }
    let mut spaced = String::with_capacity(17);
    for (n, digit) in word.chars().enumerate() {
        if n > 0 && n % 2 == 0 {
            spaced.push(':');
        }
        spaced.push(digit);
    }
    spaced.parse().ok()
}

/// A hosts file; the first name of an address counts.
pub(super) fn hosts(bytes: &[u8]) -> Entries {
    let mut all = Entries::new();
    for line in lines(bytes) {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        let mut words = words(line);
        let Some(address) = words.next().and_then(address) else { continue };
        let Some(name) = words.next().and_then(name) else { continue };
        if all.len() >= MOST {
            break;
        }
        all.entry(address).or_insert(Entry { name, from: NameOrigin::Hosts, mac: None });
    }
    all
}

/// A lease file of any of the formats. It may begin in the middle of a line.
pub(super) fn leases(bytes: &[u8]) -> Entries {
    let mut leases = Leases::default();
    lines(bytes).for_each(|line| leases.line(line.trim_ascii()));
    leases.all
}

#[derive(Default)]
struct Leases {
    all: Entries,
    /// The lease of ISC dhcpd whose statements follow.
    open: Option<Open>,
}

struct Open {
    address: IpAddr,
    active: bool,
    mac: Option<Mac>,
    name: Option<String>,
}

impl Leases {
    fn line(&mut self, line: &[u8]) {
        if self.open.is_some() {
            self.statement(line);
        } else if let Some(rest) = line.strip_prefix(b"lease ") {
            let word = rest.strip_suffix(b"{").map(<[u8]>::trim_ascii);
            let open = |address| Open { address, active: true, mac: None, name: None };
            self.open = word.and_then(address).map(open);
        } else if let Some(rest) = line.strip_prefix(b"# ") {
            self.odhcpd(rest);
        } else if line.contains(&b',') {
            self.kea(line);
        } else {
            self.dnsmasq(line);
        }
    }

    /// The latest word on an address. Without a name it is another host than before, or none.
    fn put(&mut self, address: IpAddr, entry: Option<Entry>) {
        match entry {
            Some(entry) if self.all.len() < MOST || self.all.contains_key(&address) => {
                self.all.insert(address, entry);
            }
            Some(_) => {}
            None => {
                self.all.remove(&address);
            }
        }
    }

    fn dnsmasq(&mut self, line: &[u8]) {
        let mut words = words(line);
        let (Some(expiry), Some(hardware)) = (words.next(), words.next()) else { return };
        if !expiry.iter().all(u8::is_ascii_digit) {
            return;
        }
        let Some(address) = words.next().and_then(address) else { return };
        // Another kind of network than Ethernet stands before the address, with a minus.
        let entry = |name| Entry { name, from: NameOrigin::Dnsmasq, mac: mac(hardware) };
        let entry = words.next().and_then(name).map(entry);
        self.put(address, entry);
    }

    fn odhcpd(&mut self, line: &[u8]) {
        let mut words = words(line);
        let (Some(_interface), Some(client), Some(id)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let Some(word) = words.next() else { return };
        // A name that is none by the rules of DNS is marked so.
        let name = name(word.strip_prefix(br"broken\x20").unwrap_or(word));
        // Of IPv6 it is a DUID, which may look like one.
        let mac = mac(client).filter(|_| id == b"ipv4");
        for word in words.skip(3).take(16) {
            let host = word.split(|&byte| byte == b'/').next().unwrap_or_default();
            let whole = word.ends_with(b"/32") || word.ends_with(b"/128");
            let Some(address) = address(host).filter(|_| whole) else { continue };
            let entry = name.clone().map(|name| Entry { name, from: NameOrigin::Odhcpd, mac });
            self.put(address, entry);
        }
    }

    fn kea(&mut self, line: &[u8]) {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b',').take(32).collect();
        let field = |n: usize| fields.get(n).copied().unwrap_or_default();
        let Some(address) = address(field(0)) else { return };
        // Where lifetime, name, MAC address and state stand.
        let (lifetime, called, hardware, state) = match address {
            IpAddr::V4(_) => (3, 8, 1, 9),
            IpAddr::V6(_) => (2, 11, 12, 13),
        };
        let delegated = address.is_ipv6() && field(6) == b"2";
        let over = field(lifetime) == b"0" || field(state) != b"0" || delegated;
        let entry = |name| Entry { name, from: NameOrigin::Kea, mac: mac(field(hardware)) };
        let entry = name(field(called)).filter(|_| !over).map(entry);
        self.put(address, entry);
    }

    /// A statement of ISC dhcpd within a lease.
    fn statement(&mut self, line: &[u8]) {
        let Some(open) = &mut self.open else { return };
        if line == b"}" {
            if let Some(Open { address, active, mac, name }) = self.open.take() {
                let entry = |name| Entry { name, from: NameOrigin::Dhcpd, mac };
                self.put(address, name.filter(|_| active).map(entry));
            }
            return;
        }
        let statement = line.strip_suffix(b";").unwrap_or(line);
        if let Some(state) = statement.strip_prefix(b"binding state ") {
            open.active = state == b"active";
        } else if let Some(hardware) = statement.strip_prefix(b"hardware ethernet ") {
            open.mac = mac(hardware);
        } else if let Some(quoted) = statement.strip_prefix(b"client-hostname ") {
            let bare = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
            open.name = bare.and_then(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entries, LINE, MOST, hosts, leases};

    fn said(entries: &Entries) -> Vec<String> {
        let said = |(address, entry): (_, &super::Entry)| {
            let mac = entry.mac.map_or("-".to_owned(), |mac| mac.to_string());
            format!("{address} {} {:?} {mac}", entry.name, entry.from)
        };
        entries.iter().map(said).collect()
    }

    #[track_caller]
    fn check(parse: fn(&[u8]) -> Entries, text: &[u8], expected: &[&str]) {
        assert_eq!(said(&parse(text)), expected, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn hosts_files() {
        check(hosts, b"", &[]);
        check(hosts, b"192.168.1.30\tnas.home.arpa nas # disks\r\n", &["192.168.1.30 nas.home.arpa Hosts -"]);
        check(hosts, b"10.0.0.1 a\n10.0.0.1 b\nfd00::1 c", &["10.0.0.1 a Hosts -", "fd00::1 c Hosts -"]);
        check(
            hosts,
            b"127.0.0.1 localhost\n::1 localhost\n0.0.0.0 ads.example\nff02::1 all\n127.0.1.1 me",
            &[],
        );
        check(hosts, b"#10.0.0.1 a\n10.0.0.2\n10.0.0.3 #x\nx y\n10.0.0.4/24 z\n255.255.255.255 all", &[]);
        check(hosts, b"::ffff:10.0.0.1 mapped", &["10.0.0.1 mapped Hosts -"]);
        check(
            hosts,
            b"10.0.0.1 a\x1b[2Jb\n10.0.0.2 \xff",
            &["10.0.0.1 a\\x1b[2Jb Hosts -", "10.0.0.2 \\xff Hosts -"],
        );
    }

    #[test]
    fn leases_of_dnsmasq() {
        let text = b"1763790000 52:54:00:12:AB:cd 192.168.1.20 laptop 01:52:54:00:12:ab:cd\n\
            0 06-00:11:22 192.168.1.21 tv *\n\
            43200 52:54:00:00:00:01 192.168.1.22 * *\n\
            duid 00:01:00:01:2a\n\
            1763790000 12345 fd00::20 laptop 00:01\n";
        let expected = [
            "192.168.1.20 laptop Dnsmasq 52:54:00:12:ab:cd",
            "192.168.1.21 tv Dnsmasq -",
            "fd00::20 laptop Dnsmasq -",
        ];
        check(leases, text, &expected);
    }

    #[test]
    fn leases_of_odhcpd() {
        let text = br"# br-lan 00010001abcd 1 laptop 1763790000 abc 128 fd00::abc/128 2001:db8::abc/128
fd00::abc	laptop
# br-lan 5254001234ab ipv4 tv 1763790000 14 32 192.168.1.20/32
# br-lan 5254001234ac ipv4 broken\x20my_tv 1763790000 15 32 192.168.1.21/32
# br-lan 5254001234ad ipv4 - 1763790000 16 32 192.168.1.22/32
# br-lan 00010002abcd 1 router 1763790000 0 56 2001:db8:1::/56
# br-lan";
        let expected = [
            "192.168.1.20 tv Odhcpd 52:54:00:12:34:ab",
            "192.168.1.21 my_tv Odhcpd 52:54:00:12:34:ac",
            "2001:db8::abc laptop Odhcpd -",
            "fd00::abc laptop Odhcpd -",
        ];
        check(leases, text, &expected);
    }

    #[test]
    fn leases_of_isc_dhcpd() {
        let lease = |address: &str, state: &str, name: &str| {
            format!(
                "lease {address} {{\n  starts 5 2026/11/20 10:00:00;\n  binding state {state};\n  next binding \
                 state free;\n  hardware ethernet 52:54:00:12:34:56;\n  uid \"\\001RT\";\n{name}}}\n"
            )
        };
        let called = "  client-hostname \"laptop\";\n";
        let mac = "52:54:00:12:34:56";
        let of = |address: &str| format!("{address} laptop Dhcpd {mac}");
        let text = ["authoring-byte-order little-endian;\n", &lease("10.0.0.5", "active", called)].concat();
        check(leases, text.as_bytes(), &[&of("10.0.0.5")]);
        let text = [lease("10.0.0.5", "active", called), lease("10.0.0.5", "free", called)].concat();
        check(leases, text.as_bytes(), &[]);
        let text = [lease("10.0.0.5", "free", called), lease("10.0.0.5", "active", called)].concat();
        check(leases, text.as_bytes(), &[&of("10.0.0.5")]);
        check(leases, lease("10.0.0.5", "active", "").as_bytes(), &[]);
        check(leases, b"lease 10.0.0.5 {\n client-hostname \"unfinished\";\n", &[]);
        check(leases, b"x\";\n}\nlease nowhere {\n client-hostname \"a\";\n}\n", &[]);
        check(leases, b"lease 10.0.0.5 {\n client-hostname laptop;\n}\n", &[]);
    }

    #[test]
    fn leases_of_kea() {
        let v4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,\
                  user_context,pool_id\n\
                  10.0.0.5,52:54:00:12:34:56,,3600,1763790000,1,0,0,laptop.home.,0,,0\n\
                  10.0.0.6,52:54:00:12:34:57,,3600,1763790000,1,0,0,tv,0,,0\n\
                  10.0.0.6,52:54:00:12:34:57,,0,1763790000,1,0,0,tv,0,,0\n\
                  10.0.0.7,52:54:00:12:34:58,,3600,1763790000,1,0,0,declined,1,,0\n\
                  10.0.0.8,,,3600\n";
        check(leases, v4.as_bytes(), &["10.0.0.5 laptop.home Kea 52:54:00:12:34:56"]);
        let v6 = "fd00::5,00:01,3600,1763790000,1,3600,0,7,128,0,0,laptop,52:54:00:12:34:56,0,,0\n\
                  fd00:1::,00:01,3600,1763790000,1,3600,2,7,64,0,0,router,,0,,0\n";
        check(leases, v6.as_bytes(), &["fd00::5 laptop Kea 52:54:00:12:34:56"]);
    }

    #[test]
    fn hostile_files() {
        check(leases, &[0xff; 5000], &[]);
        check(leases, &b",".repeat(LINE), &[]);
        check(leases, &b"lease ".repeat(100), &[]);
        check(leases, b"1 2 10.0.0.1 \xe2\x80\xaeevil\x07 *", &["10.0.0.1 \\u{202e}evil\\x07 Dnsmasq -"]);
        let long = [&b"1 2 10.0.0.1 "[..], &[b'a'; 1000]].concat();
        assert_eq!(leases(&long).values().next().unwrap().name.len(), 255);
        let many: String = (0..10_000).map(|n| format!("1 2 10.1.{}.{} a *\n", n / 250, n % 250)).collect();
        assert_eq!(leases(many.as_bytes()).len(), MOST);
        assert_eq!(hosts(many.replace("1 2 ", "").as_bytes()).len(), MOST);
    }
}
