//! The configuration file: what somebody wants each time. Every setting is a flag and a variable of the
//! environment, too; a flag is believed before a variable, and that before the file.
//!
//! A file that is not understood is refused as a whole, with the line, what is wrong there and what may
//! have been meant: half a configuration would show wrong names silently.

mod keys;
mod shown;
mod values;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use conntop_proto::text::sanitize;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use self::keys::Keys;
pub(crate) use self::shown::{ghost, window};
use self::values::{columns, cpu_budget, interval, max_flows, sort};
use crate::columns::{Preset, nearest};
use crate::enrich::names::Dns;
use crate::orient::{Net, Orientation};
use crate::places::{self, Base};
use crate::source::{CpuBudget, SourceKind};
use crate::tui::theme::Theme;
use crate::units::RateUnit;

/// Largest file that is read: some ten thousand names.
const MAX_FILE: u64 = 1 << 20;
/// Most names of the file, and most networks of a list: each row of the screen is held against the
/// networks.
const MOST: usize = 16_384;
/// Its place below the user's folder for configuration.
const PLACE: &str = "conntop/config.toml";

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Networks on our side, before all that a collector tells of itself.
    #[serde(deserialize_with = "networks")]
    pub local: Vec<Net>,
    /// How names are asked for.
    pub dns: Option<Dns>,
    /// What is read on this machine.
    pub source: Option<SourceKind>,
    /// Whether only names are believed that lead back to their address.
    pub dns_confirm: Option<bool>,
    /// Whether hosts are shown by their addresses.
    pub no_hostname: Option<bool>,
    /// Whether ports are shown by their numbers.
    pub no_servname: Option<bool>,
    /// Whether conntop's own questions for names are left out.
    pub hide_own: Option<bool>,
    /// Whether no flow is ever ended.
    pub read_only: Option<bool>,
    /// Unit of rates.
    pub units: Option<RateUnit>,
    /// Window of rates in seconds.
    #[serde(deserialize_with = "values::window")]
    pub window: Option<u64>,
    /// How long ended flows stay in view.
    #[serde(deserialize_with = "values::ghost")]
    pub ghost: Option<Duration>,
    /// From whose side directions are told.
    pub orientation: Option<Orientation>,
    /// Whether how flows were looked at is not remembered.
    pub no_remember: Option<bool>,
    /// Whether databases of places are left alone.
    pub no_geoip: Option<bool>,
    /// Whether not to look which processes have this machine's ends of flows.
    pub no_processes: Option<bool>,
    /// Order to begin with.
    #[serde(deserialize_with = "sort")]
    pub sort: Option<String>,
    /// Columns, left to right.
    #[serde(deserialize_with = "columns")]
    pub columns: Vec<String>,
    /// Which columns to begin with.
    pub view: Option<Preset>,
    /// Port of hosts that are connected to.
    pub port: Option<u16>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Name of this client.
    pub name: Option<String>,
    /// Time between updates.
    #[serde(deserialize_with = "interval")]
    pub interval: Option<Duration>,
    /// Share of a core, in percent.
    #[serde(deserialize_with = "cpu_budget")]
    pub cpu_budget: Option<CpuBudget>,
    /// Most flows to hold.
    #[serde(deserialize_with = "max_flows")]
    pub max_flows: Option<usize>,
    /// Colours of the screen.
    pub theme: Option<Theme>,
    /// Whether the screen is drawn with ASCII alone.
    pub ascii: Option<bool>,
    /// Whether the mouse is left to the terminal.
    pub no_mouse: Option<bool>,
    /// What keys do.
    pub keys: Keys,
    /// Names of addresses and networks.
    pub names: Aliases,
    /// Places of addresses.
    pub geoip: Geoip,
}

/// Section `[geoip]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Geoip {
    /// Databases, or folders with some, which are looked at before the usual ones.
    pub paths: Vec<PathBuf>,
}

/// Section `[names]`: what addresses and networks are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(pub Vec<Alias>);

/// What an address or a network is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The address or network.
    pub net: Net,
    /// Its name, sanitized.
    pub name: String,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("configuration {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is longer than any configuration.
    #[error("configuration {}: longer than {MAX_FILE} bytes", path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
    /// It is not understood.
    #[error("configuration {}: {wrong}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where and why.
        wrong: Wrong,
    },
}

/// Where a text is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Wrong {
    /// Line, from 1; `None` where that is not known.
    pub line: Option<usize>,
    /// What is wrong there, sanitized.
    pub text: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Where the file is when nobody says anything else.
#[must_use]
pub fn usual_path() -> Option<PathBuf> {
    Some(places::base(Base::Config)?.join(PLACE))
}

