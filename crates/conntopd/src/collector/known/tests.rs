//! Files that come, change and go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::path::Path;

use conntop_proto::message::{HostName, Neighbour};

use super::{BYTES, Knowledge, Known, NameFiles};

fn known(folder: &Path, hosts: &[&str], leases: &[&str]) -> Known {
    let at = |names: &[&str]| names.iter().map(|name| folder.join(name)).collect();
    Known::new(&Knowledge::Told(NameFiles { hosts: at(hosts), leases: at(leases) }))
}

#[track_caller]
fn check(known: &mut Known, neighbours: &[(&str, &str)], expected: &str) {
    let neighbour = |(address, mac): &(&str, &str)| Neighbour {
        address: address.parse().unwrap(),
        mac: mac.parse().unwrap(),
        interface: 1,
    };
    let neighbours: Vec<_> = neighbours.iter().map(neighbour).collect();
    let said = |name: &HostName| format!("{}={}({:?})", name.address, name.name, name.from);
    let names: Vec<_> = known.names(&neighbours).iter().map(said).collect();
    assert_eq!(names.join(" "), expected);
}

#[test]
fn files_change() {
    let folder = tempfile::tempdir().unwrap();
    let (hosts, leases) = (folder.path().join("hosts"), folder.path().join("leases"));
    let known = &mut known(folder.path(), &["hosts"], &["leases"]);
    check(known, &[], "");
    std::fs::write(&leases, "1 52:54:00:00:00:01 10.0.0.1 pc *\n").unwrap();
    check(known, &[], "10.0.0.1=pc(Dnsmasq)");
    std::fs::write(&hosts, "10.0.0.1 desk\n10.0.0.2 nas\n").unwrap();
    check(known, &[], "10.0.0.1=desk(Hosts) 10.0.0.2=nas(Hosts)");
    // In its place, as an editor does it.
    std::fs::write(folder.path().join("new"), "10.0.0.2 nas2\n").unwrap();
    std::fs::rename(folder.path().join("new"), &hosts).unwrap();
    check(known, &[], "10.0.0.1=pc(Dnsmasq) 10.0.0.2=nas2(Hosts)");
    std::fs::remove_file(&leases).unwrap();
    check(known, &[], "10.0.0.2=nas2(Hosts)");
    // What is no file is not read, and not waited for.
    rustix::fs::mkfifoat(rustix::fs::CWD, &leases, rustix::fs::Mode::RUSR).unwrap();
    check(known, &[], "10.0.0.2=nas2(Hosts)");
}

#[test]
fn a_folder_stands_for_its_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    for (name, text) in [
        ("d/a", "10.0.0.1 a\n"),
        ("d/b", "10.0.0.1 b\n10.0.0.2 b\n"),
        ("d/b~", "10.0.0.3 old\n"),
        ("d/leases", "1 2 10.0.0.4 c *\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let known = &mut known(folder.path(), &["d"], &["d/leases"]);
    check(known, &[], "10.0.0.1=a(Hosts) 10.0.0.2=b(Hosts) 10.0.0.4=c(Dnsmasq)");
}

#[test]
fn a_device_has_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "1 52:54:00:00:00:01 10.0.0.1 pc *\n1 52:54:00:00:00:02 10.0.0.2 tv *\n1 7 fd00::9 tv *\n";
    std::fs::write(folder.path().join("leases"), text).unwrap();
    std::fs::write(folder.path().join("hosts"), "10.0.0.3 router\n10.0.0.4 other\n").unwrap();
    let known = &mut known(folder.path(), &["hosts"], &["leases"]);
    let neighbours = [
        ("fe80::1", "52:54:00:00:00:01"),
        ("fd00::9", "52:54:00:00:00:01"),
        ("10.0.0.3", "52:54:00:00:00:03"),
        ("10.0.0.4", "52:54:00:00:00:03"),
        // Two names for this one, so none for its other address.
        ("fe80::3", "52:54:00:00:00:03"),
        ("10.0.0.5", "52:54:00:00:00:02"),
    ];
    let expected = "10.0.0.1=pc(Dnsmasq) 10.0.0.2=tv(Dnsmasq) 10.0.0.3=router(Hosts) 10.0.0.4=other(Hosts) \
                    fd00::9=tv(Dnsmasq)";
    // fd00::9 has a name of its own that is not that of its device: then that has two.
    check(known, &neighbours, expected);
    let named = format!("{expected} fe80::1=pc(Mac)");
    check(known, &[neighbours[0], neighbours[2], neighbours[3], neighbours[4], neighbours[5]], &named);
}

#[test]
fn of_a_large_file_a_part_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let filler = "# a comment\n".repeat(usize::try_from(BYTES).unwrap() / 12);
    let text = |first: &str, last: &str| format!("{first}\n{filler}{last}\n");
    std::fs::write(folder.path().join("hosts"), text("10.0.0.1 first", "10.0.0.2 last")).unwrap();
    std::fs::write(folder.path().join("leases"), text("1 2 10.0.0.3 first *", "1 2 10.0.0.4 last *"))
        .unwrap();
    let known = &mut known(folder.path(), &["hosts"], &["leases"]);
    check(known, &[], "10.0.0.1=first(Hosts) 10.0.0.4=last(Dnsmasq)");
}
