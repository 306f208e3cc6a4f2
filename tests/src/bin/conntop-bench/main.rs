#![forbid(unsafe_code)]
//! conntop's performance on a real table, beside the programs that people use today, as Markdown.
//!
//! One run makes one table and lets it grow; at each size it starts, watches and ends one program
//! after the other, and takes turns where something is short. Only ratios within one run mean much.
//!
//! [`field`] is the table, [`run`] and [`stop`] run what is measured, [`report`] collects; the other
//! modules are the measurements.

mod client;
mod dumps;
mod events;
mod field;
mod keys;
mod peers;
mod profile;
mod report;
mod run;
mod stop;
mod wire;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use conntop_tests::programs::program;
use conntop_tests::tools;

use crate::field::Field;
use crate::report::{Form, Report, in_mb};

const HELP: &str = "\
Usage: conntop-bench [OPTIONS] PART...

  peers     conntopd and conntop beside iptstate, flowtop, conntrack -E
  dumps     one dump: raw, into our table, conntrack -L
  events    cost per event, loss, repair
  wire      a snapshot over 40 Mbit/s, bytes per update
  client    first rows, memory
  keys      how long keys wait, from 100,000 flows on
  profile   where the time goes, by perf
  sizes     of the programs
  all       everything

  --sizes N,N     tables, such as 1k,10k,100k,1M (those)
  --window S      seconds of a measurement (5)
  --shipped FILE  a conntopd as it is shipped, to be weighed (profile dist)
  --small FILE    a conntopd of the small router build (without default features)
  --out FILE      write the Markdown there, too
  --into FILE     put the tables into their places in this document, such as docs/performance.md

Root only. What is missing is installed; CONNTOP_PROGRAMS names a directory of programs to be
measured as they are. Made for an idle machine: all takes some ten minutes and 3 GB.
";

const PROGRAMS: Form = Form { key: "programs", title: "Programs", head: &["", "MB"] };

/// What is measured at which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Peers,
    Dumps,
    Events,
    Wire,
    Client,
    Keys,
    Profile,
    Sizes,
}

