//! Sign-ins whose passwords are being checked, by account and by address.
//!
//! Failures are counted in the database, but only once a check is done, and a check takes
//! long. A newcomer would read the count, check and record: then as many guesses as fit
//! into one check are free. Per node; a second node has its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The sign-ins under way. Empty when nobody signs in.
#[derive(Clone, Default)]
pub(crate) struct Attempts {
    counts: Arc<Mutex<HashMap<Key, i64>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(String),
}

/// One sign-in under way; ends when dropped.
pub(crate) struct Underway {
    /// Others that were under way for the same account when this one began.
    pub(crate) others_of_account: i64,
    /// And from the same address.
    pub(crate) others_of_address: i64,
    attempts: Attempts,
    keys: [Key; 2],
}

impl Attempts {
    /// Counts a sign-in from now on.
    pub(crate) fn enter(&self, skeleton: &str, address: &str) -> Underway {
        let keys = [
            Key::Account(skeleton.to_owned()),
            Key::Address(address.to_owned()),
        ];
        let [others_of_account, others_of_address] = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            keys.each_ref().map(|key| {
                let count = counts.entry(key.clone()).or_insert(0);
                *count += 1;
                *count - 1
            })
        };
        Underway {
            others_of_account,
            others_of_address,
            attempts: self.clone(),
            keys,
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let counts = &self.attempts.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    #[test]
    fn sign_ins_count_while_they_last() {
        let attempts = Attempts::default();
        let first = attempts.enter("bob", "::1");
        let second = attempts.enter("bob", "::2");
        let third = attempts.enter("eve", "::1");
        let others = [&first, &second, &third].map(|u| (u.others_of_account, u.others_of_address));
        assert_eq!(others, [(0, 0), (1, 0), (0, 1)]);
        drop(first);
        assert_eq!(attempts.enter("bob", "::3").others_of_account, 1);
        drop((second, third));
        assert!(attempts.counts.lock().unwrap().is_empty());
    }
}