impl Config {
    /// What the file says: that which is named, which has to be there, or the usual one.
    ///
    /// # Errors
    /// It cannot be read or is not understood.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let (path, optional) = match named {
            Some(path) => (path.to_owned(), false),
            None => match usual_path() {
                Some(path) => (path, true),
                None => return Ok(Self::default()),
            },
        };
        let text = match read(&path) {
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ConfigError::Io { path, error }),
            Ok(text) => text,
        };
        let Some(text) = text else { return Err(ConfigError::Long { path }) };
        Self::parse(&text).map_err(|wrong| ConfigError::Wrong { path, wrong })
    }

    /// What a text says.
    ///
    /// # Errors
    /// Where it is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            Wrong { line, text: sanitize(&explain(error.message())).into_owned() }
        })
    }
}

/// The whole file, or `None` when it is too long.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= MAX_FILE).then_some(text))
}

/// An error of the reader for people: of an unknown setting the one that was meant.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown field"), quoted.next()) {
        (true, Some(word)) => {
            let words: Vec<&str> = quoted.collect();
            match nearest(word, words.iter().copied()) {
                Some(near) => format!("there is no setting `{word}`; did you mean `{near}`?"),
                None => format!("there is no setting `{word}` here, only {}", words.join(", ")),
            }
        }
        _ => message.to_owned(),
    }
}

impl Alias {
    fn new(net: &str, name: &str) -> Result<Self, String> {
        let net = net.parse().map_err(|error| format!("`{net}` is {error}"))?;
        let name = sanitize(name.trim()).into_owned();
        if name.is_empty() {
            return Err(format!("the name of {net} is empty"));
        }
        Ok(Self { net, name })
    }
}

impl FromStr for Alias {
    type Err = String;

    /// Reads `10.0.0.1=nas` and `10.8/16=vpn`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names nothing; write 10.0.0.1=nas");
        let (net, name) = text.split_once('=').ok_or_else(wrong)?;
        Self::new(net.trim(), name)
    }
}

impl<'de> Deserialize<'de> for Aliases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Section;

        impl<'de> Visitor<'de> for Section {
            type Value = Aliases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines such as \"10.0.0.1\" = \"nas\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aliases, A::Error> {
                let mut seen = hashbrown::HashSet::new();
                let mut aliases = Vec::new();
                while let Some((net, name)) = map.next_entry::<String, String>()? {
                    let alias = Alias::new(&net, &name).map_err(de::Error::custom)?;
                    if !seen.insert(alias.net) {
                        return Err(de::Error::custom(format!("{} is named twice", alias.net)));
                    }
                    if seen.len() > MOST {
                        return Err(de::Error::custom(format!("more than {MOST} names")));
                    }
                    aliases.push(alias);
                }
                Ok(Aliases(aliases))
            }
        }

        deserializer.deserialize_map(Section)
    }
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Net>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > MOST {
        return Err(de::Error::custom(format!("more than {MOST} networks")));
    }
    let net = |text: &String| text.parse().map_err(|error| de::Error::custom(format!("`{text}` is {error}")));
    texts.iter().map(net).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Scheme;

    const WHOLE: &str = r#"
local = ["192.168.0.0/16", "2001:db8::/32"]
dns = "system"
source = "sockets"
dns-confirm = true
no-hostname = false
no-servname = true
hide-own = true
read-only = true
units = "bytes"
window = "10s"
ghost = 0
orientation = "initiator"
no-remember = true
no-geoip = true
no-processes = false
sort = "bytes:asc"
columns = ["src:30", "dst", "bytes"]
view = "workstation"
port = 5555
token-file = "/run/secrets/conntop"
name = "desk"
interval = "500ms"
cpu-budget = 2.5
max-flows = 20000
theme = "colour-blind"
ascii = true
no-mouse = true

[keys]
scheme = "classic"
quit = ["X", "F12"]
pause = "P"
uplink = []

[names]
"192.168.1.10" = "nas"
"10.8/16" = "vpn"
"2001:db8::5" = "printer"

