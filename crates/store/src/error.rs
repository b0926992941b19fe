//! The failures a caller can act on.

use thiserror::Error;

/// Shorthand for this layer's results.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why an operation did not happen. Nothing was written, whatever the variant.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What the operation names does not exist, or not for this actor.
    #[error("not found")]
    NotFound,
    /// The operation contradicts what is stored.
    #[error("conflict: {0:?}")]
    Conflict(Conflict),
    /// Another process holds the database, or it cannot be reached; try again.
    #[error("the database is busy or out of reach: {0}")]
    Unavailable(String),
    /// No space is left.
    #[error("the disk is full")]
    Full,
    /// The stored data cannot be read.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database was written by a newer Parlour.
    #[error("the database has schema {found}, this Parlour knows {known}; use the newer binary")]
    Newer {
        /// The database's.
        found: i64,
        /// This binary's.
        known: i64,
    },
    /// Anything a caller can only report.
    #[error("database error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What an operation contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The username, or one that looks like it, exists.
    UsernameTaken,
    /// The e-mail address belongs to another account.
    EmailTaken,
    /// The house has an owner already.
    OwnerExists,
    /// The house has no owner yet.
    SetupRequired,
    /// The nonce stands for another draft (room, original body or reply differ).
    NonceReused,
    /// The message changed since the version given.
    Stale,
    /// The message is deleted.
    Deleted,
    /// The author may not post here any more (checked again inside the transaction).
    NotMember,
    /// The room is archived.
    Archived,
    /// The account may not act any more (checked again inside the transaction).
    NotActive,
    /// The reset link is used, expired or replaced.
    ResetInvalid,
    /// It would leave the house or room without an owner.
    LastOwner,
    /// The person has as many rooms, sessions or tokens as one may have.
    TooMany,
}
