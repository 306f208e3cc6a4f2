//! The comparison with other programs says what the measurements say, and the README what the comparison says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::path::Path;

const SIZES: &[&str] = &["1k", "10k", "100k", "1M"];

/// A table's rows, each with its cells, the heading's first and the line below it left out.
type Table = Vec<Vec<String>>;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table whose heading's first cells are these, after the heading `section`.
fn table(name: &str, section: &str, begins: &str) -> Table {
    let text = read(name);
    let at = text.find(section).unwrap_or_else(|| panic!("{name} has no {section:?}"));
    let mut lines = text[at..].lines().skip_while(|line| !line.starts_with(begins));
    let heading = lines.next().unwrap_or_else(|| panic!("{name}: no table {begins:?} below {section:?}"));
    std::iter::once(heading)
        .chain(lines.skip(1).take_while(|line| line.starts_with('|')))
        .map(|line| line.trim_matches('|').split('|').map(plain).collect())
        .collect()
}

/// A cell without its link, code and emphasis.
fn plain(cell: &str) -> String {
    let cell = cell.trim().replace(['`', '*'], "");
    match cell.strip_prefix('[').and_then(|rest| rest.split_once("](")) {
        Some((text, _)) => text.to_owned(),
        None => cell,
    }
}

fn row<'a>(table: &'a Table, name: &str) -> &'a [String] {
    table.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no row {name:?} in {table:#?}"))
}

/// `CPU / memory`; nothing for a cell without numbers.
fn pair(cell: &str) -> Option<(f64, f64)> {
    let (cpu, memory) = cell.split_once(" / ")?;
    Some((cpu.parse().ok()?, memory.parse().ok()?))
}

fn check(told: &str, measured: &str, which: &str) {
    let near = |told: f64, measured: f64| (told - measured).abs() <= 0.05 * measured.max(told);
    let same = match (pair(told), pair(measured)) {
        (Some(told), Some(measured)) => near(told.0, measured.0) && near(told.1, measured.1),
        (told, measured) => told == measured,
    };
    assert!(same, "{which}: told as {told:?}, measured {measured:?}");
}

#[test]
fn costs_are_those_that_were_measured() {
    let told = table("docs/comparison.md", "## What it costs", "| flows in the table |");
    let measured = table("docs/performance.md", "### 1,000 flows change per second", "| flows |");
    let rows = [
        ("conntop", "conntop alone (local)"),
        ("conntopd, with its screen", "conntopd and its screen"),
        ("its screen, conntop -c", "its screen (conntop -c)"),
        ("iptstate", "iptstate"),
        ("flowtop", "flowtop"),
    ];
    for (name, measured_as) in rows {
        for (column, size) in SIZES.iter().enumerate().map(|(at, size)| (at + 1, size)) {
            let which = format!("{name} at {size}");
            check(&row(&told, name)[column], &row(&measured, measured_as)[column], &which);
        }
    }
    let short = table("README.md", "## Beside", "| |");
    let column = |program: &str| short[0].iter().position(|name| name == program).expect("a column");
    for name in ["conntop", "iptstate", "flowtop"] {
        let cell = &row(&short, "100,000 flows, % of a core / MB")[column(name)];
        check(cell, &row(&told, name)[3], &format!("README, {name}"));
    }
}

#[test]
fn every_program_has_its_column_version_and_section() {
    let text = read("docs/comparison.md");
    let long = table("docs/comparison.md", "## The table", "| |");
    let short = table("README.md", "## Beside", "| |");
    let versions = table("docs/comparison.md", "# Beside other programs", "| |");
    assert_eq!(short[0], long[0], "programs of the README and of the page");
    for (table, name) in [(&short, "README"), (&long, "the page"), (&versions, "versions")] {
        for row in table {
            assert_eq!(row.len(), table[0].len(), "{name}: cells of {row:?}");
            assert!(row.iter().skip(1).all(|cell| !cell.is_empty()), "{name}: a cell is empty in {row:?}");
        }
    }
    for program in &long[0][1..] {
        assert!(text.contains(&format!("\n### {program}\n")), "no section of {program}");
        let has =
            versions.iter().any(|row| row[0] == *program || row[0].starts_with(&format!("{program} (")));
        assert!(has, "no version of {program}");
    }
}
