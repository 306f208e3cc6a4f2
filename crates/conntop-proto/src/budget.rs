//! The share of a core that reading a table may take: a setting that whoever collects and whoever configures it
//! from another system read alike.

use std::str::FromStr;
use std::time::Duration;

/// Share of one core, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuBudget(u32);

/// A text that is no share of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage of one core from 0.1 to 100, such as 10 or 2.5")]
pub struct BudgetError;

impl CpuBudget {
    const WHOLE: u32 = 1000;

    /// The wall time that pays for so much CPU time.
    #[must_use]
    pub fn wall(self, cpu: Duration) -> Duration {
        cpu.saturating_mul(Self::WHOLE) / self.0
    }

    /// The CPU time that so much wall time pays for.
    #[must_use]
    pub fn cpu(self, wall: Duration) -> Duration {
        wall.saturating_mul(self.0) / Self::WHOLE
    }
}

impl Default for CpuBudget {
    /// 10 % of a core.
    fn default() -> Self {
        Self(100)
    }
}

impl FromStr for CpuBudget {
    type Err = BudgetError;

    /// A percentage with at most one decimal, with or without the sign.
    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let text = text.strip_suffix('%').unwrap_or(text);
        let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(tenths) || whole.len() > 3 || tenths.len() != 1 {
            return Err(BudgetError);
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| BudgetError);
        let share = number(whole)? * 10 + number(tenths)?;
        if (1..=Self::WHOLE).contains(&share) { Ok(Self(share)) } else { Err(BudgetError) }
    }
}
