//! Checks of a conntopd elsewhere, by what it tells of itself.

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::message::ServerHello;

use super::both::{self, Fill};
use super::{Finding, Gravity, Place, Row, good, missing, odd};
use crate::doctor::facts::Remote;
use crate::tui::format::grouped;

/// Parts of a sandbox that a whole one has.
const PARTS: [&str; 2] = ["landlock", "seccomp"];

/// The first is the only one where there is no connection.
pub(super) const ROWS: &[Row<Remote>] = &[
    Row {
        name: "connection",
        gravity: Gravity::Needed,
        about: "whether the conntopd named by --connect answers",
        judge: connection,
    },
    Row {
        name: "version",
        gravity: Gravity::Wished,
        about: "whether conntopd is as new as this conntop",
        judge: |remote| with(remote, version),
    },
    Row {
        name: "sandbox",
        gravity: Gravity::Wished,
        about: "whether conntopd's threads are confined",
        judge: |remote| with(remote, sandbox),
    },
    Row {
        name: "rule",
        gravity: Gravity::Needed,
        about: "whether something makes the kernel there track connections",
        judge: rule,
    },
    Row {
        name: "acct",
        gravity: Gravity::Needed,
        about: "whether the kernel there counts packets and bytes of new flows",
        judge: |remote| with(remote, |hello| both::acct(hello.kernel.acct, &Place::default())),
    },
    Row {
        name: "timestamp",
        gravity: Gravity::Wished,
        about: "whether new flows there remember when they began",
        judge: |remote| with(remote, |hello| both::timestamp(hello.kernel.timestamp, &Place::default())),
    },
    Row {
        name: "events",
        gravity: Gravity::Needed,
        about: "whether conntopd listens to events and the kernel there sends them",
        judge: |remote| with(remote, events),
    },
    Row {
        name: "lost",
        gravity: Gravity::Wished,
        about: "whether conntopd had to repair its table because events came too fast",
        judge: lost,
    },
    Row { name: "table", gravity: Gravity::Wished, about: "how full the table there is", judge: table },
];

fn with(remote: &Remote, judge: fn(&ServerHello) -> Finding) -> Finding {
    remote.hello.as_deref().map_or_else(|_| odd("not known"), judge)
}

fn connection(remote: &Remote) -> Finding {
    match &remote.hello {
        Ok(hello) => good(format!("{} answers, {}", hello.name, hello.platform)),
        Err(why) => missing(why.clone()),
    }
}

fn version(hello: &ServerHello) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let theirs = hello.server.split_whitespace().last().unwrap_or_default();
    match theirs == own {
        true => good(format!("{}, protocol {}", hello.server, hello.protocol)),
        false => {
            odd(format!("{} there, conntop {own} here; both speak protocol {PROTOCOL_VERSION}", hello.server))
                .repair("install the same version at both ends")
        }
    }
}

fn sandbox(hello: &ServerHello) -> Finding {
    let Some(text) = &hello.sandbox else { return odd("conntopd does not say what confines it") };
    let has = |part: &str| text.contains(part) && !text.contains(&format!("no {part}"));
    let absent: Vec<&str> = PARTS.into_iter().filter(|part| !has(part)).collect();
    match absent.is_empty() {
        true => good(text.clone()),
        false => odd(format!("{text}: without {}", absent.join(" and ")))
            .repair("conntopd --sandbox strict, which says why it does not start"),
    }
}

fn rule(remote: &Remote) -> Finding {
    let Ok(hello) = &remote.hello else { return odd("not known") };
    match remote.table.and_then(|table| table.tracking).or(hello.kernel.tracking) {
        Some(true) => good("the kernel there tracks"),
        Some(false) => missing("nothing makes the kernel there track: no flow is seen")
            .repair("conntop --activate, there")
            .repair(super::nft(&Place::default())),
        None => odd("whether anything makes the kernel there track is not known"),
    }
}

fn events(hello: &ServerHello) -> Finding {
    let kernel = &hello.kernel;
    if !kernel.listening {
        return missing("conntopd does not listen: flows that begin and end between two passes stay unseen")
            .repair("start conntopd without --no-events");
    }
    both::events(kernel.events.map(u64::from), &Place::default())
}

fn lost(remote: &Remote) -> Finding {
    match remote.lost {
        None => good("no event was lost"),
        Some(lost) => {
            let events = match lost.events {
                Some(events) => format!("{} events", grouped(events)),
                None => "events".to_owned(),
            };
            let now = if lost.since.is_some() { "; the table is being repaired" } else { ", all repaired" };
            odd(format!("{events} were lost since conntopd began{now}")).repair("conntopd --event-buffer 64M")
        }
    }
}

fn table(remote: &Remote) -> Finding {
    let (Some(table), Ok(hello)) = (remote.table, &remote.hello) else {
        return odd("how full the table is is not known");
    };
    if table.truncated {
        return odd(format!(
            "conntopd holds {} flows of more: its own limit is reached",
            grouped(table.flows)
        ));
    }
    both::table(Fill {
        count: table.count,
        max: table.max.or(hello.kernel.max),
        buckets: hello.kernel.buckets,
        drop: table.drop.unwrap_or(0),
        early_drop: table.early_drop.unwrap_or(0),
    })
}
