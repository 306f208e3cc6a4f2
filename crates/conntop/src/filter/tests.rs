//! The language by data: `tests/data/filters.txt` asks every expression about the flows below.

mod completing;
mod office;

use std::fmt::Write as _;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, FlowRow, State, Status};
use conntop_proto::message::{Host, HostAddress};
use conntop_proto::tuple::{L4, Proto};
use proptest::prelude::*;

use super::fields::Kind;
use super::{
    Expr, FIELDS, Field, Filter, MAX_DEPTH, MAX_LENGTH, Op, Operand, Test, Tri, Typed, complete, values,
};
use crate::columns::{COLUMNS, FlowFlags, Offload, STATES, STATUSES, Value};
use crate::enrich::Enricher;
use crate::enrich::geo::Geo;
use crate::enrich::names::own::Query;
use crate::enrich::names::{Found, NameSource, Names};
use crate::enrich::services::Services;
use crate::flow::Source;
use crate::flow::testing::{WALL, World, flow, traffic};
use crate::orient::{Dir, LocalNets, Net};

/// A router (192.168.1.1, 203.0.113.1) ten minutes after boot, with seven flows:
///
/// - a: web from the LAN, masqueraded to 203.0.113.1:40001, 2 Mbit/s down, 100 kbit/s up, mark 0x10,
///   five minutes old by its start time
/// - b: DNS from the LAN, not accounted, unreplied, observed for 63 s
/// - c: ping from the LAN, seen to begin 1 s ago
/// - d: to the forwarded port 8443 (192.168.1.10:443), in TIME_WAIT, observed since boot
/// - e: IPv6 passing by, offloaded: no state, counters or timeout; zone 7
/// - f: FTP within the LAN, with a helper, labels 5 and 70, counters were zeroed
/// - g: protocol 99 passing by
fn world() -> World {
    let host = Host {
        addresses: ["192.168.1.1", "203.0.113.1"]
            .map(|a| HostAddress { address: a.parse().unwrap(), prefix: 24, interface: 1 })
            .to_vec(),
        ..Host::default()
    };
    let mut world = World::default();
    world.now = 600_000;
    world.place(LocalNets::from_host(&host));

    let mut a = flow(1, "192.168.1.5:40000", "93.184.216.34:443");
    a.identity.reply.dst = "203.0.113.1".parse().unwrap();
    a.identity.reply.l4 = L4::Ports { src: 443, dst: 40001 };
    a.identity.first_seen = BootMillis(601_000);
    a.identity.start = Some(WALL + 300_000_000);
    a.state.status = Status(0x1e);
    a.traffic = traffic(1_000, 2_000, 601_000);
    a.meta.mark = 0x10;

    let mut b = flow(2, "192.168.1.6:5000", "8.8.8.8:53");
    b.identity.orig.proto = Proto::UDP;
    b.identity.reply.proto = Proto::UDP;
    b.identity.first_seen = BootMillis(540_000);
    b.state.state = State::Unreplied;
    b.state.status = Status::CONFIRMED;

    let mut c = flow(3, "192.168.1.5:0", "8.8.8.8:0");
    c.identity.orig.proto = Proto::ICMP;
    c.identity.orig.l4 = L4::Icmp { id: 7, ty: 8, code: 0 };
    c.identity.reply = c.identity.orig.inverse();
    c.identity.first_seen = BootMillis(602_000);
    c.identity.born = true;
    c.state.state = State::Replied;
    c.traffic = traffic(84, 84, 602_000);

    let mut d = flow(4, "8.8.4.4:1234", "203.0.113.1:8443");
    d.identity.reply.src = "192.168.1.10".parse().unwrap();
    d.identity.reply.l4 = L4::Ports { src: 443, dst: 1234 };
    d.identity.start = Some(WALL + 999_000_000);
    d.state.state = State::TimeWait;
    d.state.status = Status(0x2e);
    d.traffic = traffic(20 << 20, 1 << 20, 500_000);
    d.traffic.expires = Some(BootMillis(623_000));

    let mut e = flow(5, "[2001:db8::1]:2222", "[2001:db8:1::2]:80");
    e.identity.zone = 7;
    e.identity.first_seen = BootMillis(601_000);
    e.state.state = State::Unknown;
    e.state.status = Status(0x4000 | 0xe);

    let mut f = flow(6, "10.0.0.5:1025", "192.168.1.9:21");
    f.identity.first_seen = BootMillis(601_000);
    f.state.status = Status(0x200e);
    f.traffic = traffic(500, 500, 601_000);
    f.traffic.resets = 1;
    f.meta.helper = Some("ftp".into());
    f.meta.labels = Some(1 << 5 | 1 << 70);

    let mut g = flow(7, "8.8.8.8:0", "9.9.9.9:0");
    g.identity.orig.proto = Proto(99);
    g.identity.orig.l4 = L4::None;
    g.identity.reply = g.identity.orig.inverse();
    g.identity.first_seen = BootMillis(601_000);
    g.state.state = State::Assured;
    g.traffic = traffic(40, 0, 601_000);

    world.pass(DeltaRows { new: vec![a, b, c, d, e, f, g], ..DeltaRows::default() });
    world.pass(DeltaRows::default());
    let more = traffic(26_000, 502_000, 603_000);
    world.pass(DeltaRows { traffic: vec![(FlowId(1), more)], ..DeltaRows::default() });
    world
}

