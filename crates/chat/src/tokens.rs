//! API tokens: made once, shown once, ended at any time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Actor, Scopes, TokenId, UserId};
use store::{NewToken, TokenInfo};

use crate::accounts::Device;
use crate::{Chat, Error, Result};

/// Longest name of a token, in Unicode scalar values.
pub const MAX_TOKEN_NAME_CHARS: usize = 64;

/// A token just made. The secret is shown once and kept nowhere.
#[derive(Clone, Debug)]
pub struct MadeToken {
    /// Goes into `Authorization: Bearer …`.
    pub secret: String,
    /// What is kept.
    pub info: TokenInfo,
}

impl Chat {
    /// Makes a token for whoever knows username and password.
    ///
    /// # Errors
    /// As for [`Chat::log_in`]; `Invalid`, `Conflict(TooMany)` above 100 tokens.
    pub async fn create_token_by_password(
        &self,
        username: &str,
        password: String,
        name: &str,
        scopes: Scopes,
        device: &Device,
    ) -> Result<MadeToken> {
        let name = checked_name(name)?;
        let proved = self.check_credentials(username, password, device).await?;
        self.make_token(proved.user.id, name, scopes, proved.hash)
            .await
    }

    /// Makes a token for the actor.
    ///
    /// # Errors
    /// `Denied`, `Invalid`, `Conflict(TooMany)` above 100 tokens.
    pub async fn create_token(
        &self,
        actor: &Actor,
        name: &str,
        scopes: Scopes,
    ) -> Result<MadeToken> {
        let user = self.self_managing(actor)?;
        self.make_token(user, checked_name(name)?, scopes, None)
            .await
    }

    async fn make_token(
        &self,
        user: UserId,
        name: String,
        scopes: Scopes,
        proof: Option<String>,
    ) -> Result<MadeToken> {
        // The prefix lets people and secret scanners recognise what they found.
        let secret = format!("parlour_{}", URL_SAFE_NO_PAD.encode(self.env.bytes::<32>()));
        let secret_hash = self.keyed_hash(b"token", &secret);
        let new = NewToken {
            user,
            name,
            secret_hash,
            scopes,
            proof,
            at: self.env.now(),
        };
        let info = self.store.create_token(&new).await?;
        Ok(MadeToken { secret, info })
    }

    /// The actor's tokens, newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn tokens(&self, actor: &Actor) -> Result<Vec<TokenInfo>> {
        let user = self.self_managing(actor)?;
        Ok(self.store.tokens(user).await?)
    }

    /// Ends one of the actor's tokens; its sockets close before this returns.
    ///
    /// # Errors
    /// `NotFound` when it is not theirs; `Denied`.
    pub async fn delete_token(self: &Arc<Self>, actor: &Actor, id: TokenId) -> Result<()> {
        let (chat, user) = (Arc::clone(self), self.self_managing(actor)?);
        self.finish(async move {
            chat.store.delete_token(user, id).await?;
            chat.revoke_credentials(&[], &[id]).await;
            Ok(())
        })
        .await
    }
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 {
        return Err(Error::invalid(
            "name",
            "empty",
            "a token needs a name to be recognised by",
        ));
    }
    if length > MAX_TOKEN_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "name",
            "too_long",
            "a token's name has at most 64 characters, on one line",
        ));
    }
    Ok(name.to_owned())
}
