//! `conntop geoip`: what there is to know places by.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Common, GeoipCommand, GeoipStatusArgs, GeoipUpdateArgs};
use crate::enrich::geo::{About, Attribution, Found, Geo, Search, shown, validate};
use crate::geoip::progress::Display;
use crate::geoip::{Update, Want};
use crate::output::exit::{FAILURE, Failure, write_failure};
use crate::units::date;

/// Days after which a database is worth renewing: its maker has made two since.
const OLD: u64 = 60;
const DAY: u64 = 24 * 3600;

/// Does what the command says.
pub(super) fn run(common: &Common, command: &GeoipCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        GeoipCommand::Status(args) => status(common, *args, out),
        GeoipCommand::Update(args) => update(args, out),
    }
}

/// Shows on stderr how it goes on: a bar on a terminal, else a line for each file.
fn update(args: &GeoipUpdateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut update = Update::usual(args.into.clone())?;
    if args.again {
        update.want = Want::Everything;
    }
    let mut display = Display::of(io::stderr());
    let result = update.run(&mut |step| display.show(&step));
    display.end();
    result?;
    let written = writeln!(out, "{}", Attribution::DB_IP).and_then(|()| out.flush());
    written.or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn status(common: &Common, args: GeoipStatusArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let search = Search::new(&common.geoip_paths);
    let geo = Geo::open(search.clone());
    let files: Vec<File<'_>> = geo.found().iter().map(File::of).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let status = Status { search: &search, geo: &geo, files: &files, now };
    let written = match args.json {
        true => writeln!(out, "{}", status.json()),
        false => status.print(out),
    };
    written.and_then(|()| out.flush()).or_else(|error| write_failure(&error).map_or(Ok(()), Err))?;
    match files.iter().filter(|file| file.problem.is_some()).count() {
        0 => Ok(()),
        1 => Err(Failure::new(FAILURE, "one file cannot be used")),
        more => Err(Failure::new(FAILURE, format!("{more} files cannot be used"))),
    }
}

/// A file that was found, held against the format as a whole.
struct File<'a> {
    found: &'a Found,
    problem: Option<String>,
}

impl<'a> File<'a> {
    fn of(found: &'a Found) -> Self {
        let whole = || {
            found.about.as_ref()?;
            validate(&found.path).err().map(|error| error.to_string())
        };
        Self { found, problem: found.problem.clone().or_else(whole) }
    }
}

struct Status<'a> {
    search: &'a Search,
    geo: &'a Geo,
    files: &'a [File<'a>],
    now: u64,
}

impl Status<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for file in self.files {
            writeln!(out, "{}", shown(&file.found.path))?;
            if let Some(about) = &file.found.about {
                writeln!(out, "  {}", self.about(about))?;
            }
            writeln!(out, "  {}", used(file.found))?;
            if let Some(problem) = &file.problem {
                writeln!(out, "  {problem}")?;
            }
        }
        if self.geo.is_empty() {
            writeln!(out, "no database is in use: places of addresses are not known")?;
            writeln!(
                out,
                "`conntop geoip update` downloads DB-IP Lite; or put *.mmdb files into one of these"
            )?;
        }
        writeln!(out, "looked at, in this order:")?;
        for place in self.search.places() {
            let missing = if place.exists() { "" } else { " (not there)" };
            writeln!(out, "  {}{missing}", shown(place))?;
        }
        self.geo.attributions().iter().try_for_each(|attribution| writeln!(out, "{attribution}"))
    }

    fn about(&self, about: &About) -> String {
        let days = self.now.saturating_sub(about.built) / DAY;
        let renew =
            if days > OLD { "; renew it with `conntop geoip update` or its maker's tool" } else { "" };
        let families = if about.ip_version == 4 { ", IPv4 only" } else { "" };
        let mib = about.size.div_ceil(1 << 20);
        format!(
            "{} ({}), {mib} MiB{families}, of {}, {days} days old{renew}",
            about.name,
            about.vendor.word(),
            date(about.built)
        )
    }

    fn json(&self) -> Value {
        let files: Vec<Value> = self.files.iter().map(json_of).collect();
        let places: Vec<Value> = self
            .search
            .places()
            .map(|place| json!({ "path": shown(place), "exists": place.exists() }))
            .collect();
        let attributions = self.geo.attributions();
        let attributions: Vec<Value> =
            attributions.iter().map(|a| json!({ "text": a.text, "url": a.url })).collect();
        json!({ "databases": files, "places": places, "attributions": attributions })
    }
}

fn used(found: &Found) -> String {
    let words: Vec<&str> = found.used.iter().map(|question| question.word()).collect();
    match (words.as_slice(), &found.about, &found.problem) {
        ([], Some(_), None) => "not used: another one is preferred".to_owned(),
        ([], None, None) => "not used: a database of something else".to_owned(),
        ([], _, Some(_)) => "not used".to_owned(),
        (words, _, _) => format!("used for: {}", words.join(", ")),
    }
}

fn json_of(file: &File<'_>) -> Value {
    let about = file.found.about.as_ref();
    json!({
        "path": shown(&file.found.path),
        "type": about.map(|about| &about.name),
        "kind": about.map(|about| about.kind.word()),
        "vendor": about.map(|about| about.vendor.word()),
        "built": about.map(|about| about.built),
        "date": about.map(|about| date(about.built)),
        "ip_version": about.map(|about| about.ip_version),
        "bytes": about.map(|about| about.size),
        "used": file.found.used.iter().map(|question| question.word()).collect::<Vec<_>>(),
        "problem": file.problem,
    })
}
