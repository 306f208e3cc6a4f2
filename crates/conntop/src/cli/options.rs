//! Options that every command knows: from where, what, and how it is shown. Each is a flag; those that
//! somebody may want each time are variables of the environment and settings of the file as well.

mod look;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Arg, Args};
use conntop_proto::auth::Fingerprint;

pub use self::look::LookOptions;
use super::shown::{Said, Shown};
use crate::columns::Preset;
use crate::config::{Alias, Config};
use crate::enrich::names::Dns;
use crate::groups::Grouping;
use crate::orient::Net;
use crate::source::{CpuBudget, SourceKind, Target, TargetError};

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
#[command(mut_args(common))]
pub struct Common {
    /// Connect to a conntopd.
    #[arg(
        help = "Connect to a conntopd: [tls://|tcp://]HOST[:PORT], unix:PATH or ssh://[USER@]HOST[:PORT]; several times to see several machines in one table",
        short,
        long,
        value_name = "WHERE",
        help_heading = "From where"
    )]
    pub connect: Vec<Target>,
    /// Port of --connect HOST: 55555 when nothing is said
    #[arg(
        short,
        long,
        env = "CONNTOP_PORT",
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "From where"
    )]
    pub port: Option<u16>,
    /// File with the token for --connect by TLS, readable by you alone. Without it CONNTOP_TOKEN or
    /// ~/.config/conntop/token
    #[arg(long, value_name = "FILE", env = "CONNTOP_TOKEN_FILE", help_heading = "From where")]
    pub token_file: Option<PathBuf>,
    /// Key of the server, as conntopd --init-tls printed it. Without it the one seen at the first
    /// connection, which the token makes safe
    #[arg(long, value_name = "sha256:...", help_heading = "From where")]
    pub pin: Option<Fingerprint>,
    /// Name of this client in the server's log
    #[arg(long, value_name = "NAME", env = "CONNTOP_NAME", help_heading = "From where")]
    pub name: Option<String>,
    /// Network namespace to watch: a name, a process id or a file
    #[arg(long, value_name = "NAME|PID", conflicts_with = "connect", help_heading = "From where")]
    pub netns: Option<String>,
    /// Make this machine's kernel track connections, with counters and start times, while conntop
    /// runs: an own nft table and two sysctls, restored by the last conntop that ends
    #[arg(long, conflicts_with = "connect", help_heading = "From where")]
    pub activate: bool,
    /// Show a recording of conntop record; - is the standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["connect", "netns", "activate", "source", "cpu_budget", "interval"],
        help_heading = "From where"
    )]
    pub replay: Option<PathBuf>,
    /// So long after the beginning of the recording: the screen begins there; list shows the table as it
    /// was then, not as it is at the end
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "From where")]
    pub at: Option<Duration>,
    /// What to read on this machine: auto when nothing is said
    #[arg(long, value_enum, value_name = "WHAT", env = "CONNTOP_SOURCE", help_heading = "From where")]
    pub source: Option<SourceKind>,
    /// Time between updates, such as 1s or 500ms
    #[arg(
        long,
        value_name = "TIME",
        env = "CONNTOP_INTERVAL",
        value_parser = duration,
        help_heading = "From where"
    )]
    pub interval: Option<Duration>,
    /// Share of one core that reading this machine's table may take on average, in percent: 10, from
    /// 0.1 to 100. The first pass and repairs after a loss are not held back. A conntopd elsewhere has
    /// one of its own
    #[arg(long, value_name = "PERCENT", env = "CONNTOP_CPU_BUDGET", help_heading = "From where")]
    pub cpu_budget: Option<CpuBudget>,
    /// Never end a flow, whatever key is pressed
    #[arg(long, env = "CONNTOP_READ_ONLY", value_name = SWITCH, help_heading = "From where")]
    pub read_only: Option<bool>,
    /// Most flows to hold: 1000000 when nothing is said; the rest of a larger table is not shown, and
    /// the header says so
    #[arg(
        long,
        value_name = "N",
        env = "CONNTOP_MAX_FLOWS",
        value_parser = flows,
        help_heading = "From where"
    )]
    pub max_flows: Option<usize>,
    /// Hold every message against the protocol's JSON Schema, not only the control messages
    #[arg(long, help_heading = "From where")]
    pub validate: bool,
    /// Configuration file; without it conntop/config.toml in $XDG_CONFIG_HOME or ~/.config
    #[arg(long, value_name = "FILE", env = "CONNTOP_CONFIG", help_heading = "What")]
    pub config: Option<PathBuf>,
    /// Networks on our side, before all that the machine tells of itself
    #[arg(
        long,
        value_name = "NETWORK,...",
        value_delimiter = ',',
        env = "CONNTOP_LOCAL",
        help_heading = "What"
    )]
    pub local: Vec<Net>,
    /// What to call an address or network, as the configuration's section names
    #[arg(
        long,
        value_name = "ADDRESS=NAME,...",
        value_delimiter = ',',
        env = "CONNTOP_ALIAS",
        help_heading = "Names"
    )]
    pub alias: Vec<Alias>,
    /// How names of hosts are asked for: ptr when nothing is said
    #[arg(long, value_enum, value_name = "HOW", env = "CONNTOP_DNS", help_heading = "Names")]
    pub dns: Option<Dns>,
    /// Believe only names from DNS that lead back to their address
    #[arg(long, env = "CONNTOP_DNS_CONFIRM", value_name = SWITCH, help_heading = "Names")]
    pub dns_confirm: Option<bool>,
    /// Show hosts by their addresses
    #[arg(short, long, env = "CONNTOP_NO_HOSTNAME", value_name = SWITCH, help_heading = "Names")]
    pub no_hostname: Option<bool>,
    /// Show ports by their numbers
    #[arg(short = 'P', long, env = "CONNTOP_NO_SERVNAME", value_name = SWITCH, help_heading = "Names")]
    pub no_servname: Option<bool>,
    /// Leave out conntop's own questions for names
    #[arg(long, env = "CONNTOP_HIDE_OWN", value_name = SWITCH, help_heading = "Names")]
    pub hide_own: Option<bool>,
    /// Don't look which processes have this machine's ends of flows
    #[arg(long, env = "CONNTOP_NO_PROCESSES", value_name = SWITCH, help_heading = "Names")]
    pub no_processes: Option<bool>,
    /// Databases of places, or folders with some, before the usual ones
    #[arg(
        long,
        value_name = "PATH,...",
        value_delimiter = ',',
        env = "CONNTOP_GEOIP_PATHS",
        help_heading = "Names"
    )]
    pub geoip_paths: Vec<PathBuf>,
    /// Look up no countries, cities and networks
    #[arg(long, env = "CONNTOP_NO_GEOIP", value_name = SWITCH, help_heading = "Names")]
    pub no_geoip: Option<bool>,
    /// Only flows that match, such as 'dport 443 and not dst in 10.0.0.0/8'
    #[arg(short, long, value_name = "EXPRESSION", help_heading = "What")]
    pub filter: Option<String>,
    /// Group flows by one or two keys, such as local or local,service; the manual's page groups lists them
    #[arg(short, long, value_name = "KEY[,KEY]", help_heading = "What")]
    pub group: Option<Grouping>,
    /// Sort by a column; numbers begin with the largest
    #[arg(short, long, value_name = "COLUMN[:asc|:desc]", env = "CONNTOP_SORT", help_heading = "What")]
    pub sort: Option<String>,
    /// Columns to show, in this order, each perhaps with its width as in src:30
    #[arg(
        long,
        value_name = "COLUMN[:WIDTH],...",
        value_delimiter = ',',
        env = "CONNTOP_COLUMNS",
        help_heading = "What"
    )]
    pub columns: Vec<String>,
    /// Which columns to begin with: on this machine those of a workstation if at least half of its flows
    /// end here, else those of a router
    #[arg(long, value_enum, value_name = "VIEW", env = "CONNTOP_VIEW", help_heading = "What")]
    pub view: Option<Preset>,
    /// How flows are shown.
    #[command(flatten)]
    pub shown: Shown,
    /// How it looks.
    #[command(flatten)]
    pub look: LookOptions,
}

