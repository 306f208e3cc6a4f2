//! The topology: a lan, a router with NAT, and a wan.
//!
//! ```text
//!   lan                        router                          wan
//!   192.168.77.2/24 eth0 --- lan0 .1/24 | wan0 .1/24 --- eth0 203.0.113.2/24
//!   fd77:1::2/64               ::1/64   | ::1/64         2001:db8:77::2/64
//! ```
//!
//! The router masquerades what goes out, and leads [`DNAT_PORT`] of its outer addresses to
//! [`DNAT_TO_PORT`] of the host in the lan.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};

use crate::netns::{Group, Namespace};
use crate::tools::command;

/// The host in the lan.
pub const LAN_HOST: Addresses = Addresses::new([192, 168, 77, 2], [0xfd77, 1, 0, 0, 0, 0, 0, 2]);
/// The router's inner addresses.
pub const ROUTER_INSIDE: Addresses = Addresses::new([192, 168, 77, 1], [0xfd77, 1, 0, 0, 0, 0, 0, 1]);
/// The router's outer addresses, which masquerading shows.
pub const ROUTER_OUTSIDE: Addresses = Addresses::new([203, 0, 113, 1], [0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1]);
/// The host in the wan.
pub const WAN_HOST: Addresses = Addresses::new([203, 0, 113, 2], [0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 2]);
/// TCP port on the router's outer addresses that leads inwards.
pub const DNAT_PORT: u16 = 8080;
/// Where it leads to on the host in the lan.
pub const DNAT_TO_PORT: u16 = 80;

/// The two addresses of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// IPv4, in a /24.
    pub v4: Ipv4Addr,
    /// IPv6, in a /64.
    pub v6: Ipv6Addr,
}

impl Addresses {
    const fn new([a, b, c, d]: [u8; 4], [e, f, g, h, i, j, k, l]: [u16; 8]) -> Self {
        Addresses { v4: Ipv4Addr::new(a, b, c, d), v6: Ipv6Addr::new(e, f, g, h, i, j, k, l) }
    }

    /// Both.
    #[must_use]
    pub fn both(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// What the router's kernel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabOptions {
    /// Count packets and bytes.
    pub accounting: bool,
    /// Remember when flows began.
    pub timestamps: bool,
    /// Whether rules make connection tracking work (and NAT); without them nothing is tracked.
    pub tracking: bool,
    /// `nf_conntrack_events`; 0 makes flows that never send an event, as those are that began
    /// before anybody listened.
    pub events: u8,
}

impl Default for LabOptions {
    fn default() -> Self {
        LabOptions { accounting: true, timestamps: true, tracking: true, events: 2 }
    }
}

/// The three namespaces.
#[derive(Debug)]
pub struct Lab {
    /// The host behind the router.
    pub lan: Namespace,
    /// Where connections are tracked.
    pub router: Namespace,
    /// The host in front of it.
    pub wan: Namespace,
}

impl Lab {
    /// Builds the lab.
    ///
    /// # Errors
    /// When a step fails; nothing stays behind then.
    pub fn new(options: LabOptions) -> Result<Self> {
        let group = Group::next();
        let create = |role| Namespace::create(group, role);
        let lab = Lab { lan: create("lan")?, router: create("router")?, wan: create("wan")? };
        lab.wire().context("wiring the lab")?;
        lab.set(options).context("setting up the lab's router")?;
        Ok(lab)
    }

    /// Uses the lab that another process holds, as found by the name of its router.
    ///
    /// # Errors
    /// When there is no such lab.
    pub fn attach(router: &str) -> Result<Self> {
        let prefix = router.strip_suffix("router").context("not the name of a router")?;
        let attach = |role: &str| Namespace::attach(&format!("{prefix}{role}"));
        Ok(Lab { lan: attach("lan")?, router: attach("router")?, wan: attach("wan")? })
    }

    fn wire(&self) -> Result<()> {
        let (lan, router, wan) = (self.lan.name(), self.router.name(), self.wan.name());
        let ip = |namespace: &Namespace, lines: String| {
            let mut ip = command("ip");
            namespace.output_with_input(ip.args(["-batch", "-"]), &lines).map(|_| ())
        };
        for namespace in [&self.lan, &self.router, &self.wan] {
            namespace.set_sysctl("ipv6/conf/default/accept_dad", "0")?;
            namespace.set_sysctl("ipv6/conf/all/disable_ipv6", "0")?;
        }
        // In the end namespaces, so that no name has to be free anywhere else.
        ip(&self.lan, format!("link add eth0 type veth peer name lan0 netns {router}\n"))
            .with_context(|| format!("linking {lan} to {router}"))?;
        ip(&self.wan, format!("link add eth0 type veth peer name wan0 netns {router}\n"))
            .with_context(|| format!("linking {wan} to {router}"))?;
        let up = |device: &str, own: Addresses| {
            format!(
                "link set {device} up\naddr add {}/24 dev {device}\naddr add {}/64 dev {device} nodad\n",
                own.v4, own.v6
            )
        };
        let default =
            |via: Addresses| format!("route add default via {}\nroute add default via {}\n", via.v4, via.v6);
        ip(&self.router, up("lan0", ROUTER_INSIDE) + &up("wan0", ROUTER_OUTSIDE))?;
        ip(&self.lan, up("eth0", LAN_HOST) + &default(ROUTER_INSIDE))?;
        ip(&self.wan, up("eth0", WAN_HOST) + &default(ROUTER_OUTSIDE))
    }

    fn set(&self, options: LabOptions) -> Result<()> {
        let LabOptions { accounting, timestamps, tracking, events } = options;
        let flag = |on: bool| if on { "1" } else { "0" };
        for (name, value) in [
            ("netfilter/nf_conntrack_acct", flag(accounting)),
            ("netfilter/nf_conntrack_timestamp", flag(timestamps)),
            ("netfilter/nf_conntrack_events", &events.to_string()),
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // The mover sends from addresses that the lan does not have.
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/lan0/rp_filter", "0"),
        ] {
            self.router.set_sysctl(name, value)?;
        }
        if tracking { self.track() } else { Ok(()) }
    }

    /// Adds the rules that make the router track and translate.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn track(&self) -> Result<()> {
        let Addresses { v4, v6 } = LAN_HOST;
        let rules = format!(
            "table inet lab {{
  chain inward {{
    type nat hook prerouting priority dstnat;
    iifname wan0 meta nfproto ipv4 tcp dport {DNAT_PORT} dnat ip to {v4}:{DNAT_TO_PORT}
    iifname wan0 meta nfproto ipv6 tcp dport {DNAT_PORT} dnat ip6 to [{v6}]:{DNAT_TO_PORT}
  }}
  chain outward {{
    type nat hook postrouting priority srcnat;
    oifname wan0 masquerade
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    ct state established accept
  }}
}}
"
        );
        self.router.output_with_input(command("nft").args(["-f", "-"]), &rules).map(|_| ())
    }

    /// Flushes the router's table with `conntrack -F`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn flush(&self) -> Result<()> {
        self.router.output(command("conntrack").arg("-F")).map(|_| ())
    }
}
