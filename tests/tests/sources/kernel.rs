//! All ways to read tell the same, alone and beside each other.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::{Lab, lab_or_skip};
use nfnetlink::ct::{CtMessage, DumpFilter, Family, FlowRef, Requests, Status, StatusFilter, Tuple};
use nfnetlink::proc::{ProcTable, lines, told};
use nfnetlink::{Error, Item, RequestSocket, messages};

const ASKING: &str = "asking for flows";

type Key = (u16, Tuple);

/// What both netlink and `/proc` tell of a flow, with owned values.
#[derive(Clone, Debug, PartialEq)]
struct Told(CtMessage<'static>);

fn key(flow: &CtMessage<'_>) -> Key {
    (flow.orig_zone(), flow.orig)
}

/// Without what only netlink has, and without how many hold the entry just now.
fn common(flow: &CtMessage<'_>) -> Told {
    let status = flow.status.unwrap();
    Told(CtMessage {
        orig: flow.orig,
        reply: flow.reply,
        zone: flow.zone,
        status: Some(Status(status.0 & told(status).0)),
        timeout: flow.timeout,
        counters_orig: flow.counters_orig,
        counters_reply: flow.counters_reply,
        state: flow.state,
        mark: flow.mark,
        ..CtMessage::default()
    })
}

fn dump(socket: &mut RequestSocket, filter: &DumpFilter) -> BTreeMap<Key, Told> {
    let mut buffer = vec![0; RequestSocket::CHUNK];
    let mut dump = socket.dump(filter).unwrap();
    let mut flows = BTreeMap::new();
    while let Some(chunk) = dump.next_chunk(&mut buffer).unwrap() {
        for message in messages(chunk) {
            if let Item::Entry(flow) = message.unwrap().item {
                flows.insert(key(&flow), common(&flow));
            }
        }
    }
    let asks = *filter != DumpFilter::default();
    assert_eq!(dump.filtered(), asks && !flows.is_empty(), "{filter:?}");
    flows
}

fn proc(table: &mut ProcTable) -> BTreeMap<Key, Told> {
    let mut buffer = vec![0; ProcTable::CHUNK];
    let mut flows = BTreeMap::new();
    table.rewind().unwrap();
    while let Some(length) = table.read_chunk(&mut buffer).unwrap() {
        let (mut all, mut flow) = (lines(&buffer[..length]), CtMessage::default());
        while let Some(line) = all.next_into(&mut flow) {
            line.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&buffer[..length])));
            assert_eq!((flow.id, flow.start, flow.labels, flow.helper, flow.master), Default::default());
            assert!(flow.use_count.is_some());
            flows.insert(key(&flow), common(&flow));
        }
    }
    flows
}

/// The two, opened inside the router's namespace.
fn open(lab: &Lab) -> (RequestSocket, ProcTable) {
    lab.router.run(|| Ok((RequestSocket::open()?, ProcTable::open()?))).unwrap()
}

/// Equal but for timeouts, which go on between the two readings.
fn same(dumped: &BTreeMap<Key, Told>, read: &BTreeMap<Key, Told>) {
    assert!(dumped.keys().eq(read.keys()), "{} flows dumped, {} read", dumped.len(), read.len());
    for (dumped, read) in dumped.values().zip(read.values()) {
        let (Some(then), Some(now)) = (dumped.0.timeout, read.0.timeout) else {
            panic!("{dumped:?} {read:?}")
        };
        assert!(then >= now && then - now <= 60, "{dumped:?}\n{read:?}");
        let read = CtMessage { timeout: dumped.0.timeout, ..read.0.clone() };
        assert_eq!(dumped.0, read);
    }
}

#[test]
fn proc_tells_what_a_dump_tells() {
    let lab = lab_or_skip!();
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..5000).unwrap();
    // Of these it tells no counters.
    lab.router.set_sysctl("netfilter/nf_conntrack_acct", "0").unwrap();
    injector.create(&Plan::new(2), 0..500).unwrap();
    let (mut socket, mut table) = open(&lab);
    let dumped = dump(&mut socket, &DumpFilter::default());
    assert_eq!(dumped.len(), 5500);
    assert_eq!(dumped.values().filter(|flow| flow.0.counters_orig.is_none()).count(), 500);
    same(&dumped, &proc(&mut table));
    // Again, after others came and went.
    injector.delete(&Plan::new(1), 1000..2000).unwrap();
    injector.create(&Plan::new(3), 0..3000).unwrap();
    same(&dump(&mut socket, &DumpFilter::default()), &proc(&mut table));
    lab.flush().unwrap();
    assert_eq!(proc(&mut table).len(), 0);
}

/// What root has opened, anybody may read on.
#[test]
fn proc_needs_privileges_only_to_be_opened() {
    let lab = lab_or_skip!();
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..1000).unwrap();
    let (_, table) = open(&lab);
    let nobody = |program: &str, arguments: &[&str]| {
        let stdin = table.as_fd().try_clone_to_owned().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::from(stdin)).uid(65_534).gid(65_534);
        lab.router.run(|| Ok(command.output()?)).unwrap()
    };
    let denied = nobody("cat", &["/proc/net/nf_conntrack"]);
    assert!(!denied.status.success() && denied.stdout.is_empty(), "{denied:?}");
    let read = nobody("cat", &[]);
    assert_eq!(String::from_utf8(read.stdout).unwrap().lines().count(), 1000);
}

