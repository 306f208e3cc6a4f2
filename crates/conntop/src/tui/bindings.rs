//! The one table of keys: what each does, where, and how the help says it.
//!
//! [`super::keymap::Keymap`] is made of it, and dispatch, the help and the footer ask that; a new key is
//! one row. The order of the rows is the order of the help, and the importance of the words in the footer.

use crossterm::event::KeyCode;

use super::action::{Action, Choose, Edit, Motion};
use super::key::Key;
use super::pane::Pane;
use crate::source::Control;

/// What is on top and gets the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// The rows of flows.
    Flows,
    /// The rows of groups.
    Groups,
    /// Rows that are neither: listeners, interfaces, the table.
    Tables,
    /// Everything about one flow.
    Details,
    /// Who has an address.
    Whois,
    /// The list of keys.
    Help,
    /// A list to choose from.
    Menu,
    /// The list of what flows can be grouped by.
    Keys,
    /// The list of columns.
    Columns,
    /// A line to type.
    Prompt,
    /// A question.
    Dialog,
    /// The question whether to end a flow.
    Ending,
    /// A message.
    Notice,
}

impl Context {
    /// Every context, in the order of the help.
    pub const ALL: &[Self] = &[
        Self::Flows,
        Self::Groups,
        Self::Tables,
        Self::Details,
        Self::Whois,
        Self::Help,
        Self::Menu,
        Self::Keys,
        Self::Columns,
        Self::Prompt,
        Self::Dialog,
        Self::Ending,
        Self::Notice,
    ];

    /// Heading in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Flows => "Flows",
            Self::Groups => "Groups",
            Self::Tables => "Listeners, interfaces, table",
            Self::Details => "Details",
            Self::Whois => "Whois",
            Self::Help => "Help",
            Self::Menu => "Menu",
            Self::Keys => "Group by",
            Self::Columns => "Choosing columns",
            Self::Prompt => "While typing",
            Self::Dialog => "Question",
            Self::Ending => "End a flow",
            Self::Notice => "Message",
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Keys; the footer shows the first.
    pub keys: &'static [Key],
    /// What they do.
    pub action: Action,
    /// Where.
    pub contexts: &'static [Context],
    /// What the help says.
    pub help: &'static str,
    /// Word beside the key in the footer; empty when it is not shown there.
    pub footer: &'static str,
}

use Context::{
    Columns, Details, Dialog, Ending, Flows, Groups, Help, Keys, Menu, Notice, Prompt, Tables, Whois,
};

const ROWS: &[Context] = &[Flows];
const PANES: &[Context] = &[Flows, Groups, Tables];
const PLAYS: &[Context] = &[Flows, Groups, Tables, Details];
const OF_FLOWS: &[Context] = &[Flows, Groups];
const SCROLLS: &[Context] = &[Flows, Groups, Tables, Details, Whois, Help, Menu, Keys, Columns];
const PAGES: &[Context] = &[Flows, Tables, Details, Whois, Help, Menu, Keys, Columns];
const CLOSES: &[Context] = &[Details, Whois, Help, Menu, Keys, Columns, Notice];
const ANYWHERE: &[Context] =
    &[Flows, Groups, Tables, Details, Whois, Help, Menu, Keys, Columns, Prompt, Dialog, Ending, Notice];

const fn bind(
    keys: &'static [Key],
    action: Action,
    contexts: &'static [Context],
    help: &'static str,
    footer: &'static str,
) -> Binding {
    Binding { keys, action, contexts, help, footer }
}

const fn named(code: KeyCode) -> Key {
    Key::plain(code)
}

