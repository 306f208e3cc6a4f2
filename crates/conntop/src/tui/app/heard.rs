//! What the world tells: messages of nodes, what was found out beside the flows, and how effects ended.

use std::time::Instant;

use conntop_proto::columns::Ids;
use conntop_proto::message::ServerMessage;

use super::App;
use super::layers::{Open, Question};
use crate::columns::Preset;
use crate::enrich::Learned;
use crate::flow::NodeId;
use crate::geoip::progress::{self, News};
use crate::mirror::MirrorError;
use crate::source::SourceEvent;

/// What is told about databases of places.
const PLACES: &str = "Places of addresses";

impl App {
    /// Takes in what was found out beside the flows.
    pub fn learn(&mut self, learned: Learned) {
        match learned {
            Learned::Download(news) => self.downloaded(news),
            Learned::Geo(geo) if std::mem::take(&mut self.options.offer_places) => {
                if geo.found().is_empty() {
                    // Below what is open: keys that are on their way are not meant for this.
                    self.layers.insert(0, Open::Question(Question::Places));
                }
                self.nodes.learn(Learned::Geo(geo));
            }
            learned => self.nodes.learn(learned),
        }
    }

    fn downloaded(&mut self, news: News) {
        self.download = None;
        match news {
            News::Progress(words) => self.download = Some(words),
            News::Done => self.report(PLACES, progress::done()),
            News::Failed(why) => self.report(PLACES, progress::failed(&why)),
        }
    }

    /// The collector of a node was told of these flows. What stands on a paused screen stays as it is.
    pub fn focused(&mut self, node: NodeId, flows: &Ids) {
        if self.paused.is_none()
            && let Some(engine) = self.nodes.engine_mut(node)
        {
            engine.set_focus(flows);
        }
    }

    /// Takes in what the source of the first node told.
    ///
    /// # Errors
    /// As [`App::apply_of`].
    pub fn apply(&mut self, event: SourceEvent, now: Instant) -> Result<(), MirrorError> {
        self.apply_of(NodeId::default(), event, now)
    }

    /// Takes in what the source of a node told.
    ///
    /// # Errors
    /// When a message contradicts itself; [`App::fail`] shows it.
    pub fn apply_of(&mut self, node: NodeId, event: SourceEvent, now: Instant) -> Result<(), MirrorError> {
        if let SourceEvent::Messages(messages) = &event {
            messages.as_slice().iter().for_each(|message| self.hear_of_end(node, message, now));
        }
        if matches!(event, SourceEvent::Rewound) {
            self.rewound(node);
        }
        self.nodes.apply(node, event, now)?;
        self.applied(node);
        Ok(())
    }

    /// Takes in one message of a node's stream.
    ///
    /// # Errors
    /// As [`App::apply_of`].
    pub fn apply_message(
        &mut self,
        node: NodeId,
        message: &ServerMessage,
        now: Instant,
    ) -> Result<(), MirrorError> {
        self.hear_of_end(node, message, now);
        self.nodes.apply_message(node, message, now)?;
        self.applied(node);
        Ok(())
    }

    fn applied(&mut self, id: NodeId) {
        let Some(engine) = self.nodes.get(id).map(|node| node.engine()) else { return };
        let mirror = engine.mirror();
        if let Some(pace) = self.paces.get_mut(usize::from(id.0)) {
            pace.note(mirror);
        }
        if self.suits && mirror.position().synced && !mirror.is_empty() {
            self.suits = false;
            if engine.ends_here() {
                self.suit(Preset::Workstation);
            }
        }
    }

    /// Shows that the stream of a node cannot be trusted any more; what is on the screen stays.
    pub fn fail(&mut self, node: NodeId, text: String) {
        self.nodes.fail(node, text);
    }

    /// Shows how an effect ended.
    pub fn report(&mut self, title: &'static str, text: String) {
        self.layers.push(Open::Notice { title, text });
    }

    /// Shows that the kernel tracks connections now.
    pub fn activated(&mut self, text: String) {
        self.activated = true;
        self.report("Activate tracking", text);
    }
}
