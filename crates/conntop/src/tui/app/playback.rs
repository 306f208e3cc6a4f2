//! A recording on the screen. It is the recording that stands when somebody pauses, not the display, so
//! what he looks for meanwhile is shown, and he can go on in steps.

use std::time::{Duration, Instant};

use super::App;
use super::layers::Open;
use super::pace::Pace;
use crate::flow::NodeId;
use crate::source::{Control, Playing, Speed};
use crate::tui::action::Effect;
use crate::tui::screen::Span;
use crate::tui::theme::Role;

impl App {
    /// Pauses what moves, or lets it go on.
    pub(super) fn pause(&mut self, now: Instant) -> Effect {
        if let Some(playing) = self.engine().playing() {
            return Effect::Pause(!playing.paused);
        }
        self.paused = if self.paused.is_some() { None } else { Some(now) };
        Effect::Pause(self.paused.is_some())
    }

    /// A recording begins anew: what is shown of the time behind is not known yet.
    pub(super) fn rewound(&mut self, node: NodeId) {
        if let Some(pace) = self.paces.get_mut(usize::from(node.0)) {
            *pace = Pace::default();
        }
    }

    /// Asks something of the recording, if this is one.
    pub(super) fn play(&mut self, control: Control) -> Option<Effect> {
        let playing = self.engine().playing()?;
        if matches!(control, Control::Skip(..0)) && !playing.rewinds {
            let text = "A recording that comes through a pipe cannot go back; one in a file can.".to_owned();
            self.layers.push(Open::Notice { title: "Recording", text });
            return None;
        }
        Some(Effect::Play(control))
    }

    /// Which recording it is, and where it stands.
    pub(super) fn recording_place(&self) -> Option<String> {
        let playing = self.engine().playing()?;
        let name = &self.options.source;
        let at = clock(playing.at);
        Some(match playing.length.filter(|length| *length >= playing.at) {
            Some(length) => format!("{at} of {} {name}", clock(length)),
            None => format!("{at} {name}"),
        })
    }

    /// How the recording goes on.
    pub(super) fn recording_word(&self) -> Span {
        match self.engine().playing() {
            Some(Playing { paused: true, .. }) => Span::new("paused", Role::Warning),
            _ if self.frozen => Span::new("order frozen", Role::Accent),
            Some(Playing { speed, .. }) if *speed != Speed::NORMAL => {
                Span::new(format!("replay {speed}x"), Role::Accent)
            }
            _ => Span::new("replay", Role::Label),
        }
    }
}

/// `0:12`, `1:04:31`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
