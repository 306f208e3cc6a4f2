//! The oracle: what `conntrack -L` says about the table, as records to compare with.
//!
//! It reads text on purpose: the oracle shares no line of code with what it judges.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, anyhow, bail};

use crate::netns::Namespace;
use crate::tools::command;

/// What identifies a flow: zone of the original direction, protocol and original tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Zone of the original direction, 0 if there is none.
    pub zone: u16,
    /// IP protocol number.
    pub proto: u8,
    /// Source address of the original direction.
    pub src: IpAddr,
    /// Destination address of the original direction.
    pub dst: IpAddr,
    /// What the protocol adds.
    pub l4: L4,
}

/// The protocol's part of a tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum L4 {
    /// The protocol number alone.
    #[default]
    None,
    /// Ports, or the keys of GRE.
    Ports(u16, u16),
    /// Type, code and identifier.
    Icmp(u8, u8, u16),
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// What the protocol adds.
    pub l4: L4,
    /// Zone of this direction alone.
    pub zone: Option<u16>,
    /// Packets; absent without accounting.
    pub packets: Option<u64>,
    /// Bytes; absent without accounting.
    pub bytes: Option<u64>,
}

/// One line of the oracle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// IP protocol number.
    pub proto: u8,
    /// Seconds until it expires; absent if offloaded.
    pub timeout: Option<u32>,
    /// State of TCP, SCTP or DCCP by its name.
    pub state: Option<String>,
    /// The direction of the first packet.
    pub orig: Direction,
    /// What answers look like.
    pub reply: Direction,
    /// Words in brackets, without them: `ASSURED`, `UNREPLIED`, `OFFLOAD`.
    pub words: Vec<String>,
    /// Mark.
    pub mark: Option<u32>,
    /// Zone of both directions.
    pub zone: Option<u16>,
    /// Name of the helper.
    pub helper: Option<String>,
    /// The kernel's id.
    pub id: Option<u32>,
    /// References.
    pub uses: Option<u32>,
    /// Seconds since it began; absent without timestamps.
    pub age: Option<u64>,
    /// When it began, seconds since the epoch; absent without timestamps.
    pub start: Option<u64>,
}

impl Record {
    /// What identifies it.
    #[must_use]
    pub fn key(&self) -> Key {
        let zone = self.zone.or(self.orig.zone).unwrap_or(0);
        Key { zone, proto: self.proto, src: self.orig.src, dst: self.orig.dst, l4: self.orig.l4 }
    }

    /// Whether this word stands in its line.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }
}

/// The whole table of a namespace. A flow that the kernel told twice is there once, as told last.
pub type Table = BTreeMap<Key, Record>;

/// Reads the table of a namespace, both families.
///
/// # Errors
/// When `conntrack` fails or writes a line that is not understood.
pub fn read(namespace: &Namespace) -> Result<Table> {
    let mut table = Table::new();
    for family in ["ipv4", "ipv6"] {
        let mut conntrack = command("conntrack");
        conntrack.args(["-L", "-o", "extended,id,timestamp,ktimestamp", "-f", family]).env("TZ", "UTC");
        let output = namespace.output(&mut conntrack)?;
        let text = String::from_utf8(output.stdout).context("conntrack -L wrote no UTF-8")?;
        for line in text.lines() {
            let record = parse(line).with_context(|| format!("conntrack -L: {line}"))?;
            table.insert(record.key(), record);
        }
    }
    Ok(table)
}

/// Reads one line of `conntrack -L -o extended,id,timestamp,ktimestamp`.
///
/// # Errors
/// When something in it is not understood: nothing is skipped silently.
pub fn parse(line: &str) -> Result<Record> {
    let (line, start) = take_start(line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let first_field = words.iter().position(|word| word.contains('=')).context("no addresses")?;
    let (head, fields) = words.split_at(first_field);
    let (proto, timeout, state) = match *head {
        [_, _, _, proto] => (proto, None, None),
        [_, _, _, proto, timeout] => (proto, Some(timeout), None),
        [_, _, _, proto, timeout, state] => (proto, Some(timeout), Some(state)),
        _ => bail!("{} words before the addresses", head.len()),
    };
    let proto = number("protocol", proto)?;
    let mut sides = [Side::default(), Side::default()];
    let mut side = None;
    let mut rest = Rest::default();
    for field in fields {
        if let Some(word) = field.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            rest.words.push(word.to_owned());
            continue;
        }
        let (name, value) = field.split_once('=').with_context(|| format!("{field:?} is no field"))?;
        if name == "src" {
            side = Some(side.map_or(0, |n: usize| n + 1));
        }
        let current = side.and_then(|n| sides.get_mut(n)).context("a third direction")?;
        if !current.take(name, value)? {
            rest.take(name, value)?;
        }
    }
    let [orig, reply] = sides;
    Ok(Record {
        proto,
        timeout: timeout.map(|t| number("timeout", t)).transpose()?,
        state: state.map(str::to_owned),
        orig: orig.direction().context("original direction")?,
        reply: reply.direction().context("reply direction")?,
        words: rest.words,
        mark: rest.mark,
        zone: rest.zone,
        helper: rest.helper,
        id: rest.id,
        uses: rest.uses,
        age: rest.age,
        start,
    })
}

