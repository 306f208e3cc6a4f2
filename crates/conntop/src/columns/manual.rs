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

Down and up are seen from the local end. Rates are bits per second (b) or bytes per second (B).

";

const DEFAULTS: &str = "
## Default columns

They depend on the view (`--view router|workstation`) and the width of the terminal only. Columns of \
low priority give way in narrow terminals, and columns of what cannot be known: processes of other \
machines, places without a database (`conntop geoip status`). Room that is left over goes to addresses. \
IPv6 addresses that do not fit lose their middle, names of hosts their beginning.

";
