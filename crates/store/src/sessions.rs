//! Sessions of browsers and API tokens. Only hashes of secrets are kept.

use async_trait::async_trait;
use domain::{Scopes, SessionId, Time, TokenId, User, UserId};

use crate::Result;

/// A session to open. At most 100 per person; the oldest goes.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose.
    pub user: UserId,
    /// HMAC-SHA-256 of the cookie's secret under the house's key.
    pub secret_hash: [u8; 32],
    /// The browser, as it says itself, cut to 200 characters.
    pub agent: String,
    /// Where from.
    pub address: String,
    /// The password hash that was proved for it: when it is not the account's any more,
    /// `Conflict(NotActive)`, or who learned an old password could slip in behind its
    /// change. `None` when something else proved it.
    pub proof: Option<String>,
    /// Now.
    pub at: Time,
}

/// A session as its owner sees it in a list.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Which.
    pub id: SessionId,
    /// The browser.
    pub agent: String,
    /// Where from, last.
    pub address: String,
    /// Opened.
    pub created_at: Time,
    /// Last used, to the minute.
    pub seen_at: Time,
}

/// Who a cookie stands for.
#[derive(Clone, Debug)]
pub struct SessionStanding {
    /// Which session.
    pub id: SessionId,
    /// Whose.
    pub user: User,
    /// Opened.
    pub created_at: Time,
    /// Last used, to the minute.
    pub seen_at: Time,
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// HMAC-SHA-256 of the token under the house's key.
    pub secret_hash: [u8; 32],
    /// What it may be used for.
    pub scopes: Scopes,
    /// As for [`NewSession::proof`].
    pub proof: Option<String>,
    /// Now.
    pub at: Time,
}

/// A token as its owner sees it.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Which.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Made.
    pub created_at: Time,
    /// Last used, to the minute; `None` when never.
    pub used_at: Option<Time>,
}

/// Who a token stands for.
#[derive(Clone, Debug)]
pub struct TokenStanding {
    /// Which token.
    pub id: TokenId,
    /// Whose.
    pub user: User,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Last used, to the minute; `None` when never.
    pub used_at: Option<Time>,
}

/// Sessions and tokens.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session. `Conflict(NotActive)` when the account may not act.
    async fn create_session(&self, new: &NewSession) -> Result<SessionId>;

    /// Who a cookie stands for; `NotFound` when nobody (also when the account is not active).
    async fn session(&self, secret_hash: &[u8; 32]) -> Result<SessionStanding>;

    /// Writes that a session is in use.
    async fn touch_session(&self, id: SessionId, address: &str, at: Time) -> Result<()>;

    /// A person's sessions, last used first.
    async fn sessions(&self, user: UserId) -> Result<Vec<SessionInfo>>;

    /// Ends one session of `user`. `NotFound` when it is not theirs.
    async fn end_session(&self, user: UserId, id: SessionId) -> Result<()>;

    /// Ends all sessions of `user` but `keep`; returns those ended.
    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> Result<Vec<SessionId>>;

    /// Ends sessions idle since before `idle_before` or opened before `opened_before`;
    /// returns them, at most 1,000.
    async fn expire_sessions(
        &self,
        idle_before: Time,
        opened_before: Time,
    ) -> Result<Vec<(UserId, SessionId)>>;

    /// Makes a token. `Conflict(NotActive)`; `Conflict(TooMany)` above 100.
    async fn create_token(&self, new: &NewToken) -> Result<TokenInfo>;

    /// Who a token stands for; `NotFound` when nobody (also when the account is not active).
    async fn token(&self, secret_hash: &[u8; 32]) -> Result<TokenStanding>;

    /// Writes that a token is in use.
    async fn touch_token(&self, id: TokenId, at: Time) -> Result<()>;

    /// A person's tokens, newest first.
    async fn tokens(&self, user: UserId) -> Result<Vec<TokenInfo>>;

    /// Ends one token of `user`. `NotFound` when it is not theirs.
    async fn delete_token(&self, user: UserId, id: TokenId) -> Result<()>;
}
