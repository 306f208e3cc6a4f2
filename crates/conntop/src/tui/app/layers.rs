//! What is open on top of the rows, and what keys do there.

use std::time::Instant;

use conntop_proto::flow::{BootMillis, EndReason, FlowRow};

use super::App;
use super::choice::{Choice, Of};
use super::chooser::Chooser;
use super::ending::Ending;
use super::listing::sortable;
use super::whois::Asked;
use crate::flow::FlowKey;
use crate::tui::action::{Choose, Edit, Effect, Motion};
use crate::tui::bindings::Context;
use crate::tui::details::Trace;
use crate::tui::prompt::Prompt;

/// When and why a flow ended, and the kernel's stop time.
pub(crate) type End = (BootMillis, EndReason, Option<u64>);

/// Something on top of the rows.
pub(crate) enum Open {
    /// Everything about one flow, kept while it is open even when the flow is forgotten.
    Details {
        id: FlowKey,
        top: usize,
        row: Box<FlowRow>,
        end: Option<End>,
        trace: Trace,
    },
    Help {
        top: usize,
        search: Prompt,
        searching: bool,
    },
    Sort {
        at: usize,
    },
    /// Something to choose from.
    Choice(Choice),
    Chooser(Chooser),
    Question(Question),
    /// Who has an address.
    Whois(Asked),
    /// Whether a flow is to be ended, and what came of it.
    Ending(Box<Ending>),
    Notice {
        title: &'static str,
        text: String,
    },
}

/// A question that waits for yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Activate,
    Leftover,
    /// Databases of places are to be had.
    Places,
}

impl Open {
    pub(crate) fn help() -> Self {
        Self::Help { top: 0, search: Prompt::default(), searching: false }
    }

    pub(crate) fn context(&self) -> Context {
        match self {
            Self::Details { .. } => Context::Details,
            Self::Whois(_) => Context::Whois,
            Self::Help { searching: true, .. } => Context::Prompt,
            Self::Help { .. } => Context::Help,
            Self::Choice(Choice { of: Of::Keys(_), .. }) => Context::Keys,
            Self::Sort { .. } | Self::Choice(_) => Context::Menu,
            Self::Chooser(_) => Context::Columns,
            Self::Question(_) => Context::Dialog,
            Self::Ending(ending) if ending.asks() => Context::Ending,
            Self::Ending(_) => Context::Notice,
            Self::Notice { .. } => Context::Notice,
        }
    }

    /// When it says something else though nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Ending(ending) => ending.due(),
            _ => None,
        }
    }

    /// Closes something within it; false when it is to be closed as a whole.
    pub(crate) fn close_inner(&mut self) -> bool {
        match self {
            Self::Help { top, search, searching } if *searching || !search.text().is_empty() => {
                *searching = false;
                *top = 0;
                search.open("");
                true
            }
            _ => false,
        }
    }
}

impl App {
    /// Selects the first row in view, or none.
    pub(super) fn toggle_cursor(&mut self) {
        match self.cursor.selected {
            None => self.select_something(),
            Some(_) => self.cursor.release(),
        }
    }

    pub(super) fn select_something(&mut self) {
        if self.cursor.selected.is_none() {
            let height = usize::from(self.areas().body.height);
            self.cursor.select(&mut self.listing, height, self.cursor.top);
        }
    }

    pub(super) fn open_sort(&mut self) {
        let at = sortable().iter().position(|c| c.key == self.sort.column.key).unwrap_or(0);
        self.layers.push(Open::Sort { at });
    }

