//! What a caller of the application can act on.

use domain::Invalid;
use domain::policy::Reason;
use store::{Conflict, StoreError};
use thiserror::Error;

/// Shorthand for this layer's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not done. Nothing was written, whatever the variant.
#[derive(Debug, Error)]
pub enum Error {
    /// It does not exist, or the actor must not learn that it does.
    #[error("not found")]
    NotFound,
    /// Nobody is signed in, or the credential has ended.
    #[error("sign in first")]
    Unauthorized,
    /// Username and password do not belong together; does not say which is wrong.
    #[error("username or password is wrong")]
    WrongCredentials,
    /// The house has no owner yet.
    #[error("the house is not set up yet; open /setup")]
    SetupRequired,
    /// Not allowed, and the actor may know why.
    #[error("{}", .0.sentence())]
    Denied(Reason),
    /// Sign-up is not open.
    #[error("sign-up is closed here; ask an administrator for an account")]
    RegistrationClosed,
    /// Input that cannot be accepted, one entry per field.
    #[error("{}", .0.iter().map(|invalid| invalid.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Invalid>),
    /// It contradicts what is stored.
    #[error("conflict: {0:?}")]
    Conflict(Conflict),
    /// Too often; try again later.
    #[error("too many {what}; try again in {retry_after_s} s")]
    TooMany {
        /// What is limited, in words: `messages`, `sign-ins` …
        what: &'static str,
        /// Seconds until it is worth trying.
        retry_after_s: u64,
    },
    /// The database does not answer; try again.
    #[error("the server cannot reach its database; try again in {retry_after_s} s")]
    Unavailable {
        /// Seconds until it is worth trying.
        retry_after_s: u64,
    },
    /// No space is left on the disk.
    #[error("the server's disk is full; nothing was stored")]
    Full,
    /// Anything else; the cause is in the log under this reference.
    #[error("internal error {0}")]
    Internal(String),
}

impl Error {
    /// A refusal of one input.
    pub(crate) fn invalid(field: &'static str, code: &'static str, message: &str) -> Self {
        Self::Invalid(vec![Invalid::new(field, code, message)])
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

/// Internal causes are logged once, here, where they stop.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict(Conflict::SetupRequired) => Self::SetupRequired,
            StoreError::Conflict(Conflict::NotActive) => Self::Unauthorized,
            StoreError::Conflict(Conflict::NotMember) => Self::Denied(Reason::NotMember),
            StoreError::Conflict(Conflict::Archived) => Self::Denied(Reason::Archived),
            StoreError::Conflict(conflict) => Self::Conflict(conflict),
            StoreError::Unavailable(cause) => {
                tracing::warn!(error.cause = %cause, "the database is out of reach: {cause}");
                Self::Unavailable { retry_after_s: 2 }
            }
            StoreError::Full => {
                tracing::error!("the disk is full: writes are refused until space returns");
                Self::Full
            }
            other => {
                let reference = reference(&other);
                let cause = std::error::Error::source(&other).map(ToString::to_string);
                tracing::error!(
                    error.reference = %reference,
                    error.cause = cause.as_deref().unwrap_or(""),
                    "storage failed: {other}"
                );
                Self::Internal(reference)
            }
        }
    }
}

/// A short reference that the answer shows and the log holds: derived from the error's
/// address in memory and text, since nothing here may ask for randomness.
fn reference(error: &StoreError) -> String {
    use std::hash::{BuildHasher, RandomState};
    format!(
        "{:08x}",
        RandomState::new().hash_one(error.to_string()) & 0xffff_ffff
    )
}
