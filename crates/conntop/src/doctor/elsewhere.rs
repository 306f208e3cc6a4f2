//! Looking at conntopds elsewhere, by what they tell of themselves.

use std::time::{Duration, Instant};

use conntop_proto::message::{ServerFilter, Subscribe};

use super::facts::Remote;
use crate::cli::Session;
use crate::nodes::Node;
use crate::output::exit::Failure;

/// How long the first numbers of a table are waited for, beyond the time that connecting may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// No flow has this protocol, so that none is sent.
const NONE: u8 = 255;

/// What to subscribe to: the numbers of the table come anyway.
pub(crate) fn nothing() -> Subscribe {
    let filter = ServerFilter { protos: vec![NONE], ..ServerFilter::default() };
    Subscribe { filter: Some(filter), ..Subscribe::default() }
}

/// Waits until each node has told what it is, or why not.
pub(crate) async fn look(session: &mut Session) -> Result<Vec<Remote>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while session.nodes.iter().any(|(_, node)| !is_done(node)) {
        let Some((node, event)) = session.peek(Some(deadline)).await? else { break };
        session.apply(node, event)?;
    }
    Ok(session.nodes.iter().map(|(_, node)| remote(node)).collect())
}

fn is_done(node: &Node) -> bool {
    let engine = node.engine();
    engine.hello().is_some() && engine.table().is_some() || node.cause().is_some()
}

fn remote(node: &Node) -> Remote {
    let engine = node.engine();
    let silent = || format!("no answer within {} s", PATIENCE.as_secs());
    let why = || node.cause().map_or_else(silent, str::to_owned);
    Remote {
        place: node.place().to_owned(),
        hello: engine.hello().cloned().map(Box::new).ok_or_else(why),
        table: engine.table().copied(),
        lost: engine.lost().copied(),
    }
}
