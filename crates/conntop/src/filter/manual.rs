//! The manual's page about filters.

use super::{FIELDS, MAX_DEPTH, MAX_LENGTH};
use crate::columns::{FlowFlags, STATES, STATUSES};

/// `docs/manual/filters.md`.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| field | takes | example | what it is |\n|---|---|---|---|\n");
    for field in FIELDS {
        let aliases: String = field.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
        page.push_str(&format!(
            "| `{}`{aliases} | {} | `{}` | {} |\n",
            field.name,
            field.kind.expects(),
            field.example,
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

The same language everywhere: at the `/` prompt, with `--filter`, in `list` and `watch`.

    dst in 10.0.0.0/8 and rate > 1Mbit and not proto udp
    port {80, https} or dport 8000-8999
    state EST and age > 1h and idle > 10m
    rate = unknown

- A test is a field, a comparison (`=` `!=` `<` `<=` `>` `>=` `~` `in` `not in`) and a value. Without a \
comparison `=` is meant: `dport 443`.
- A value may be a set `{80, 443}`; numbers may be a range `1000-2000`. `~` looks for a part of the \
text, in any case.
- `and`, `or`, `not`, also `&&`, `||`, `!`; `and` binds closer than `or`; parentheses group.
- A word that is no field is looked for in every visible text: addresses, ports, protocol, state, \
helper. Quotes take any text as it is: `\"port\"`.
- Rates need a unit: `Mbit` counts bits, `MB` and `MiB` bytes per second.
- `port`, `host`, `net`, `addr`, `nataddr` and `natport` look at several sides; they match if any of \
them does. `x != v` means `not x = v`: no side does.
- What is unknown (the rate of a flow that is not accounted) satisfies neither a test nor its negation. \
`field = unknown` finds it. `none` finds what is not there: `nataddr none`, `helper none`. A flow \
without ports does not have port 443, so `not port 443` finds it.
- Of a flow that was found in the table without a start time, the age is known to be at least what was \
observed: `age > 5m` holds once it was observed for longer, until then nobody knows.

## Fields

";
