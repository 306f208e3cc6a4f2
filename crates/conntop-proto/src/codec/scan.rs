//! Lexical limits, checked byte by byte before JSON is parsed: nesting, lengths of strings and
//! arrays, and numbers, which are non-negative integers up to 2^53-1 everywhere in this protocol.
//! Not a JSON parser: what is malformed beyond that is the parser's to refuse.
//!
//! Nearly all bytes of a delta are digits and commas, and those are taken eight at a time
//! ([`Scan::numbers`]).

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
        let mut at = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(at..) {
            let taken = match self.within {
                Within::Structure if byte.is_ascii_digit() => Ok(self.numbers(rest)),
                Within::Structure => self.structure(*byte).map(|()| 1).map_err(|e| (e, 0)),
                Within::Number { value } => self.number(value, rest),
                Within::String { len } => self.string(len, rest),
                Within::Escape { len } => self.escape(len, *byte).map(|()| 1).map_err(|e| (e, 0)),
            };
            at += taken.map_err(|(error, n)| (error, at + n))?;
        }
        Ok(())
    }

    /// Takes numbers of at most 14 digits, each with its comma, from the beginning of `rest`, or
    /// begins a longer one: such numbers break no limit, only their count might.
    fn numbers(&mut self, rest: &[u8]) -> usize {
        let mut commas = 0;
        let mut taken = 0;
        // A comma in every eight bytes leaves no room for more than 14 digits in a row.
        for (n, word) in rest.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let Some(found) = commas_among_digits(word) else { break };
            commas += found.count_ones();
            taken = (n + 1) * 8 - found.leading_zeros() as usize / 8;
        }
        let innermost = self.depth.checked_sub(1).and_then(|d| self.commas.get_mut(d));
        match (innermost, u16::try_from(commas)) {
            // The limit's exact place is found one by one.
            (Some(seen), Ok(commas)) if taken > 0 && usize::from(*seen) + usize::from(commas) < MAX_ARRAY => {
                *seen += commas;
                taken
            }
            _ => {
                self.within = Within::Number { value: 0 };
                0
            }
        }
    }

    /// Takes the digits at the beginning of `rest`.
    fn number(&mut self, mut value: u64, rest: &[u8]) -> Result<usize, (ScanError, usize)> {
        for (n, &byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    // `value` is at most 2^53-1: ten times that and nine more still fit.
                    value = value * 10 + u64::from(byte - b'0');
                    if value > MAX_SAFE_INTEGER {
                        return Err((ScanError::Range, n));
                    }
                }
                b'.' | b'e' | b'E' | b'+' | b'-' => return Err((ScanError::Integer, n)),
                _ => {
                    self.within = Within::Structure;
                    return Ok(n);
                }
            }
        }
        self.within = Within::Number { value };
        Ok(rest.len())
    }

    /// Takes the characters at the beginning of `rest`, `len` having been taken before.
    fn string(&mut self, len: usize, rest: &[u8]) -> Result<usize, (ScanError, usize)> {
        let room = MAX_STRING - len;
        let within = rest.get(..=room).unwrap_or(rest);
        let stop = memchr::memchr3(b'"', b'\\', 0, within);
        let n = stop.unwrap_or(rest.len().min(room + 1));
        match stop.and_then(|n| rest.get(n)) {
            Some(b'"') => self.within = Within::Structure,
            Some(0) => return Err((ScanError::Nul, n)),
            _ if n >= room + usize::from(stop.is_none()) => return Err((ScanError::String, room)),
            Some(_) => self.within = Within::Escape { len: len + n + 1 },
            None => {
                self.within = Within::String { len: len + n };
                return Ok(n);
            }
        }
        Ok(n + 1)
    }

    fn escape(&mut self, len: usize, byte: u8) -> Result<(), ScanError> {
        match byte {
            0 => Err(ScanError::Nul),
            _ if len >= MAX_STRING => Err(ScanError::String),
            _ => {
                self.within = Within::String { len: len + 1 };
                Ok(())
            }
        }
    }

    fn structure(&mut self, byte: u8) -> Result<(), ScanError> {
        match byte {
            0 => return Err(ScanError::Nul),
            b'"' => self.within = Within::String { len: 0 },
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

/// The highest bit of each byte that is a comma, if the others are digits and at least one is.
fn commas_among_digits(word: u64) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    // All below 0x40, so that no sum carries into the next byte.
    if word & (ONES * 0xc0) != 0 {
        return None;
    }
    // 0x30 to 0x39 reach 0x80 with 0x50 added, and do not with 0x46 added.
    let digits = (word + ONES * 0x50) & !(word + ONES * 0x46) & HIGH;
    let other = !digits & HIGH;
    // A byte is a comma when it differs from one in no bit.
    let differs = word ^ (ONES * u64::from(b','));
    let commas = !((differs & !HIGH) + !HIGH) & HIGH;
    (other == commas && commas != 0).then_some(commas)
}

#[cfg(test)]
mod tests {
    use super::commas_among_digits;

    #[test]
    fn words_of_digits_and_commas() {
        for byte in 0..=u8::MAX {
            let mut word = *b"12,45678";
            word[5] = byte;
            let expected = match byte {
                b',' => Some(0x0000_8000_0080_0000),
                b'0'..=b'9' => Some(0x80_0000),
                _ => None,
            };
            assert_eq!(commas_among_digits(u64::from_le_bytes(word)), expected, "{byte:#x}");
        }
        assert_eq!(commas_among_digits(u64::from_le_bytes(*b"12345678")), None);
        assert_eq!(commas_among_digits(u64::from_le_bytes(*b",,,,,,,,")), Some(0x8080_8080_8080_8080));
    }
}
