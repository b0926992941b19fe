//! Why a value that a person typed is refused.

use thiserror::Error;

/// A refusal of one input value. `code` is stable and goes out with the API; the text is
/// for people and says the limit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Invalid {
    /// The input's name as the form or API calls it, e.g. `username`, `body`.
    pub field: &'static str,
    /// Stable: `empty`, `too_long`, `too_short`, `invalid`, `reserved`, `taken`, `too_common`.
    pub code: &'static str,
    /// A whole sentence for the person, without a full stop at its end when it is a clause.
    pub message: String,
}

impl Invalid {
    /// A refusal of `field` with a stable `code` and a sentence.
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            code,
            message: message.into(),
        }
    }
}
