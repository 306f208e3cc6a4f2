//! What a person can ask of the program, and what the program asks of its surroundings in turn.
//!
//! Keys become actions through [`super::bindings`]; nothing else knows about keys. Effects are the
//! only way in which the pure [`super::app::App`] reaches the world; the event loop carries them out.

use std::net::IpAddr;
use std::time::Instant;

use conntop_proto::message::Terminate;

use super::pane::Pane;
use crate::source::{Control, NodeId};

/// One step or jump in whatever is on top: the rows, a menu, a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// Half a page up.
    HalfUp,
    /// Half a page down.
    HalfDown,
    /// To the first line.
    Top,
    /// To the last line.
    Bottom,
}

/// One change of a line that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Puts a character before the cursor.
    Insert(char),
    /// Puts a text before the cursor; line breaks become blanks.
    Paste(String),
    /// Removes the character before the cursor.
    Backspace,
    /// Removes the character under the cursor.
    Delete,
    /// Removes the word before the cursor.
    KillWord,
    /// Removes everything before the cursor.
    KillToStart,
    /// Removes everything from the cursor on.
    KillToEnd,
    /// Moves the cursor one character to the left.
    Left,
    /// Moves the cursor one character to the right.
    Right,
    /// Moves the cursor to the start.
    Home,
    /// Moves the cursor to the end.
    End,
    /// Completes the word before the cursor.
    Complete,
    /// The candidate before.
    CompleteBack,
    /// Brings back the line accepted before.
    Older,
    /// Brings back the line accepted after.
    Newer,
}

/// A change of the marked column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choose {
    /// Shows it or takes it away.
    Toggle,
    /// Puts it one place further to the left.
    Earlier,
    /// Puts it one place further to the right.
    Later,
    /// One cell wider.
    Wider,
    /// One cell narrower.
    Narrower,
    /// Takes the default columns again.
    Reset,
}

/// Everything that a key, the mouse or the terminal can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leaves the program.
    Quit,
    /// Gives the terminal back to the shell until it is continued.
    Suspend,
    /// Draws everything anew, also what should be on the screen already.
    Redraw,
    /// Closes the topmost thing: menu, dialog, details, then the filter.
    Close,
    /// Shows the keys.
    Help,
    /// Shows everything about the selected flow.
    Details,
    /// Shows everything about the next flow.
    NextFlow,
    /// Shows everything about the flow before.
    PreviousFlow,
    /// Moves the selection, or the text on top.
    Move(Motion),
    /// Selects a row, or none.
    Cursor,
    /// Goes to a screen.
    Pane(Pane),
    /// Goes to the screen beside this one.
    NextPane,
    /// The other way.
    PreviousPane,
    /// Opens the list of what flows can be grouped by.
    GroupMenu,
    /// Opens the selected group in place.
    Unfold,
    /// Closes the group that is open.
    Fold,
    /// Marks a line of a menu, so that several are taken together.
    Pick,
    /// Puts something else together in the rows of the table.
    Regroup,
    /// Who uses the uplink: groups of local hosts, those who send most first.
    Uplink,
    /// Asks what of the selected row is to be shown alone.
    Only,
    /// Asks what of the selected row is not to be shown.
    Not,
    /// Opens the list of columns.
    Columns,
    /// Changes the marked one of the columns.
    Choose(Choose),
    /// Counts from now on.
    Mark,
    /// Sends a text of the selected row to the terminal's clipboard.
    Copy,
    /// Asks whether and how to end the selected flow.
    End,
    /// Has the entry of the flow removed that the question is about.
    Forget,
    /// Has its socket closed.
    CloseSocket,
    /// Opens the filter line.
    Filter,
    /// Opens the search line of the help.
    Search,
    /// Opens the menu of sort columns.
    SortMenu,
    /// Sorts by the next column on the screen.
    SortRight,
    /// Sorts by the previous column on the screen.
    SortLeft,
    /// Turns the order around.
    SortInvert,
    /// Stops and restarts the display; collection goes on.
    Pause,
    /// Asks something of the recording that plays.
    Play(Control),
    /// Keeps the rows where they are while their values move, or lets them move again.
    Freeze,
    /// The next of the rate windows.
    Window,
    /// Rates in bits or in bytes.
    Bits,
    /// Shows hosts by their names, or by their addresses again.
    Names,
    /// Shows ports by what they serve, or by their numbers again.
    Services,
    /// Hides flows within the local networks, or shows them again.
    HideLocal,
    /// Hides conntop's own questions for names, or shows them again.
    HideOwn,
    /// Asks whether to make the kernel track connections.
    Activate,
    /// Asks the registries who has the addresses of the flow.
    Whois,
    /// The next set of default columns.
    Layout,
    /// Changes the line that is being typed.
    Edit(Edit),
    /// Takes what is selected or typed.
    Accept,
    /// Yes to the question on the screen.
    Yes,
    /// No to it.
    No,
}

/// What the event loop is to do after an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Give the terminal back, stop, take it again when continued.
    Suspend,
    /// Tell the source to stop or to resume delivery.
    Pause(bool),
    /// Tell the recording what is asked of it.
    Play(Control),
    /// Forget what is believed to be on the screen.
    Repaint,
    /// Make the kernel track connections; the outcome comes back to the application.
    Activate,
    /// Send a text to the terminal's clipboard.
    Copy(String),
    /// Look what the program and the person are connected by; it comes back to the application.
    LookAround,
    /// Have a flow ended; the answer is a message of the node.
    Terminate {
        /// Whose flow.
        node: NodeId,
        /// Which one, and how.
        terminate: Terminate,
        /// When it is not to be asked for any more.
        until: Instant,
    },
    /// Remove what an earlier run of the program left in the kernel.
    RemoveLeftover,
    /// Download databases of places; how that goes on comes back as something learned.
    FetchPlaces,
    /// Remember that nobody wants them.
    RefusePlaces,
    /// Write this down for the next start.
    Remember(String),
    /// Ask the registries who has an address; what they say comes back to the application.
    Whois(IpAddr),
}
