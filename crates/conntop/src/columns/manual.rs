//! The manual's page about columns.

use super::{COLUMNS, Layout, Offers, Preset};

/// `docs/manual/columns.md`.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| column | heading | JSON | filter field | what it is |\n|---|---|---|---|---|\n");
    for column in COLUMNS {
        let field = column.field.map_or(String::new(), |field| format!("`{field}`"));
        let aliases: String = column.aliases.iter().map(|a| format!(", `{a}`")).collect();
        page.push_str(&format!(
            "| `{}`{aliases} | {} | `{}` | {field} | {} |\n",
            column.key,
            column.header,
            column.json_key(),
            column.help
        ));
    }
    page.push_str(DEFAULTS);
    page.push_str("| view | width | columns and their widths |\n|---|---|---|\n");
    let offers = Offers { places: true, processes: true, nodes: false };
    for (name, preset) in [("router", Preset::Router), ("workstation", Preset::Workstation)] {
        for width in [20, 40, 80, 120, 200] {
            let columns = Layout::preset(preset, offers, width).columns;
            let words: Vec<String> =
                columns.iter().map(|p| format!("{} {}", p.column.key, p.width)).collect();
            page.push_str(&format!("| {name} | {width} | {} |\n", words.join(", ")));
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Columns

<!-- Generated from the table of columns; a test fails when it drifts. -->

`--columns src,dst,bytes` chooses columns and `--sort bytes:asc` sorts by one, shown or not. In JSON, \
values are raw: bytes, bytes per second, seconds; null where a value is unknown or not there. On the \
screen `n/a` is what nobody knows: without accounting a flow has no counters, and conntop never shows \
0 instead. Sorting puts what a flow does not have, and then what is unknown, at the end in both \
directions.

Down and up are seen from the local end; with `--orientation initiator` both are told from who opened \
the connection, and the headings say REPLY and ORIG. Rates are bits per second (b) or bytes per second (B), \
over a window of 2, 10 or 40 s (`w`); the header names the one that they really are of, which is no shorter \
than a pass over the kernel's table.

`TOTAL` is the kernel's count since a flow began. `SEEN` is what conntop has seen since it began or since the \
mark (`z`); the header's `seen` is the same of all flows in and out, ended ones included.

## Choosing on the screen

`C` lists all columns, those that are shown first: `Space` shows one or takes it away, `J` and `K` move it, \
`+` and `-` make it wider and narrower, `r` takes the default ones again. What is chosen is shown at once. `no \
room` stands beside a column that gave way in this terminal. `--columns src:30,dst,down` says the same with a \
width.

What is changed by keys (columns, order, unit, window, names, view) is remembered in \
`$XDG_STATE_HOME/conntop/view.toml`, or below `~/.local/state`. Options and variables go before it, the \
configuration behind it; `--no-remember` leaves it alone. Filters, pause and hidden flows are never remembered. \
A file that is not understood is told of and left aside.

## Ended flows

A flow that ended stays where it was for ten seconds (`--ghost`, 0 for not at all), dimmed, with its last \
counters; in place of the state stands `ended`, or `gone` if a pass over the \
table missed it (its counters are as last seen), or `again` if a new flow has its addresses and ports; the age is how \
long it lived, and the column `end` has the reason in words. It is in no sum and no count of \
flows. Flows that began and ended between two looks appear so, too.

## All columns

";

const DEFAULTS: &str = "
## Default columns

They depend on the view (`--view router|workstation`) and the width of the terminal only. Columns of \
low priority give way in narrow terminals, and columns of what cannot be known: processes of other \
machines, places without a database (`conntop geoip status`). Room that is left over goes to addresses. \
IPv6 addresses that do not fit lose their middle, names of hosts their beginning.

";
