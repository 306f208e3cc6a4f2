//! Where texts come in, each by the way that they really take.

use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

use conntop::config::Config;
use conntop::enrich::geo::{Geo, Search};
use conntop::enrich::names::cache::Change;
use conntop::enrich::names::hosts;
use conntop::enrich::names::label::host_name_of;
use conntop::enrich::names::{Found, NameSource, Names};
use conntop::enrich::processes::{Key, Process, ProcessId, Seen, Space};
use conntop::enrich::services::Services;
use conntop::enrich::{Enricher, Learned};
use conntop::source::{SourceEnd, SourceEvent, replay};
use conntop::whois::ask::Network;
use conntop::whois::{Answer, Whois};
use conntop_proto::codec::{Validate, decode_line};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::FlowRow;
use conntop_proto::message::{Bye, ByeReason, KernelFacts, ResetReason, ServerMessage};
use conntop_proto::tuple::{L4, Proto, Tuple};
use conntopd::collector::{NameFiles, clock};
use conntopd::table::{FlowTable, Limits, Origin, ReadSpan};
use nfnetlink::ct::CtMessage;

use crate::common::{delta, flow, hello, reset, synced};
use crate::mmdb::{Data, Mmdb, asn, city, map};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 13));
const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(185, 199, 108, 153));

/// A way in, by its name.
pub(crate) type Entrance = (&'static str, fn(&[u8]) -> Scene);

pub(crate) const ENTRANCES: &[Entrance] = &[
    ("node name", |text| told("@node@", text)),
    ("server's program", |text| told("@server@", text)),
    ("interface", |text| told("@interface@", text)),
    ("helper", |text| told("@helper@", text)),
    ("lease or hosts file of a node", |text| told("@host@", text)),
    ("server notice", |text| told("@bye@", text)),
    ("unknown word of a server", |text| told("@reason@", text)),
    ("recording", recorded),
    ("helper of the kernel", of_the_kernel),
    ("reverse DNS", by_dns),
    ("hosts file", in_hosts_file),
    ("configured name", configured),
    ("configured setting", misconfigured),
    ("city of a database", |text| placed(city_of, text)),
    ("network of a database", |text| placed(network_of, text)),
    ("type of a database", of_that_type),
    ("registry", registered),
    ("name of a process", |text| process(&Told { comm: text, ..PLAIN })),
    ("command line", |text| process(&Told { cmdline: text, ..PLAIN })),
    ("unit", |text| {
        process(&Told { cgroup: &[b"0::/system.slice/", text, b".service\n"].concat(), ..PLAIN })
    }),
    ("container", |text| process(&Told { cgroup: &[b"0::/lxc.payload.", text, b"\n"].concat(), ..PLAIN })),
    ("user", |text| process(&Told { passwd: &[text, b":x:1000:1000::/:\n"].concat(), ..PLAIN })),
    ("hosts file of a collector", |text| collected("hosts", &[b"192.168.1.13 ", text, b"\n"].concat())),
    ("lease of dnsmasq", |text| {
        collected("leases", &[b"2000000000 52:54:00:12:34:56 192.168.1.13 ", text, b" *\n"].concat())
    }),
    ("lease of dhcpd", |text| {
        let lease: &[u8] = b"lease 192.168.1.13 {\n  binding state active;\n  client-hostname \"";
        collected("leases", &[lease, text, b"\";\n}\n"].concat())
    }),
    ("lease of odhcpd", |text| {
        let lease: &[u8] = b"# br-lan 525400123456 ipv4 ";
        collected("leases", &[lease, text, b" -1 0 32 192.168.1.13/32\n"].concat())
    }),
];

/// What came in.
#[derive(Default)]
pub(crate) struct Scene {
    /// Messages of the node, or why there are no more.
    messages: Option<Vec<Result<ServerMessage, String>>>,
    learn: Option<Box<dyn Fn() -> Enricher>>,
    whois: Option<Result<Answer, String>>,
    /// The texts as they are kept.
    pub(crate) texts: Vec<String>,
}

impl Scene {
    pub(crate) fn enricher(&self) -> Enricher {
        self.learn.as_ref().map(|learn| learn()).unwrap_or_default()
    }

    pub(crate) fn whois(&self) -> Option<Result<Answer, String>> {
        self.whois.clone()
    }

    pub(crate) fn messages(&self) -> Vec<Result<ServerMessage, String>> {
        match &self.messages {
            Some(messages) => messages.clone(),
            None => lines("", b"").iter().map(|line| read(line)).collect(),
        }
    }

    fn knowing(learn: impl Fn() -> Enricher + 'static, texts: Vec<String>) -> Self {
        Self { learn: Some(Box::new(learn)), texts, ..Self::default() }
    }
}

fn read(line: &[u8]) -> Result<ServerMessage, String> {
    decode_line(line, Validate::All).map_err(|error| error.to_string())
}

fn the_flow() -> FlowRow {
    let orig = Tuple { src: LOCAL, dst: REMOTE, proto: Proto::TCP, l4: L4::Ports { src: 52_661, dst: 443 } };
    let mut row = flow(1);
    (row.identity.orig, row.identity.reply) = (orig, orig.inverse());
    row.meta.helper = Some("@helper@".into());
    row
}

/// The lines of a node, one of whose texts is this one.
fn lines(place: &str, text: &[u8]) -> Vec<Vec<u8>> {
    let SourceEvent::Connected(mut hello) = hello(KernelFacts { acct: Some(true), ..KernelFacts::default() })
    else {
        panic!("no hello")
    };
    (hello.name, hello.server) = ("@node@".to_owned(), "@server@".to_owned());
    let host = r#"{"host":{"addresses":[{"address":"192.168.1.13","prefix":24,"interface":2}],
        "networks":["192.168.1.0/24"],"interfaces":[{"index":2,"name":"@interface@"}],
        "names":[{"address":"192.168.1.13","name":"@host@","from":"dnsmasq"}]}}"#;
    let host = host.replace('\n', "");
    let rows = DeltaRows { new: vec![the_flow()], ..DeltaRows::default() };
    let messages = [
        ServerMessage::Hello(hello),
        reset(1, ResetReason::Start),
        delta(1, rows),
        synced(),
        ServerMessage::Bye(Bye { reason: ByeReason::Shutdown, text: "@bye@".to_owned() }),
    ];
    let mut lines: Vec<String> = messages.iter().map(|m| serde_json::to_string(m).unwrap()).collect();
    lines.insert(1, host);
    if place == "@reason@" {
        lines.push(r#"{"reset":{"epoch":1,"reason":"@reason@"}}"#.to_owned());
    }
    let words = ["@node@", "@server@", "@interface@", "@helper@", "@host@", "@bye@", "@reason@"];
    let filled = |line: String| {
        let mut out: Vec<u8> = Vec::new();
        let mut rest = line.as_str();
        while let Some((before, after)) = rest.split_once("\"@") {
            let (word, after) = after.split_once("@\"").unwrap();
            out.extend(before.as_bytes());
            assert!(words.contains(&format!("@{word}@").as_str()));
            match place == format!("@{word}@") {
                true => out.extend(quoted(text)),
                false => out.extend(b"\"plain\""),
            }
            rest = after;
        }
        out.extend(rest.as_bytes());
        out
    };
    lines.into_iter().map(filled).collect()
}