/// Placeholder of what is on or off.
pub(super) const SWITCH: &str = "BOOL";

/// What these options have in common. One that is on or off may be given alone, or as `--ascii=false` against a
/// variable or the file.
fn common(option: Arg) -> Arg {
    if option.is_positional() {
        return option;
    }
    let is_switch = option.get_value_names().is_some_and(|names| names.iter().any(|name| name == SWITCH));
    let option = option.global(true);
    if !is_switch {
        return option;
    }
    let option = option.num_args(0..=1).require_equals(true).default_missing_value("true");
    option.value_parser(BoolishValueParser::new()).hide_possible_values(true)
}

impl Common {
    /// Takes what neither an option nor the environment says from the configuration file.
    pub(super) fn settle(&mut self, config: Config) {
        fn list<T>(ours: &mut Vec<T>, file: Vec<T>) {
            if ours.is_empty() {
                *ours = file;
            }
        }
        self.shown.said = Said {
            sort: self.sort.is_some(),
            // Columns of another kind of machine were asked for: not those that were chosen once.
            columns: !self.columns.is_empty() || self.view.is_some(),
            view: self.view.is_some(),
            units: self.shown.units.is_some(),
            window: self.shown.window.is_some(),
            names: self.no_hostname.is_some(),
            services: self.no_servname.is_some(),
        };
        self.shown.settle(&config);
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
        self.read_only = self.read_only.or(config.read_only);
        self.no_geoip = self.no_geoip.or(config.no_geoip);
        self.no_processes = self.no_processes.or(config.no_processes);
        self.view = self.view.or(config.view);
        self.port = self.port.or(config.port);
        self.token_file = self.token_file.take().or(config.token_file);
        self.name = self.name.take().or(config.name);
        self.interval = self.interval.or(config.interval);
        self.cpu_budget = self.cpu_budget.or(config.cpu_budget);
        self.max_flows = self.max_flows.or(config.max_flows);
        self.look.settle(config.theme, config.ascii, config.no_mouse, config.keys);
    }
}

/// A target that says how it is reached, so that a mistyped command is none.
fn place(text: &str) -> Result<Target, String> {
    if !(text.contains("://") || text.starts_with("unix:")) {
        return Err("there is no such command; a host is given as --connect HOST or ssh://HOST".to_owned());
    }
    text.parse().map_err(|error: TargetError| error.to_string())
}

/// Reads `1s`, `500ms`, `2m`, `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
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
pub(crate) fn flows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_FLOWS) => Ok(number),
        _ => Err(format!("`{text}` is no number from 1 to {MOST_FLOWS}")),
    }
}

/// Largest `--max-flows`, as many as a collector holds.
const MOST_FLOWS: usize = 2_000_000;

/// Longest time that an option takes.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
