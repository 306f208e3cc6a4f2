//! How flows were looked at the last time: what a person changed by keys, for the next start.
//!
//! Only what was changed is remembered, so that a setting of the configuration holds until a person has
//! changed it here. Filter, pause, and what hides flows are never remembered: a table that does not show
//! everything for a reason of last week would lie.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use conntop_proto::text::sanitize;
use serde::Deserialize;

use crate::columns::{Order, Picked, Preset};
use crate::groups::Grouping;
use crate::sort::Sort;
use crate::units::RateUnit;

/// Largest file that is read: every column with its width takes a small part of it.
const MAX_FILE: u64 = 64 << 10;

/// What is remembered; `None` is what nobody changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Chosen columns; none of them means the default ones.
    pub columns: Option<Vec<Picked>>,
    /// Whose default columns.
    pub view: Option<Preset>,
    /// Order of the flows.
    pub sort: Option<Sort>,
    /// Unit of rates.
    pub units: Option<RateUnit>,
    /// Window of rates in seconds.
    pub window: Option<u64>,
    /// Whether hosts are shown by their names.
    pub names: Option<bool>,
    /// Whether ports are shown by what they serve.
    pub services: Option<bool>,
    /// By what flows are grouped.
    pub group: Option<Grouping>,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    columns: Option<Vec<String>>,
    view: Option<Preset>,
    sort: Option<String>,
    units: Option<RateUnit>,
    window: Option<u64>,
    names: Option<bool>,
    services: Option<bool>,
    group: Option<String>,
}

impl Outlook {
    /// What differs from `start`; the rest is what was remembered before.
    #[must_use]
    pub fn changes(self, start: &Self, before: &Self) -> Self {
        fn of<T: PartialEq + Clone>(now: Option<T>, start: &Option<T>, before: &Option<T>) -> Option<T> {
            if now == *start { before.clone() } else { now }
        }
        Self {
            columns: of(self.columns, &start.columns, &before.columns),
            view: of(self.view, &start.view, &before.view),
            sort: of(self.sort, &start.sort, &before.sort),
            units: of(self.units, &start.units, &before.units),
            window: of(self.window, &start.window, &before.window),
            names: of(self.names, &start.names, &before.names),
            services: of(self.services, &start.services, &before.services),
            group: of(self.group, &start.group, &before.group),
        }
    }

    /// Reads what [`Outlook::text`] wrote.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let clean = |error: &dyn ToString| sanitize(&error.to_string()).into_owned();
        let written: Written = toml::from_str(text).map_err(|error| clean(&error.message()))?;
        let columns = written.columns.map(|list| list.iter().map(|text| text.parse()).collect());
        let columns: Option<Vec<Picked>> =
            columns.transpose().map_err(|error: crate::columns::PickError| clean(&error))?;
        let sort = written.sort.as_deref().map(Sort::parse).transpose().map_err(|error| clean(&error))?;
        let group = written.group.as_deref().map(str::parse::<Grouping>).transpose();
        let group = group.map_err(|error| clean(&error))?;
        let Written { view, units, window, names, services, .. } = written;
        Ok(Self { columns, view, sort, units, window, names, services, group })
    }

    /// As a file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# What conntop remembers of how flows were looked at. It writes this file itself; without it,\n\
             # or with --no-remember, everything is as the configuration says.\n",
        );
        let quoted = |word: &dyn ToString| format!("\"{}\"", word.to_string().replace(['"', '\\'], ""));
        let columns = self.columns.as_ref().map(|columns| {
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            format!("[{}]", columns.join(", "))
        });
        let order = |sort: &Sort| match sort.order {
            Order::Ascending => quoted(&format!("{}:asc", sort.column.key)),
            Order::Descending => quoted(&format!("{}:desc", sort.column.key)),
        };
        let view = |view: &Preset| match view {
            Preset::Router => quoted(&"router"),
            Preset::Workstation => quoted(&"workstation"),
        };
        let unit = |unit: &RateUnit| match unit {
            RateUnit::Bits => quoted(&"bits"),
            RateUnit::Bytes => quoted(&"bytes"),
        };
        let lines = [
            ("columns", columns),
            ("view", self.view.as_ref().map(view)),
            ("sort", self.sort.as_ref().map(order)),
            ("units", self.units.as_ref().map(unit)),
            ("window", self.window.map(|seconds| seconds.to_string())),
            ("names", self.names.map(|on| on.to_string())),
            ("services", self.services.map(|on| on.to_string())),
            ("group", self.group.as_ref().map(|group| quoted(group))),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                let written = writeln!(text, "{key} = {value}");
                debug_assert!(written.is_ok(), "a String takes everything");
            }
        }
        text
    }

    /// What a file remembers; nothing where there is none.
    ///
    /// # Errors
    /// Why it cannot be read or understood, for people.
    pub fn load(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(|error| error.to_string())?,
        };
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if u64::try_from(read).is_ok_and(|read| read > MAX_FILE) {
            return Err(format!("longer than {MAX_FILE} bytes"));
        }
        Self::parse(&text)
    }
}

/// Puts a text in the place of a file, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn store(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let stored = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if stored.is_err() {
        let _nothing_there = fs::remove_file(&beside);
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{COLUMNS, parse_list};

    fn whole() -> Outlook {
        Outlook {
            columns: Some(parse_list("src:30,dst,down").unwrap()),
            view: Some(Preset::Workstation),
            sort: Some(Sort::parse("bytes:asc").unwrap()),
            units: Some(RateUnit::Bytes),
            window: Some(40),
            names: Some(false),
            services: Some(true),
            group: Some("local,service".parse().unwrap()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let every = COLUMNS.iter().map(Picked::from).map(|picked| picked.wide(77)).collect();
        let of_columns = |columns| Outlook { columns: Some(columns), ..Outlook::default() };
        for outlook in [whole(), Outlook::default(), of_columns(Vec::new()), of_columns(every)] {
            assert_eq!(Outlook::parse(&outlook.text()), Ok(outlook));
        }
    }

    #[test]
    fn only_what_was_changed_is_remembered() {
        let start = Outlook { window: Some(2), names: Some(true), ..whole() };
        let before =
            Outlook { names: Some(false), group: Some("asn".parse().unwrap()), ..Outlook::default() };
        let now = Outlook { window: Some(10), ..start.clone() };
        assert_eq!(now.changes(&start, &before), Outlook { window: Some(10), ..before });
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, wanted: &str| {
            let error = Outlook::parse(text).unwrap_err();
            assert!(error.contains(wanted) && !error.contains('\u{1b}'), "{text}: {error}");
        };
        check("columns = [\"colour\"]", "no column `colour`");
        check("columns = [\"src:0\"]", "is no width");
        check("sort = \"bytes:up\"", "is no direction");
        check("units = \"bauds\"", "bauds");
        check("group = \"local,local\"", "given twice");
        check("filter = \"port 80\"", "filter");
        check("\"\\u001b[2J\" = 1", "x1b");
        check("sort = ", "");
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/conntop/view.toml");
        assert_eq!(Outlook::load(&path), Ok(Outlook::default()));
        store(&path, &whole().text()).unwrap();
        assert_eq!(Outlook::load(&path), Ok(whole()));
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
        fs::write(&path, " ".repeat(100_000)).unwrap();
        assert!(Outlook::load(&path).unwrap_err().contains("longer than"));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(Outlook::load(&path).unwrap_err().contains("UTF-8"));
    }
}
