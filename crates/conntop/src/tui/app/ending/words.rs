//! What the dialog says.

use std::time::{Duration, Instant};

use conntop_proto::message::{Act, Outcome};
use conntop_proto::tuple::{L4, Proto, Tuple};

use super::{ANSWER, Ending, Phase, TITLE, WATCH};
use crate::enrich::processes::Process;
use crate::tui::details;
use crate::tui::screen::{Layer, Span, Spans};
use crate::tui::theme::Role;

/// Lines of a screen that has room for more than is needed.
const ROOMY: u16 = 20;

/// Port of ssh.
const SSH: u16 = 22;

/// Names of the keys of the three answers.
pub(crate) struct Keys {
    pub(crate) forget: String,
    pub(crate) close: String,
    pub(crate) no: String,
}

/// Why a collector ends nothing.
pub(super) fn unable(local: bool) -> &'static str {
    if local {
        "Flows cannot be ended here."
    } else {
        "The conntopd there ends no flow for you. It does when it was started with --allow-terminate, for root \
         and its own user on its machine, and for those who know its token."
    }
}

/// Whether it is a login by ssh, by its port.
pub(super) fn is_login(orig: &Tuple) -> bool {
    orig.proto == Proto::TCP && matches!(orig.l4, L4::Ports { dst: SSH, .. })
}

pub(super) fn process(process: &Process) -> Option<String> {
    let name = process.name.as_deref()?;
    Some(process.pid.map_or_else(|| name.to_owned(), |pid| format!("{name} (pid {pid})")))
}

fn line(text: impl Into<String>, role: Role) -> Spans {
    vec![Span::new(text.into(), role)]
}

impl Ending {
    /// The dialog at that moment.
    pub(crate) fn layer(&self, keys: &Keys, lines: u16, now: Instant) -> Layer {
        let mut text = vec![line(details::tuple(&self.row.identity.orig), Role::Title)];
        let whose = [self.node.as_ref().map(|node| format!("on {node}")), self.process.clone()];
        let whose: Vec<String> = whose.into_iter().flatten().collect();
        if !whose.is_empty() {
            text.push(line(whose.join(", "), Role::Label));
        }
        let nat = details::nat(&self.row.identity.orig, &self.row.identity.reply);
        if self.is_translated() && lines >= ROOMY {
            text.extend(nat.into_iter().take(1).map(|nat| line(nat, Role::Label)));
        }
        text.push(Vec::new());
        match &self.phase {
            Phase::Asking => self.question(keys, &mut text),
            phase => {
                text.extend(self.outcome(phase, now).into_iter().map(|(words, role)| line(words, role)));
            }
        }
        Layer::Dialog { title: TITLE.to_owned(), text }
    }

    fn question(&self, keys: &Keys, text: &mut Vec<Spans>) {
        if self.ended.is_some() {
            text.push(line("It has ended by itself meanwhile.", Role::Warning));
        }
        for warning in &self.warnings {
            text.push(line(warning.clone(), Role::Warning));
        }
        if !self.warnings.is_empty() {
            text.push(Vec::new());
        }
        let choices = [
            (&keys.close, "close the socket here: both ends are told", self.close),
            (&keys.forget, self.forgetting(), self.forget),
        ];
        for (key, words, possible) in choices {
            text.push(match possible {
                Ok(()) => {
                    vec![Span::new(key.clone(), Role::Key), Span::new(format!("  {words}"), Role::Text)]
                }
                Err(why) => line(format!("{key}  not possible: {why}"), Role::Dim),
            });
        }
        text.push(vec![Span::new(keys.no.clone(), Role::Key), Span::new("  leave it as it is", Role::Text)]);
    }

    fn forgetting(&self) -> &'static str {
        if self.is_translated() {
            "forget the entry: the ends are not told; it may come back with the next packet, translated anew"
        } else {
            "forget the entry: the ends are not told; it may come back with the next packet"
        }
    }

    fn is_translated(&self) -> bool {
        self.row.identity.reply != self.row.identity.orig.inverse()
    }

    /// What has come of it so far, most important last: it stays where there is little room.
    fn outcome(&self, phase: &Phase, now: Instant) -> Vec<(String, Role)> {
        let one = |words: &str, role: Role| vec![(words.to_owned(), role)];
        match phase {
            Phase::Asking => Vec::new(),
            Phase::Ordered { at, .. } if now.saturating_duration_since(*at) >= ANSWER => one(
                "No answer: it is not known whether it was done. Look whether the flow is still there.",
                Role::Warning,
            ),
            Phase::Ordered { .. } => one("asking the kernel …", Role::Label),
            Phase::Answered { act, outcome: Outcome::Done, at, .. } => {
                self.done(*act, now.saturating_duration_since(*at))
            }
            Phase::Answered { outcome, text, .. } => vec![(refused(*outcome, text), Role::Warning)],
        }
    }

    fn done(&self, act: Act, since: Duration) -> Vec<(String, Role)> {
        let did = match act {
            Act::Forget => "The kernel has removed the entry.",
            Act::Close => "The socket is closed, and the other end is told.",
        };
        let mut lines = vec![(did.to_owned(), Role::Text)];
        let seconds = WATCH.as_secs();
        let over = since >= WATCH;
        lines.push(match (self.ended, self.back) {
            (_, Some(back)) => {
                let after = self.ended.map_or(0, |ended| back.since(ended));
                let words = match act {
                    Act::Forget => "forgetting an entry ends no connection, closing its socket does",
                    Act::Close => "the same two ends are connected again",
                };
                let (whole, tenths) = (after / 1000, after % 1000 / 100);
                (format!("It came back after {whole}.{tenths} s: {words}."), Role::Warning)
            }
            (Some(_), None) if over => {
                (format!("It is gone, and has not come back for {seconds} s."), Role::Text)
            }
            (Some(_), None) => {
                (format!("It is gone. Looking for {seconds} s whether it comes back …"), Role::Text)
            }
            (None, None) if act == Act::Close => {
                ("Its entry stays in the table until its timeout.".to_owned(), Role::Text)
            }
            (None, None) if over => {
                ("It is still shown: the collector has not heard of its end yet.".to_owned(), Role::Warning)
            }
            (None, None) => ("Waiting until that shows …".to_owned(), Role::Label),
        });
        lines
    }
}

fn refused(outcome: Outcome, text: &str) -> String {
    let words = match outcome {
        Outcome::Done => "Done.",
        Outcome::Gone => "It had ended already: nothing was done.",
        Outcome::Replaced => {
            "Another flow has taken its place, or its counters were reset: it was left alone. Look again."
        }
        Outcome::NoSocket => "Nothing was closed.",
        Outcome::Denied => "Not permitted: conntop needs CAP_NET_ADMIN for this, as root has it.",
        Outcome::Refused => "The collector refuses.",
        Outcome::Limit => "Too many flows were ended just now: wait some seconds.",
        Outcome::Unsupported => "The kernel cannot do this.",
        Outcome::Failed => "It failed.",
    };
    match (outcome, text) {
        (Outcome::Denied, _) | (_, "") => words.to_owned(),
        (_, text) => format!("{words} {}{}", sentence(text), if text.ends_with('.') { "" } else { "." }),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
