//! Storage that grows without copying and without slack: segments of equal size, numbered through.
//!
//! A vector of a million slots doubles, and while it does it is there twice and a half; segments
//! cost what is in them. Nothing ever moves or shrinks.
//!
//! Invariants: numbers below `len` are valid for ever; every segment but the last is full.

/// No number.
pub(super) const NONE: u32 = u32::MAX;
/// log2 of the items of a segment: few enough to leave no slack, so many that the list of segments of
/// a million flows fits into the first cache.
const SHIFT: u32 = 12;
const SEGMENT: usize = 1 << SHIFT;

/// A list of items that only grows.
pub(super) struct Segments<T>(Vec<Vec<T>>);

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Segments<T> {
    /// Items so far.
    pub(super) fn len(&self) -> u32 {
        let full = self.0.len().saturating_sub(1) << SHIFT;
        u32::try_from(full + self.0.last().map_or(0, Vec::len)).unwrap_or(NONE)
    }

    /// Appends an item; returns its number, the length before.
    pub(super) fn push(&mut self, item: T) -> u32 {
        let number = self.len();
        match self.0.last_mut().filter(|last| last.len() < SEGMENT) {
            Some(last) => last.push(item),
            None => {
                let mut segment = Vec::with_capacity(SEGMENT);
                segment.push(item);
                self.0.push(segment);
            }
        }
        number
    }

    /// The item with a number from elsewhere.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (segment, place) = split(number);
        self.0.get(segment)?.get(place)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "numbers come from `push`, and nothing shrinks")]
    pub(super) fn at(&self, number: u32) -> &T {
        let (segment, place) = split(number);
        &self.0[segment][place]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "numbers come from `push`, and nothing shrinks")]
    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        let (segment, place) = split(number);
        &mut self.0[segment][place]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

fn split(number: u32) -> (usize, usize) {
    let number = number as usize;
    (number >> SHIFT, number & (SEGMENT - 1))
}

/// Items that come and go and keep their numbers meanwhile.
pub(super) struct Arena<T> {
    items: Segments<T>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { items: Segments::default(), free: Vec::new() }
    }
}

impl<T: Default> Arena<T> {
    /// Puts an item where one was taken, or behind all; returns its number.
    pub(super) fn insert(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(number) => {
                *self.items.at_mut(number) = item;
                number
            }
            None => self.items.push(item),
        }
    }

    /// Empties a place.
    pub(super) fn remove(&mut self, number: u32) {
        *self.items.at_mut(number) = T::default();
        self.free.push(number);
    }

    pub(super) fn at(&self, number: u32) -> &T {
        self.items.at(number)
    }

    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        self.items.at_mut(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_numbers_over_segments() {
        let mut all = Segments::default();
        let count = u32::try_from(SEGMENT).unwrap() * 2 + 3;
        for number in 0..count {
            assert_eq!(all.push(number * 7), number);
        }
        assert_eq!(all.len(), count);
        assert!((0..count).all(|number| *all.at(number) == number * 7));
        assert!(all.iter().copied().eq((0..count).map(|number| number * 7)));
        assert_eq!(all.get(count), None);
        *all.at_mut(count - 1) = 1;
        assert_eq!(all.get(count - 1), Some(&1));
    }

    #[test]
    fn an_empty_list_has_nothing() {
        let none = Segments::<u8>::default();
        assert_eq!((none.len(), none.get(0), none.iter().count()), (0, None, 0));
    }

    #[test]
    fn places_are_used_again() {
        let mut arena = Arena::default();
        let (a, b) = (arena.insert("a".to_owned()), arena.insert("b".to_owned()));
        arena.remove(a);
        assert_eq!(arena.at(a), "", "what was there is dropped");
        assert_eq!((arena.insert("c".to_owned()), arena.insert("d".to_owned())), (a, b + 1));
        assert_eq!((&**arena.at(a), &**arena.at(b)), ("c", "b"));
    }
}