/// As JSON; what is not UTF-8 stands there as it is.
fn quoted(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => serde_json::to_vec(text).unwrap(),
        Err(_) => [b"\"", text, b"\""].concat(),
    }
}

fn told(place: &str, text: &[u8]) -> Scene {
    let messages = lines(place, text).iter().map(|line| read(line)).collect();
    of_messages(messages)
}

fn of_messages(messages: Vec<Result<ServerMessage, String>>) -> Scene {
    let mut texts = Vec::new();
    for message in &messages {
        match message {
            Ok(message) => strings(&serde_json::to_value(message).unwrap(), &mut texts),
            Err(error) => texts.push(error.clone()),
        }
    }
    texts.sort();
    texts.dedup();
    texts.retain(|text| text != "plain");
    Scene { messages: Some(messages), texts, ..Scene::default() }
}

fn strings(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => into.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| strings(value, into)),
        serde_json::Value::Object(values) => values.values().for_each(|value| strings(value, into)),
        _ => {}
    }
}

fn recorded(text: &[u8]) -> Scene {
    let recording = lines("@node@", text).join(&b'\n');
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let messages = runtime.block_on(async {
        let mut source = replay(Cursor::new(recording), Validate::All);
        let mut messages = Vec::new();
        while let Some(event) = source.next().await {
            match event {
                SourceEvent::Connected(hello) => messages.push(Ok(ServerMessage::Hello(hello))),
                SourceEvent::Messages(more) => messages.extend(more.as_slice().iter().cloned().map(Ok)),
                SourceEvent::Ended(SourceEnd::Failed(error)) => messages.push(Err(error.text)),
                SourceEvent::Ended(SourceEnd::Finished) => break,
                SourceEvent::Playing(_) => {}
                other => panic!("{other:?}"),
            }
        }
        messages
    });
    of_messages(messages)
}

