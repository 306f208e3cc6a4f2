//! docs/manual/first-minute.md as data: what has to be on the screen in each environment.

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../../docs/manual/first-minute.md");

/// The rows below these headings: each environment and the texts that are shown in it.
pub(crate) fn rows(sections: &[&str]) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    let mut wanted = false;
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            wanted = sections.contains(&heading);
        } else if wanted && line.starts_with("| ") && !line.starts_with("| environment") {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let texts: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
            assert!(!texts.is_empty(), "{line}");
            assert!(rows.insert(cells[1], texts).is_none(), "{line}");
        }
    }
    assert!(!rows.is_empty(), "no rows in {sections:?}");
    rows
}
