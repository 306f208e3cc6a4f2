//! The oracle's parser on lines that `conntrack` 1.4.7 wrote on Linux 6.18.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use conntop_tests::oracle::{L4, parse};

fn check(line: &str, expected: &str) {
    let told = match parse(line) {
        Ok(r) => {
            let side = |d: &conntop_tests::oracle::Direction| {
                let l4 = match d.l4 {
                    L4::None => "-".to_owned(),
                    L4::Ports(src, dst) => format!("{src}>{dst}"),
                    L4::Icmp(ty, code, id) => format!("{ty}/{code}#{id}"),
                };
                format!("{}>{} {l4} z{:?} {:?}/{:?}", d.src, d.dst, d.zone, d.packets, d.bytes)
            };
            format!(
                "{} {:?} {:?} | {} | {} | {:?} mark {:?} zone {:?} id {:?} age {:?} start {:?} helper {:?}",
                r.proto,
                r.timeout,
                r.state,
                side(&r.orig),
                side(&r.reply),
                r.words.join(" "),
                r.mark,
                r.zone,
                r.id,
                r.age,
                r.start,
                r.helper
            )
        }
        Err(error) => format!("{error:#}"),
    };
    let plain = told.replace("Some(", "").replace(')', "").replace("None", "-").replace('"', "");
    assert_eq!(plain, expected, "\n{line}");
}

#[test]
fn reads_every_protocol() {
    check(
        "ipv4     2 tcp      6 99 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 packets=7 bytes=60 src=2.2.2.2 dst=1.1.1.1 sport=2 dport=1 packets=0 bytes=0 [ASSURED] mark=5 delta-time=4 [start=Sat Nov 21 05:09:15 2026] use=1 id=44622348",
        "6 99 ESTABLISHED | 1.1.1.1>2.2.2.2 1>2 z- 7/60 | 2.2.2.2>1.1.1.1 2>1 z- 0/0 | ASSURED mark 5 zone - id 44622348 age 4 start 1795237755 helper -",
    );
    check(
        "ipv4     2 udp      17 99 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=6 zone-orig=7 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=6 dport=5 packets=0 bytes=0 mark=0 delta-time=0 use=1 id=3568972929",
        "17 99 - | 10.0.0.1>10.0.0.2 5>6 z7 0/0 | 10.0.0.2>10.0.0.1 6>5 z- 0/0 | UNREPLIED mark 0 zone - id 3568972929 age 0 start - helper -",
    );
    check(
        "ipv4     2 udp      17 99 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=6 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=6 dport=5 zone-reply=9 packets=0 bytes=0 mark=0 delta-time=0 use=1 id=3261904942",
        "17 99 - | 10.0.0.1>10.0.0.2 5>6 z- 0/0 | 10.0.0.2>10.0.0.1 6>5 z9 0/0 | UNREPLIED mark 0 zone - id 3261904942 age 0 start - helper -",
    );
    check(
        "ipv4     2 gre      47 99 src=1.1.1.1 dst=2.2.2.2 srckey=0x1 dstkey=0xff2 packets=0 bytes=0 [UNREPLIED] src=2.2.2.2 dst=1.1.1.1 srckey=0xff2 dstkey=0x1 packets=0 bytes=0 mark=0 delta-time=0 use=1 id=2689461143",
        "47 99 - | 1.1.1.1>2.2.2.2 1>4082 z- 0/0 | 2.2.2.2>1.1.1.1 4082>1 z- 0/0 | UNREPLIED mark 0 zone - id 2689461143 age 0 start - helper -",
    );
    check(
        "ipv4     2 unknown  99 99 src=1.1.1.3 dst=2.2.2.2 packets=0 bytes=0 [UNREPLIED] src=2.2.2.2 dst=1.1.1.3 packets=0 bytes=0 mark=0 delta-time=0 use=1 id=1921261073",
        "99 99 - | 1.1.1.3>2.2.2.2 - z- 0/0 | 2.2.2.2>1.1.1.3 - z- 0/0 | UNREPLIED mark 0 zone - id 1921261073 age 0 start - helper -",
    );
    check(
        "ipv6     10 icmpv6   58 99 src=fd00::1 dst=fd00::2 type=128 code=0 id=77 packets=0 bytes=0 [UNREPLIED] src=fd00::2 dst=fd00::1 type=129 code=0 id=77 packets=0 bytes=0 mark=0 zone=7 delta-time=0 use=1 id=333127521",
        "58 99 - | fd00::1>fd00::2 128/0#77 z- 0/0 | fd00::2>fd00::1 129/0#77 z- 0/0 | UNREPLIED mark 0 zone 7 id 333127521 age 0 start - helper -",
    );
}

#[test]
fn absent_is_not_zero() {
    check(
        "ipv4     2 tcp      6 src=10.0.0.1 dst=10.0.0.3 sport=5 dport=6 src=9.9.9.9 dst=10.0.0.1 sport=1234 dport=5 [OFFLOAD] helper=ftp use=2",
        "6 - - | 10.0.0.1>10.0.0.3 5>6 z- -/- | 9.9.9.9>10.0.0.1 1234>5 z- -/- | OFFLOAD mark - zone - id - age - start - helper ftp",
    );
}

#[test]
fn refuses_what_it_does_not_understand() {
    check("", "no addresses");
    check("ipv4 2 tcp 6 9 X Y src=1.1.1.1", "7 words before the addresses");
    check("ipv4 2 tcp 6 9 src=1.1.1.1 dst=2.2.2.2 news=1", "unknown field news");
    check("ipv4 2 tcp 6 9 src=1.1.1.1 dst=2.2.2.2 sport=x", "sport is x: invalid digit found in string");
    check("ipv4 2 tcp 6 9 src=1.1.1.1 dst=2.2.2.2", "reply direction: no source");
    check(
        "ipv4 2 tcp 6 9 src=1.1.1.1 dst=2.2.2.2 sport=1",
        "original direction: half a layer 4 key: ([1, -], [-, -], -",
    );
}
