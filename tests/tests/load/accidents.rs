//! Lines that are cut, programs that are stopped or killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Plan};
use conntop_tests::programs::program;
use conntop_tests::stage::whole_or;
use conntop_tests::tools::command;
use conntop_tests::{Daemon, Lab, Namespace, lab_or_skip};
use rustix::process::{Pid, Signal, kill_process};

use crate::crowd::{Crowd, Member};
use crate::raw::{at_rest, sockets};
use crate::tls::Reachable;
use crate::{options, report};

/// A line that is cut while this lives.
struct Cut<'a>(&'a Lab, Way);

#[derive(Clone, Copy)]
enum Way {
    /// The router drops all packets from and to a TCP port.
    Dropped(u16),
    /// The router's interface to the lan is down.
    Down,
}

impl<'a> Cut<'a> {
    fn new(lab: &'a Lab, way: Way) -> Self {
        match way {
            Way::Dropped(port) => {
                let rules = format!(
                    "table inet cut {{
  chain input {{
    type filter hook input priority -400;
    tcp dport {port} drop
    tcp sport {port} drop
  }}
}}
"
                );
                lab.router.output_with_input(command("nft").args(["-f", "-"]), &rules).unwrap();
            }
            Way::Down => {
                drop(lab.router.output(command("ip").args(["link", "set", "lan0", "down"])).unwrap())
            }
        }
        Cut(lab, way)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        let mut mend = match self.1 {
            Way::Dropped(_) => command("nft"),
            Way::Down => command("ip"),
        };
        match self.1 {
            Way::Dropped(_) => mend.args(["delete", "table", "inet", "cut"]),
            Way::Down => mend.args(["link", "set", "lan0", "up"]),
        };
        self.0.router.output(&mut mend).expect("mending the line");
    }
}

/// Both ends notice by themselves; nobody tells them. Takes the 30 seconds of the protocol.
fn check_cut(lab: &Lab, reachable: &Reachable, clients: &Namespace, target: &str, way: Way) {
    const CLIENTS: usize = 4;
    let daemon = &reachable.daemon;
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..5000).unwrap();
    let mut crowd = Crowd::with(reachable.security.clone());
    // Keeps the daemon awake, as cursors are of no use after its sleep.
    crowd.join(&daemon.target());
    let inside = clients.run(|| {
        crowd.settle();
        let open = at_rest(&mut crowd, daemon);
        for _ in 0..CLIENTS {
            crowd.join(target);
        }
        crowd.settle();
        assert!(sockets(daemon) >= open + CLIENTS);
        let told: Vec<usize> = crowd.members.iter().map(|member| member.told).collect();

        let cut = Cut::new(lab, way);
        injector.create(&Plan::new(1), 5000..6000)?;
        injector.delete(&Plan::new(1), 0..500)?;
        crowd.until("the daemon has freed their places", |_| sockets(daemon) <= open);
        crowd.until("the clients know", |members| members.iter().skip(1).all(Member::is_stale));
        drop(cut);
        crowd.until("they are back", |members| members.iter().all(Member::is_live));
        // Their own connections are in the table, too.
        let compared = crowd.equal(&lab.router, "after the line was cut");
        assert!(compared >= 5500, "{compared} flows");
        for (member, told) in crowd.members.iter().zip(told).skip(1) {
            let again = member.told - told;
            assert_eq!(member.resets, 1, "it went on from its cursor: {:?}", member.lost);
            assert!((1000..2000).contains(&again), "{again} flows told: {:?}", member.lost);
            assert!(member.lost[0].contains("nothing heard"), "{:?}", member.lost);
        }
        Ok(())
    });
    inside.unwrap();
    assert!(crowd.members[0].lost.is_empty(), "{:?}", crowd.members[0].lost);
}

#[test]
fn both_ends_notice_when_packets_are_dropped() {
    let lab = lab_or_skip!(options());
    let reachable = Reachable::start(&lab);
    let door = reachable.loopback;
    check_cut(&lab, &reachable, &lab.router, &door.to_string(), Way::Dropped(door.port()));
}

#[test]
fn both_ends_of_tls_notice_a_line_that_is_down() {
    let lab = lab_or_skip!(options());
    let reachable = Reachable::start(&lab);
    check_cut(&lab, &reachable, &lab.lan, &reachable.inside.to_string(), Way::Down);
}

