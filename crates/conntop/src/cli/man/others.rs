//! conntop.toml(5), conntop-filter(7) and conntopd(8).

use roff::{bold, roman};

use super::arguments;
use super::markdown::{self, chapters, inlines, prose, table};
use super::sheet::Sheet;
use crate::cli::settings::{self, SETTINGS};
use crate::filter;
use crate::here::server;

/// The settings, from their table.
pub(super) fn configuration(sheet: &mut Sheet) {
    let page = settings::manual();
    sheet.section("Description");
    let intro = chapters(&page).first().map_or("", |(_, text)| *text).to_owned();
    markdown::write(sheet, &prose(&intro));
    sheet.section("Settings");
    let mut section = None;
    for setting in SETTINGS {
        let (of, _) = setting.place();
        if of != section {
            section = of;
            sheet.subsection(&format!("[{}]", of.unwrap_or_default()));
        }
        let (flag, variable, help) = setting.option();
        let mut text = vec![roman(format!("{help}. Usually {}", setting.usual))];
        for (what, name) in [("option", flag), ("variable", variable)] {
            if let Some(name) = name {
                text.extend([roman(format!("; {what} ")), bold(name)]);
            }
        }
        text.push(roman("."));
        sheet.item(&[bold(setting.lines().first().map_or(setting.key, String::as_str))], &text);
    }
}

/// The language, from the page of the manual that the table of fields makes.
pub(super) fn filter(sheet: &mut Sheet) {
    let page = filter::manual(&|_| String::new());
    for (index, (title, text)) in chapters(&page).into_iter().enumerate() {
        sheet.section(if index == 0 { "Description" } else { title });
        match title {
            // What stands above the table is about examples.
            "Fields" => markdown::write(sheet, &table(text)),
            _ => markdown::write(sheet, text),
        }
    }
}

/// The daemon: its options from its own table, the rest from its page of the manual.
pub(super) fn conntopd(sheet: &mut Sheet) {
    sheet.section("Synopsis");
    sheet.paragraph(&inlines("**conntopd** \\[*OPTIONS*\\]"));
    for (index, (title, text)) in chapters(CONNTOPD).into_iter().enumerate() {
        sheet.section(if index == 0 { "Description" } else { title });
        if title == "Options" {
            if let Some(command) = server::command() {
                arguments::options(sheet, &command);
            }
            markdown::write(sheet, &prose(text));
        } else {
            markdown::write(sheet, text);
        }
    }
}

const CONNTOPD: &str = include_str!("../../../../../docs/manual/conntopd.md");