    /// The question about activation, or why it cannot be asked.
    pub(super) fn activation(&self) -> Open {
        let active = self.activated
            || self.engine().tracking() == Some(true)
                && self.engine().kernel().is_some_and(|k| k.acct == Some(true));
        if self.options.recording {
            let text = "This is a recording: nothing of the machine can be changed from here.".to_owned();
            return Open::Notice { title: "Activate tracking", text };
        }
        if !self.options.local {
            let text = "Tracking can be activated only on the machine itself: start conntop --activate \
                        there.";
            return Open::Notice { title: "Activate tracking", text: text.to_owned() };
        }
        if active {
            let text = "The kernel tracks connections here and counts their bytes: there is \
                        nothing to activate.";
            return Open::Notice { title: "Activate tracking", text: text.to_owned() };
        }
        Open::Question(Question::Activate)
    }

    pub(super) fn search_help(&mut self) {
        if let Some(Open::Help { searching, .. }) = self.layers.last_mut() {
            *searching = true;
        }
    }

    /// Moves in what is on top; false when the rows are.
    pub(super) fn step_layer(&mut self, motion: Motion) -> bool {
        let page = self.areas().text_lines().max(1);
        let choices = sortable().len();
        let lines = self.text_len();
        match self.layers.last_mut() {
            None => return false,
            Some(Open::Details { top, .. } | Open::Help { top, .. } | Open::Whois(Asked { top, .. })) => {
                *top = moved(*top, motion, page, lines.saturating_sub(page));
            }
            Some(Open::Chooser(chooser)) => {
                chooser.at = moved(chooser.at, motion, page, chooser.last());
            }
            Some(Open::Sort { at }) => {
                *at = moved(*at, motion, page, choices.saturating_sub(1));
            }
            Some(Open::Choice(Choice { at, items, .. })) => {
                *at = moved(*at, motion, page, items.len().saturating_sub(1));
            }
            Some(Open::Question(_) | Open::Ending(_) | Open::Notice { .. }) => {}
        }
        true
    }

    pub(super) fn edit(&mut self, edit: &Edit, now: Instant) {
        if self.filtering.open {
            self.hold_until = None;
            match edit {
                Edit::Complete => self.complete(1, now),
                Edit::CompleteBack => self.complete(-1, now),
                edit => self.filtering.edit(edit),
            }
        } else if let Some(Open::Help { top, search, searching: true }) = self.layers.last_mut()
            && search.edit(edit)
        {
            *top = 0;
        }
    }

    pub(super) fn accept(&mut self) -> Option<Effect> {
        if self.filtering.open {
            self.filtering.accept();
            return None;
        }
        match self.layers.last_mut() {
            Some(Open::Help { searching, .. }) => *searching = false,
            Some(Open::Sort { at }) => {
                let at = *at;
                self.layers.pop();
                match sortable().get(at) {
                    Some(column) if column.key == self.sort.column.key => self.invert(),
                    Some(column) => self.sort_by(column),
                    None => {}
                }
            }
            Some(Open::Choice(_)) => {
                if let Some(Open::Choice(choice)) = self.layers.pop() {
                    return self.chosen(choice);
                }
            }
            Some(Open::Chooser(_)) => self.choose_column(Choose::Toggle),
            None => self.choose(),
            _ => {}
        }
        None
    }

    pub(super) fn answer(&mut self, yes: bool) -> Option<Effect> {
        let question = match self.layers.pop()? {
            Open::Question(question) => question,
            _ => return None,
        };
        match question {
            Question::Activate => yes.then_some(Effect::Activate),
            Question::Leftover => yes.then_some(Effect::RemoveLeftover),
            Question::Places if yes => Some(Effect::FetchPlaces),
            Question::Places => Some(Effect::RefusePlaces),
        }
    }
}

fn moved(from: usize, motion: Motion, page: usize, last: usize) -> usize {
    let half = (page / 2).max(1);
    let to = match motion {
        Motion::Up => from.saturating_sub(1),
        Motion::Down => from.saturating_add(1),
        Motion::PageUp => from.saturating_sub(page),
        Motion::PageDown => from.saturating_add(page),
        Motion::HalfUp => from.saturating_sub(half),
        Motion::HalfDown => from.saturating_add(half),
        Motion::Top => 0,
        Motion::Bottom => last,
    };
    to.min(last)
}
