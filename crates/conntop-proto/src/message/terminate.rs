//! Ending one flow: the only message that changes anything but what its sender gets. It names one
//! incarnation, so that nothing else can be hit however late it comes.

use serde::{Deserialize, Serialize};

use crate::flow::FlowId;

/// Ends one flow. Only for servers whose hello has the feature `terminate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Terminate {
    /// Any number; the answer bears it.
    pub request: u32,
    /// Epoch that the id is of.
    pub epoch: u64,
    /// The flow. An incarnation that came after it is left alone.
    pub id: FlowId,
    /// How.
    pub act: Act,
}

/// Ways to end a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Removes the entry of the connection tracking table. The ends of a connection are not told, so it
    /// may come back as another flow.
    Forget,
    /// Closes the socket that the flow has on the collector's machine; the other end is told.
    Close,
}

/// Answer to [`Terminate`]: what the kernel did. Whether the flow has ended is told by deltas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Terminated {
    /// That of the request.
    pub request: u32,
    /// The flow.
    pub id: FlowId,
    /// For programs.
    pub outcome: Outcome,
    /// For people: what there is to say besides; left out when that is nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What came of an order to end a flow. All but `done` have changed nothing, unless the text of `failed`
/// says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The kernel has done it.
    Done,
    /// There is no such flow any more.
    Gone,
    /// Another incarnation has taken its place, and was left alone.
    Replaced,
    /// No socket of the watched namespace is certain to be the flow's.
    NoSocket,
    /// The collector lacks the permission.
    Denied,
    /// The server does not do this, or not for this client.
    Refused,
    /// Too many orders; later ones will be heard.
    Limit,
    /// The kernel cannot do this.
    Unsupported,
    /// Something else went wrong.
    Failed,
}
