//! The command line. `conntop --server ...` is conntopd with the rest of the arguments.

mod geoip;
mod names;
mod open;
mod run;
mod screen;
mod server;
mod whois;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use conntop_proto::auth::Fingerprint;

use crate::config::{Alias, Config};
use crate::enrich::names::Dns;
use crate::orient::Net;
use crate::source::{CpuBudget, SourceKind, Target, TargetError};

pub(crate) use self::open::{Session, open};
pub use self::run::main;

/// Every connection of a Linux machine or router, live.
///
/// Without --connect it shows this machine's connection tracking table. When stdout is no terminal
/// it prints the table once, as `conntop list` does.
#[derive(Clone, Debug, Parser)]
#[command(name = "conntop", version, args_conflicts_with_subcommands = false)]
#[command(subcommand_precedence_over_arg = true)]
#[command(after_help = "conntop --server [OPTIONS] runs the daemon conntopd.")]
pub struct Cli {
    /// What to do; the screen when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// From where and what.
    #[command(flatten)]
    pub common: Common,
}

/// Targets without `--connect`.
#[derive(Clone, Debug, Default, Args)]
pub struct Places {
    /// Other machines by ssh.
    #[arg(
        help = "Show another machine, or several, by ssh, which starts conntopd there: ssh://[USER@]HOST[:PORT]; short for --connect",
        value_name = "ssh://HOST",
        value_parser = place
    )]
    pub place: Vec<Target>,
}

