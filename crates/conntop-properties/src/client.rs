//! A client of a server that says anything: whatever is decoded can be applied, filtered by the mirror's
//! limits, and its views can be read.

use std::time::{Duration, Instant};

use conntop::engine::Engine;
use conntop::flow::{Now, Source};
use conntop::mirror::Limits;
use conntop::source::{Messages, SourceEvent};
use conntop_proto::message::{Codec, ServerMessage};

use crate::{outcome, support};

const FLOWS: usize = 20;
const ENDED: usize = 10;

pub(crate) fn check(mut bytes: &[u8]) {
    let messages = if crate::take(&mut bytes, 2) == 0 {
        outcome::stream(&[bytes], Codec::None).messages
    } else {
        crate::generate(&support::server_message(), bytes, 6, 60)
    };
    let limits = Limits { flows: FLOWS, ended: ENDED, ghost: Duration::from_secs(10) };
    let mut engine = Engine::new(limits);
    let begun = Instant::now();
    for (millis, message) in (0..).zip(messages) {
        let now = begun + Duration::from_millis(millis);
        let event = match message {
            ServerMessage::Hello(hello) => SourceEvent::Connected(hello),
            message => SourceEvent::Messages(Messages::new([message])),
        };
        // A contradiction ends the connection.
        if engine.apply(event, now).is_err() {
            break;
        }
        look(&engine, now);
    }
}

fn look(engine: &Engine, now: Instant) {
    let mirror = engine.mirror();
    assert!(mirror.len() <= FLOWS, "{} flows", mirror.len());
    assert!(mirror.ended().count() <= ENDED, "{} ended flows", mirror.ended().count());
    assert_eq!(mirror.flows().count(), mirror.len());
    let boot = engine.collector_time(now);
    let source = Source::only(mirror, Now { boot, wall: engine.wall_micros(boot) });
    for view in source.live().chain(source.ended()) {
        let _ = (view.age(), view.idle(), view.timeout(), view.down_up(), view.bytes_down_up());
        let _ = (view.local(), view.remote(), view.translated_source(), view.translated_destination());
        // After a reset into another epoch old flows are shown without their ids.
        if mirror.position().synced {
            let id = view.flow.id();
            assert_eq!(source.get(id).map(|found| found.flow.id()), Some(id));
        }
    }
    let _ = (engine.notices(), engine.ends_here(), mirror.total_rates());
}
