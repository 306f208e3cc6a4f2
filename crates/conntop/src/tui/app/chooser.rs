//! Choosing columns: which, in which order, how wide. What is chosen is shown at once behind the list, so
//! there is nothing to confirm. Columns that are not shown keep their place in the list while it is open.

use super::App;
use super::layers::Open;
use super::listing::Ask;
use crate::columns::{COLUMNS, Layout, Picked};
use crate::tui::action::Choose;
use crate::tui::screen::Layer;

/// Every column, those that are shown first to begin with.
pub(crate) struct Chooser {
    items: Vec<Item>,
    pub(crate) at: usize,
}

#[derive(Clone, Copy)]
struct Item {
    picked: Picked,
    shown: bool,
}

impl Chooser {
    fn of(shown: &[Picked]) -> Self {
        let others = COLUMNS.iter().filter(|column| shown.iter().all(|is| is.column.key != column.key));
        let shown = shown.iter().map(|picked| Item { picked: *picked, shown: true });
        let others = others.map(|column| Item { picked: column.into(), shown: false });
        Self { items: shown.chain(others).collect(), at: 0 }
    }

    pub(crate) fn last(&self) -> usize {
        self.items.len().saturating_sub(1)
    }

    fn picked(&self) -> Vec<Picked> {
        self.items.iter().filter(|item| item.shown).map(|item| item.picked).collect()
    }

    fn shift(&mut self, to: usize) {
        if to <= self.last() {
            self.items.swap(self.at, to);
            self.at = to;
        }
    }

    pub(crate) fn layer(&self, layout: &Layout) -> Layer {
        let width_of = |picked: &Picked| {
            let placed = layout.columns.iter().find(|placed| placed.column.key == picked.column.key);
            match (placed, picked.width) {
                (Some(placed), None) => placed.width.to_string(),
                (Some(placed), Some(width)) if placed.width == width => format!("{width}!"),
                (_, Some(width)) => format!("({width}!)"),
                (None, None) => "no room".to_owned(),
            }
        };
        let text = |item: &Item| {
            let sign = if item.shown { "[x]" } else { "[ ]" };
            let width = if item.shown { width_of(&item.picked) } else { String::new() };
            format!("{sign} {:<12} {:<13}{width:>8}", item.picked.column.key, item.picked.column.header)
        };
        let note = self.items.get(self.at).map_or("", |item| item.picked.column.help);
        Layer::Picker {
            title: "Columns".to_owned(),
            items: self.items.iter().map(text).collect(),
            at: self.at,
            note: note.to_owned(),
        }
    }
}

fn shown(layout: &Layout) -> Vec<Picked> {
    layout.columns.iter().map(|placed| Picked::from(placed.column)).collect()
}

impl App {
    /// Opens the list of columns.
    pub(super) fn open_chooser(&mut self, ask: &Ask) {
        self.layers.push(Open::Chooser(Chooser::of(&self.in_use(ask))));
    }

    /// The columns that are shown, those among them for which there is no room, too.
    fn in_use(&self, ask: &Ask) -> Vec<Picked> {
        if !self.picked.is_empty() {
            return self.picked.clone();
        }
        shown(&ask.layout())
    }

    /// Changes the marked column.
    pub(super) fn choose_column(&mut self, how: Choose) {
        let Some(Open::Chooser(chooser)) = self.layers.last_mut() else { return };
        let at = chooser.at;
        match how {
            Choose::Toggle => {
                let shown = chooser.items.iter().filter(|item| item.shown).count();
                if let Some(item) = chooser.items.get_mut(at)
                    && (shown > 1 || !item.shown)
                {
                    item.shown = !item.shown;
                }
            }
            Choose::Earlier if at == 0 => {}
            Choose::Earlier => chooser.shift(at - 1),
            Choose::Later => chooser.shift(at + 1),
            Choose::Wider | Choose::Narrower => {
                let Some(item) = chooser.items.get_mut(at) else { return };
                let placed =
                    self.screen.table.columns.iter().find(|column| column.key == item.picked.column.key);
                let ideal = item.picked.column.width.ideal;
                let width = item.picked.width.or(placed.map(|placed| placed.width)).unwrap_or(ideal);
                let step = if how == Choose::Wider { 1 } else { -1 };
                item.picked = item.picked.wide(width.saturating_add_signed(step));
            }
            Choose::Reset => {
                self.layers.pop();
                self.picked.clear();
                let usual = Layout::preset(self.preset, self.nodes.offers(), self.size.0);
                return self.layers.push(Open::Chooser(Chooser::of(&shown(&usual))));
            }
        }
        self.picked = chooser.picked();
    }
}
