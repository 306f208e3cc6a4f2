//! WHOIS against servers on loopback: whom it asks, what it makes of answers of any kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

#[path = "whois/stage.rs"]
mod stage;

use std::time::{Duration, SystemTime};

use conntop::whois::cache::Cache;
use conntop::whois::{Answer, AskError, Server, TIME, Whois, WhoisError};

use self::stage::{Says, Stage};

const ARIN: &str = include_str!("data/whois/arin.txt");
const RIPE: &str = include_str!("data/whois/ripe.txt");
const RIPE6: &str = include_str!("data/whois/ripe6.txt");
const APNIC: &str = include_str!("data/whois/apnic.txt");
const LACNIC: &str = include_str!("data/whois/lacnic.txt");
const TRANSFERRED: &str = include_str!("data/whois/transferred.txt");

fn look_up(stage: &Stage, address: &str) -> Result<Answer, WhoisError> {
    Whois { network: stage, cache: None, time: TIME }
        .look_up(address.parse().unwrap(), SystemTime::UNIX_EPOCH)
}

fn refer(host: &str) -> Says {
    Says::text(&format!("% IANA WHOIS server\n\nrefer:        {host}\n\norganisation: Somebody\n"))
}

fn lines(answer: &Answer) -> String {
    let line = |(label, value): (&str, String)| format!("{label}: {value}\n");
    answer.labelled().map(line).collect()
}

#[test]
fn what_matters_is_found_in_the_answers_of_all_registries() {
    let check = |address: &str, path: &[(Server, Says)], wanted: &[&str]| {
        let stage = Stage::of(path);
        let answer = look_up(&stage, address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let wanted: String = wanted.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(lines(&answer), wanted);
    };
    check(
        "8.8.4.9",
        &[(Server::Iana, refer("whois.arin.net")), (Server::Arin, Says::text(ARIN))],
        &[
            "address: 8.8.4.9",
            "range: 8.8.4.0 - 8.8.4.255",
            "name: EXAMPLE-NET-4",
            "org: Example Search LLC",
            "country: US",
            "abuse: network-abuse@search.example",
            "origin: AS64496",
            "source: whois.iana.org > whois.arin.net",
        ],
    );
    check(
        "193.0.6.139",
        &[(Server::Iana, refer("whois.ripe.net")), (Server::Ripe, Says::text(RIPE))],
        &[
            "address: 193.0.6.139",
            "range: 193.0.0.0 - 193.0.7.255",
            "name: EXAMPLE-COORD",
            "org: Beispiel Zürich GmbH",
            "country: NL",
            "abuse: abuse@coord.example",
            "origin: AS64500",
            "source: whois.iana.org > whois.ripe.net",
        ],
    );
    check(
        "2a00:1450::1",
        &[(Server::Iana, refer("whois.ripe.net")), (Server::Ripe, Says::text(RIPE6))],
        &[
            "address: 2a00:1450::1",
            "range: 2a00:1450::/29",
            "name: IE-EXAMPLE-2009",
            "org: Example Ireland Limited",
            "country: IE",
            "abuse: abuse@ireland.example",
            "origin: AS64501",
            "source: whois.iana.org > whois.ripe.net",
        ],
    );
    check(
        "1.1.1.1",
        &[(Server::Iana, refer("whois.apnic.net")), (Server::Apnic, Says::text(APNIC))],
        &[
            "address: 1.1.1.1",
            "range: 1.1.1.0 - 1.1.1.255",
            "name: EXAMPLE-LABS",
            "org: Example and Another Resolver project",
            "country: AU",
            "abuse: helpdesk@labs.example",
            "origin: AS64502",
            "source: whois.iana.org > whois.apnic.net",
        ],
    );
    check(
        "200.160.7.7",
        &[(Server::Iana, refer("whois.lacnic.net")), (Server::Lacnic, Says::text(LACNIC))],
        &[
            "address: 200.160.7.7",
            "range: 200.160.0/20",
            "org: Nucleo de Exemplo",
            "country: BR",
            "abuse: abuso@exemplo.example",
            "origin: AS64503",
            "source: whois.iana.org > whois.lacnic.net",
        ],
    );
}

#[test]
fn a_second_registry_is_asked_and_no_third() {
    let path = [
        (Server::Iana, refer("whois.arin.net")),
        (Server::Arin, Says::text(TRANSFERRED)),
        (Server::Ripe, Says::text(&format!("{RIPE}\nReferralServer: whois://whois.apnic.net\n"))),
        (Server::Apnic, Says::text(APNIC)),
    ];
    let stage = Stage::of(&path);
    let answer = look_up(&stage, "193.0.6.139").unwrap();
    assert_eq!(stage.asked(), ["whois.iana.org", "whois.arin.net", "whois.ripe.net"]);
    assert_eq!(answer.fields.name.as_deref(), Some("EXAMPLE-COORD"));
    assert_eq!(answer.note.as_deref(), Some("it refers to whois.apnic.net, one too many"));
    assert_eq!(
        stage.questions(),
        ["193.0.6.139\r\n", "n + 193.0.6.139\r\n", "193.0.6.139\r\n"],
        "ARIN is asked in its own way"
    );
}

#[test]
fn nobody_else_is_asked() {
    let check = |referral: &str, wanted: &str| {
        let arin = Says::text(&format!("{ARIN}\nReferralServer: {referral}\n"));
        let stage = Stage::of(&[(Server::Iana, refer("whois.arin.net")), (Server::Arin, arin)]);
        let answer = look_up(&stage, "8.8.4.9").unwrap();
        assert_eq!(stage.asked(), ["whois.iana.org", "whois.arin.net"], "{referral}");
        assert_eq!(answer.note.as_deref().unwrap_or_default(), wanted, "{referral}");
    };
    check(
        "rwhois://rwhois.example.net:4321",
        "it refers to rwhois://rwhois.example.net:4321, which is not asked",
    );
    check("whois://127.0.0.1:6379", "it refers to whois://127.0.0.1:6379, which is not asked");
    check("whois://whois.ripe.net:25", "it refers to whois://whois.ripe.net:25, which is not asked");
    // Round in circles.
    check("whois://whois.iana.org", "");
    check("whois://whois.arin.net", "");
}

#[test]
fn no_address_within_a_private_network_is_asked() {
    for private in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ] {
        let stage = Stage::of(&[(Server::Iana, refer("whois.arin.net"))]).resolving_to(private);
        let error = look_up(&stage, "8.8.4.9").unwrap_err();
        assert!(matches!(&error, WhoisError::Ask { error: AskError::Private(_), .. }), "{private}: {error}");
        assert!(stage.asked().is_empty(), "{private}");
    }
}

