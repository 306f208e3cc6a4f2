//! Lexical limits, checked byte by byte before JSON is parsed: nesting, lengths of strings and
//! arrays, and numbers, which are non-negative integers up to 2^53-1 everywhere in this protocol.
//! Not a JSON parser: what is malformed beyond that is the parser's to refuse.

use crate::flow::MAX_SAFE_INTEGER;
use crate::limits::{MAX_ARRAY, MAX_DEPTH, MAX_STRING};

/// A lexical limit that a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Too many open brackets.
    #[error("nested deeper than {MAX_DEPTH}")]
    Depth,
    /// Too long a string or key.
    #[error("string longer than {MAX_STRING} bytes")]
    String,
    /// Too many elements or members.
    #[error("more than {MAX_ARRAY} elements in one array or object")]
    Array,
    /// Too large a number.
    #[error("number above 2^53-1")]
    Range,
    /// A sign, a fraction or an exponent.
    #[error("a number that is not a plain non-negative integer")]
    Integer,
    /// A NUL byte.
    #[error("NUL byte")]
    Nul,
}

/// Where in a line the scan is.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    depth: usize,
    /// Commas seen at each depth.
    commas: [u16; MAX_DEPTH],
    within: Within,
}

#[derive(Clone, Copy, Debug, Default)]
enum Within {
    #[default]
    Structure,
    String {
        len: usize,
    },
    Escape {
        len: usize,
    },
    Number {
        value: u64,
    },
}

impl Scan {
    /// Goes on with these bytes; the error comes with the index of the byte that breaks a limit.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), (ScanError, usize)> {
        for (at, &byte) in bytes.iter().enumerate() {
            self.byte(byte).map_err(|error| (error, at))?;
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), ScanError> {
        if byte == 0 {
            return Err(ScanError::Nul);
        }
        match self.within {
            Within::Structure => self.structure(byte),
            Within::String { len } => {
                self.within = match byte {
                    b'"' => Within::Structure,
                    _ if len >= MAX_STRING => return Err(ScanError::String),
                    b'\\' => Within::Escape { len: len + 1 },
                    _ => Within::String { len: len + 1 },
                };
                Ok(())
            }
            Within::Escape { len } if len >= MAX_STRING => Err(ScanError::String),
            Within::Escape { len } => {
                self.within = Within::String { len: len + 1 };
                Ok(())
            }
            Within::Number { value } => match byte {
                b'0'..=b'9' => self.digit(value, byte),
                b'.' | b'e' | b'E' | b'+' | b'-' => Err(ScanError::Integer),
                _ => {
                    self.within = Within::Structure;
                    self.structure(byte)
                }
            },
        }
    }

    fn digit(&mut self, value: u64, digit: u8) -> Result<(), ScanError> {
        // `value` is at most 2^53-1: ten times that and nine more still fit.
        let value = value * 10 + u64::from(digit - b'0');
        if value > MAX_SAFE_INTEGER {
            return Err(ScanError::Range);
        }
        self.within = Within::Number { value };
        Ok(())
    }

    fn structure(&mut self, byte: u8) -> Result<(), ScanError> {
        match byte {
            b'"' => self.within = Within::String { len: 0 },
            b'0'..=b'9' => self.digit(0, byte)?,
            b'-' | b'+' | b'.' => return Err(ScanError::Integer),
            b'[' | b'{' => {
                let commas = self.commas.get_mut(self.depth).ok_or(ScanError::Depth)?;
                *commas = 0;
                self.depth += 1;
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' => {
                let innermost = self.depth.checked_sub(1).and_then(|d| self.commas.get_mut(d));
                if let Some(commas) = innermost {
                    *commas += 1;
                    if usize::from(*commas) >= MAX_ARRAY {
                        return Err(ScanError::Array);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
