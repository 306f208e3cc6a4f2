//! Flows that are ended by order: the kernel's table, real sockets, and who may.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use conntop::engine::Engine;
use conntop_proto::codec::{Validate, decode_line};
use conntop_proto::flow::FlowId;
use conntop_proto::message::{Act, Outcome, ServerMessage, Terminate, Terminated};
use conntop_proto::tuple::{L4, Tuple};
use conntop_tests::lab::{LAN_HOST, ROUTER_OUTSIDE, WAN_HOST};
use conntop_tests::stage::PATIENCE;
use conntop_tests::traffic::{Echo, connect, exchange};
use conntop_tests::{Stage, lab_or_skip, oracle};
use rustix::process::{Gid, Uid};

/// Confined as strictly as it can be.
const ALLOWED: &[&str] = &["--allow-terminate", "--sandbox", "strict", "--self-test"];

/// The flow that was opened by this socket.
fn flow_of(stream: &TcpStream) -> impl Fn(&Engine) -> Option<FlowId> + use<> {
    let (own, peer) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    move |engine: &Engine| {
        let is = |orig: Tuple| match orig.l4 {
            L4::Ports { src, dst } => {
                (SocketAddr::new(orig.src, src), SocketAddr::new(orig.dst, dst)) == (own, peer)
            }
            _ => false,
        };
        engine.mirror().flows().find(|(_, flow)| is(flow.orig())).map(|(_, flow)| flow.id())
    }
}

fn seen(stage: &mut Stage, stream: &TcpStream) -> FlowId {
    let flow = flow_of(stream);
    stage.client.until("the flow", PATIENCE, |engine| flow(engine).is_some()).unwrap();
    flow(stage.client.engine()).unwrap()
}

fn order(stage: &mut Stage, request: u32, id: FlowId, act: Act) -> Terminated {
    let epoch = stage.client.engine().mirror().position().epoch.unwrap();
    stage.client.terminate(Terminate { request, epoch, id, act }, PATIENCE).unwrap()
}

fn is_tracked(stage: &Stage, stream: &TcpStream) -> bool {
    let (own, peer) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let listed = stage.lab.router.output(conntop_tests::tools::command("conntrack").arg("-L")).unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = format!("src={} dst={} sport={} dport={} ", own.ip(), peer.ip(), own.port(), peer.port());
    listed.contains(&words)
}

#[test]
fn one_entry_is_forgotten_and_comes_back() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, ALLOWED).unwrap();
    let echo = Echo::start(&stage.lab.wan, (WAN_HOST.v4, 0).into()).unwrap();
    let stream = connect(&stage.lab.lan, echo.address()).unwrap();
    let bystander = connect(&stage.lab.lan, echo.address()).unwrap();
    exchange(&stream, 100).unwrap();
    exchange(&bystander, 100).unwrap();
    let (id, other) = (seen(&mut stage, &stream), seen(&mut stage, &bystander));

    // It is no socket of the router's.
    let answer = order(&mut stage, 1, id, Act::Close);
    assert_eq!(answer.outcome, Outcome::NoSocket, "{}", answer.text);
    let epoch = stage.client.engine().mirror().position().epoch.unwrap();
    let wrong = Terminate { request: 2, epoch: epoch + 1, id, act: Act::Forget };
    assert_eq!(stage.client.terminate(wrong, PATIENCE).unwrap().outcome, Outcome::Gone);
    assert!(is_tracked(&stage, &stream));

    assert_eq!(order(&mut stage, 3, id, Act::Forget).outcome, Outcome::Done);
    let gone = |engine: &Engine| engine.mirror().get(id).is_none();
    stage.client.until("its end", PATIENCE, gone).unwrap();
    assert!(!is_tracked(&stage, &stream) && is_tracked(&stage, &bystander));
    assert!(stage.client.engine().mirror().get(other).is_some());

    // A TCP connection comes back, as another flow.
    exchange(&stream, 100).unwrap();
    let again = seen(&mut stage, &stream);
    assert_ne!(again, id);
    assert_eq!(order(&mut stage, 4, id, Act::Forget).outcome, Outcome::Gone);
    assert!(is_tracked(&stage, &stream));
    stage.check("after that").unwrap();
    let log = stage.daemon.log().unwrap().join("\n");
    let ends = format!("{} to {}", stream.local_addr().unwrap(), echo.address());
    assert!(log.contains(&format!(": forget flow {}, tcp {ends}: done", id.0)), "{log}");
    assert!(log.contains("terminate: client conntop-tests (unix socket, uid 0 pid "), "{log}");
}

