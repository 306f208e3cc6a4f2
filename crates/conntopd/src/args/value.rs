//! What the values of options look like.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use nfnetlink::netns::Netns;

/// `127.0.0.1`, `127.0.0.1:1`, `::1`, `[::1]`, `[::1]:1`, and `localhost` for 127.0.0.1.
pub(super) fn listen_address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip(), Some(address.port())));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some((address, None));
    }
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match text.strip_prefix("localhost")? {
        "" => Some((localhost, None)),
        rest => Some((localhost, Some(rest.strip_prefix(':')?.parse().ok()?))),
    }
}

/// `500ms`, `2s`, `1.5s`, `1m`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

/// Bytes, with K, M, G for powers of 1,024.
pub(super) fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib") {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

pub(super) fn netns(text: &str) -> Option<Netns> {
    if let Ok(pid) = text.parse::<u32>() {
        return (pid > 0).then_some(Netns::Pid(pid));
    }
    let plain = !text.is_empty() && text.len() <= 255 && !text.contains(['/', '\0']);
    (plain && text != "." && text != "..").then(|| Netns::Name(text.to_owned()))
}
