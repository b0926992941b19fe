//! What the load tester's people say: short lines of made-up words, the same for a server
//! and for its limit row.
//!
//! The words are drawn from a thousand, unevenly as in a language, because the full-text
//! index costs more the more different words a batch holds.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A source of lines.
pub struct Words {
    state: u64,
    salt: u64,
}

const ONSETS: [&str; 10] = ["b", "d", "f", "k", "l", "m", "n", "r", "s", "t"];
const REST: [&str; 10] = ["a", "el", "in", "or", "u", "at", "es", "il", "on", "ar"];
const WORDS_IN_LINE: usize = 14;

impl Words {
    /// A source that says the same lines for the same `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            salt: RandomState::new().build_hasher().finish(),
        }
    }

    /// The next number (splitmix64).
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A line of fourteen words, about 80 characters.
    pub fn line(&mut self) -> String {
        let mut line = String::with_capacity(100);
        for n in 0..WORDS_IN_LINE {
            if n > 0 {
                line.push(' ');
            }
            // The smaller of two numbers: some words are common, most are rare.
            let word = (self.number() % 1000).min(self.number() % 1000) as usize;
            for (part, parts) in [
                (word % 10, ONSETS),
                (word / 10 % 10, REST),
                (word / 100, ONSETS),
                (word % 7, REST),
            ] {
                line.push_str(parts.get(part).copied().unwrap_or_default());
            }
        }
        line
    }

    /// A key nobody used before, also not in an earlier run on the same house.
    pub fn nonce(&mut self) -> [u8; 16] {
        let bits = (u128::from(self.number() ^ self.salt) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_many_and_repeatable() {
        let mut words = Words::new(7);
        let lines: std::collections::BTreeSet<_> = (0..1000).map(|_| words.line()).collect();
        assert_eq!(lines.len(), 1000);
        assert!(lines.iter().all(|l| (50..130).contains(&l.len())));
        assert_eq!(Words::new(7).line(), Words::new(7).line());
        assert_ne!(Words::new(7).line(), Words::new(8).line());
    }

    #[test]
    fn two_runs_never_share_a_nonce() {
        assert_ne!(Words::new(7).nonce(), Words::new(7).nonce());
    }
}