#[derive(Default)]
struct Side {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    ports: [Option<u16>; 2],
    icmp: [Option<u8>; 2],
    icmp_id: Option<u16>,
    zone: Option<u16>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Side {
    /// Whether the field belonged to a direction.
    fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        let key = |value: &str| {
            let digits = value.strip_prefix("0x").unwrap_or(value);
            u16::from_str_radix(digits, 16).map_err(|e| anyhow!("{name} is {value:?}: {e}"))
        };
        match name {
            "src" => self.src = Some(number(name, value)?),
            "dst" => self.dst = Some(number(name, value)?),
            "sport" => self.ports[0] = Some(number(name, value)?),
            "dport" => self.ports[1] = Some(number(name, value)?),
            "srckey" => self.ports[0] = Some(key(value)?),
            "dstkey" => self.ports[1] = Some(key(value)?),
            "type" => self.icmp[0] = Some(number(name, value)?),
            "code" => self.icmp[1] = Some(number(name, value)?),
            // The flow's own id comes after both directions, in which ICMP has had its.
            "id" if self.icmp[0].is_some() && self.icmp_id.is_none() => {
                self.icmp_id = Some(number(name, value)?);
            }
            "zone-orig" | "zone-reply" => self.zone = Some(number(name, value)?),
            "packets" => self.packets = Some(number(name, value)?),
            "bytes" => self.bytes = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn direction(self) -> Result<Direction> {
        let l4 = match (self.ports, self.icmp, self.icmp_id) {
            ([Some(src), Some(dst)], [None, None], None) => L4::Ports(src, dst),
            ([None, None], [Some(ty), Some(code)], Some(id)) => L4::Icmp(ty, code, id),
            ([None, None], [None, None], None) => L4::None,
            other => bail!("half a layer 4 key: {other:?}"),
        };
        let (src, dst) = (self.src.context("no source")?, self.dst.context("no destination")?);
        Ok(Direction { src, dst, l4, zone: self.zone, packets: self.packets, bytes: self.bytes })
    }
}

#[derive(Default)]
struct Rest {
    words: Vec<String>,
    mark: Option<u32>,
    zone: Option<u16>,
    helper: Option<String>,
    id: Option<u32>,
    uses: Option<u32>,
    age: Option<u64>,
}

impl Rest {
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "mark" => self.mark = Some(number(name, value)?),
            "zone" => self.zone = Some(number(name, value)?),
            "helper" => self.helper = Some(value.to_owned()),
            "id" => self.id = Some(number(name, value)?),
            "use" => self.uses = Some(number(name, value)?),
            "delta-time" => self.age = Some(number(name, value)?),
            "secctx" | "secmark" | "labels" => {}
            _ => bail!("unknown field {name:?}"),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T> {
    text.parse().map_err(|error| anyhow!("{name} is {text:?}: {error}"))
}

/// Takes `[start=Sat Nov 21 05:09:15 2026]` out of a line, which is the only field with spaces.
fn take_start(line: &str) -> Result<(String, Option<u64>)> {
    const OPEN: &str = "[start=";
    let Some((before, rest)) = line.split_once(OPEN) else { return Ok((line.to_owned(), None)) };
    let (start, after) = rest.split_once(']').context("[start= does not end")?;
    let seconds = unix_seconds(start).with_context(|| format!("start is {start:?}"))?;
    Ok((format!("{before}{after}"), Some(seconds)))
}

/// Seconds since the epoch of a time as `ctime` writes it, in UTC.
fn unix_seconds(ctime: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = ctime.split_whitespace().collect();
    let [_, month, day, clock, year] = *words.as_slice() else { return None };
    let month = u64::try_from(MONTHS.find(month)? / 3 + 1).ok()?;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u64> = clock.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = *clock.as_slice() else { return None };
    // Years that begin in March, so that the leap day is the last one.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}