/// What a filter says about the flows: the letters of those that satisfy it, and after a `?` those
/// of which nobody knows.
fn answer(world: &World, text: &str) -> String {
    answer_of(world.source(), text)
}

fn answer_of(source: Source<'_>, text: &str) -> String {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            let columns = error.columns(text);
            return format!("error {}-{} {error}", columns.start, columns.end);
        }
    };
    let printed = filter.to_string();
    assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{text} was printed as {printed}");
    let (mut yes, mut unknown) = (String::new(), String::new());
    for letter in 'a'..='g' {
        let id = FlowId(u64::from(letter) - u64::from('a') + 1);
        let view = source.get(id).unwrap();
        match filter.matches(&view) {
            Tri::True => yes.push(letter),
            Tri::Unknown => unknown.push(letter),
            Tri::False => {}
        }
    }
    let mut answer = if yes.is_empty() { "-".to_owned() } else { yes };
    if !unknown.is_empty() {
        write!(answer, " ?{unknown}").unwrap();
    }
    answer
}

#[test]
fn names_of_hosts_and_own_questions() {
    let alias = |text: &str| text.parse().unwrap();
    let mut names = Names::new(&[alias("8.8.8.8=dns.Example.com"), alias("192.168.1.5=desk")]);
    let mut found = Found::new(NameSource::Ptr, std::time::Instant::now());
    let (from, to) = ("192.168.1.6:5000".parse().unwrap(), "8.8.8.8:53".parse().unwrap());
    found.own.push(Query { proto: Proto::UDP, from, to });
    names.learn(found);
    let known = Enricher::new(Geo::default(), names, Services::default());
    let world = world();
    let check = |text: &str, wanted: &str| {
        let source = Source { known: &known, ..world.source() };
        assert_eq!(answer_of(source, text), wanted, "{text}");
    };
    check("host dns.example.com", "bcg ?adef");
    check("host example.com", "bcg ?adef");
    check("host DNS.Example.COM", "bcg ?adef");
    check("host .com.", "bcg ?adef");
    check("host *.example.*", "bcg ?adef");
    check("host dns*", "bcg ?adef");
    check("host d?sk", "ac ?bdefg");
    check("host 8.8.?.8", "bcg");
    check("host *.8.8", "bcg");
    check("name desk*", "ac ?bdefg");
    check("name *x", "- ?abdefg");
    check("host xample.com", "- ?abdefg");
    check("host dns", "- ?abdefg");
    check("host desk", "ac ?bdefg");
    check("host != example.com", "- ?adef");
    check("host {desk, 8.8.4.4}", "acd ?befg");
    check("host 8.8.8.8", "bcg");
    check("name ~ example", "bcg ?adef");
    check("dst_name dns.example.com", "bc ?adefg");
    check("EXAMPLE.com", "bcg");
    // While it is typed, labels that begin so.
    let source = Source { known: &known, ..world.source() };
    let typed = |text: &str, wanted: usize| {
        let filter = match Filter::typed(text) {
            Typed::Beginning { so_far: Some(filter), .. }
            | Typed::Unfinished { so_far: Some(filter), .. } => filter,
            other => panic!("{text} is no beginning of a name: {other:?}"),
        };
        let shown = source.live().filter(|view| filter.matches(view) == Tri::True).count();
        assert_eq!(shown, wanted, "{text}");
    };
    for (text, wanted) in [
        ("host d", 4),
        ("host dn", 3),
        ("host DESK", 2),
        ("host exampl", 3),
        ("host example.c", 3),
        ("host xample", 0),
        ("host *.exam", 3),
        ("host {10.0.0.5, des", 3),
        ("name dns.ex", 3),
        ("udp and host exa", 1),
    ] {
        typed(text, wanted);
    }
    let offered = |text: &str| {
        let found = complete(text, &mut |field| values(field, source.live())).unwrap();
        found.candidates.join(" ")
    };
    assert_eq!(offered("host d"), "dns.Example.com desk");
    assert_eq!(offered("host example"), "dns.Example.com");
    assert_eq!(offered("dst_name "), "dns.Example.com = != in not in ~");
    check("desk", "ac");
    check("own no", "acdefg");
    check("own YES", "b");
    check("not own yes", "acdefg");
    check("flags Q", "b");
    let error = "error 5-10 expected an address, network or name: 10.0.0.1, 10/8, 2001:db8::/32, example.com";
    check("host \"a b\"", error);
    check("own maybe", "error 4-9 expected yes or no");
    for (text, learned) in [("host 10/8", false), ("host a.b", true), ("own yes", true), ("dport 80", false)]
    {
        assert_eq!(Filter::parse(text).unwrap().asks_what_is_learned(), learned, "{text}");
    }
}

