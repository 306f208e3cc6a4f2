//! The manual's page about filters.

use super::{FIELDS, MAX_DEPTH, MAX_LENGTH};
use crate::columns::{FlowFlags, STATES, STATUSES};

/// `docs/manual/filters.md`, with what each example shows.
#[must_use]
pub fn manual(shown: &dyn Fn(&str) -> String) -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| field | takes | example | shows | what it is |\n|---|---|---|---|---|\n");
    for field in FIELDS {
        let aliases: String = field.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
        page.push_str(&format!(
            "| `{}`{aliases} | {} | `{}` | {} | {} |\n",
            field.name,
            field.kind.expects(),
            field.example,
            shown(field.example),
            field.help
        ));
    }
    page.push_str("\n## Words\n\nStates, short and long: ");
    let states: Vec<String> = STATES.iter().map(|w| format!("`{}` `{}`", w.short, w.long)).collect();
    page.push_str(&states.join(", "));
    page.push_str(".\n\nStatus bits: ");
    let bits: Vec<String> = STATUSES.iter().map(|(_, word)| format!("`{word}`")).collect();
    page.push_str(&bits.join(", "));
    page.push_str(".\n\nFlags: ");
    let letters: Vec<String> = FlowFlags::LETTERS.iter().map(|(c, _)| format!("`{c}`")).collect();
    page.push_str(&letters.join(", "));
    page.push_str(".\n\n## Limits\n\n");
    page.push_str(&format!(
        "A filter has at most {MAX_LENGTH} bytes and nests at most {MAX_DEPTH} parentheses and \
         negations.\n"
    ));
    page
}

const INTRODUCTION: &str = "\
# Filters

<!-- Generated from the table of fields; a test fails when it drifts. -->

The same language everywhere: at the `/` prompt, with `--filter`, in `list` and `watch`, on what is live \
and on recordings.

    dst in 10.0.0.0/8 and rate > 1Mbit and not proto udp
    port {80, https} or dport 8000-8999
    state EST and age > 1h and idle > 10m
    host *.example.com and not process fire*
    rate = unknown

## The language

- A test is a field, a comparison (`=` `!=` `<` `<=` `>` `>=` `~` `in` `not in`) and a value. Without a \
comparison `=` is meant: `dport 443`.
- A value may be a set `{80, 443}`; numbers, rates, amounts and durations may be a range `1000-2000`.
- `~` looks for a part of the text, in any case: `process ~ fire`. In a text or the name of a host `*` \
stands for any letters and `?` for one: `process fire*`, `host *.example.com`. Between quotes they stand for \
themselves.
- `and`, `or`, `not`, also `&&`, `||`, `!`; `and` binds closer than `or`; parentheses group.
- A word that is no field is looked for in everything that can be seen of a flow: addresses, ports, names, \
protocol, state, helper, service, process, user, unit, command, places and networks. Quotes take any text \
as it is: `\"port\"`.
- Rates need a unit: `Mbit` counts bits, `MB` and `MiB` bytes per second.
- `port`, `host`, `net`, `addr`, `name`, `country`, `city`, `asn`, `org`, `nataddr` and `natport` look at \
several sides; they match if any of them does. `x != v` means `not x = v`: no side does.
- What is unknown (the rate of a flow that is not accounted, the name of a host that nobody has told) \
satisfies neither a test nor its negation. `field = unknown` finds it, and the line of the filter counts it. \
`none` finds what is not there: `nataddr none`, `helper none`. A flow without ports does not have port 443, so \
`not port 443` finds it.
- `host example.com` matches that name and those within that domain, among the names that are known already; \
the line of the filter says of how many hosts that is.
- Of a flow that was found in the table without a start time, the age is known to be at least what was \
observed: `age > 5m` holds once it was observed for longer, until then nobody knows.

## Typing

The rows follow each key. Of a test that is not complete, what stands before it applies; a text that may be \
the beginning of one shows all that begin so, until a blank or Enter ends it. A mistake is pointed at, with \
what was expected there, and what applied before stays.

`Tab` completes: fields, signs, words of the language, and the values that flows have, the most frequent \
first (services, addresses, names, processes, countries, ...). When there are several, the line below lists \
them; `Tab` and `Shift-Tab` take one after the other, `Esc` goes back to what was typed. `Up` and `Down` bring \
back what was accepted before in this session. `Enter` takes the filter, `Esc` leaves the one before in \
place. No filter is remembered across starts.

## Fields

What each example shows is asked of a recording of 91 flows of an office (`crates/conntop/tests/fixtures`), \
of which some hosts, places, marks and one process are known.

";
