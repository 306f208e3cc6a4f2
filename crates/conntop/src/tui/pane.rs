//! The screens that one can go to: flows, and what else there is to see of the same machines.

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pane {
    /// Flows, one a row.
    #[default]
    Flows,
    /// What flows have in common, with sums.
    Groups,
    /// Sockets that wait for connections.
    Listeners,
    /// Interfaces and what passes them.
    Interfaces,
    /// Who fills the table, and what it refuses.
    Table,
}

impl Pane {
    /// Every screen, in the order of their digits.
    pub const ALL: &[Self] = &[Self::Flows, Self::Groups, Self::Listeners, Self::Interfaces, Self::Table];

    /// What it is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Flows => "Flows",
            Self::Groups => "Groups",
            Self::Listeners => "Listeners",
            Self::Interfaces => "Interfaces",
            Self::Table => "Table",
        }
    }

    /// The digit that leads to it.
    #[must_use]
    pub fn digit(self) -> usize {
        Self::ALL.iter().position(|pane| *pane == self).map_or(1, |at| at + 1)
    }

    /// The one so many further on, round and round.
    #[must_use]
    pub fn beside(self, step: isize) -> Self {
        let all = Self::ALL.len();
        let at = (self.digit() - 1).wrapping_add_signed(step.rem_euclid(all.cast_signed()));
        Self::ALL.get(at % all).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_follow_each_other() {
        let mut pane = Pane::Flows;
        for (digit, wanted) in (1..).zip(Pane::ALL) {
            assert_eq!((pane, pane.digit()), (*wanted, digit));
            assert_eq!(pane.beside(1).beside(-1), pane);
            pane = pane.beside(1);
        }
        assert_eq!(pane, Pane::Flows);
        assert_eq!(pane.beside(-1), Pane::Table);
    }
}
