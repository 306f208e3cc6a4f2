//! A line that is being typed: pure, by grapheme, with the lines accepted before.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::action::Edit;

/// Longest line in bytes: nobody types more, and a paste by mistake ends here.
pub const MAX_LINE: usize = 1024;
/// Most lines that are remembered: as many as a person would search for with Up.
pub const MAX_HISTORY: usize = 50;

/// Text, cursor and history of a prompt.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    text: String,
    /// Byte position, always at the boundary of a grapheme.
    cursor: usize,
    history: Vec<String>,
    /// Position in the history and the line that was being typed when one went there.
    recalled: Option<(usize, String)>,
}

impl Prompt {
    /// What is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Columns of the screen before the cursor.
    #[must_use]
    pub fn cursor_column(&self) -> usize {
        self.text.get(..self.cursor).map_or(0, UnicodeWidthStr::width)
    }

    /// What is typed before the cursor.
    #[must_use]
    pub fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or("")
    }

    /// Puts another text in place of what is typed before the cursor; what is too long is left as it is.
    pub fn replace_before(&mut self, text: &str) {
        let behind = self.text.get(self.cursor..).unwrap_or("");
        if text.len().saturating_add(behind.len()) <= MAX_LINE {
            self.text = format!("{text}{behind}");
            self.cursor = text.len();
        }
    }

    /// Begins with that text, the cursor at its end.
    pub fn open(&mut self, text: &str) {
        self.set(text.to_owned());
        self.recalled = None;
    }

    /// Remembers what is typed as accepted.
    pub fn accept(&mut self) {
        self.recalled = None;
        if self.text.trim().is_empty() || self.history.last() == Some(&self.text) {
            return;
        }
        if self.history.len() == MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(self.text.clone());
    }

    /// Changes the line; true if the text is another one now.
    pub fn edit(&mut self, edit: &Edit) -> bool {
        let before = self.text.clone();
        match edit {
            Edit::Insert(ch) => self.insert(&ch.to_string()),
            Edit::Paste(text) => {
                let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                self.insert(line.trim_end());
            }
            Edit::Backspace => self.cut(self.left(), self.cursor),
            Edit::Delete => self.cut(self.cursor, self.right()),
            Edit::KillWord => self.cut(self.word_start(), self.cursor),
            Edit::KillToStart => self.cut(0, self.cursor),
            Edit::KillToEnd => self.cut(self.cursor, self.text.len()),
            // Whoever knows what may be meant does that.
            Edit::Complete | Edit::CompleteBack => {}
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.text.len(),
            Edit::Older => self.older(),
            Edit::Newer => self.newer(),
        }
        self.text != before
    }

    fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    fn insert(&mut self, text: &str) {
        if self.text.len().saturating_add(text.len()) > MAX_LINE {
            return;
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn left(&self) -> usize {
        let last = self.before().graphemes(true).next_back().map_or(0, str::len);
        self.cursor.saturating_sub(last)
    }

    fn right(&self) -> usize {
        let rest = self.text.get(self.cursor..).unwrap_or("");
        self.cursor + rest.graphemes(true).next().map_or(0, str::len)
    }

    fn word_start(&self) -> usize {
        let trimmed = self.before().trim_end();
        trimmed.rfind(' ').map_or(0, |blank| blank + 1)
    }

    fn older(&mut self) {
        let (at, typed) = match self.recalled.take() {
            Some((at, typed)) => (at, typed),
            None => (self.history.len(), self.text.clone()),
        };
        // The line that stands there already is none that was typed before.
        let another = |(_, line): &(usize, &String)| **line != self.text;
        let before = self.history.iter().enumerate().take(at).rev().find(another);
        let Some((previous, line)) = before.map(|(previous, line)| (previous, line.clone())) else {
            self.recalled = Some((at, typed));
            return;
        };
        self.set(line);
        self.recalled = Some((previous, typed));
    }

    fn newer(&mut self) {
        let Some((at, typed)) = self.recalled.take() else { return };
        match self.history.get(at + 1).cloned() {
            Some(line) => {
                self.set(line);
                self.recalled = Some((at + 1, typed));
            }
            None => self.set(typed),
        }
    }
}
