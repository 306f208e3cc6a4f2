//! Messages that the manual explains are ones that the programs have.

use std::fs;

use crate::{none, root};

/// Pages whose tables begin with what a program says, between backquotes; `...` stands for anything.
const EXPLAINED: &[&str] = &["docs/manual/conntopd.md", "docs/manual/ssh.md", "docs/manual/tls.md"];

/// What the sources of all crates say, with texts that go over several lines as one.
fn sources() -> String {
    let mut all = String::new();
    let mut open = vec![root().join("crates")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                all.push_str(&fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    let mut lines = all.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

/// What stands between backquotes at the beginning of a row.
fn explained(row: &str) -> Vec<&str> {
    let Some(cell) = row.strip_prefix("| `").and_then(|rest| rest.split(" | ").next()) else {
        return Vec::new();
    };
    cell.split('`').step_by(2).filter(|text| text.contains(' ')).collect()
}

#[test]
fn explained_messages_exist() {
    let (sources, mut wrong, mut seen) = (sources(), Vec::new(), 0);
    for path in EXPLAINED {
        let text = fs::read_to_string(root().join(path)).expect("the page");
        for (number, row) in (1..).zip(text.lines()) {
            // Options and files stand in such cells as well.
            for message in explained(row).into_iter().filter(|text| !text.starts_with(['-', '/'])) {
                seen += 1;
                let lost = message.split("...").map(str::trim).find(|part| !sources.contains(part));
                wrong.extend(lost.map(|part| format!("{path}:{number}: nobody says {part}")));
            }
        }
    }
    assert!(seen > 20, "{seen} messages only");
    none(&wrong);
}

#[test]
fn rows() {
    assert_eq!(explained("| `not here`, `too late` | `do that` |"), ["not here", "too late"]);
    assert_eq!(explained("| plain | `not here` |"), [""; 0]);
}
