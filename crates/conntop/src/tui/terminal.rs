//! The terminal: taken and given back.
//!
//! Order: raw mode, alternate screen, bracketed paste, mouse, cursor hidden; back in the opposite order.
//! Whatever ends the program (return, error, panic, signal) gives the terminal back exactly once
//! more than needed rather than once less: giving it back twice does no harm.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{TerminalOptions, Viewport};

use super::clipboard::{Between, sequence};
use crate::platform::{DisableClicks, EnableClicks, terminal_size};

/// What ratatui draws on.
pub type Screen = ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Whether this process holds the terminal, for the panic hook, which has no guard.
static HELD: AtomicBool = AtomicBool::new(false);
/// Whether clicks are to be reported to us, each time that the terminal is taken.
static MOUSE: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Who gets clicks and the wheel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mouse {
    /// The program; with Shift held the terminal, so that texts can be selected.
    #[default]
    Program,
    /// The terminal.
    Terminal,
}

/// What is drawn on when the terminal does not tell its size.
const SMALL: (u16, u16) = (80, 24);

/// Holds the terminal until it is dropped.
pub struct Guard {
    screen: Screen,
    size: (u16, u16),
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is no terminal that can be set to raw mode.
    pub fn take(mouse: Mouse) -> io::Result<Self> {
        install_panic_hook();
        MOUSE.store(mouse == Mouse::Program, Ordering::SeqCst);
        enter()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        // Of a size that is told: else each drawing would open /dev/tty to ask for it.
        let (columns, lines) = terminal_size().unwrap_or(SMALL);
        let viewport = Viewport::Fixed(Rect::new(0, 0, columns, lines));
        match ratatui::Terminal::with_options(backend, TerminalOptions { viewport }) {
            Ok(screen) => Ok(Self { screen, size: (columns, lines) }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Fits what is drawn on to the terminal's size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn fit(&mut self, size: (u16, u16)) -> io::Result<()> {
        if size == self.size {
            return Ok(());
        }
        self.size = size;
        self.repaint()
    }

    /// What to draw on.
    pub fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }

    /// Gives the terminal back, lets `stop` stop the process, and takes the terminal again once the
    /// process goes on.
    ///
    /// # Errors
    /// When the terminal cannot be taken again.
    pub fn while_away(&mut self, stop: impl FnOnce()) -> io::Result<()> {
        leave();
        stop();
        enter()?;
        self.repaint()
    }

    /// Sends a text to the terminal's clipboard.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let Some(sequence) = sequence(text, Between::of(set("TMUX"), set("STY"))) else { return Ok(()) };
        let out = self.screen.backend_mut();
        out.write_all(sequence.as_bytes())?;
        Write::flush(out)
    }

    /// Whether the terminal is still ours: a panic anywhere in the program gives it back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        HELD.load(Ordering::SeqCst)
    }

    /// Forgets what is believed to be on the screen, so that all of it is drawn anew.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        // Not `clear`, which asks the terminal for the cursor's place and would wait for the answer
        // that the reader of the keyboard takes away.
        let (columns, lines) = self.size;
        self.screen.resize(Rect::new(0, 0, columns, lines))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    HELD.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let entered = execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
        .and_then(|()| if MOUSE.load(Ordering::SeqCst) { execute!(out, EnableClicks) } else { Ok(()) });
    if entered.is_err() {
        leave();
    }
    entered
}

/// Gives the terminal back if this process holds it. Errors have nobody to go to: the terminal may
/// be gone.
pub fn leave() {
    if !HELD.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if MOUSE.load(Ordering::SeqCst) {
        let _ = execute!(out, DisableClicks);
    }
    let _ = execute!(out, cursor::Show, DisableBracketedPaste, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

fn install_panic_hook() {
    HOOK.call_once(|| {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave();
            earlier(info);
        }));
    });
}
