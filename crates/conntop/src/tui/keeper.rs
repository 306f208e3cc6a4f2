//! Writes what is to be remembered, beside the screen: a folder on a dead network would stop every key.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::outlook::store;

/// How long the end of the program waits for the last writing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whoever writes; the latest text counts.
#[derive(Debug)]
pub struct Keeper {
    texts: Option<Sender<String>>,
    done: Receiver<Result<(), String>>,
}

impl Keeper {
    /// A keeper of that file.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        let (texts, inbox) = mpsc::channel::<String>();
        let (end, done) = mpsc::channel();
        let _detached = thread::spawn(move || {
            let mut result = Ok(());
            while let Ok(text) = inbox.recv() {
                let latest = inbox.try_iter().last().unwrap_or(text);
                result = store(&path, &latest)
                    .map_err(|error| format!("the view cannot be remembered in {}: {error}", path.display()));
            }
            let _nobody_waits = end.send(result);
        });
        Self { texts: Some(texts), done }
    }

    /// Has this written soon.
    pub fn keep(&self, text: String) {
        if let Some(texts) = &self.texts {
            let _thread_failed = texts.send(text);
        }
    }

    /// Waits until all is written, for a moment.
    ///
    /// # Errors
    /// Why the latest was not, for people.
    pub fn end(mut self) -> Result<(), String> {
        self.texts = None;
        self.done.recv_timeout(PATIENCE).unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_kept_and_failures_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.toml");
        let keeper = Keeper::of(path.clone());
        for number in 0..100 {
            keeper.keep(number.to_string());
        }
        keeper.end().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "99");
        let keeper = Keeper::of(path.join("below/a/file"));
        keeper.keep("x".into());
        assert!(keeper.end().unwrap_err().contains("cannot be remembered"));
        Keeper::of(path).end().unwrap();
    }
}