/// Options that every command knows.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Connect to a conntopd.
    #[arg(
        help = "Connect to a conntopd: [tls://|tcp://]HOST[:PORT], unix:PATH or ssh://[USER@]HOST[:PORT]; several times to see several machines in one table",
        short,
        long,
        value_name = "WHERE",
        global = true,
        help_heading = "From where"
    )]
    pub connect: Vec<Target>,
    /// Port of --connect HOST
    #[arg(
        short,
        long,
        default_value_t = conntop_proto::DEFAULT_PORT,
        value_parser = clap::value_parser!(u16).range(1..),
        global = true,
        help_heading = "From where"
    )]
    pub port: u16,
    /// File with the token for --connect by TLS, readable by you alone. Without it CONNTOP_TOKEN or
    /// ~/.config/conntop/token
    #[arg(long, value_name = "FILE", global = true, help_heading = "From where")]
    pub token_file: Option<PathBuf>,
    /// Key of the server, as conntopd --init-tls printed it. Without it the one seen at the first
    /// connection, which the token makes safe
    #[arg(long, value_name = "sha256:...", global = true, help_heading = "From where")]
    pub pin: Option<Fingerprint>,
    /// Name of this client in the server's log
    #[arg(long, value_name = "NAME", global = true, help_heading = "From where")]
    pub name: Option<String>,
    /// Network namespace to watch: a name, a process id or a file
    #[arg(
        long,
        value_name = "NAME|PID",
        global = true,
        conflicts_with = "connect",
        help_heading = "From where"
    )]
    pub netns: Option<String>,
    /// Make this machine's kernel track connections, with counters and start times, while conntop
    /// runs: an own nft table and two sysctls, restored by the last conntop that ends
    #[arg(long, global = true, conflicts_with = "connect", help_heading = "From where")]
    pub activate: bool,
    /// What to read on this machine: auto when nothing is said
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        env = "CONNTOP_SOURCE",
        global = true,
        help_heading = "From where"
    )]
    pub source: Option<SourceKind>,
    /// Time between updates, such as 1s or 500ms
    #[arg(long, value_name = "TIME", value_parser = duration, global = true, help_heading = "From where")]
    pub interval: Option<Duration>,
    /// Share of one core that reading this machine's table may take on average, in percent: 10, from
    /// 0.1 to 100. The first pass and repairs after a loss are not held back
    #[arg(
        long,
        value_name = "PERCENT",
        global = true,
        conflicts_with = "connect",
        help_heading = "From where"
    )]
    pub cpu_budget: Option<CpuBudget>,
    /// Most flows to hold; the rest of a larger table is not shown, and the header says so
    #[arg(
        long,
        value_name = "N",
        default_value_t = crate::mirror::Limits::default().flows,
        value_parser = flows,
        global = true,
        help_heading = "From where"
    )]
    pub max_flows: usize,
    /// Hold every message against the protocol's JSON Schema, not only the control messages
    #[arg(long, global = true, help_heading = "From where")]
    pub validate: bool,
    /// Configuration file; without it conntop/config.toml in $XDG_CONFIG_HOME or ~/.config
    #[arg(long, value_name = "FILE", env = "CONNTOP_CONFIG", global = true, help_heading = "What")]
    pub config: Option<PathBuf>,
    /// Networks on our side, before all that the machine tells of itself
    #[arg(
        long,
        value_name = "NETWORK,...",
        value_delimiter = ',',
        env = "CONNTOP_LOCAL",
        global = true,
        help_heading = "What"
    )]
    pub local: Vec<Net>,
    /// What to call an address or network, as the configuration's section names
    #[arg(
        long,
        value_name = "ADDRESS=NAME,...",
        value_delimiter = ',',
        env = "CONNTOP_ALIAS",
        global = true,
        help_heading = "Names"
    )]
    pub alias: Vec<Alias>,
    /// How names of hosts are asked for: ptr when nothing is said
    #[arg(long, value_enum, value_name = "HOW", env = "CONNTOP_DNS", global = true, help_heading = "Names")]
    pub dns: Option<Dns>,
    /// Believe only names from DNS that lead back to their address
    #[arg(
        long,
        env = "CONNTOP_DNS_CONFIRM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub dns_confirm: Option<bool>,
    /// Show hosts by their addresses
    #[arg(
        short,
        long,
        env = "CONNTOP_NO_HOSTNAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub no_hostname: Option<bool>,
    /// Show ports by their numbers
    #[arg(
        short = 'P',
        long,
        env = "CONNTOP_NO_SERVNAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub no_servname: Option<bool>,
    /// Leave out conntop's own questions for names
    #[arg(
        long,
        env = "CONNTOP_HIDE_OWN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub hide_own: Option<bool>,
    /// Don't look which processes have this machine's ends of flows
    #[arg(
        long,
        env = "CONNTOP_NO_PROCESSES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub no_processes: Option<bool>,
    /// Databases of places, or folders with some, before the usual ones
    #[arg(
        long,
        value_name = "PATH,...",
        value_delimiter = ',',
        env = "CONNTOP_GEOIP_PATHS",
        global = true,
        help_heading = "Names"
    )]
    pub geoip_paths: Vec<PathBuf>,
    /// Look up no countries, cities and networks
    #[arg(
        long,
        env = "CONNTOP_NO_GEOIP",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        global = true,
        help_heading = "Names"
    )]
    pub no_geoip: Option<bool>,
    /// Only flows that match, such as 'dport 443 and not dst in 10.0.0.0/8'
    #[arg(short, long, value_name = "EXPRESSION", global = true, help_heading = "What")]
    pub filter: Option<String>,
    /// Sort by a column; numbers begin with the largest
    #[arg(short, long, value_name = "COLUMN[:asc|:desc]", global = true, help_heading = "What")]
    pub sort: Option<String>,
    /// Columns to show, in this order
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', global = true, help_heading = "What")]
    pub columns: Vec<String>,
    /// Which columns to begin with
    #[arg(long, value_enum, value_name = "VIEW", global = true, help_heading = "What")]
    pub view: Option<ViewKind>,
}

/// Sets of default columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ViewKind {
    /// Source and destination, NAT.
    Router,
    /// Local and remote end.
    Workstation,
}

impl Common {
    /// Takes what neither an option nor the environment says from the configuration file.
    fn settle(&mut self, config: Config) {
        fn list<T>(ours: &mut Vec<T>, file: Vec<T>) {
            if ours.is_empty() {
                *ours = file;
            }
        }
        list(&mut self.local, config.local);
        list(&mut self.geoip_paths, config.geoip.paths);
        // One by one: of two names for the same the first counts.
        self.alias.extend(config.names.0);
        self.source = self.source.or(config.source);
        self.dns = self.dns.or(config.dns);
        self.dns_confirm = self.dns_confirm.or(config.dns_confirm);
        self.no_hostname = self.no_hostname.or(config.no_hostname);
        self.no_servname = self.no_servname.or(config.no_servname);
        self.hide_own = self.hide_own.or(config.hide_own);
        self.no_geoip = self.no_geoip.or(config.no_geoip);
        self.no_processes = self.no_processes.or(config.no_processes);
    }
}

