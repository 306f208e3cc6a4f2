//! Numbers in six bytes: there are six of them in every flow, and a million flows.

/// A change number, an id, or milliseconds: 2^48 of them last 8,900 years, or 89 at 100,000 a second.
/// Two-byte aligned; what is larger becomes the largest.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct U48([u16; 3]);

impl U48 {
    const MAX: u64 = (1 << 48) - 1;

    #[inline]
    pub(super) fn new(value: u64) -> Self {
        let [a, b, c, d, e, f, _, _] = value.min(Self::MAX).to_le_bytes();
        Self([[a, b], [c, d], [e, f]].map(u16::from_le_bytes))
    }

    #[inline]
    pub(super) fn get(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

#[cfg(test)]
mod tests {
    use super::U48;

    #[test]
    fn six_bytes_hold_what_fits() {
        for value in [0, 1, 0xffff, 0x1_0000, 0x1234_5678_9abc, U48::MAX] {
            assert_eq!(U48::new(value).get(), value);
        }
        assert_eq!(U48::new(U48::MAX + 1).get(), U48::MAX);
        assert_eq!(size_of::<U48>(), 6);
    }
}