/// The kernel's names come in at the collector, as bytes.
fn of_the_kernel(text: &[u8]) -> Scene {
    let mut table = FlowTable::new(1, Limits::default());
    let now = clock::now();
    let orig = nfnetlink::ct::Tuple {
        src: LOCAL,
        dst: REMOTE,
        proto: 6,
        l4: nfnetlink::ct::L4::Ports { src: 52_661, dst: 443 },
        zone: None,
    };
    let message = CtMessage { orig, reply: orig.inverse(), helper: Some(text), ..CtMessage::default() };
    table.observe(ReadSpan { from: now, to: now }, Origin::NewEvent, &message);
    let helper = table.flows().next().unwrap().meta.helper.unwrap_or_default();
    told("@helper@", helper.as_bytes())
}

fn by_dns(text: &[u8]) -> Scene {
    let name = host_name_of(text);
    let texts = name.iter().map(ToString::to_string).collect();
    let learn = move || {
        let now = Instant::now();
        let mut enricher = Enricher::default();
        let mut found = Found::new(NameSource::Ptr, now);
        found.answers.extend(name.clone().map(|name| (REMOTE, Change::Named(name, now))));
        enricher.learn(Learned::Names(found));
        enricher
    };
    Scene::knowing(learn, texts)
}

fn in_hosts_file(text: &[u8]) -> Scene {
    let file = [format!("{REMOTE} ").as_bytes(), text, b"\n"].concat();
    let names = hosts::parse(file.as_slice()).unwrap();
    let texts = names.values().map(ToString::to_string).collect();
    let learn = move || {
        Enricher::new(Geo::default(), Names::default().with_hosts(names.clone()), Services::default())
    };
    Scene::knowing(learn, texts)
}

fn configured(text: &[u8]) -> Scene {
    let text = String::from_utf8_lossy(text);
    let file = format!("[names]\n\"{REMOTE}\" = {}\n", basic_string(&text));
    match Config::parse(&file) {
        Ok(config) => {
            let aliases = config.names.0;
            let texts = aliases.iter().map(|alias| alias.name.clone()).collect();
            let learn = move || Enricher::new(Geo::default(), Names::new(&aliases), Services::default());
            Scene::knowing(learn, texts)
        }
        Err(wrong) => Scene { texts: vec![wrong.to_string()], ..Scene::default() },
    }
}

/// As TOML has it, which JSON's escapes are.
fn basic_string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What is wrong with a file is said in its own words.
fn misconfigured(text: &[u8]) -> Scene {
    let text = String::from_utf8_lossy(text);
    let wrong = |file: String| match Config::parse(&file) {
        Ok(_) => "harmless-1".to_owned(),
        Err(wrong) => wrong.to_string(),
    };
    let string = basic_string(&text);
    let texts = vec![
        wrong(format!("{string} = 1\n")),
        wrong(format!("[names]\n{string} = \"x\"\n")),
        wrong(format!("dns = {string}\n")),
        wrong(format!("local = [{string}]\n")),
        wrong(text.into_owned()),
    ];
    Scene { texts, ..Scene::default() }
}

/// A text of a database, whatever its bytes.
fn data(text: &[u8]) -> Data {
    let length = text.len();
    let mut bytes = match length {
        0..29 => vec![0x40 | u8::try_from(length).unwrap()],
        29..285 => vec![0x40 | 29, u8::try_from(length - 29).unwrap()],
        _ => {
            let rest = u16::try_from(length - 285).unwrap().to_be_bytes();
            vec![0x40 | 30, rest[0], rest[1]]
        }
    };
    bytes.extend(text);
    Data::Raw(bytes)
}

fn city_of(name: Data) -> (&'static str, Data) {
    let names = map([("names", map([("en", name)]))]);
    ("GeoLite2-City", map([("city", names), ("country", map([("iso_code", "US".into())]))]))
}

fn network_of(name: Data) -> (&'static str, Data) {
    let record = [("autonomous_system_number", Data::U32(1)), ("autonomous_system_organization", name)];
    ("GeoLite2-ASN", map(record))
}