impl Cli {
    /// Puts the targets that stand alone to those of `--connect`. What is of this machine alone is
    /// refused beside them here, as not every command knows them.
    fn gathered(mut self) -> Result<Self, clap::Error> {
        let mut places = std::mem::take(&mut self.places.place);
        match &mut self.command {
            Some(Command::List(args)) => places.append(&mut args.places.place),
            Some(Command::Watch(args)) => places.append(&mut args.places.place),
            Some(Command::Whois(_) | Command::Geoip(_)) | None => {}
        }
        let common = &self.common;
        let of_here = [
            ("--netns", common.netns.is_some()),
            ("--activate", common.activate),
            ("--cpu-budget", common.cpu_budget.is_some()),
        ];
        if !places.is_empty()
            && let Some((option, _)) = of_here.iter().find(|(_, given)| *given)
        {
            let text = format!("the argument '{option}' cannot be used with '[ssh://HOST]...'");
            return Err(Self::command().error(ErrorKind::ArgumentConflict, text));
        }
        self.common.connect.append(&mut places);
        Ok(self)
    }
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print the table once
    List(ListArgs),
    /// Print what happens, one JSON object a line
    Watch(WatchArgs),
    /// Ask the registries who has an address
    ///
    /// IANA names the registry, which is asked then; answers are kept for a day.
    Whois(WhoisArgs),
    /// Databases of countries, cities and networks
    #[command(subcommand)]
    Geoip(GeoipCommand),
}

/// What to do with databases of places.
#[derive(Clone, Debug, Subcommand)]
pub enum GeoipCommand {
    /// Say which there are, how old they are, whether they are whole and what they are used for
    ///
    /// Fails when a file is damaged.
    Status(GeoipStatusArgs),
    /// Download DB-IP Lite, the free databases of cities and networks by db-ip.com
    ///
    /// What is of this month already is not fetched again. A download that broke off goes on where it
    /// was; a database takes the place of the old one when it has been looked through as a whole.
    Update(GeoipUpdateArgs),
}

/// Options of `geoip update`.
#[derive(Clone, Debug, Args)]
pub struct GeoipUpdateArgs {
    /// Folder for the databases: $XDG_DATA_HOME/GeoIP or ~/.local/share/GeoIP
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    /// Fetch them even if they are of this month
    #[arg(long)]
    pub again: bool,
}

/// Options of `geoip status`.
#[derive(Clone, Copy, Debug, Args)]
pub struct GeoipStatusArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `whois`.
#[derive(Clone, Debug, Args)]
pub struct WhoisArgs {
    /// The address
    pub address: IpAddr,
    /// Print all that each server said, and nothing else
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `list`.
#[derive(Clone, Debug, Default, Args)]
pub struct ListArgs {
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// How to print it
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Print at most so many flows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Watch so long to learn the rates; 2s when rates are sorted by or shown, else not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub sample: Option<Duration>,
    /// Ask for the names of hosts, for a few seconds at most
    #[arg(long)]
    pub names: bool,
}

/// Formats of `list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One array.
    Json,
    /// One object a line.
    Ndjson,
    /// Comma-separated values with a heading.
    Csv,
}

/// Options of `watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// From where.
    #[command(flatten)]
    pub places: Places,
    /// Which events to print
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [EventKind::New, EventKind::Ended])]
    pub events: Vec<EventKind>,
    /// Print the flows that are there at the beginning, too
    #[arg(long)]
    pub initial: bool,
    /// Ask for the names of hosts; a line waits for them for a second at most
    #[arg(long)]
    pub names: bool,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
}

/// Events of `watch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventKind {
    /// A flow that was not there before.
    New,
    /// A flow that ended, with its final totals.
    Ended,
    /// A flow whose state, counters or marks changed.
    Changed,
}

/// A target that says how it is reached, so that a mistyped command is none.
fn place(text: &str) -> Result<Target, String> {
    if !(text.contains("://") || text.starts_with("unix:")) {
        return Err("there is no such command; a host is given as --connect HOST or ssh://HOST".to_owned());
    }
    text.parse().map_err(|error: TargetError| error.to_string())
}

/// Reads `1s`, `500ms`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write 2s, 500ms or 1m");
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err(format!("`{text}` is out of range: more than nothing, at most a year")),
    }
}

/// Reads the most flows to hold.
fn flows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_FLOWS) => Ok(number),
        _ => Err(format!("`{text}` is no number from 1 to {MOST_FLOWS}")),
    }
}

/// Largest `--max-flows`, as many as a collector holds.
const MOST_FLOWS: usize = 2_000_000;

/// Longest time that an option takes.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