fn refs(flows: &BTreeMap<Key, Told>) -> Vec<FlowRef> {
    flows.keys().map(|&(zone, orig)| FlowRef { orig, zone, id: None }).collect()
}

/// Entries by key, and what is refused by the index of its request.
fn get(socket: &mut RequestSocket, flows: &[FlowRef]) -> Result<(BTreeMap<Key, Told>, Vec<usize>), Error> {
    let mut requests = Requests::new();
    let seqs: Vec<u32> = flows.iter().map(|flow| requests.get(flow)).collect();
    let (mut found, mut gone) = (BTreeMap::new(), Vec::new());
    socket.exchange(ASKING, &mut requests, |answers| {
        for message in messages(answers) {
            let message = message.unwrap();
            let index = seqs.iter().position(|seq| *seq == message.header.seq).expect("a request's number");
            match message.item {
                Item::Entry(flow) => {
                    assert_eq!((flow.orig_zone(), flow.orig.src), (flows[index].zone, flows[index].orig.src));
                    found.insert(key(&flow), common(&flow));
                }
                Item::Error { errno } => {
                    assert_eq!(errno, 2, "ENOENT");
                    gone.push(index);
                }
                Item::Ack => assert_eq!(index + 1, seqs.len()),
                other => panic!("{other:?}"),
            }
        }
    })?;
    Ok((found, gone))
}

#[test]
fn gets_beside_a_dump_that_rests() {
    let lab = lab_or_skip!();
    let mut injector = Injector::new(&lab.router).unwrap();
    injector.create(&Plan::new(1), 0..20_000).unwrap();
    let (mut dumper, _) = open(&lab);
    let (mut getter, _) = open(&lab);
    let all = dump(&mut dumper, &DumpFilter::default());
    let known = refs(&all);
    injector.delete(&Plan::new(1), 5000..6000).unwrap();

    let mut buffer = vec![0; RequestSocket::CHUNK];
    let mut state = dumper.begin(&DumpFilter::default()).unwrap();
    let (mut found, mut gone, mut read) = (BTreeMap::new(), 0, 0);
    let mut batches = known.chunks(RequestSocket::BATCH);
    while let Some(chunk) = dumper.next_chunk(&mut state, &mut buffer).unwrap() {
        read += messages(chunk)
            .filter(|message| matches!(message.as_ref().unwrap().item, Item::Entry(_)))
            .count();
        let Some(batch) = batches.next() else { continue };
        let (entries, missing) = get(&mut getter, batch).unwrap();
        assert_eq!(entries.len() + missing.len(), batch.len());
        gone += missing.len();
        found.extend(entries);
    }
    for batch in batches {
        let (entries, missing) = get(&mut getter, batch).unwrap();
        gone += missing.len();
        found.extend(entries);
    }
    assert_eq!((found.len(), gone, read), (19_000, 1000, 19_000));
    same(&all.into_iter().filter(|(key, _)| found.contains_key(key)).collect(), &found);
}

/// More answers than there is room for are an error, and the next exchange is not confused by it.
#[test]
fn an_exchange_that_lost_answers_is_repeated() {
    /// Room is for about 1,600.
    const TOO_MANY: usize = 2000;
    let lab = lab_or_skip!();
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..8000).unwrap();
    let inside = lab.router.run(|| {
        let mut socket = RequestSocket::open()?;
        let known = refs(&dump(&mut socket, &DumpFilter::default()));
        for _ in 0..3 {
            let lost = get(&mut socket, &known[..TOO_MANY]).unwrap_err();
            assert!(matches!(lost, Error::Lost { .. }), "{lost}");
            let (found, gone) = get(&mut socket, &known[..RequestSocket::BATCH])?;
            assert_eq!((found.len(), gone.len()), (RequestSocket::BATCH, 0));
        }
        assert_eq!(dump(&mut socket, &DumpFilter::default()).len(), 8000);
        Ok(())
    });
    inside.unwrap();
}

#[test]
fn a_dump_of_assured_flows_has_all_of_them_and_no_other() {
    let lab = lab_or_skip!();
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..5000).unwrap();
    let (mut socket, _) = open(&lab);
    let is_assured = |flow: &Told| flow.0.has(Status::ASSURED);
    let wanted: BTreeMap<_, _> =
        dump(&mut socket, &DumpFilter::default()).into_iter().filter(|(_, flow)| is_assured(flow)).collect();
    assert!((500..4500).contains(&wanted.len()), "{}", wanted.len());
    let assured = |family| {
        let status = Some(StatusFilter { bits: Status::ASSURED, mask: Status::ASSURED });
        DumpFilter { family, status, ..DumpFilter::default() }
    };
    // The status needs no family; with one it is a filter too.
    same(&wanted, &dump(&mut socket, &assured(Family::Any)));
    let mut by_family = dump(&mut socket, &assured(Family::Ipv4));
    by_family.extend(dump(&mut socket, &assured(Family::Ipv6)));
    same(&wanted, &by_family);
}