#[test]
fn expressions() {
    let world = world();
    let data = include_str!("../../tests/data/filters.txt");
    let mut wrong = String::new();
    let mut count = 0;
    for line in data.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, wanted) = line.split_once(" => ").unwrap_or((line, ""));
        let got = answer(&world, text);
        count += 1;
        if got != wanted {
            writeln!(wrong, "{text} => {got}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "these differ; this is what they are now:\n{wrong}");
    assert!(count >= 120, "{count}");
}

#[test]
fn examples_of_the_manual_are_right() {
    for field in FIELDS {
        let example = field.example;
        let filter = Filter::parse(example).unwrap_or_else(|e| panic!("{}", e.caret(example)));
        let tested = match filter.expr() {
            Expr::Not(inner) => inner,
            other => other,
        };
        assert!(matches!(tested, Expr::Test(test) if test.field.name == field.name), "{example}");
    }
}

#[test]
fn fields_and_columns_are_of_one_mind() {
    for column in COLUMNS {
        if let Some(name) = column.field {
            assert!(super::field(name).is_some(), "{name}, the field of column {}", column.key);
        }
    }
    for field in FIELDS {
        let names = FIELDS.iter().flat_map(|f| f.aliases.iter().chain([&f.name]));
        for name in field.aliases.iter().chain([&field.name]) {
            assert_eq!(names.clone().filter(|n| *n == name).count(), 1, "{name}");
        }
    }
    // The same value where both have one of the same name.
    let world = world();
    for column in COLUMNS {
        let Some(field) = FIELDS.iter().find(|f| f.name == column.key) else { continue };
        let super::fields::Getter::One(get) = field.get else { continue };
        for view in world.source().live() {
            let shown = match (column.value)(&view) {
                Value::End(end) => Value::Address(end.address),
                shown => shown,
            };
            assert_eq!(get(&view), shown, "{}", column.key);
        }
    }
}

#[test]
fn carets_stand_below_the_mistake() {
    let check = |text: &str, wanted: &str| {
        assert_eq!(Filter::parse(text).unwrap_err().caret(text), wanted);
    };
    check("dprt = 443", "dprt = 443\n^^^^ there is no field `dprt`; did you mean `dport`?");
    check(
        "\"東京\" and dport x",
        "\"東京\" and dport x\n                 ^ expected a port from 0 to 65535, a range 1000-2000, or a service such as https",
    );
    check("(tcp", "(tcp\n    ^ expected `)`, `and` or `or`");
}

#[test]
fn hostile_texts_end_in_errors() {
    let check = |text: String, part: &str| {
        let error = Filter::parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let deep = MAX_DEPTH + 1;
    check("(".repeat(MAX_LENGTH), "nested deeper");
    check("!".repeat(MAX_LENGTH), "nested deeper");
    check("not ".repeat(deep) + "tcp", "nested deeper");
    check("(".repeat(deep) + "tcp" + &")".repeat(deep), "nested deeper");
    check("x".repeat(MAX_LENGTH + 1), "at most 4096 bytes");
    check("é".repeat(MAX_LENGTH), "at most 4096 bytes");
    check("{".repeat(MAX_LENGTH), "expected a test");
    check("dport {".repeat(500), "expected a port");
    check("\"".to_owned() + &"\\".repeat(4000), "a closing \"");
    check("dport 1,".repeat(400), "`and` or `or`");

    // The most that is allowed is read, printed, asked and dropped.
    let deepest = "!(".repeat(MAX_DEPTH / 2) + "tcp" + &")".repeat(MAX_DEPTH / 2);
    let longest = "a or ".repeat(MAX_LENGTH / 5) + "b";
    let world = world();
    for text in [deepest, longest, format!("dport {{{}1}}", "1, ".repeat(1300))] {
        assert!(!answer(&world, &text).starts_with("error"), "{text}");
    }
}

fn operand(kind: Kind) -> BoxedStrategy<Operand> {
    let numbers =
        |most: u64| (0..=most, 0..=most).prop_map(|(a, b)| Operand::Range(a.min(b), a.max(b))).boxed();
    let of = match kind {
        Kind::Proto => any::<u8>().prop_map(|p| Operand::Proto(Proto(p))).boxed(),
        Kind::State => proptest::sample::select(STATES)
            .prop_flat_map(|w| proptest::sample::select(vec![w.short, w.long]))
            .prop_map(|word| Operand::parse(Kind::State, word).unwrap())
            .boxed(),
        Kind::Flags => proptest::collection::vec(proptest::sample::select(FlowFlags::LETTERS), 1..4)
            .prop_map(|l| Operand::Flags(l.iter().fold(FlowFlags::default(), |f, (_, x)| f.with(*x))))
            .boxed(),
        Kind::Dir => proptest::sample::select(Dir::ALL.to_vec()).prop_map(Operand::Dir).boxed(),
        Kind::Net => (any::<std::net::IpAddr>(), 0_u8..=32)
            .prop_map(|(a, p)| Operand::Net(Net::new(a, p).unwrap()))
            .boxed(),
        Kind::Host => "h[a-z_-]{0,5}(\\.[a-z0-9]{1,5}){0,2}".prop_map(Operand::Host).boxed(),
        Kind::Since => Just(Operand::text("mark")).boxed(),
        Kind::YesNo => proptest::sample::select(vec!["yes", "no"]).prop_map(Operand::text).boxed(),
        Kind::Port => numbers(65_535),
        Kind::Rate | Kind::Bytes | Kind::Count | Kind::Duration => numbers(u64::from(u32::MAX) << 8),
        Kind::Number(most) => numbers(most),
        Kind::Status => proptest::sample::select(STATUSES).prop_map(|(bit, _)| Operand::Status(bit)).boxed(),
        Kind::Offload => proptest::sample::select(Offload::ALL.to_vec()).prop_map(Operand::Offload).boxed(),
        Kind::Mark => (any::<u32>(), prop_oneof![Just(u32::MAX), any::<u32>()])
            .prop_map(|(value, mask)| Operand::Mark { value: value & mask, mask })
            .boxed(),
        Kind::Label => (0_u8..128).prop_map(Operand::Label).boxed(),
        Kind::Asn => any::<u32>().prop_map(|n| Operand::Range(n.into(), n.into())).boxed(),
        Kind::Text => prop_oneof![
            4 => ".{0,9}".prop_map(|text| Operand::text(&text)),
            1 => "[a-zé?.-]{0,4}[*?][a-z*]{0,3}".prop_map(Operand::Glob),
        ]
        .boxed(),
    };
    prop_oneof![9 => of, 1 => Just(Operand::Unknown)].boxed()
}

fn test_of(field: &'static Field) -> BoxedStrategy<Expr> {
    let make = move |op, operands| Expr::Test(Test { field, op, operands });
    let sets = proptest::collection::vec(operand(field.kind), 1..4).prop_map(move |o| make(Op::Equal, o));
    let texts = ".{0,9}".prop_map(move |text| make(Op::Contains, vec![Operand::text(&text)]));
    if !field.kind.is_ordered() {
        return prop_oneof![3 => sets, 1 => texts].boxed();
    }
    let ops = proptest::sample::select(vec![Op::Less, Op::AtMost, Op::More, Op::AtLeast]);
    let most =
        if field.kind == Kind::Port || matches!(field.kind, Kind::Number(65_535)) { 65_535 } else { 1 << 40 };
    let compared = (ops, 0_u64..=most).prop_map(move |(op, n)| make(op, vec![Operand::Range(n, n)]));
    prop_oneof![2 => sets, 1 => texts, 2 => compared].boxed()
}

fn expr() -> impl Strategy<Value = Expr> {
    let test = proptest::sample::select(FIELDS.iter().collect::<Vec<_>>()).prop_flat_map(test_of);
    let word = prop_oneof![
        ".{0,12}",
        "[a-z0-9.:-]{1,9}",
        proptest::sample::select(vec!["and", "not", "in", "dport", "unknown", "OR"]).prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![5 => test, 1 => word.prop_map(Expr::Word)];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::all),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::any),
            inner.prop_map(Expr::negated),
        ]
    })
}

