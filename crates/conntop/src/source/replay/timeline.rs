//! When the messages of a recording came, as time since its beginning. The collector's clock tells
//! within a connection; between two connections its wall clock does where the machine began anew.

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{ServerHello, ServerMessage};

/// Follows the messages of a recording. All numbers are from outside: they never overflow and time
/// never falls, whatever they say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    /// What the latest hello says, and where it stands.
    base: Option<Base>,
    /// Milliseconds since the beginning of the latest message with a time.
    at: u64,
    /// The collector's clock there.
    boot: u64,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    at: u64,
    boot: u64,
    wall: u64,
    epoch: u64,
}

impl Timeline {
    /// Milliseconds since the beginning at which the next message came.
    pub(super) fn place(&mut self, message: &ServerMessage) -> u64 {
        match message {
            ServerMessage::Hello(hello) => self.hello(hello),
            ServerMessage::Delta(delta) => self.time(delta.at),
            ServerMessage::Table(table) => self.time(table.at),
            ServerMessage::Interfaces(interfaces) => self.time(interfaces.at),
            ServerMessage::Listeners(listeners) => self.time(listeners.at),
            _ => {}
        }
        self.at
    }

    /// Where the latest message stands.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The collector's clock at a place near the latest message.
    pub(super) fn boot(&self, at: u64) -> BootMillis {
        BootMillis(self.boot.saturating_add(at).saturating_sub(self.at))
    }

    fn hello(&mut self, hello: &ServerHello) {
        let boot = hello.clock.boot.0;
        if let Some(base) = self.base {
            let goes_on = hello.epoch == base.epoch && boot >= self.boot;
            let gap = if goes_on {
                boot - self.boot
            } else {
                let wall = base.wall.saturating_add(self.boot.saturating_sub(base.boot));
                hello.clock.wall_ms.saturating_sub(wall)
            };
            self.at = self.at.saturating_add(gap);
        }
        self.boot = boot;
        self.base = Some(Base { at: self.at, boot, wall: hello.clock.wall_ms, epoch: hello.epoch });
    }

    fn time(&mut self, boot: BootMillis) {
        let Some(base) = self.base else { return };
        self.at = self.at.max(base.at.saturating_add(boot.0.saturating_sub(base.boot)));
        self.boot = self.boot.max(boot.0);
    }
}

#[cfg(test)]
mod tests {
    use conntop_proto::codec::{Validate, decode_line};

    use super::*;

    /// `hello EPOCH BOOT WALL` or `delta AT`.
    fn message(text: &str) -> ServerMessage {
        let words: Vec<&str> = text.split(' ').collect();
        let line = match words[..] {
            ["hello", epoch, boot, wall] => format!(
                r#"{{"hello":{{"protocol":1,"server":"s","name":"n","epoch":{epoch},"platform":"p","features":[],"codecs":[],"interval_ms":1000,"kernel":{{"listening":true}},"clock":{{"boot":{boot},"wall_ms":{wall}}}}}}}"#
            ),
            ["delta", at] => format!(r#"{{"delta":{{"cursor":1,"at":{at}}}}}"#),
            _ => r#"{"ping":{"nonce":1}}"#.to_owned(),
        };
        decode_line(line.as_bytes(), Validate::Control).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    #[test]
    fn time_follows_the_collector_and_never_falls() {
        let check = |messages: &str, wanted: &[u64]| {
            let mut timeline = Timeline::default();
            let places: Vec<u64> = messages.split(", ").map(|m| timeline.place(&message(m))).collect();
            assert_eq!(places, wanted, "{messages}");
        };
        check("hello 1 5000 90000, delta 5000, delta 6000, ping, delta 8500", &[0, 0, 1000, 1000, 3500]);
        check("hello 1 5000 90000, delta 4000, delta 6000, delta 5500", &[0, 0, 1000, 1000]);
        // The same collector after a lost connection: its clock goes on, whatever the wall says.
        check("hello 1 5000 90000, delta 6000, hello 1 9000 10, delta 9500", &[0, 1000, 4000, 4500]);
        // A machine that began anew: the wall clock tells.
        check("hello 1 5000 90000, delta 6000, hello 2 100 151000, delta 1100", &[0, 1000, 61000, 62000]);
        check("hello 1 5000 90000, delta 6000, hello 2 100 5, delta 1100", &[0, 1000, 1000, 2000]);
        let last = 9_007_199_254_740_991_u64;
        check(
            &format!("hello 1 0 0, delta {last}, hello 2 0 {last}, delta {last}"),
            &[0, last, last, 2 * last],
        );
    }
}
