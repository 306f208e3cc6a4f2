//! `conntop man`: the manual pages. Nothing is written down here twice: options come from clap, keys, columns,
//! groups, fields and settings from their tables, and prose from the chapters of the manual in Markdown.

mod arguments;
mod conntop;
mod markdown;
mod others;
mod sheet;

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::builder::PossibleValuesParser;

use self::sheet::Sheet;
use super::ManArgs;
use crate::here::server;
use crate::output::exit::{FAILURE, Failure, write_failure};

/// A page.
#[derive(Clone, Copy, Debug)]
struct Page {
    name: &'static str,
    section: &'static str,
    /// What it is about, behind its name.
    about: &'static str,
    /// What it has of the manual.
    pages: &'static [&'static str],
    write: fn(&mut Sheet),
}

/// Day of the version, as in CHANGELOG.md.
const DATE: &str = "2026-11-21";

const PAGES: &[Page] = &[
    Page {
        name: "conntop",
        section: "1",
        about: "every connection of a Linux machine or router, live",
        pages: &["keys.md", "columns.md"],
        write: conntop::write,
    },
    Page {
        name: "conntop.toml",
        section: "5",
        about: "configuration of conntop",
        pages: &["configuration.md"],
        write: others::configuration,
    },
    Page {
        name: "conntop-filter",
        section: "7",
        about: "language of conntop's filters",
        pages: &["filters.md"],
        write: others::filter,
    },
    Page {
        name: "conntopd",
        section: "8",
        about: "stream what changes in the connection tracking table",
        pages: &["conntopd.md"],
        write: others::conntopd,
    },
];

/// The pages of what this program can do: conntopd is for Linux only.
fn pages() -> impl Iterator<Item = &'static Page> {
    PAGES.iter().filter(|page| page.name != server::NAME || server::command().is_some())
}

/// The page that has what this page of the manual says.
fn page_of(markdown: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.pages.contains(&markdown))
}

/// Reads the name of a page.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(pages().map(|page| page.name))
}

impl Page {
    fn render(&self) -> String {
        let mut sheet = Sheet::new(self.name, self.section, DATE);
        sheet.section("Name");
        sheet.paragraph(&[roff::roman(format!("{} - {}", self.name, self.about))]);
        (self.write)(&mut sheet);
        sheet.section("See also");
        let others = pages().filter(|page| page.name != self.name);
        let names: Vec<String> = others.map(|page| format!("**{}**({})", page.name, page.section)).collect();
        sheet.paragraph(&markdown::inlines(&format!("{}.", names.join(", "))));
        markdown::write(&mut sheet, MANUAL);
        sheet.render()
    }
}

const MANUAL: &str = "\
Names such as *tls.md* are pages of the manual, which comes along in a folder `manual` of the documentation, and \
in `docs/manual` of the sources.";

/// Prints a page, or writes all of them.
pub(super) fn run(args: &ManArgs, out: &mut impl Write) -> Result<(), Failure> {
    let text = match &args.out {
        Some(folder) => all(folder)?,
        None => pages().find(|page| page.name == args.page).map_or_else(String::new, Page::render),
    };
    out.write_all(text.as_bytes()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

/// Writes all pages, and gives the names of the files.
fn all(folder: &Path) -> Result<String, Failure> {
    let mut written = String::new();
    for page in pages() {
        let path = folder.join(format!("{}.{}", page.name, page.section));
        put(&path, &page.render())?;
        written.push_str(&format!("{}\n", path.display()));
    }
    Ok(written)
}

/// Writes a file, and the folder that it is in.
pub(super) fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::new(FAILURE, format!("write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests;
