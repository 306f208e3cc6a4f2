//! The manual's page about groups.

use super::columns::COLUMNS;
use super::{KEYS, MOST_GROUPS};

/// `docs/manual/groups.md`.
#[must_use]
pub fn manual() -> String {
    let mut page = INTRODUCTION.replace("MOST", &MOST_GROUPS.to_string());
    page.push_str("| key | groups are named by |\n|---|---|\n");
    for key in KEYS {
        let aliases: String = key.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
        page.push_str(&format!("| `{}`{aliases} | {} |\n", key.key, key.help));
    }
    page.push_str("\n## Columns\n\n| column | heading | JSON | what it is |\n|---|---|---|---|\n");
    for column in COLUMNS {
        let aliases: String = column.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
        let (key, header, json, help) = (column.key, column.header, column.json_key(), column.help);
        page.push_str(&format!("| `{key}`{aliases} | {header} | `{json}` | {help} |\n"));
    }
    page.push_str(OUTRO);
    page
}

const INTRODUCTION: &str = "\
# Groups

<!-- Generated from the tables of keys and columns; a test fails when it drifts. -->

The screen Groups (`2`) puts flows together that have something in common, and `list --group` prints the \
same. `conntop --group local,service` begins there.

    conntop list --group local --sort up --limit 10
    conntop list --group country,proto -o json
    conntop list --group process --filter 'dir out' --sample 10s

- `t` chooses what flows are grouped by: `Enter` takes the marked line alone; `Space` takes a line as first \
or second key, and `Enter` then groups by those.
- `Enter` or `Right` opens a group in place: its flows stand under it in the order of the screen Flows. \
`Left` or `Esc` closes it again. `Enter` on a flow shows its details.
- `<` `>` and `I` order the groups; `o` freezes their order. The selection follows the group.
- `u` asks who uses the uplink: local hosts, those who send most first, without traffic that neither enters nor \
leaves. It adds `dir {in, out}` to the filter, which `Esc` removes.
- `=` shows only what has something in common with the selected row (a group, or a flow: its local or remote \
end, service, process, NAT address, real destination, ...) and `!` leaves it out. Both become part of the \
filter, so they are seen, can be edited and undone.

The filter applies to groups as well. The first line is the total, which counts each flow once. `host`, `port` \
and `nataddr` put a flow into the groups of both of its ends; the total line then says that shares overlap. \
What is unknown is a group of its own, and so is what flows do not have: `(unknown)`, `(none)`. Groups whose \
flows have all ended stay as long as what they carried is remembered, and are dimmed.

The share is that of the column by which groups are ordered (by name: of the rate). With more than MOST groups, \
flows that would need another one are in `(others)`.

In JSON and CSV each group has a `filter` that shows exactly its flows. `list` knows rates, new flows and seen \
bytes only after it has watched for a while: `--sample 2s`, which is implied when the order or the filter asks \
for rates. Without it groups are ordered by their flows.

## Keys

";

const OUTRO: &str = "

`--sort` takes one of these columns, a key of the grouping, or `name`.
";
