//! Every link leads to a file, a picture or a heading; every page can be found.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::page::Page;
use crate::{none, root};

/// The index of the manual.
const INDEX: &str = "docs/manual/README.md";
/// Paths below these folders are named as they are from the project's root.
const FOLDERS: &[&str] = &["docs/", "packaging/", ".ci/", "fuzz/", "crates/", "tests/tests/"];

/// Where a link of a page leads, without what follows `#`.
fn leads_to(page: &Page, target: &str) -> PathBuf {
    let mut path = page.path.parent().expect("a folder").to_path_buf();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                assert!(path.pop(), "{}: {target} leaves the project", page.path.display())
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

fn is_elsewhere(target: &str) -> bool {
    target.starts_with("https://") || target.starts_with("mailto:")
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in Page::all() {
        for link in page.links().iter().filter(|link| !is_elsewhere(&link.text)) {
            seen += 1;
            let (file, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
            let path = if file.is_empty() { page.path.clone() } else { leads_to(&page, file) };
            let exists = root().join(&path).exists();
            let has_heading = || anchor.is_empty() || Page::read(&path).anchors().contains(anchor);
            if !exists || !has_heading() {
                wrong.push(format!("{}:{}: {} leads nowhere", page.path.display(), link.line, link.text));
            }
        }
    }
    assert!(seen > 50, "{seen} links only");
    none(&wrong);
}

/// Names of files in prose and code are links that a person follows by hand.
#[test]
fn files_that_are_named_exist() {
    let mut wrong = Vec::new();
    for page in Page::all() {
        let text = std::fs::read_to_string(root().join(&page.path)).expect("the page");
        for (number, line) in (1..).zip(text.lines()) {
            let of_path = |c: char| !(c.is_alphanumeric() || "./-_*{}<>,\\$+".contains(c));
            for word in line.split(of_path) {
                let word = word.trim_end_matches(['.', ',', '\\']);
                let is_ours = FOLDERS.iter().any(|folder| word.starts_with(folder));
                let is_one = !word.ends_with("TARGET") && !word.contains(['*', '{', '<', '$', '+', ',']);
                if is_ours && is_one && !root().join(word).exists() {
                    wrong.push(format!("{}:{number}: there is no {word}", page.path.display()));
                }
            }
        }
    }
    none(&wrong);
}

fn linked_from(page: &str) -> BTreeSet<PathBuf> {
    let page = Page::read(Path::new(page));
    let files = page.links().into_iter().filter(|link| !is_elsewhere(&link.text));
    files.map(|link| leads_to(&page, link.text.split('#').next().expect("a file"))).collect()
}

#[test]
fn the_index_has_every_page() {
    let linked = linked_from(INDEX);
    let pages = Page::all().into_iter().map(|page| page.path);
    let of_manual = pages.filter(|path| path.starts_with("docs/manual") && *path != Path::new(INDEX));
    let lost: Vec<_> =
        of_manual.filter(|path| !linked.contains(path)).map(|p| p.display().to_string()).collect();
    none(&lost);
}

/// Who begins at README.md finds all pages of docs/.
#[test]
fn every_page_can_be_reached() {
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut open = vec![PathBuf::from("README.md")];
    while let Some(path) = open.pop() {
        for next in linked_from(path.to_str().expect("a name of ours")) {
            if next.extension().is_some_and(|e| e == "md") && reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let pages = Page::all().into_iter().map(|page| page.path).filter(|path| path.starts_with("docs"));
    let lost: Vec<_> =
        pages.filter(|path| !reached.contains(path)).map(|p| p.display().to_string()).collect();
    none(&lost);
}