#[test]
fn addresses_that_nobody_has_are_not_asked_for() {
    for special in
        ["127.0.0.1", "10.0.0.1", "100.64.0.1", "224.0.0.1", "fe80::1", "::ffff:192.168.0.1", "192.0.2.1"]
    {
        let stage = Stage::of(&[]);
        let error = look_up(&stage, special).unwrap_err();
        assert!(matches!(error, WhoisError::Special { .. }), "{special}: {error}");
        assert!(stage.asked().is_empty());
    }
}

#[test]
fn answers_that_are_none_are_named() {
    let check = |first: Says, second: Option<Says>, wanted: &str| {
        let arin = second.map(|says| (Server::Arin, says));
        let path: Vec<_> = [(Server::Iana, first)].into_iter().chain(arin).collect();
        let error = look_up(&Stage::of(&path), "8.8.4.9").unwrap_err();
        assert_eq!(error.to_string(), wanted);
    };
    check(Says::Nothing, None, "whois.iana.org: it said nothing");
    check(Says::text("\r\n  \r\n"), None, "whois.iana.org: it said nothing");
    check(refer("whois.arin.net"), Some(Says::Nothing), "whois.arin.net: it said nothing");
    let limit =
        "%ERROR:201: access denied for 203.0.113.1\n%\n% Sorry, access from your host has been denied\n";
    check(
        refer("whois.arin.net"),
        Some(Says::text(limit)),
        "whois.arin.net refuses: ERROR:201: access denied for 203.0.113.1; try again later",
    );
}