fn signal(daemon: &Daemon, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// While it is stopped its events overflow, and in the long version its clients give it up.
#[test]
fn stopped_for_a_minute_under_load_it_goes_on() {
    let lab = lab_or_skip!(options());
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..10_000).unwrap();
    let daemon = Daemon::start(&lab.router, &["--event-buffer", "212992"]).unwrap();
    let mut crowd = Crowd::new();
    for _ in 0..8 {
        crowd.join(&daemon.target());
    }
    crowd.settle();
    let storm = ChurnOptions { plan: Plan::new(100), alive: 5000, rate: 5000 };
    let storm = Churn::start(&lab.router, storm).unwrap();
    crowd.until("the storm", |members| members.iter().all(|member| member.mirror().len() > 12_000));
    signal(&daemon, Signal::STOP);
    crowd.go_on(Duration::from_secs(whole_or(60, 6)));
    signal(&daemon, Signal::CONT);
    crowd.until("events were lost", |members| {
        members.iter().all(|member| member.engine.lost().is_some_and(|lost| lost.overruns > 0))
    });
    storm.finish().unwrap();
    crowd.until("all are there", |members| members.iter().all(Member::is_live));
    assert_eq!(crowd.equal(&lab.router, "after it went on"), 10_000);
    let lost: Vec<_> = crowd.members.iter().map(|member| &member.lost).collect();
    report(&format!("stopped: connections were lost for {lost:?}"));
}

/// A `conntop watch`, whose files would be in this folder, killed when it has told so many lines.
fn watch_and_kill(daemon: &Daemon, home: &Path, lines: usize) {
    let mut watch = Command::new(program("conntop").unwrap());
    watch.args(["--connect", &daemon.target(), "watch"]).env_clear().current_dir(home);
    for name in ["HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
        watch.env(name, home);
    }
    let mut watch = watch.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(watch.stdout.take().unwrap()).lines().take(lines).map_while(Result::ok).count();
    // Whatever it told: it must not outlive a test that fails here.
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(told, lines, "the client ended by itself");
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn tables(namespace: &Namespace) -> String {
    let output = namespace.output(command("nft").args(["list", "tables"])).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One client of the crowd joins each time, and is caught while it gets the table; those of the times
/// before are on their way back. Another client is killed itself.
#[test]
fn killed_again_and_again_nothing_is_left_and_all_are_right() {
    let lab = lab_or_skip!(options());
    let rounds = whole_or(100, 10);
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..5000).unwrap();
    let rules = tables(&lab.router);
    let home = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&lab.router, &[]).unwrap();
    let folder = daemon.socket().parent().unwrap().to_owned();
    let mut crowd = Crowd::new();
    let open = at_rest(&mut crowd, &daemon);
    let storm = ChurnOptions { plan: Plan::new(100), alive: 1000, rate: 500 };
    let storm = Churn::start(&lab.router, storm).unwrap();
    for round in 0..rounds {
        watch_and_kill(&daemon, home.path(), 1 + round * 7 % 50);
        crowd.join(&daemon.target());
        crowd.until("the first flows", |members| !members[round].mirror().is_empty());
        daemon.kill().unwrap();
        assert_eq!(entries(&folder), ["socket"], "round {round}");
        daemon.replace(&lab.router, &[]).unwrap();
    }
    storm.finish().unwrap();
    crowd.until("all are back", |members| members.iter().all(Member::is_synced));
    assert_eq!(crowd.equal(&lab.router, "after the last time"), 5000);
    // Awake it has a few sockets more than asleep.
    let open_now = sockets(&daemon);
    assert!(open_now <= open + rounds + 8, "{open_now} sockets, {open} at first");
    assert!(!crowd.members[0].lost.is_empty(), "it was never killed");

    daemon.terminate().unwrap();
    assert_eq!(entries(&folder), [""; 0], "files of the daemon");
    assert_eq!(entries(home.path()), [""; 0], "files of the clients");
    assert_eq!(tables(&lab.router), rules, "nft tables");
    let mut pids = command("ip");
    let left = conntop_tests::tools::run(pids.args(["netns", "pids", lab.router.name()])).unwrap();
    assert_eq!(String::from_utf8(left.stdout).unwrap(), "", "processes in the namespace");
}
