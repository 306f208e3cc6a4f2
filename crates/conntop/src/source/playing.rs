//! How a recording plays, and what may be asked of it while it does.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use conntop_proto::flow::BootMillis;

/// How many seconds of a recording pass in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// As it was.
    pub const NORMAL: Self = Self(1.0);
    /// Slow enough to read each change.
    const SLOWEST: f64 = 0.1;
    /// A day in a minute and a half.
    const FASTEST: f64 = 1000.0;

    /// Twice as fast, within bounds.
    #[must_use]
    pub fn faster(self) -> Self {
        Self((self.0 * 2.0).min(Self::FASTEST))
    }

    /// Half as fast, within bounds.
    #[must_use]
    pub fn slower(self) -> Self {
        Self((self.0 / 2.0).max(Self::SLOWEST))
    }

    /// How much of the recording passes in that time.
    #[must_use]
    pub fn passes(self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }

    /// How long that much of the recording takes.
    #[must_use]
    pub fn takes(self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('x').unwrap_or(text);
        match number.parse() {
            Ok(speed) if (Self::SLOWEST..=Self::FASTEST).contains(&speed) => Ok(Self(speed)),
            _ => Err(format!(
                "`{text}` is no speed from {} to {}; write 4, or 0.5 for half as fast",
                Self::SLOWEST,
                Self::FASTEST
            )),
        }
    }
}

/// Where a recording stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Playing {
    /// How far it has come since its beginning.
    pub at: Duration,
    /// How long it is, once that is known.
    pub length: Option<Duration>,
    /// How fast it goes.
    pub speed: Speed,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether it can go back: a pipe cannot.
    pub rewinds: bool,
    /// The collector's clock there.
    pub boot: BootMillis,
}

/// What may be asked of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
    /// So many seconds forward, or back.
    Skip(i32),
    /// Stands still behind the next change.
    Step,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_and_written() {
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(
                text.parse::<Speed>().ok().map(|speed| speed.to_string()).as_deref(),
                wanted,
                "{text}"
            );
        };
        check("1", Some("1"));
        check("4x", Some("4"));
        check("0.5", Some("0.5"));
        check("1000", Some("1000"));
        for wrong in ["", "x", "0", "-1", "1001", "nan", "inf", "fast"] {
            check(wrong, None);
        }
        let mut speed = Speed::NORMAL;
        (0..20).for_each(|_| speed = speed.faster());
        assert_eq!(speed.to_string(), "1000");
        (0..30).for_each(|_| speed = speed.slower());
        assert_eq!(speed.to_string(), "0.1");
    }
}
