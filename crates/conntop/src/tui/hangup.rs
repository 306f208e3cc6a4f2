//! Notices that the terminal is gone.
//!
//! SIGHUP usually says so, but not to a program that ignores it or has no controlling terminal, and
//! crossterm's reader spins for ever on a terminal at its end. A thread waits for the hang-up in
//! `poll`, tells the event loop, and ends the process itself if the loop is caught in that reader.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::platform::wait_for_hangup;

/// How long the event loop may take to end after a hang-up: far longer than it needs.
const GRACE: Duration = Duration::from_secs(2);

/// A receiver that gets `()` when the terminal on standard output is gone.
///
/// # Errors
/// When no thread can be started.
pub fn watch() -> std::io::Result<oneshot::Receiver<()>> {
    let (tell, told) = oneshot::channel();
    thread::Builder::new().name("ct-hangup".to_owned()).spawn(move || {
        wait_for_hangup();
        let _ = tell.send(());
        thread::sleep(GRACE);
        std::process::exit(1);
    })?;
    Ok(told)
}