/// Every key.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Key::ch('?'), Key::f(1)],
        Action::Help,
        &[Flows, Groups, Tables, Details, Whois, Menu, Keys, Columns],
        "this help",
        "Help",
    ),
    bind(
        &[Key::ch('/'), Key::f(3), Key::f(4)],
        Action::Filter,
        OF_FLOWS,
        "filter the flows, such as: port 443 and not dst in 10/8",
        "Filter",
    ),
    bind(&[Key::ch('s'), Key::f(6)], Action::SortMenu, ROWS, "choose the column to sort by", "Sort"),
    bind(&[Key::ch('>')], Action::SortRight, PANES, "sort by the next column", ""),
    bind(&[Key::ch('<')], Action::SortLeft, PANES, "sort by the previous column", ""),
    bind(&[Key::ch('I')], Action::SortInvert, PANES, "turn the order around", ""),
    bind(&[named(KeyCode::Enter)], Action::Details, ROWS, "everything about the selected flow", "Details"),
    bind(&[Key::ch('n')], Action::NextFlow, &[Details], "the next flow, at the same line", "Next"),
    bind(&[Key::ch('p')], Action::PreviousFlow, &[Details], "the flow before, at the same line", ""),
    bind(&[named(KeyCode::Enter)], Action::Accept, &[Groups, Tables], "open the selected row", "Open"),
    bind(&[Key::ch('t'), Key::f(5)], Action::GroupMenu, OF_FLOWS, "group flows by one or two keys", "Group"),
    bind(
        &[Key::ch('t'), Key::f(5)],
        Action::Regroup,
        &[Tables],
        "table: by source and state, by source, by state",
        "",
    ),
    bind(
        &[Key::ch('u')],
        Action::Uplink,
        OF_FLOWS,
        "who uses the uplink: local hosts, those who send most first",
        "",
    ),
    bind(&[Key::ch('=')], Action::Only, OF_FLOWS, "show only what has something in common with the row", ""),
    bind(&[Key::ch('!')], Action::Not, OF_FLOWS, "leave out what has something in common with the row", ""),
    bind(
        &[Key::ch(' ')],
        Action::Pause,
        &[Flows, Groups, Tables, Details],
        "pause the display; collection goes on (a recording stands)",
        "Pause",
    ),
    bind(&[Key::ch('y')], Action::Copy, &[Flows, Details], "copy through the terminal's clipboard", "Copy"),
    bind(&[Key::ch('E'), Key::f(9)], Action::End, &[Flows, Details], "end the flow (asks first)", "End"),
    bind(&[Key::ch('[')], Action::Play(Control::Slower), PLAYS, "recording: half as fast", ""),
    bind(&[Key::ch(']')], Action::Play(Control::Faster), PLAYS, "recording: twice as fast", ""),
    bind(&[Key::ch('{')], Action::Play(Control::Skip(-30)), PLAYS, "recording: 30 seconds back", ""),
    bind(&[Key::ch('}')], Action::Play(Control::Skip(30)), PLAYS, "recording: 30 seconds forward", ""),
    bind(&[Key::ch('.')], Action::Play(Control::Step), PLAYS, "recording: pause behind the next change", ""),
    bind(&[Key::ch('o')], Action::Freeze, OF_FLOWS, "freeze the order: values move, rows do not", "Order"),
    bind(
        &[Key::ch('w')],
        Action::Window,
        &[Flows, Groups, Tables, Details],
        "window of the rates: 2, 10 or 40 s",
        "Window",
    ),
    bind(
        &[Key::ch('b')],
        Action::Bits,
        &[Flows, Groups, Tables, Details],
        "rates in bits or in bytes",
        "Bits",
    ),
    bind(
        &[Key::ch('W')],
        Action::Whois,
        &[Details, Whois],
        "ask the registries who has the address of the remote end; again: of the next",
        "Whois",
    ),
    bind(&[Key::ch('n')], Action::Names, PANES, "hosts by name or by address", "Names"),
    bind(&[Key::ch('N')], Action::Services, PANES, "ports by service or by number", ""),
    bind(
        &[Key::ch('L')],
        Action::HideLocal,
        OF_FLOWS,
        "hide flows within the local networks, or show them",
        "",
    ),
    bind(
        &[Key::ch('Q')],
        Action::HideOwn,
        OF_FLOWS,
        "hide conntop's own questions for names, or show them",
        "",
    ),
    bind(
        &[Key::ch('C'), Key::f(2)],
        Action::Columns,
        ROWS,
        "choose columns, their order and width",
        "Columns",
    ),
    bind(&[], Action::Cursor, ROWS, "select a row, or none", ""),
    bind(&[Key::ch('z')], Action::Mark, OF_FLOWS, "set the mark: `seen` counts from now on", ""),
    bind(&[Key::ch('v')], Action::Layout, ROWS, "columns of a router or of a workstation", "View"),
    bind(&[Key::ch('A')], Action::Activate, PANES, "make the kernel track connections (asks first)", ""),
    bind(
        &[named(KeyCode::Esc)],
        Action::Close,
        ANYWHERE,
        "close the topmost thing: menu, dialog, details, then the filter",
        "",
    ),
    bind(&[Key::ch('?'), Key::f(1)], Action::Close, &[Help], "close the help", ""),
    bind(&[named(KeyCode::Enter)], Action::Close, &[Notice], "close", "Close"),
    bind(&[Key::ch('q')], Action::Close, CLOSES, "close", "Close"),
    bind(&[Key::ch('q'), Key::f(10)], Action::Quit, PANES, "quit", "Quit"),
    bind(
        &[Key::f(10)],
        Action::Quit,
        &[Details, Whois, Help, Menu, Keys, Columns, Prompt, Dialog, Ending, Notice],
        "quit",
        "",
    ),
    bind(
        &[Key::ctrl('c')],
        Action::Quit,
        &[Flows, Groups, Tables, Details, Whois, Help, Menu, Keys, Columns, Notice],
        "quit",
        "",
    ),
    bind(&[Key::ctrl('c')], Action::Close, &[Prompt, Dialog, Ending], "cancel", ""),
    bind(&[named(KeyCode::Up), Key::ch('k')], Action::Move(Motion::Up), SCROLLS, "one line up", ""),
    bind(&[named(KeyCode::Down), Key::ch('j')], Action::Move(Motion::Down), SCROLLS, "one line down", ""),
    bind(
        &[named(KeyCode::PageUp), named(KeyCode::Left), Key::ch('h')],
        Action::Move(Motion::PageUp),
        PAGES,
        "one page up",
        "",
    ),
    bind(
        &[named(KeyCode::PageDown), named(KeyCode::Right), Key::ch('l')],
        Action::Move(Motion::PageDown),
        PAGES,
        "one page down",
        "",
    ),
    bind(&[named(KeyCode::PageUp)], Action::Move(Motion::PageUp), &[Groups], "one page up", ""),
    bind(&[named(KeyCode::PageDown)], Action::Move(Motion::PageDown), &[Groups], "one page down", ""),
    bind(
        &[named(KeyCode::Right), Key::ch('l')],
        Action::Unfold,
        &[Groups],
        "open the selected group in place: its flows stand under it",
        "",
    ),
    bind(&[named(KeyCode::Left), Key::ch('h')], Action::Fold, &[Groups], "close the open group", ""),
    bind(&[Key::ctrl('u')], Action::Move(Motion::HalfUp), SCROLLS, "half a page up", ""),
    bind(&[Key::ctrl('d')], Action::Move(Motion::HalfDown), SCROLLS, "half a page down", ""),
    bind(&[Key::ch('g'), named(KeyCode::Home)], Action::Move(Motion::Top), SCROLLS, "to the first", ""),
    bind(&[Key::ch('G'), named(KeyCode::End)], Action::Move(Motion::Bottom), SCROLLS, "to the last", ""),
    bind(&[named(KeyCode::Tab)], Action::NextPane, PANES, "the next screen", ""),
    bind(&[named(KeyCode::BackTab)], Action::PreviousPane, PANES, "the screen before", ""),
    bind(&[Key::ch('1')], Action::Pane(Pane::Flows), PANES, "flows", ""),
    bind(&[Key::ch('2')], Action::Pane(Pane::Groups), PANES, "groups of flows", ""),
    bind(&[Key::ch('3')], Action::Pane(Pane::Listeners), PANES, "sockets that wait for connections", ""),
    bind(&[Key::ch('4')], Action::Pane(Pane::Interfaces), PANES, "interfaces and what passes them", ""),
    bind(&[Key::ch('5')], Action::Pane(Pane::Table), PANES, "who fills the table", ""),
    bind(&[Key::ch('/')], Action::Search, &[Help], "search the help", "Search"),
    bind(
        &[Key::ch(' ')],
        Action::Choose(Choose::Toggle),
        &[Columns],
        "show the column, or take it away",
        "On/off",
    ),
    bind(
        &[Key::ch('K'), Key::ch('<')],
        Action::Choose(Choose::Earlier),
        &[Columns],
        "put the column further to the left",
        "Left",
    ),
    bind(
        &[Key::ch('J'), Key::ch('>')],
        Action::Choose(Choose::Later),
        &[Columns],
        "put the column further to the right",
        "Right",
    ),
    bind(
        &[Key::ch('+'), Key::ch('=')],
        Action::Choose(Choose::Wider),
        &[Columns],
        "make the column wider",
        "Wider",
    ),
    bind(
        &[Key::ch('-')],
        Action::Choose(Choose::Narrower),
        &[Columns],
        "make the column narrower",
        "Narrower",
    ),
    bind(
        &[Key::ch('r')],
        Action::Choose(Choose::Reset),
        &[Columns],
        "take the default columns again",
        "Reset",
    ),
    bind(&[named(KeyCode::Enter), Key::ch('C'), Key::f(2)], Action::Close, &[Columns], "done", "Done"),
    bind(&[named(KeyCode::Enter)], Action::Accept, &[Menu, Keys], "take the marked line", "Take"),
    bind(&[Key::ch(' ')], Action::Pick, &[Keys], "group by a line as first or second key", "Pick"),
    bind(&[Key::ch('I')], Action::SortInvert, &[Menu], "turn the order around", ""),
    bind(&[named(KeyCode::Enter)], Action::Accept, &[Prompt], "take what is typed", "Take"),
    bind(&[named(KeyCode::Tab)], Action::Edit(Edit::Complete), &[Prompt], "complete the word", "Complete"),
    bind(
        &[named(KeyCode::BackTab)],
        Action::Edit(Edit::CompleteBack),
        &[Prompt],
        "complete the word, the other way round",
        "",
    ),
    bind(
        &[named(KeyCode::Up), Key::ctrl('p')],
        Action::Edit(Edit::Older),
        &[Prompt],
        "the line typed before",
        "Earlier",
    ),
    bind(
        &[named(KeyCode::Down), Key::ctrl('n')],
        Action::Edit(Edit::Newer),
        &[Prompt],
        "the line typed after",
        "",
    ),
    bind(
        &[named(KeyCode::Backspace), Key::ctrl('h')],
        Action::Edit(Edit::Backspace),
        &[Prompt],
        "remove the character before the cursor",
        "",
    ),
    bind(
        &[named(KeyCode::Delete), Key::ctrl('d')],
        Action::Edit(Edit::Delete),
        &[Prompt],
        "remove the character under the cursor",
        "",
    ),
    bind(&[Key::ctrl('w')], Action::Edit(Edit::KillWord), &[Prompt], "remove the word before the cursor", ""),
    bind(
        &[Key::ctrl('u')],
        Action::Edit(Edit::KillToStart),
        &[Prompt],
        "remove everything before the cursor",
        "Clear",
    ),
    bind(
        &[Key::ctrl('k')],
        Action::Edit(Edit::KillToEnd),
        &[Prompt],
        "remove everything after the cursor",
        "",
    ),
    bind(
        &[named(KeyCode::Left), Key::ctrl('b')],
        Action::Edit(Edit::Left),
        &[Prompt],
        "one character to the left",
        "",
    ),
    bind(
        &[named(KeyCode::Right), Key::ctrl('f')],
        Action::Edit(Edit::Right),
        &[Prompt],
        "one character to the right",
        "",
    ),
    bind(
        &[named(KeyCode::Home), Key::ctrl('a')],
        Action::Edit(Edit::Home),
        &[Prompt],
        "to the start of the line",
        "",
    ),
    bind(
        &[named(KeyCode::End), Key::ctrl('e')],
        Action::Edit(Edit::End),
        &[Prompt],
        "to the end of the line",
        "",
    ),
    bind(&[Key::ch('y'), Key::ch('Y')], Action::Yes, &[Dialog], "yes", "Yes"),
    bind(&[Key::ch('n'), Key::ch('N'), Key::ch('q')], Action::No, &[Dialog, Ending], "no", "No"),
    bind(
        &[Key::ch('c')],
        Action::CloseSocket,
        &[Ending],
        "close the socket that the flow has here",
        "Close socket",
    ),
    bind(&[Key::ch('f')], Action::Forget, &[Ending], "forget the flow's conntrack entry", "Forget"),
    bind(&[named(KeyCode::Enter)], Action::No, &[Ending], "leave the flow as it is", ""),
    bind(&[Key::ctrl('l')], Action::Redraw, ANYWHERE, "draw the screen anew", ""),
    bind(&[Key::ctrl('z')], Action::Suspend, ANYWHERE, "back to the shell until `fg`", ""),
];