impl Part {
    const ALL: [(&'static str, Part); 8] = [
        ("dumps", Part::Dumps),
        ("peers", Part::Peers),
        ("events", Part::Events),
        ("wire", Part::Wire),
        ("client", Part::Client),
        ("keys", Part::Keys),
        ("profile", Part::Profile),
        ("sizes", Part::Sizes),
    ];
}

struct Options {
    parts: Vec<Part>,
    sizes: Vec<u32>,
    window: Duration,
    /// Programs to be weighed, with what they are and how large they may be.
    weigh: Vec<(String, &'static str, f64)>,
    out: Option<String>,
    into: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = parse(&arguments).and_then(|options| options.map_or(Ok(()), |options| measure(&options)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tools::tell(&format!("conntop-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `None` when only help is wanted.
fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let mut options = Options {
        parts: Vec::new(),
        sizes: vec![1000, 10_000, 100_000, 1_000_000],
        window: Duration::from_secs(5),
        weigh: Vec::new(),
        out: None,
        into: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "help" | "-h" | "--help" => options.parts.clear(),
            "--sizes" => options.sizes = value()?.split(',').map(size).collect::<Result<_>>()?,
            "--window" => options.window = Duration::from_secs(value()?.parse().context("--window")?),
            "--shipped" => {
                options.weigh.push((value()?.clone(), "conntopd as shipped, with the schema", 5.0))
            }
            "--small" => options.weigh.push((value()?.clone(), "conntopd, the small router build", 2.2)),
            "--into" => options.into = Some(value()?.clone()),
            "--out" => options.out = Some(value()?.clone()),
            "all" => options.parts.extend(Part::ALL.map(|(_, part)| part)),
            other => {
                let part = Part::ALL.iter().find(|(name, _)| *name == other);
                let (_, part) =
                    part.ok_or_else(|| anyhow!("{other:?} is no part; see `conntop-bench help`"))?;
                options.parts.push(*part);
            }
        }
    }
    options.sizes.sort_unstable();
    if options.parts.is_empty() {
        print(HELP);
        return Ok(None);
    }
    Ok(Some(options))
}

fn size(text: &str) -> Result<u32> {
    let (digits, factor) = match text.strip_suffix(['k', 'M']) {
        Some(digits) if text.ends_with('k') => (digits, 1000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    let number: u32 = digits.parse().with_context(|| format!("a number of flows: {text:?}"))?;
    match number.checked_mul(factor) {
        Some(flows @ 100..=4_000_000) => Ok(flows),
        _ => bail!("from 100 to 4M flows, not {text}"),
    }
}

fn print(text: &str) {
    // A closed pipe is not worth a word.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn measure(options: &Options) -> Result<()> {
    tools::ready().map_err(|why| anyhow!("{why}"))?;
    stop::listen()?;
    let began = Instant::now();
    let mut report = Report::on(machine()?);
    let has = |part| options.parts.contains(&part);
    if has(Part::Sizes) {
        report.attempt("sizes", |report| sizes(options, report));
    }
    if options.parts.iter().any(|part| *part != Part::Dumps) {
        // Built before anything is measured.
        program("conntopd")?;
    }
    if has(Part::Peers) {
        for missing in tools::peers() {
            tools::tell(&format!("{missing} is not here and could not be installed"));
        }
    }
    let measured = at_sizes(options, &mut report);
    if let Some(into) = &options.into {
        let document = fs::read_to_string(into).with_context(|| format!("reading {into}"))?;
        let (text, homeless) = report.placed_in(&document);
        fs::write(into, text).with_context(|| format!("writing {into}"))?;
        tools::tell(&format!("without a place in {into}: {homeless:?}"));
    }
    let text = report.markdown();
    print(&text);
    if let Some(out) = &options.out {
        fs::write(out, &text).with_context(|| format!("writing {out}"))?;
    }
    tools::tell(&format!("took {:.0} s", began.elapsed().as_secs_f64()));
    measured?;
    stop::check()
}

fn at_sizes(options: &Options, report: &mut Report) -> Result<()> {
    let Options { parts, window, .. } = options;
    let has = |part| parts.contains(&part);
    let mut sizes = options.sizes.clone();
    // A first screen is a matter of a workstation's table.
    const SCREEN: u32 = 20_000;
    if has(Part::Client) && options.sizes.iter().any(|size| *size >= 10_000) && !sizes.contains(&SCREEN) {
        sizes.push(SCREEN);
        sizes.sort_unstable();
    }
    let Some(&most) = sizes.last() else { return Ok(()) };
    if parts.iter().all(|part| *part == Part::Sizes) {
        return Ok(());
    }
    let mut field = Field::new(most)?;
    if has(Part::Peers) {
        report.attempt("an empty table", |report| peers::empty(&field, report));
    }
    for size in sizes {
        stop::check()?;
        tools::tell(&format!("making {size} flows"));
        let began = Instant::now();
        field.grow(size)?;
        tools::tell(&format!("{size} flows, made in {:.1} s", began.elapsed().as_secs_f64()));
        let asked = options.sizes.contains(&size);
        if has(Part::Dumps) && asked {
            report.attempt("dumps", |report| dumps::measure(&field, size, report));
        }
        if has(Part::Peers) && asked {
            peers::measure(&field, size, *window, report);
        }
        // Tables of a router; at other sizes only where they were asked for alone.
        let only = options.sizes.len() == 1;
        if has(Part::Wire) && asked && (only || size == 100_000) {
            wire::measure(&field, size, *window, report);
        }
        if has(Part::Profile) && asked && (only || size == 100_000) {
            profile::measure(&field, size, *window, report);
        }
        if has(Part::Events) && asked && (only || size == 100_000) {
            events::measure(&mut field, size, *window, report);
        }
        if has(Part::Client) && (size == SCREEN || size >= 100_000 || only) {
            client::measure(&field, size, report);
        }
        if has(Part::Keys) || has(Part::Client) {
            keys::measure(&field, size, report);
        }
    }
    Ok(())
}

fn sizes(options: &Options, report: &mut Report) -> Result<()> {
    for name in ["conntopd", "conntop"] {
        let path = program(name)?;
        let bytes = fs::metadata(&path).with_context(|| format!("{}", path.display()))?.len();
        report.row(&PROGRAMS, vec![format!("{name}, as measured here"), format!("{:.2}", in_mb(bytes))]);
    }
    for (path, what, most) in &options.weigh {
        let bytes = fs::metadata(path).with_context(|| path.clone())?.len();
        report.row(&PROGRAMS, vec![(*what).to_owned(), format!("{:.2}", in_mb(bytes))]);
        report.target(*what, *most, in_mb(bytes), "MB");
    }
    Ok(())
}

/// What it was measured on.
fn machine() -> Result<String> {
    let read = |path: &str| {
        fs::read_to_string(path).map(|text| text.trim().to_owned()).with_context(|| path.to_owned())
    };
    let cpu = read("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, m)| m.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let buckets = read("/sys/module/nf_conntrack/parameters/hashsize")
        .or_else(|_| read("/proc/sys/net/netfilter/nf_conntrack_buckets"))?;
    let memory = read("/proc/meminfo")?;
    let total = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let profile = if cfg!(debug_assertions) { "NOT OPTIMISED" } else { "release" };
    Ok(format!(
        "{cores} cores ({}), {:.0} GB, Linux {kernel}, {buckets} hash buckets, {profile}",
        model.unwrap_or_else(|| "unknown".to_owned()),
        in_mb(total.unwrap_or(0) * 1024) / 1000.0
    ))
}
