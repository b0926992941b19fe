//! Rules for passwords people choose. Hashing is `chat`'s business.

use crate::Invalid;

/// Shortest and longest password, in Unicode scalar values.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=400;

/// Checks a password someone wants to use: 8 to 400 characters, not all digits, not common
/// (zxcvbn's lists), not like the person's own names.
///
/// # Errors
/// `Invalid` for the field `password`: `too_short`, `too_long`, `too_common`, `invalid`.
pub fn check_password(password: &str, own_names: &[&str]) -> Result<(), Invalid> {
    todo!()
}
