//! Hashing in a bounded pool: Argon2id, 19 MiB, two passes, one lane (OWASP's second
//! choice, RFC 9106), at most a few at once so that a hundred log-ins do not stop the chat.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Log-ins and sign-ups waiting for a hash; more are asked to come back.
const MAX_WAITING: usize = 200;

pub(crate) struct Hasher {
    permits: Semaphore,
    waiting: Semaphore,
}

impl Hasher {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            permits: Semaphore::new(threads.max(1)),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    /// The PHC string of a password. `salt` is fresh and random.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String> {
        self.run(move || {
            let hash = argon2().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| {
                tracing::error!("hashing a password failed: {error}");
                Error::Internal("password-hash".into())
            })
        })
        .await?
    }

    /// Whether the password belongs to the hash. Without a hash the same work is done in
    /// vain, so that an unknown name takes as long as a wrong password.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.run(move || match hash.as_deref().map(PasswordHash::new) {
            Some(Ok(parsed)) => argon2()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok(),
            Some(Err(error)) => {
                tracing::error!("a stored password hash cannot be read: {error}");
                false
            }
            None => {
                let _ = argon2().hash_password_with_salt(password.as_bytes(), &[7; 16]);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Error::TooMany {
            what: "sign-ins at once",
            retry_after_s: 5,
        };
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _permit = self.permits.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!("hashing a password failed: {error}");
            Error::Internal("password-hash".into())
        })
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