#[test]
fn one_socket_is_closed_and_its_neighbours_live() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, ALLOWED).unwrap();
    for (n, host, router) in [
        (0, WAN_HOST.both()[0], ROUTER_OUTSIDE.both()[0]),
        (10, WAN_HOST.both()[1], ROUTER_OUTSIDE.both()[1]),
    ] {
        let echo = Echo::start(&stage.lab.wan, (host, 0).into()).unwrap();
        let mut stream = connect(&stage.lab.router, echo.address()).unwrap();
        let bystander = connect(&stage.lab.router, echo.address()).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), router);
        exchange(&stream, 100).unwrap();
        let id = seen(&mut stage, &stream);
        assert_eq!(order(&mut stage, n + 1, id, Act::Close).outcome, Outcome::Done);
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
        exchange(&bystander, 100).unwrap();
        // The entry runs out; there is nothing to be closed any more.
        assert_eq!(order(&mut stage, n + 2, id, Act::Close).outcome, Outcome::NoSocket);
        // From the other side: the router's is the server.
        let served = Echo::start(&stage.lab.router, (router, 0).into()).unwrap();
        let mut from = connect(&stage.lab.wan, served.address()).unwrap();
        exchange(&from, 100).unwrap();
        let id = seen(&mut stage, &from);
        assert_eq!(order(&mut stage, n + 3, id, Act::Close).outcome, Outcome::Done);
        let end = from.read(&mut [0]);
        assert!(end.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset), "{end:?}");
        exchange(&connect(&stage.lab.wan, served.address()).unwrap(), 100).unwrap();
    }
}

#[test]
fn nobody_ends_anything_unless_that_is_allowed() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, &[]).unwrap();
    let echo = Echo::start(&stage.lab.wan, (WAN_HOST.v4, 0).into()).unwrap();
    let stream = connect(&stage.lab.lan, echo.address()).unwrap();
    exchange(&stream, 100).unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), LAN_HOST.both()[0]);
    let id = seen(&mut stage, &stream);
    let features = &stage.client.engine().hello().unwrap().features;
    assert!(!features.iter().any(|feature| feature == "terminate"), "{features:?}");
    for (n, act) in [(1, Act::Forget), (2, Act::Close)] {
        assert_eq!(order(&mut stage, n, id, act).outcome, Outcome::Refused);
    }
    exchange(&stream, 100).unwrap();
    assert!(is_tracked(&stage, &stream));
    assert!(stage.client.engine().mirror().get(id).is_some());
}

#[test]
fn orders_are_counted() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, ALLOWED).unwrap();
    stage.client.settle(PATIENCE).unwrap();
    let ids = (0..40).map(|n| order(&mut stage, n, FlowId(9_000_000 + u64::from(n)), Act::Forget).outcome);
    let outcomes: Vec<Outcome> = ids.collect();
    let limited = outcomes.iter().filter(|outcome| **outcome == Outcome::Limit).count();
    assert!(outcomes[..10].iter().all(|outcome| *outcome == Outcome::Gone), "{outcomes:?}");
    assert!(limited > 0, "{outcomes:?}");
}

/// Who may read by the group's right alone.
#[test]
fn the_group_reads_and_ends_nothing() {
    let lab = lab_or_skip!();
    let mut stage = Stage::set(lab, ALLOWED).unwrap();
    let echo = Echo::start(&stage.lab.wan, (WAN_HOST.v4, 0).into()).unwrap();
    let stream = connect(&stage.lab.lan, echo.address()).unwrap();
    exchange(&stream, 100).unwrap();
    let id = seen(&mut stage, &stream);
    let epoch = stage.client.engine().mirror().position().epoch.unwrap();
    let path = stage.daemon.socket();
    std::fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let group = std::os::unix::fs::MetadataExt::gid(&path.metadata().unwrap());
    // A thread of its own becomes somebody else: rights belong to threads.
    let other = std::thread::spawn(move || {
        rustix::thread::set_thread_gid(Gid::from_raw(group)).unwrap();
        rustix::thread::set_thread_uid(Uid::from_raw(65534)).unwrap();
        let mut socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = BufReader::new(socket.try_clone().unwrap()).split(b'\n');
        let mut next =
            || decode_line::<ServerMessage>(&lines.next().unwrap().unwrap(), Validate::All).unwrap();
        let ServerMessage::Hello(hello) = next() else { panic!("no hello") };
        assert!(!hello.features.iter().any(|feature| feature == "terminate"), "{:?}", hello.features);
        let hello = r#"{"hello":{"protocol":1,"client":"x","name":"eve"}}"#;
        let terminate =
            format!(r#"{{"terminate":{{"request":7,"epoch":{epoch},"id":{},"act":"forget"}}}}"#, id.0);
        socket.write_all(format!("{hello}\n{terminate}\n{terminate}\n").as_bytes()).unwrap();
        let mut answers = Vec::new();
        while answers.len() < 2 {
            if let ServerMessage::Terminated(answer) = next() {
                answers.push((answer.request, answer.id, answer.outcome));
            }
        }
        answers
    });
    assert_eq!(other.join().unwrap(), [(7, id, Outcome::Refused), (7, id, Outcome::Refused)]);
    assert!(is_tracked(&stage, &stream));
    assert!(oracle::read(&stage.lab.router).is_ok());
    let log = stage.daemon.log().unwrap();
    let refused = log.iter().filter(|line| line.contains("client eve") && line.contains("refused")).count();
    assert_eq!(refused, 1, "{log:#?}");
}
