//! `conntop whois`.

use std::io::Write;
use std::time::UNIX_EPOCH;

use serde_json::json;

use super::WhoisArgs;
use crate::output::exit::{FAILURE, Failure, LOST, write_failure};
use crate::whois::{self, Answer, Fields, WhoisError};

/// Prints who has an address.
pub(super) fn run(args: &WhoisArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = whois::look_up(args.address)?;
    let text = match (args.raw, args.json) {
        (true, _) => answer.hops.iter().map(|hop| format!("% {}\n{}\n", hop.server, hop.text)).collect(),
        (_, true) => json_of(&answer),
        _ => answer.lines().iter().map(|line| format!("{line}\n")).collect::<String>(),
    };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_else(|error| write_failure(&error).map_or(Ok(()), Err))
}

fn json_of(answer: &Answer) -> String {
    let Fields { range, name, org, country, abuse, origin } = &answer.fields;
    let servers: Vec<_> =
        answer.hops.iter().map(|hop| json!({ "server": hop.server.host(), "text": hop.text })).collect();
    let object = json!({
        "address": answer.address,
        "range": range,
        "name": name,
        "org": org,
        "country": country,
        "abuse": abuse,
        "origin": origin,
        "source": answer.hops.last().map(|hop| hop.server.host()),
        "fetched": answer.fetched.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).ok(),
        "note": answer.note,
        "answers": servers,
    });
    format!("{object}\n")
}

impl From<WhoisError> for Failure {
    fn from(error: WhoisError) -> Self {
        let code = match error {
            WhoisError::Special { .. } => FAILURE,
            WhoisError::Ask { .. } | WhoisError::Refused { .. } => LOST,
        };
        Self::new(code, error.to_string())
    }
}