fn row() -> impl Strategy<Value = FlowRow> {
    let ports = || 0_u16..2000;
    (any::<[u8; 4]>(), any::<[u8; 4]>(), ports(), ports(), any::<bool>()).prop_map(|(a, b, x, y, counted)| {
        let end = |ip: [u8; 4], port| std::net::SocketAddr::from((ip, port)).to_string();
        let mut row = flow(1, &end(a, x), &end(b, y));
        if counted {
            row.traffic = traffic(u64::from(x) * 999, u64::from(y) * 999, 0);
        }
        row
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(expr in expr()) {
        let printed = expr.to_string();
        prop_assume!(printed.len() <= MAX_LENGTH);
        let read = Filter::parse(&printed).map(|filter| filter.expr().clone());
        prop_assert_eq!(read, Ok(expr), "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _result = Filter::parse(&text).map_err(|error| error.caret(&text));
    }

    #[test]
    fn words_of_the_language_are_read_or_refused(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "dport", "dir", "in", "not", "and", "or", "(", ")", "{", "}", ",", "=", "!=", "!", "~", "443",
            "10/8", "1Mbit", "rate", ">", "unknown", "none", "\"x\"", "proto", "tcp", "||", "&&",
        ]), 0..12),
    ) {
        let text = words.join(" ");
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
        }
    }

    #[test]
    fn logic_is_that_of_three_values(expr in expr(), other in expr(), row in row()) {
        let mut world = World::default();
        world.pass(DeltaRows { new: vec![row], ..DeltaRows::default() });
        let view = world.source().get(FlowId(1)).unwrap();
        let ask = |expr: Expr| Filter::from(expr).matches(&view);
        let (a, b) = (ask(expr.clone()), ask(other.clone()));
        prop_assert_eq!(ask(expr.clone().negated()), a.not());
        prop_assert_eq!(ask(Expr::all(vec![expr.clone(), other.clone()])), a.and(b));
        prop_assert_eq!(ask(Expr::any(vec![expr.clone(), other.clone()])), a.or(b));
        let inside = Expr::any(vec![expr.clone().negated(), other.clone().negated()]).negated();
        prop_assert_eq!(ask(inside), a.and(b));
    }
}
