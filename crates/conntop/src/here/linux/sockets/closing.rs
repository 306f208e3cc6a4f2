//! Closing the socket of a flow, where the machine's sockets are what is shown. Its cookie is known since
//! the socket was listed, so nothing that came after it can be hit.

use conntop_proto::message::{Act, Outcome, Terminate, Terminated};
use nfnetlink::diag::{Destroyed, DiagSocket, Found};
use nfnetlink::{Error, Result};

use super::table::{Named, SocketTable};

/// Carries out an order; what to answer, and which flow it was.
pub(super) fn close(table: &SocketTable, epoch: u64, order: &Terminate) -> (Terminated, Option<Named>) {
    let named = if order.epoch == epoch { table.named(order.id) } else { None };
    let (outcome, text) = match (order.act, &named) {
        (Act::Forget, _) => (Outcome::Unsupported, "sockets have no conntrack entry".to_owned()),
        (Act::Close, None) => (Outcome::Gone, String::new()),
        (Act::Close, Some(named)) => destroy(named),
    };
    (Terminated { request: order.request, id: order.id, outcome, text }, named)
}

fn destroy(named: &Named) -> (Outcome, String) {
    let closed = |named: &Named| -> Result<Outcome> {
        let mut diag = DiagSocket::open()?;
        Ok(match diag.find(named.transport, named.local, named.remote)? {
            Found::None => Outcome::Gone,
            Found::One(socket) if socket.cookie != named.cookie => Outcome::Replaced,
            Found::Several => Outcome::NoSocket,
            Found::One(socket) => match diag.destroy(named.transport, &socket)? {
                Destroyed::Closed => Outcome::Done,
                Destroyed::Gone => Outcome::Gone,
            },
        })
    };
    match closed(named) {
        Ok(Outcome::NoSocket) => (Outcome::NoSocket, "several sockets have these ends".to_owned()),
        Ok(outcome) => (outcome, String::new()),
        Err(Error::Denied { .. }) => (Outcome::Denied, "it takes CAP_NET_ADMIN".to_owned()),
        Err(Error::Unsupported { .. }) => {
            (Outcome::Unsupported, "it was built without CONFIG_INET_DIAG_DESTROY".to_owned())
        }
        Err(error) => (Outcome::Failed, error.to_string()),
    }
}
