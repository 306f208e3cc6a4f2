//! The terminal: taken and given back.
//!
//! Order: raw mode, alternate screen, bracketed paste, cursor hidden; back in the opposite order.
//! Whatever ends the program (return, error, panic, signal) gives the terminal back exactly once
//! more than needed rather than once less: giving it back twice does no harm.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

/// What ratatui draws on.
pub type Screen = ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Whether this process holds the terminal, for the panic hook, which has no guard.
static HELD: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Holds the terminal until it is dropped.
pub struct Guard {
    screen: Screen,
}

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is no terminal that can be set to raw mode.
    pub fn take() -> io::Result<Self> {
        install_panic_hook();
        enter()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        match ratatui::Terminal::new(backend) {
            Ok(screen) => Ok(Self { screen }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
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
        let size = self.screen.size()?;
        self.screen.resize(Rect::from((Position::ORIGIN, size)))
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
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide);
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
