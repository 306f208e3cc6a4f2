//! What may stand somewhere: a text, the flows of the test world, and what is offered.

use super::world;
use crate::filter::{Completion, FIELDS, Filter, Typed, complete, context, values};

fn offered(text: &str) -> Option<Completion> {
    let world = world();
    let filter = context(text);
    complete(text, &mut |field| {
        let shown = world.source().live().filter(|view| {
            filter.as_ref().is_none_or(|filter| filter.matches(view) == crate::filter::Tri::True)
        });
        values(field, shown)
    })
}

/// What is offered, as far as it is told here, and the place that it takes.
fn told(text: &str) -> String {
    match offered(text) {
        None => "nowhere".to_owned(),
        Some(Completion { span, candidates, then }) => {
            let few: Vec<&str> = candidates.iter().take(6).map(String::as_str).collect();
            let more = if candidates.len() > few.len() { " ..." } else { "" };
            format!("{}{}: {}{more}", span.start, if then.is_empty() { "+" } else { "" }, few.join(" | "))
        }
    }
}

/// Texts and what is offered at their ends; `+` where more may follow without a blank.
const CANDIDATES: &[(&str, &str)] = &[
    ("dpo", "0: dport"),
    ("dport", "0: dport"),
    ("not na", "4: nataddr | natport | name"),
    ("(by", "1: bytes | bytes_down | bytes_up"),
    ("colour", "0: "),
    ("_port", "0: backend_port"),
    ("tcp ", "4: and | or"),
    ("tcp a", "4: and"),
    ("(tcp ", "5: and | or | )"),
    ("tcp and d", "8: dir | dst | dport | down | dst_name | dst_cc ..."),
    ("dport ", "6: domain | ftp | http | https | https-alt | = ..."),
    ("dport ht", "6: http | https | https-alt | http-alt"),
    ("dport = 8", "8: 80 | 8443"),
    ("dport sm", "6: smtp | smb"),
    ("dport {http", "7+: http | https | https-alt | http-alt"),
    ("dport {http ", "12+: ,  | }"),
    ("dport {http, d", "13+: discard | daytime | domain | dhcpv6-client | dhcpv6-server | domain-s ..."),
    ("dport not ", "10: in"),
    ("tcp and dport ", "14: ftp | http | https | https-alt | = | != ..."),
    ("udp and dport ", "14: domain | = | != | in | not in | > ..."),
    ("udp or dport f", "13: ftp | ftp-data | finger | ftps-data | ftps | fcm"),
    ("proto i", "6: icmp | igmp | ipip | ipv6 | icmpv6 | in"),
    ("state e", "6: EST | established"),
    ("status = s", "9: seen_reply | src_nat | seq_adjust | src_nat_done"),
    ("dir i", "4: in | internal"),
    ("offload != h", "11: hw"),
    ("host 192.168.1.", "5: 192.168.1.5 | 192.168.1.6 | 192.168.1.9"),
    ("helper ", "7: ftp | = | != | in | not in | ~"),
    ("helper \"f", "7: \"ftp\""),
    ("helper u", "7: unknown"),
    ("node ", "5: here | = | != | in | not in | ~"),
    ("rate > ", "7: 100kbit | 1Mbit | 10Mbit | 100Mbit"),
    ("rate > 10", "7: 10kbit | 10Mbit | 10Gbit | 10kB | 10MB | 10KiB ..."),
    ("rate > 10M", "7: 10Mbit | 10MB | 10MiB"),
    ("age ", "4: > | < | >= | <= | = | != ..."),
    ("mark = ", "7: 0x0 | 0x10"),
    ("labels ", "7: 5 | 70 | = | != | in | not in ..."),
    ("zone = ", "7: 0 | 7"),
    ("tcp) ", "nowhere"),
    ("dport = = ", "nowhere"),
    ("\"tcp", "nowhere"),
    ("tcp & ", "nowhere"),
];

#[test]
fn candidates_are_what_is_expected() {
    let wrong: Vec<_> = CANDIDATES
        .iter()
        .map(|(text, wanted)| (*text, (*wanted).to_owned(), told(text)))
        .filter(|(_, wanted, got)| wanted != got)
        .collect();
    assert!(wrong.is_empty(), "these differ (text, wanted, got): {wrong:#?}");
}

#[test]
fn whatever_is_offered_is_read() {
    let world = world();
    for field in FIELDS {
        for (before, quote) in [("", ""), ("1", ""), ("", "\"")] {
            let text = format!("{} = {quote}{before}", field.name);
            let found = complete(&text, &mut |field| {
                let odd = ["a b", "\"", "\\", "and", "un*", "none", "東京", "(", "in"].map(str::to_owned);
                values(field, world.source().live()).into_iter().chain(odd).collect()
            });
            for word in found.unwrap().candidates {
                let text = format!("{} = {word}", field.name);
                let filter = Filter::parse(&text).unwrap_or_else(|error| panic!("{}", error.caret(&text)));
                assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(&filter), "{text}");
            }
        }
    }
}

/// What applies while that is typed, as it is printed.
#[test]
fn a_value_that_is_typed_may_be_the_beginning_of_one() {
    let applied = |text: &str| match Filter::typed(text) {
        Typed::Whole(filter) => format!("whole {filter}"),
        Typed::Beginning { so_far, whole, .. } => {
            assert_eq!(Filter::parse(text).as_ref(), Ok(&whole));
            so_far.map_or_else(|| "nothing".to_owned(), |filter| format!("so far {filter}"))
        }
        Typed::Unfinished { so_far, .. } => {
            so_far.map_or_else(|| "nothing".to_owned(), |f| format!("so far {f}"))
        }
        Typed::Wrong(error) => format!("wrong: {error}"),
    };
    let world = world();
    let count = |text: &str| match Filter::typed(text) {
        Typed::Whole(filter) => {
            world.source().live().filter(|v| filter.matches(v) == crate::filter::Tri::True).count()
        }
        Typed::Beginning { so_far: Some(filter), .. } | Typed::Unfinished { so_far: Some(filter), .. } => {
            world.source().live().filter(|v| filter.matches(v) == crate::filter::Tri::True).count()
        }
        _ => usize::MAX,
    };
    for (text, wanted, shown) in [
        ("helper f", "so far helper = \"f\"", 1),
        ("helper ft", "so far helper = \"ft\"", 1),
        ("helper ft ", "whole helper = \"ft\"", 0),
        ("helper \"f", "so far helper = \"f\"", 1),
        ("helper {sip, f", "so far helper = {\"sip\", \"f\"}", 1),
        ("helper {sip, f}", "whole helper = {\"sip\", \"f\"}", 0),
        ("tcp and helper F", "so far tcp and helper = \"f\"", 1),
        ("not helper f", "whole not helper = \"f\"", 7),
        ("helper x", "so far helper = \"x\"", 0),
        ("helper ~ f", "whole helper ~ \"f\"", 1),
        ("helper *t", "so far helper = *t*", 1),
        ("node he", "so far node = \"he\"", 7),
        ("own y", "nothing", usize::MAX),
    ] {
        assert_eq!(applied(text), wanted, "{text}");
        assert_eq!(count(text), shown, "{text}");
    }
}
