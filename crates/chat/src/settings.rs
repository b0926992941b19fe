//! What the operator decided, checked before it gets here.

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Whoever has an invitation; until invitations exist, nobody.
    Invite,
    /// Nobody.
    Closed,
}

/// What the operator decided.
#[derive(Clone)]
pub struct Settings {
    /// Signs and keys what must be: secrets are stored as HMAC(key, secret).
    pub secret_key: Vec<u8>,
    /// Who may sign up.
    pub registration: Registration,
    /// Longest message, in Unicode scalar values.
    pub max_message_chars: usize,
    /// Whether rate limits hold; off for load tests.
    pub rate_limits: bool,
    /// Whether `/setup` asks for the one-time code (not on loopback).
    pub setup_needs_code: bool,
    /// Passwords hashed at once.
    pub hashing_threads: usize,
    /// A session unused for so long ends.
    pub session_idle_ms: i64,
    /// A session ends so long after its start.
    pub session_age_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            secret_key: Vec::new(),
            registration: Registration::Open,
            max_message_chars: 1000,
            rate_limits: true,
            setup_needs_code: false,
            hashing_threads: 2,
            session_idle_ms: 30 * DAY_MS,
            session_age_ms: 90 * DAY_MS,
        }
    }
}
