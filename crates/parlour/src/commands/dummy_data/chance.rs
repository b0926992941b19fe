//! Repeatable chance: the same seed makes the same house.
//!
//! Not for secrets. SplitMix64 (Steele, Lea, Flood 2014): eight lines, and its numbers never
//! change with a library's version, which is what "the same seed" promises.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u128;
        // The high half of the product is as even as the numbers themselves.
        usize::try_from((u128::from(self.next()) * bound) >> 64).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`; the lists here are never empty.
    pub(super) fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items
            .get(self.below(items.len()))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_same_seed_says_the_same_for_ever() {
        let mut chance = Chance::new(1);
        // The first outputs of SplitMix64 for seed 1, as its authors' code gives them.
        assert_eq!(chance.next(), 0x910a_2dec_8902_5cc1);
        assert_eq!(chance.next(), 0xbeeb_8da1_658e_ec67);
        let mut chance = Chance::new(7);
        assert!((0..10_000).all(|_| chance.below(13) < 13));
        assert_eq!(chance.below(0), 0);
    }
}
