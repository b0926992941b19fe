//! Accounts and their secrets.

use async_trait::async_trait;
use domain::{Event, Role, Time, User, UserId, UserKind, UserState};

use crate::{Audit, Result};

/// An account to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// As shown.
    pub username: String,
    /// As compared, see `domain::Username::skeleton`.
    pub skeleton: String,
    /// As shown to others.
    pub display_name: String,
    /// Optional.
    pub email: Option<String>,
    /// Person or bot.
    pub kind: UserKind,
    /// Standing.
    pub role: Role,
    /// PHC string; `None` for bots.
    pub password_hash: Option<String>,
    /// Now.
    pub at: Time,
}

/// What logging in needs to know.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// PHC string; `None` when it cannot log in by password.
    pub password_hash: Option<String>,
}

/// A change of an account; `None` is "as before".
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// New display name.
    pub display_name: Option<String>,
    /// New address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// New password hash; ends every session and token but `keep_session`, and reset links.
    pub password_hash: Option<String>,
    /// The session that survives a change of password.
    pub keep_session: Option<domain::SessionId>,
    /// New role. `Conflict(LastOwner)` when none would remain.
    pub role: Option<Role>,
    /// New state; anything but active ends sessions, tokens and reset links.
    /// `Conflict(LastOwner)` when none would remain.
    pub state: Option<UserState>,
    /// Written down in the same transaction, which also leaves a notice for servers beside
    /// this process: for what is done to somebody, not by them.
    pub audit: Option<Audit>,
}

/// Which people to list.
#[derive(Clone, Debug, Default)]
pub struct UserListFilter {
    /// Only those whose username or display name contains this, case folded.
    pub query: Option<String>,
    /// Only after this one: user id of the last row before.
    pub after: Option<UserId>,
    /// At most so many, 1..=1000.
    pub limit: usize,
}

/// A password-reset link to make; the caller keeps the secret, the store its hash.
#[derive(Clone, Debug)]
pub struct PasswordReset {
    /// For whom; replaces an earlier link.
    pub user: UserId,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// From then on it is worth nothing.
    pub expires_at: Time,
    /// Who made it; `None` for the operator.
    pub made_by: Option<UserId>,
    /// Written down in the same transaction.
    pub audit: Option<Audit>,
}

/// Failed sign-ins counted lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// For this account since the window began.
    pub account: i64,
    /// For this account in a row, without limit of time.
    pub account_in_a_row: i64,
    /// From this address since the window began.
    pub address: i64,
    /// When the oldest counted one happened; it leaves the window one length of it later.
    pub oldest_at: Option<Time>,
}

/// Accounts.
#[async_trait]
pub trait Users: Send + Sync {
    /// Whether the house has an owner.
    async fn has_owner(&self) -> Result<bool>;

    /// Makes an account and its membership in the lobby; `events` are the lobby's.
    ///
    /// `Conflict(UsernameTaken | EmailTaken)`; `Conflict(OwnerExists)` for a second owner;
    /// `Conflict(SetupRequired)` for anyone else while there is none.
    async fn create_user(&self, new: &NewUser) -> Result<(User, Vec<Event>)>;

    /// The account; `NotFound`.
    async fn user(&self, id: UserId) -> Result<User>;

    /// The account of a username, looked up by skeleton; `NotFound`.
    async fn user_by_name(&self, skeleton: &str) -> Result<User>;

    /// What logging in needs; `NotFound`.
    async fn credentials(&self, skeleton: &str) -> Result<Credentials>;

    /// People by id.
    async fn users(&self, filter: &UserListFilter) -> Result<Vec<User>>;

    /// Changes an account. Returns the sessions and tokens that ended with it.
    async fn update_user(
        &self,
        user: UserId,
        update: &UserUpdate,
        at: Time,
    ) -> Result<(User, Vec<domain::SessionId>, Vec<domain::TokenId>)>;

    /// The account's e-mail address, for its owner alone.
    async fn email(&self, user: UserId) -> Result<Option<String>>;

    /// Keeps a reset link, replacing an earlier one.
    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()>;

    /// For whom a reset link is good. `Conflict(ResetInvalid)`.
    async fn password_reset_user(&self, secret_hash: &[u8; 32], at: Time) -> Result<User>;

    /// Uses a reset link once: sets the hash, ends every session and token.
    /// `Conflict(ResetInvalid)`.
    async fn use_password_reset(
        &self,
        secret_hash: &[u8; 32],
        password_hash: &str,
        at: Time,
    ) -> Result<(User, Vec<domain::SessionId>, Vec<domain::TokenId>)>;

    /// Failed sign-ins since `since`, for the account's skeleton and the address.
    async fn sign_in_attempts(
        &self,
        skeleton: &str,
        address: &str,
        since: Time,
    ) -> Result<Attempts>;

    /// Counts a failed sign-in; a successful one (`failed` false) ends the run in a row.
    async fn record_sign_in(
        &self,
        skeleton: &str,
        address: &str,
        failed: bool,
        at: Time,
    ) -> Result<()>;
}
