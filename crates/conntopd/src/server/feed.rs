//! What the server needs of the table, as two small traits: the collector in the daemon, a table fed
//! by hand in tests.

use bytes::Bytes;
use conntop_proto::message::{ClientHello, Codec, Focus, Look, ServerHello, Subscribe};

use crate::collector::{CollectorHandle, Order, Subscriber, SubscriberConfig};
use crate::table::FilterError;

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

    /// Names what the client looks at besides.
    fn look(&mut self, look: Look);

    /// Stops or resumes deltas.
    fn pause(&mut self, on: bool);

    /// Ends a flow. The order bears where the answer goes.
    fn terminate(&mut self, order: Order);
}

/// A subscription that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSubscription(pub String);

impl From<FilterError> for BadSubscription {
    fn from(error: FilterError) -> Self {
        Self(error.to_string())
    }
}

impl Feed for CollectorHandle {
    type Subscription = Subscriber;

    fn hello(&self) -> ServerHello {
        Self::hello(self)
    }

    fn subscribe(&self, hello: &ClientHello) -> Result<Subscriber, BadSubscription> {
        let config = SubscriberConfig { subscribe: hello.subscribe.clone(), resume: hello.resume };
        Ok(Self::subscribe(self, config)?)
    }
}

impl Subscription for Subscriber {
    async fn next(&mut self, codec: Codec) -> Option<Bytes> {
        let frame = Self::next(self).await?;
        match codec {
            Codec::None => Some(frame.line().clone()),
            #[cfg(feature = "zstd")]
            Codec::Zstd => Some(frame.zstd().clone()),
            // Never offered, so never accepted; ending is better than lines in the wrong codec.
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => None,
        }
    }

    fn update(&mut self, subscribe: Subscribe) -> Result<(), BadSubscription> {
        Ok(Self::update(self, &subscribe)?)
    }

    fn focus(&mut self, focus: Focus) {
        Self::focus(self, focus.id);
    }

    fn look(&mut self, look: Look) {
        Self::look(self, &look.at);
    }

    fn pause(&mut self, on: bool) {
        Self::pause(self, on);
    }

    fn terminate(&mut self, order: Order) {
        Self::terminate(self, order);
    }
}
