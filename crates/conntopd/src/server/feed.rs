//! What the server needs of the table, as two small traits: the collector in the daemon, a table fed
//! by hand in tests.

use bytes::Bytes;
use conntop_proto::message::{ClientHello, Codec, Focus, ServerHello, Subscribe};

/// Source of subscriptions.
pub trait Feed: 'static {
    /// One client's subscription.
    type Subscription: Subscription;

    /// The hello of a server with this feed, as of now.
    fn hello(&self) -> ServerHello;

    /// Begins a subscription as `hello` asks.
    ///
    /// # Errors
    /// What is wrong with the subscription, for the client.
    fn subscribe(&self, hello: &ClientHello) -> Result<Self::Subscription, BadSubscription>;
}

/// One client's subscription; dropping it ends it.
pub trait Subscription: 'static {
    /// The next frame in `codec`, when there is one; `None` when the feed has ended. The feed makes
    /// the next one only when asked again. Dropping the future loses nothing.
    fn next(&mut self, codec: Codec) -> impl Future<Output = Option<Bytes>>;

    /// Replaces what is subscribed.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    fn update(&mut self, subscribe: Subscribe) -> Result<(), BadSubscription>;

    /// Names the flows that the client looks at.
    fn focus(&mut self, focus: Focus);

    /// Stops or resumes deltas.
    fn pause(&mut self, on: bool);
}

/// A subscription that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSubscription(pub String);