fn placed(record: fn(Data) -> (&'static str, Data), text: &[u8]) -> Scene {
    let (kind, record) = record(data(text));
    of_database(&Mmdb::new(kind).with("185.199.0.0/16", &record))
}

fn of_that_type(text: &[u8]) -> Scene {
    let kind = format!("GeoLite2-City {}", String::from_utf8_lossy(text));
    of_database(&Mmdb::new(&kind).with("185.199.0.0/16", &city("US", "x")).with("1.0.0.0/8", &asn(1, "x")))
}

fn of_database(file: &Mmdb) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.mmdb"), file.bytes()).unwrap();
    let geo = Geo::open(Search::of(vec![dir.path().to_owned()], Vec::new()));
    let mut texts: Vec<String> = geo.problems().map(str::to_owned).collect();
    texts.extend(geo.city(REMOTE).known().map(str::to_owned));
    texts.extend(geo.org(REMOTE).known().map(str::to_owned));
    texts.extend(geo.found().iter().map(|found| format!("{found:?}")));
    Scene::knowing(move || Enricher::new(geo.clone(), Names::default(), Services::default()), texts)
}

/// A server on this machine that is taken for a registry.
struct Registry(Vec<u8>);

impl Network for Registry {
    fn addresses(&self, _host: &str, _within: Duration) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::new(193, 0, 6, 135).into()])
    }

    fn connect(&self, _to: SocketAddr, _within: Duration) -> io::Result<TcpStream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut server, _) = listener.accept()?;
        let answer = self.0.clone();
        thread::spawn(move || {
            let mut asked = String::new();
            let _gone = BufReader::new(&server).read_line(&mut asked);
            let _gone = server.write_all(&answer);
        });
        Ok(stream)
    }
}

fn registered(text: &[u8]) -> Scene {
    let mut answer = Vec::new();
    for key in
        ["inetnum:        185.199.108.0 - 185.199.111.255", "netname:", "org-name:", "country:", "refer:"]
    {
        let text: &[u8] = if key.starts_with("inetnum") { b"" } else { text };
        answer.extend([key.as_bytes(), b" ", text, b"\r\n"].concat());
    }
    answer.extend([b"\r\n% Abuse contact for '", text, b"' is '", text, b"@x'\r\n"].concat());
    let whois = Whois { network: &Registry(answer), cache: None, time: Duration::from_secs(10) };
    let said = whois.look_up(REMOTE, SystemTime::UNIX_EPOCH).map_err(|error| error.to_string());
    let texts = match &said {
        Ok(answer) => {
            let mut texts = answer.lines();
            texts.extend(answer.labelled().map(|(_, value)| value));
            texts
        }
        Err(error) => vec![error.clone()],
    };
    Scene { whois: Some(said), texts, ..Scene::default() }
}

/// What /proc and /etc/passwd say of a process.
struct Told<'a> {
    comm: &'a [u8],
    cmdline: &'a [u8],
    cgroup: &'a [u8],
    passwd: &'a [u8],
}

const PLAIN: Told<'_> =
    Told { comm: b"plain\n", cmdline: b"plain\0", cgroup: b"0::/\n", passwd: b"plain:x:1000:1000::/:\n" };

fn process(told: &Told<'_>) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let of_it = dir.path().join("1");
    std::fs::create_dir(&of_it).unwrap();
    let status: &[u8] = b"Uid:\t1000\t1000\t1000\t1000\n";
    let files = [("comm", told.comm), ("cmdline", told.cmdline), ("cgroup", told.cgroup), ("status", status)];
    for (name, text) in files {
        std::fs::write(of_it.join(name), text).unwrap();
    }
    let passwd = dir.path().join("passwd");
    std::fs::write(&passwd, told.passwd).unwrap();
    let process = Process::of(dir.path(), &passwd, 1).unwrap();
    let mut texts: Vec<String> = process.name.iter().chain(&process.command).cloned().collect();
    texts.push(process.user.clone());
    texts.extend(process.unit.as_ref().known().cloned());
    let learn = move || {
        let (local, remote) = (SocketAddr::new(LOCAL, 52_661), SocketAddr::new(REMOTE, 443));
        let mut enricher = Enricher::default();
        enricher.learn(Learned::Processes(Seen {
            processes: vec![(ProcessId(1), process.clone())],
            sockets: vec![(Key::connected(Space::BASE, Proto::TCP, local, remote), ProcessId(1))],
            addresses: Some(vec![(LOCAL, Space::BASE)]),
            ..Seen::default()
        }));
        enricher
    };
    Scene::knowing(learn, texts)
}

/// Files of a router, read by its collector and told to the client.
fn collected(kind: &str, text: &[u8]) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, text).unwrap();
    let files = match kind {
        "hosts" => NameFiles { hosts: vec![file], leases: Vec::new() },
        _ => NameFiles { hosts: Vec::new(), leases: vec![file] },
    };
    let names = files.read();
    told("@host@", names.first().map_or("", |name| name.name.as_str()).as_bytes())
}
