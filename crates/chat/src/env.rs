//! Time and chance, passed in: nothing else asks for them.

use std::sync::Arc;

use domain::{Nonce, Time};

type Clock = dyn Fn() -> Time + Send + Sync;
type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// Where the application gets the time and its random bytes.
#[derive(Clone)]
pub struct Env {
    clock: Arc<Clock>,
    random: Arc<Random>,
}

impl Env {
    /// An environment of a clock and a cryptographically secure source of bytes.
    pub fn new(
        clock: impl Fn() -> Time + Send + Sync + 'static,
        random: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock: Arc::new(clock),
            random: Arc::new(random),
        }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// A fresh nonce, for senders that brought none.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        Nonce(uuid::Builder::from_random_bytes(self.bytes()).into_uuid())
    }

    /// A code that a person copies from the log: 10 digits and letters without look-alikes.
    #[must_use]
    pub fn code(&self) -> String {
        const ALPHABET: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz-";
        self.bytes::<10>()
            .iter()
            // 31 letters: the dash is left out by folding it onto the first.
            .map(|byte| match ALPHABET[usize::from(byte & 31)] {
                b'-' => '2',
                letter => char::from(letter),
            })
            .collect()
    }
}