[geoip]
paths = ["/srv/geoip", "/srv/other.mmdb"]
"#;

    #[test]
    fn whole_file() {
        let alias = |net: &str, name: &str| Alias { net: net.parse().unwrap(), name: name.to_owned() };
        let mut read = Config::parse(WHOLE).unwrap();
        read.names.0.sort_by_key(|alias| alias.net);
        read.keys.own.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = Config {
            local: vec!["192.168.0.0/16".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            dns: Some(Dns::System),
            source: Some(SourceKind::Sockets),
            dns_confirm: Some(true),
            no_hostname: Some(false),
            no_servname: Some(true),
            hide_own: Some(true),
            read_only: Some(true),
            units: Some(RateUnit::Bytes),
            window: Some(10),
            ghost: Some(Duration::ZERO),
            orientation: Some(Orientation::Initiator),
            no_remember: Some(true),
            no_geoip: Some(true),
            no_processes: Some(false),
            names: Aliases(vec![
                alias("10.8.0.0/16", "vpn"),
                alias("192.168.1.10", "nas"),
                alias("2001:db8::5", "printer"),
            ]),
            geoip: Geoip { paths: vec!["/srv/geoip".into(), "/srv/other.mmdb".into()] },
            sort: Some("bytes:asc".to_owned()),
            columns: ["src:30", "dst", "bytes"].map(str::to_owned).to_vec(),
            view: Some(Preset::Workstation),
            port: Some(5555),
            token_file: Some("/run/secrets/conntop".into()),
            name: Some("desk".to_owned()),
            interval: Some(Duration::from_millis(500)),
            cpu_budget: Some("2.5".parse().unwrap()),
            max_flows: Some(20_000),
            theme: Some(Theme::ColourBlind),
            ascii: Some(true),
            no_mouse: Some(true),
            keys: Keys {
                scheme: Some(Scheme::Classic),
                own: ["pause=P", "quit=X F12", "uplink="].map(|text| text.parse().unwrap()).to_vec(),
            },
        };
        assert_eq!(read, wanted);
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let check = |text: &str, line: usize, wanted: &[&str]| {
            let wrong = Config::parse(text).expect_err(text);
            assert_eq!(wrong.line, Some(line), "{text}: {wrong}");
            for part in wanted {
                assert!(wrong.text.contains(part), "{text}: {wrong}, not {part}");
            }
        };
        check("\nlcoal = []", 2, &["no setting `lcoal`", "did you mean `local`?"]);
        check("[geoip]\n\npath = []", 3, &["`path`", "did you mean `paths`?"]);
        check("colour = 1", 1, &["no setting `colour`", "only local, dns"]);
        check("dns = \"maybe\"", 1, &["`maybe`", "off", "ptr", "system"]);
        check("local = [\"10/33\"]", 1, &["`10/33`", "prefix length"]);
        check("local = \"10/8\"", 1, &["string"]);
        check("[names]\n\"nas\" = \"10.0.0.1\"", 1, &["`nas`", "not an address"]);
        check("[names]\n\"10.0.0.1\" = \" \"", 1, &["name of 10.0.0.1 is empty"]);
        check("[names]\n\"10/8\" = \"a\"\n\"10.0.0.0/8\" = \"b\"", 1, &["10.0.0.0/8 is named twice"]);
        check("window = 3", 1, &["`3` is no window", "40s"]);
        check("ghost = \"2h\"", 1, &["`2h`", "up to an hour"]);
        check("units = \"baud\"", 1, &["`baud`", "bits"]);
        check("dns = ", 1, &[""]);
        check("dns-confirm = 1", 1, &["boolean"]);
        check("\nsort = \"byets\"", 2, &["byets", "bytes"]);
        check("columns = [\"src\", \"dts\"]", 1, &["dts", "dst"]);
        check("view = \"desk\"", 1, &["`desk`", "workstation"]);
        check("interval = \"soon\"", 1, &["`soon` is no time"]);
        check("cpu-budget = 200", 1, &["percentage of one core"]);
        check("max-flows = 0", 1, &["`0` is no number"]);
        check("theme = \"pink\"", 1, &["`pink`", "colour-blind"]);
        check("[keys]\nscheme = \"old\"", 2, &["`old`", "classic"]);
        check("[keys]\nqiut = \"Q\"", 1, &["`qiut`", "did you mean `quit`?"]);
        check("[keys]\nquit = \"Strg-Q\"", 1, &["`Strg-Q` of `quit` is no key"]);
        check("[keys]\nquit = 3", 2, &["a key such as"]);
        check("dns = \"off\"\ndns = \"ptr\"", 2, &["duplicate"]);
    }

    #[test]
    fn hostile_texts_are_harmless() {
        let hostile = "[names]\n\"10.0.0.1\" = \"\\u001b[2Jnas\\u202e\"";
        assert_eq!(Config::parse(hostile).unwrap().names.0[0].name, "\\x1b[2Jnas\\u{202e}");
        let wrong = Config::parse("\"\\u001b[2J\" = 1").unwrap_err();
        assert!(!wrong.text.contains('\u{1b}'), "{wrong:?}");
        let deep = "a=".to_owned() + &"[".repeat(100_000);
        assert!(Config::parse(&deep).is_err());
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let error = Config::load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("config.toml: No such file"), "{error}");
        std::fs::write(&path, WHOLE).unwrap();
        assert_eq!(Config::load(Some(&path)).unwrap(), Config::parse(WHOLE).unwrap());
        std::fs::write(&path, "x = 1").unwrap();
        let error = Config::load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("config.toml: line 1: there is no setting `x`"), "{error}");
        std::fs::write(&path, " ".repeat(1 + usize::try_from(MAX_FILE).unwrap())).unwrap();
        assert!(matches!(Config::load(Some(&path)), Err(ConfigError::Long { .. })));
    }

    #[test]
    fn aliases_of_the_command_line() {
        let alias: Alias = "10.0.0.1 = nas ".parse().unwrap();
        assert_eq!((alias.net.to_string().as_str(), alias.name.as_str()), ("10.0.0.1", "nas"));
        for wrong in ["nas", "nas=10.0.0.1", "10.0.0.1=", "=x", ""] {
            assert!(wrong.parse::<Alias>().is_err(), "{wrong}");
        }
    }
}
