//! Usual names of ports, for machines whose /etc/services is short or missing: what is met on the
//! Internet and in the networks of homes and companies.

use super::Over::{self, Both, Tcp, Udp};

/// Ports with their names, ascending.
#[rustfmt::skip]
pub(super) const TABLE: &[(u16, Over, &str)] = &[
    (7, Both, "echo"), (9, Both, "discard"), (13, Both, "daytime"), (17, Both, "qotd"), (19, Both, "chargen"),
    (20, Tcp, "ftp-data"), (21, Tcp, "ftp"), (22, Tcp, "ssh"), (23, Tcp, "telnet"), (25, Tcp, "smtp"),
    (37, Both, "time"), (43, Tcp, "whois"), (49, Both, "tacacs"), (53, Both, "domain"), (67, Udp, "bootps"),
    (68, Udp, "bootpc"), (69, Udp, "tftp"), (70, Tcp, "gopher"), (79, Tcp, "finger"), (80, Tcp, "http"),
    (88, Both, "kerberos"), (110, Tcp, "pop3"), (111, Both, "sunrpc"), (113, Tcp, "ident"), (119, Tcp, "nntp"),
    (123, Udp, "ntp"), (135, Tcp, "epmap"), (137, Udp, "netbios-ns"), (138, Udp, "netbios-dgm"),
    (139, Tcp, "netbios-ssn"), (143, Tcp, "imap"), (161, Udp, "snmp"), (162, Udp, "snmp-trap"),
    (177, Udp, "xdmcp"), (179, Tcp, "bgp"), (194, Tcp, "irc"), (319, Udp, "ptp-event"), (320, Udp, "ptp-general"),
    (389, Both, "ldap"), (427, Both, "svrloc"), (443, Both, "https"), (445, Tcp, "microsoft-ds"),
    (464, Both, "kpasswd"), (465, Tcp, "submissions"), (500, Udp, "isakmp"), (502, Tcp, "modbus"),
    (514, Tcp, "shell"), (514, Udp, "syslog"), (515, Tcp, "printer"), (520, Udp, "rip"), (521, Udp, "ripng"),
    (546, Udp, "dhcpv6-client"), (547, Udp, "dhcpv6-server"), (548, Tcp, "afp"), (554, Both, "rtsp"),
    (563, Tcp, "nntps"), (587, Tcp, "submission"), (623, Udp, "ipmi"), (631, Both, "ipp"), (636, Tcp, "ldaps"),
    (646, Both, "ldp"), (655, Both, "tinc"), (749, Tcp, "kerberos-adm"), (853, Both, "domain-s"),
    (873, Tcp, "rsync"), (989, Tcp, "ftps-data"), (990, Tcp, "ftps"), (992, Tcp, "telnets"), (993, Tcp, "imaps"),
    (995, Tcp, "pop3s"), (1080, Tcp, "socks"), (1194, Both, "openvpn"), (1433, Tcp, "ms-sql"),
    (1434, Udp, "ms-sql-m"), (1521, Tcp, "oracle"), (1701, Udp, "l2tp"), (1719, Udp, "h323-gate"),
    (1720, Tcp, "h323"), (1723, Tcp, "pptp"), (1812, Udp, "radius"), (1813, Udp, "radius-acct"),
    (1883, Tcp, "mqtt"), (1900, Udp, "ssdp"), (1935, Tcp, "rtmp"), (1985, Udp, "hsrp"), (2049, Both, "nfs"),
    (2055, Udp, "netflow"), (2083, Tcp, "radsec"), (2123, Udp, "gtp-c"), (2152, Udp, "gtp-u"),
    (2181, Tcp, "zookeeper"), (2375, Tcp, "docker"), (2376, Tcp, "docker-s"), (2377, Tcp, "docker-swarm"),
    (2379, Tcp, "etcd-client"), (2380, Tcp, "etcd-server"), (3074, Both, "xbox"), (3128, Tcp, "squid"),
    (3260, Tcp, "iscsi"), (3268, Tcp, "msft-gc"), (3269, Tcp, "msft-gc-ssl"), (3306, Tcp, "mysql"),
    (3389, Both, "rdp"), (3478, Both, "stun"), (3544, Udp, "teredo"), (3632, Tcp, "distcc"), (3689, Tcp, "daap"),
    (3690, Tcp, "svn"), (3702, Udp, "ws-discovery"), (3784, Udp, "bfd-control"), (3785, Udp, "bfd-echo"),
    (4369, Tcp, "epmd"), (4460, Tcp, "ntske"), (4500, Udp, "ipsec-nat-t"), (4739, Both, "ipfix"),
    (4789, Udp, "vxlan"), (4840, Tcp, "opcua"), (5004, Udp, "rtp"), (5005, Udp, "rtcp"), (5060, Both, "sip"),
    (5061, Tcp, "sips"), (5201, Both, "iperf3"), (5222, Tcp, "xmpp-client"), (5228, Tcp, "fcm"),
    (5269, Tcp, "xmpp-server"), (5349, Both, "stuns"), (5351, Udp, "nat-pmp"), (5353, Udp, "mdns"),
    (5355, Both, "llmnr"), (5432, Tcp, "postgresql"), (5555, Tcp, "adb"), (5671, Tcp, "amqps"),
    (5672, Tcp, "amqp"), (5683, Both, "coap"), (5684, Both, "coaps"), (5900, Tcp, "vnc"),
    (5938, Both, "teamviewer"), (5984, Tcp, "couchdb"), (5985, Tcp, "winrm"), (5986, Tcp, "winrm-s"),
    (6000, Tcp, "x11"), (6081, Udp, "geneve"), (6343, Udp, "sflow"), (6379, Tcp, "redis"),
    (6443, Tcp, "kubernetes"), (6514, Tcp, "syslog-tls"), (6633, Tcp, "openflow-old"), (6653, Tcp, "openflow"),
    (6667, Tcp, "irc"), (6697, Tcp, "ircs"), (6881, Both, "bittorrent"), (8008, Tcp, "http-alt"),
    (8009, Tcp, "googlecast"), (8080, Tcp, "http-alt"), (8086, Tcp, "influxdb"), (8123, Tcp, "home-assistant"),
    (8291, Tcp, "winbox"), (8443, Tcp, "https-alt"), (8472, Udp, "vxlan-linux"), (8554, Both, "rtsp-alt"),
    (8883, Tcp, "mqtts"), (9042, Tcp, "cassandra"), (9090, Tcp, "prometheus"), (9092, Tcp, "kafka"),
    (9100, Tcp, "jetdirect"), (9200, Tcp, "elasticsearch"), (9418, Tcp, "git"), (9993, Udp, "zerotier"),
    (10050, Tcp, "zabbix-agent"), (10051, Tcp, "zabbix-trapper"), (10250, Tcp, "kubelet"),
    (11211, Both, "memcached"), (17500, Both, "dropbox-lan"), (25565, Both, "minecraft"), (27017, Tcp, "mongodb"),
    (32400, Tcp, "plex"), (41641, Udp, "tailscale"), (50051, Tcp, "grpc"), (51413, Both, "bittorrent"),
    (51820, Udp, "wireguard"), (55555, Tcp, "conntop"), (64738, Both, "mumble"),
];

/// What people also call them.
pub(super) const ALIASES: &[(&str, u16)] =
    &[("dns", 53), ("dhcp", 67), ("www", 80), ("smb", 445), ("ike", 500), ("postgres", 5432)];