#[test]
fn the_first_registry_is_believed_when_the_second_fails() {
    let path = [
        (Server::Iana, refer("whois.arin.net")),
        (Server::Arin, Says::text(TRANSFERRED)),
        (Server::Ripe, Says::Nothing),
    ];
    let answer = look_up(&Stage::of(&path), "193.0.6.139").unwrap();
    assert_eq!(answer.fields.org.as_deref(), Some("European Example Registry"));
    assert_eq!(answer.note.as_deref(), Some("whois.ripe.net: it said nothing"));
}

#[test]
fn endless_answers_are_cut() {
    let path = [(Server::Iana, refer("whois.arin.net")), (Server::Arin, Says::Endless)];
    let answer = look_up(&Stage::of(&path), "8.8.4.9").unwrap();
    let text = &answer.hops[1].text;
    assert!(text.ends_with("... cut at 64 KiB\n"), "{}", &text[text.len() - 80..]);
    assert!(text.len() < 80 * 1024, "{}", text.len());
}

#[test]
fn a_server_that_never_ends_is_left_in_time() {
    let path = [(Server::Iana, refer("whois.arin.net")), (Server::Arin, Says::Silence)];
    let stage = Stage::of(&path);
    let whois = Whois { network: &stage, cache: None, time: Duration::from_millis(300) };
    let error = whois.look_up("8.8.4.9".parse().unwrap(), SystemTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, WhoisError::Ask { error: AskError::Late, .. }), "{error}");
}

#[test]
fn nothing_hostile_comes_out() {
    let arin = ARIN.replace("EXAMPLE-NET-4", "\u{1b}]0;x\u{7}\u{202e}NET").replace("US", "\u{1b}[");
    let path = [(Server::Iana, refer("whois.arin.net")), (Server::Arin, Says::text(&arin))];
    let answer = look_up(&Stage::of(&path), "8.8.4.9").unwrap();
    let all = answer.lines().concat();
    assert!(!all.chars().any(conntop_proto::text::is_hostile), "{all:?}");
    assert_eq!(answer.fields.name.as_deref(), Some("\\x1b]0;x\\x07\\u{202e}NET"));
    assert_eq!(answer.fields.country, None);
}

#[test]
fn answers_are_kept_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = [(Server::Iana, refer("whois.arin.net")), (Server::Arin, Says::text(ARIN))];
    let stage = Stage::of(&path);
    let whois = Whois { network: &stage, cache: Some(Cache::new(folder.path().join("a/b"))), time: TIME };
    let day = Duration::from_secs(24 * 3600);
    let begin = SystemTime::UNIX_EPOCH + 20_000 * day;
    let at = |address: &str, now: SystemTime, asked: usize| {
        let answer = whois.look_up(address.parse().unwrap(), now).unwrap();
        assert_eq!(answer.fields.name.as_deref(), Some("EXAMPLE-NET-4"));
        assert_eq!(stage.asked().len(), asked, "{address} at {now:?}");
        answer
    };
    let first = at("8.8.4.9", begin, 2);
    assert_eq!(at("8.8.4.9", begin + day / 2, 2), first);
    at("::ffff:8.8.4.9", begin + day / 2, 2);
    at("8.8.4.10", begin, 4);
    at("8.8.4.9", begin + day, 6);
    // The clock was set back.
    at("8.8.4.9", begin - day, 8);
    // What is not ours, or was tampered with, is no answer.
    let file = folder.path().join("a/b/8.8.4.10.json");
    for nonsense in ["", "{", "[]", r#"{"fetched":1728000000,"hops":[["evil.example","x"]],"note":null}"#] {
        std::fs::write(&file, nonsense).unwrap();
        let before = stage.asked().len();
        at("8.8.4.10", begin, before + 2);
    }
    std::fs::write(
        &file,
        "{\"fetched\":1728000000,\"hops\":[[\"whois.arin.net\",\"x: \\u001b[2J\"]],\"note\":\"\\u001b\"}",
    )
    .unwrap();
    let answer = whois.look_up("8.8.4.10".parse().unwrap(), begin).unwrap();
    assert!(!answer.lines().concat().contains('\u{1b}'));
}
