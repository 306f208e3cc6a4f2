//! Names by a DNS server that the test itself is: what it says, says wrongly, and does not say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod dns;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use conntop::enrich::lookups::Lookups;
use conntop::enrich::names::{Asking, Dns, Servers, Trouble};
use conntop::enrich::{Enricher, Learned};
use conntop::source::NodeId;
use conntop_proto::tuple::{L4, Proto, Tuple};

use self::dns::{Answer, Server};

/// Until when what has to happen has happened; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
const NODE: NodeId = NodeId(0);

fn asking(server: &Server) -> Asking {
    Asking { servers: Servers::These(vec![server.address()]), ..Asking::default() }
}

fn host(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

fn looked_at(hosts: &[IpAddr]) -> Vec<(NodeId, IpAddr)> {
    hosts.iter().map(|host| (NODE, *host)).collect()
}

/// Learns until a condition holds.
async fn learn_until(lookups: &mut Lookups, known: &mut Enricher, done: impl Fn(&Enricher) -> bool) {
    let learn = async {
        while !done(known) {
            known.learn(lookups.next().await);
        }
    };
    tokio::time::timeout(PATIENCE, learn).await.expect("what was awaited has not happened");
}

/// What these hosts are called as soon as all are answered; `-` for those without a name.
async fn names(asking: Asking, hosts: &[IpAddr]) -> Vec<String> {
    let mut lookups = Lookups::default().with_names(asking);
    let mut known = Enricher::default();
    lookups.look_at(&looked_at(hosts));
    let all = |known: &Enricher| hosts.iter().all(|host| known.names().is_answered(*host));
    learn_until(&mut lookups, &mut known, all).await;
    hosts.iter().map(|host| known.name(NODE, *host).map_or("-", |name| name.text).to_owned()).collect()
}

#[tokio::test]
async fn answers_of_all_kinds() {
    let v6: IpAddr = "2001:db8::5".parse().unwrap();
    let server = Server::start(move |query| match query {
        q if q == dns::reverse(host(1)) => Answer::Ptr(vec![dns::labels("one.Example.com")], 300),
        q if q == dns::reverse(host(2)) => Answer::Code(3),
        q if q == dns::reverse(host(3)) => Answer::Code(2),
        q if q == dns::reverse(host(4)) => Answer::Ptr(
            vec![dns::labels("b.example"), dns::labels("a.example"), dns::labels("longer.example")],
            1,
        ),
        q if q == dns::reverse(host(5)) => Answer::Ptr(Vec::new(), 300),
        q if q == dns::reverse(host(6)) => Answer::Garbage,
        q if q == dns::reverse(v6) => Answer::Ptr(vec![dns::labels("six.example")], 300),
        _ => Answer::Code(5),
    });
    let hosts = [host(1), host(2), host(3), host(4), host(5), v6, host(9)];
    let found = names(asking(&server), &hosts).await;
    assert_eq!(found, ["one.example.com", "-", "-", "a.example", "-", "six.example", "-"]);
}

#[tokio::test]
async fn hostile_names_are_none() {
    let hostile: Vec<Vec<Vec<u8>>> = vec![
        vec![b"\x1b[2J".to_vec(), b"example".to_vec()],
        vec!["\u{202e}moc".as_bytes().to_vec()],
        vec![b"a b".to_vec()],
        vec![b"a\nb".to_vec()],
        vec![b"www.evil".to_vec(), b"com".to_vec()],
        vec![b"\0".to_vec()],
        vec![b"=1+1".to_vec()],
        vec![b"\xff\xfe".to_vec()],
        vec![b"\x9b31m".to_vec()],
        vec![b"<b>".to_vec()],
    ];
    let hosts: Vec<IpAddr> = (0..).map(host).skip(1).take(hostile.len()).collect();
    let told = (hosts.clone(), hostile);
    let server = Server::start(move |query| {
        let at = told.0.iter().position(|host| query == dns::reverse(*host)).unwrap();
        Answer::Ptr(vec![told.1[at].clone()], 300)
    });
    assert_eq!(names(asking(&server), &hosts).await, vec!["-"; hosts.len()]);
    // One that is sound beside one that is not is taken.
    let server =
        Server::start(|_| Answer::Ptr(vec![vec![b"\x1b".to_vec()], dns::labels("good.example")], 300));
    assert_eq!(names(asking(&server), &[host(1)]).await, ["good.example"]);
}

#[tokio::test]
async fn only_names_that_lead_back_are_confirmed() {
    let server = Server::start(|query| match query {
        q if q == dns::reverse(host(1)) => Answer::Ptr(vec![dns::labels("good.example")], 300),
        q if q == dns::reverse(host(2)) => Answer::Ptr(vec![dns::labels("bank.example")], 300),
        q if q == dns::reverse(host(3)) => Answer::Ptr(vec![dns::labels("gone.example")], 300),
        "good.example." => Answer::A(vec![[10, 9, 9, 9], [10, 0, 0, 1]], 300),
        "bank.example." => Answer::A(vec![[10, 9, 9, 9]], 300),
        _ => Answer::Code(3),
    });
    let hosts = [host(1), host(2), host(3)];
    let confirmed = Asking { confirm: true, ..asking(&server) };
    assert_eq!(names(confirmed, &hosts).await, ["good.example", "-", "-"]);
    assert_eq!(names(asking(&server), &hosts).await, ["good.example", "bank.example", "gone.example"]);
}

#[tokio::test]
async fn very_many_hosts_are_asked_for_a_few_at_once() {
    let server = Server::start(|query| {
        let first = query.split('.').next().unwrap();
        Answer::Ptr(vec![dns::labels(&format!("h{first}.example"))], 300)
    });
    let hosts: Vec<IpAddr> = (1..1000).map(host).collect();
    let found = names(asking(&server), &hosts).await;
    assert!(found.iter().all(|name| name.ends_with(".example")), "{found:?}");
    assert_eq!(found[258], "h3.example");
    assert!(server.asked().len() < 1100, "each once, but for what got lost: {}", server.asked().len());
}

#[tokio::test]
async fn silence_is_told_and_loses_no_name() {
    // It answers the first host only.
    let server = Server::start(|query| match query {
        q if q == dns::reverse(host(1)) => Answer::Ptr(vec![dns::labels("one.example")], 300),
        _ => Answer::None,
    });
    let mut lookups = Lookups::default().with_names(asking(&server));
    let mut known = Enricher::default();
    lookups.look_at(&looked_at(&[host(1)]));
    let named = |known: &Enricher| known.name(NODE, host(1)).is_some();
    learn_until(&mut lookups, &mut known, named).await;
    assert_eq!(known.names().trouble(), None);
    lookups.look_at(&looked_at(&(1..200).map(host).collect::<Vec<_>>()));
    learn_until(&mut lookups, &mut known, |known| known.names().trouble() == Some(Trouble::Silent)).await;
    assert_eq!(known.name(NODE, host(1)).unwrap().text, "one.example");
    assert!(server.asked().len() < 32 * 6, "while nobody answers few are asked: {}", server.asked().len());
}

#[tokio::test]
async fn own_questions_are_marked() {
    let server = Server::start(|_| Answer::Code(3));
    let mut lookups = Lookups::default().with_names(asking(&server));
    let mut known = Enricher::default();
    lookups.look_at(&looked_at(&[host(1)]));
    let own = |known: &Enricher| {
        let asked = server.asked();
        let (from, _) = asked.first()?;
        let l4 = L4::Ports { src: from.port(), dst: server.address().port() };
        let flow = Tuple { src: from.ip(), dst: server.address().ip(), proto: Proto::UDP, l4 };
        Some(known.names().is_own(&flow))
    };
    learn_until(&mut lookups, &mut known, |known| own(known) == Some(true)).await;
}

#[tokio::test]
async fn nothing_is_asked_for_when_nobody_looks_or_it_is_off() {
    let server = Server::start(|_| Answer::Code(3));
    let mut lookups = Lookups::default().with_names(asking(&server));
    lookups.look_at(&[]);
    let mut off = Lookups::default().with_names(Asking { dns: Dns::Off, ..asking(&server) });
    off.look_at(&looked_at(&[host(1)]));
    assert!(!off.asks());
    // Whoever asked before this one would have been heard before.
    assert_eq!(names(asking(&server), &[host(2)]).await, ["-"]);
    assert!(server.asked().iter().all(|(_, name)| *name == dns::reverse(host(2))), "{:?}", server.asked());
}

#[tokio::test]
async fn the_system_is_asked_by_its_own_program() {
    let folder = tempfile::tempdir().unwrap();
    let program = |text: &str| {
        let path = folder.path().join(format!("getent{}", text.len()));
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Asking { dns: Dns::System, getent: path, ..Asking::default() }
    };
    let good = program("[ \"$1 $2\" = 'hosts 10.0.0.1' ] && echo '10.0.0.1       NAS.lan nas' || exit 2");
    assert_eq!(names(good, &[host(1), host(2)]).await, ["nas.lan", "-"]);
    let hostile = program("printf '10.0.0.1 \\033[2J\\n'");
    assert_eq!(names(hostile, &[host(1)]).await, ["-"]);
    let endless = program("while :; do echo 10.0.0.1; done");
    assert_eq!(names(endless, &[host(1)]).await, ["-"]);
    let script = "case $1 in hosts) echo \"$2 x$2.lan\" | tr . - | sed 's/-lan/.lan/;s/^[^ ]*/a/' ;; \
                  *) echo '10.0.0.1 STREAM x' ;; esac";
    let confirmed = Asking { confirm: true, ..program(script) };
    assert_eq!(names(confirmed, &[host(1), host(2)]).await, ["x10-0-0-1.lan", "-"]);
    let missing = Asking { dns: Dns::System, getent: folder.path().join("none"), ..Asking::default() };
    let mut lookups = Lookups::default().with_names(missing);
    lookups.look_at(&looked_at(&[host(1)]));
    let mut known = Enricher::default();
    learn_until(&mut lookups, &mut known, |known| known.names().trouble().is_some()).await;
    assert_eq!(known.names().trouble(), Some(Trouble::NoProgram));
}

#[tokio::test]
async fn whoever_does_not_listen_holds_nobody_up() {
    let server = Server::start(|_| Answer::None);
    let mut lookups = Lookups::default().with_names(asking(&server));
    lookups.look_at(&looked_at(&(1..1000).map(host).collect::<Vec<_>>()));
    let finder = lookups.finder();
    // Dropped with all questions open: the one who asks has nobody to tell any more.
    drop(lookups);
    let ended = tokio::time::timeout(PATIENCE, finder.closed());
    ended.await.expect("it is closed");
    let learned = Learned::Names(conntop::enrich::names::Found::new(
        conntop::enrich::names::NameSource::Ptr,
        std::time::Instant::now(),
    ));
    assert!(finder.send(learned).await.is_err());
}
