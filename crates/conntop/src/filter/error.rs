//! Where a filter is wrong and what was expected there.

use std::fmt;
use std::ops::Range;

use crate::columns::width;

/// A mistake in a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// Bytes of the text that are wrong; empty at its end when something is missing.
    pub span: Range<usize>,
    /// What is wrong, where that is more than something else being expected.
    pub problem: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// What may help.
    pub hint: Option<String>,
    /// Whether what is wrong is a value that may be the beginning of a right one.
    pub(super) may_be_begun: bool,
}

impl FilterError {
    pub(super) fn expected(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, problem: None, expected: Some(what.into()), hint: None, may_be_begun: false }
    }

    pub(super) fn problem(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, problem: Some(what.into()), expected: None, hint: None, may_be_begun: false }
    }

    pub(super) fn may_be_begun(self) -> Self {
        Self { may_be_begun: true, ..self }
    }

    pub(super) fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// Columns of a terminal that are wrong, counted from the beginning of the text; never empty.
    #[must_use]
    pub fn columns(&self, text: &str) -> Range<u16> {
        let column = |byte: usize| width(text.get(..byte).unwrap_or(text));
        let from = column(self.span.start);
        from..column(self.span.end).max(from.saturating_add(1))
    }

    /// The text, and below it carets with the message.
    #[must_use]
    pub fn caret(&self, text: &str) -> String {
        let Range { start, end } = self.columns(text);
        let blanks = " ".repeat(usize::from(start));
        let carets = "^".repeat(usize::from(end.saturating_sub(start)));
        format!("{text}\n{blanks}{carets} {self}")
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, &self.expected) {
            (Some(problem), Some(expected)) => write!(f, "{problem}; expected {expected}")?,
            (Some(problem), None) => f.write_str(problem)?,
            (None, Some(expected)) => write!(f, "expected {expected}")?,
            (None, None) => f.write_str("not understood")?,
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
