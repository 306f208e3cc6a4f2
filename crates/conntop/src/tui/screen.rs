//! Everything that is on the screen, as plain data: what [`super::draw`] draws and what
//! [`super::app::App`] makes. Texts and roles only; no widths, no colours, no places.

use std::sync::Arc;

use super::keymap::Hint;
use super::pane::Pane;
use super::theme::Role;

/// A text with its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Text, one line.
    pub text: String,
    /// Meaning.
    pub role: Role,
}

impl Span {
    /// A text with its meaning.
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role }
    }
}

/// Several texts on one line.
pub type Spans = Vec<Span>;

/// The whole screen.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Lines above the rows.
    pub header: Header,
    /// What is shown below them.
    pub pane: Pane,
    /// The filter, while there is one or one is being typed.
    pub filter: Option<FilterLine>,
    /// The rows.
    pub table: Table,
    /// What lies on top of the rows.
    pub layer: Option<Layer>,
    /// The last line.
    pub footer: Footer,
}

/// What was counted since conntop began or since the mark.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Since when, in a word.
    pub word: &'static str,
    /// How long that is, formatted.
    pub span: String,
    /// What was carried, as words and formatted amounts.
    pub parts: Vec<(&'static str, String)>,
}

/// The lines at the top.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Name of the machine.
    pub node: String,
    /// Where the flows come from; of a recording first the place in it.
    pub source: String,
    /// Whether that is a recording.
    pub replayed: bool,
    /// What all flows that leave or enter the local end receive, formatted.
    pub input: Option<String>,
    /// What they send, formatted.
    pub output: Option<String>,
    /// Words before the two (`in`, `out`).
    pub words: (&'static str, &'static str),
    /// Sums of all rates over the last ticks, oldest first.
    pub history: Vec<f64>,
    /// Whether nothing goes in or out, so that the rest matters more.
    pub quiet_outside: bool,
    /// Traffic that is neither, as words and formatted rates.
    pub others: Vec<(&'static str, String)>,
    /// Effective window of the rates, formatted.
    pub window: String,
    /// Time of the newest data by the collector's wall clock, `12:04:31`.
    pub clock: Option<String>,
    /// Flows in the table; `None` before anything was heard.
    pub flows: Option<u64>,
    /// Most flows that the table takes.
    pub max: Option<u64>,
    /// Flows that began, per second.
    pub begun: Option<f64>,
    /// Flows that ended, per second.
    pub ended: Option<f64>,
    /// What was counted since conntop began or since the mark.
    pub seen: Option<Seen>,
    /// What is not as it should be, most important first.
    pub abnormal: Vec<Span>,
}

/// The filter's line, and while it is typed the line below.
#[derive(Clone, Debug, Default)]
pub struct FilterLine {
    /// Word before it: `filter`, `search`.
    pub label: &'static str,
    /// The expression.
    pub text: String,
    /// Column of the cursor within the text while it is typed.
    pub cursor: Option<usize>,
    /// What the filter shows, or what is expected in it.
    pub totals: Spans,
    /// What may stand before the cursor, while somebody chooses.
    pub candidates: Option<Candidates>,
    /// Where the expression is wrong: columns from, to, and what was expected.
    pub error: Option<Caret>,
}

/// What may stand somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// As they would be written.
    pub words: Vec<String>,
    /// The one that stands there now.
    pub at: Option<usize>,
}

/// Points at a mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caret {
    /// First column of the text that is wrong.
    pub from: usize,
    /// Column after the last one.
    pub to: usize,
    /// What was expected.
    pub message: String,
    /// Whether it is no mistake yet: something is still to come.
    pub unfinished: bool,
}

/// Side on which a column's texts stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// Direction of the sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A column on the screen.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Name of the column in commands.
    pub key: &'static str,
    /// Heading.
    pub title: String,
    /// Cells of the screen.
    pub width: u16,
    /// Side.
    pub align: Align,
    /// How it is sorted, if it is.
    pub sorted: Option<Order>,
}

/// A row on the screen.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// One text for each column, in their order.
    pub cells: Vec<Span>,
    /// Columns of its own; `None` means those of the table.
    pub columns: Option<Arc<[Column]>>,
    /// Whether the flow has ended and stays for a while.
    pub ghost: bool,
    /// Whether it is the selected one.
    pub selected: bool,
}

/// The rows in view.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Lines above the headings.
    pub notes: Vec<Spans>,
    /// Columns, left to right.
    pub columns: Vec<Column>,
    /// Rows, from the top of the screen.
    pub rows: Vec<Row>,
    /// Why there are none, and what to do; shown only when there are none.
    pub empty: Vec<Spans>,
}

/// What lies on top of the rows.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A text that scrolls and covers the rows.
    Text {
        /// Heading.
        title: String,
        /// Lines.
        lines: Vec<Spans>,
        /// First line shown.
        top: usize,
    },
    /// A list to choose from.
    Menu {
        /// Heading.
        title: String,
        /// Choices.
        items: Vec<String>,
        /// The marked one.
        at: usize,
    },
    /// A list whose marked line is told more of.
    Picker {
        /// Heading.
        title: String,
        /// Choices.
        items: Vec<String>,
        /// The marked one.
        at: usize,
        /// What it is.
        note: String,
    },
    /// A question.
    Dialog {
        /// Heading.
        title: String,
        /// Paragraphs.
        text: Vec<Spans>,
    },
}

/// The last line.
#[derive(Clone, Debug, Default)]
pub struct Footer {
    /// Keys that do something now, most important first.
    pub keys: Vec<Hint>,
    /// What the rows are sorted by, unless a heading says it.
    pub order: Span,
    /// One state word: live, order frozen, paused.
    pub state: Span,
}
