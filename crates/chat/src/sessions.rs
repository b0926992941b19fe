//! Who a cookie or token stands for; listing and ending sessions. Ending one closes its
//! sockets before the caller gets an answer.

use std::sync::Arc;
use std::time::Duration;

use domain::actor::Credential;
use domain::{Actor, SessionId, TokenId, UserId, UserKind, UserState};
use hmac::{Hmac, KeyInit as _, Mac as _};
use live::Revocation;
use sha2::Sha256;
use store::{SessionInfo, StoreError};
use tokio_util::sync::CancellationToken;

use crate::accounts::standing;
use crate::actors::Forget;
use crate::{Chat, Error, Result};

/// "Last used" is written at most so often, so that reading does not become writing.
const TOUCH_MS: i64 = 60_000;

impl Chat {
    /// Who a session's cookie stands for.
    ///
    /// # Errors
    /// `Unauthorized` when nobody, or not any more.
    pub async fn actor_of_session(&self, secret: &str, address: &str) -> Result<Actor> {
        let now = self.env.now();
        let hash = self.keyed_hash(b"session", secret);
        let generation = match self.actors.find(&hash, now) {
            Ok(actor) => return Ok(actor),
            Err(generation) => generation,
        };
        let found = self.store.session(&hash).await.map_err(unauthorized)?;
        let is_over = now.ms_since(found.seen_at) > self.settings.session_idle_ms
            || now.ms_since(found.created_at) > self.settings.session_age_ms;
        if is_over {
            return Err(Error::Unauthorized);
        }
        if now.ms_since(found.seen_at) > TOUCH_MS {
            let (store, id, address) = (Arc::clone(&self.store), found.id, address.to_owned());
            self.note_use(async move { store.touch_session(id, &address, now).await });
        }
        let actor = Actor::Person(standing(&found.user, Credential::Session(found.id)));
        self.actors.remember(hash, &actor, generation, now);
        Ok(actor)
    }

    /// Who an API token stands for.
    ///
    /// # Errors
    /// `Unauthorized` when nobody, or not any more.
    pub async fn actor_of_token(&self, token: &str) -> Result<Actor> {
        let now = self.env.now();
        let hash = self.keyed_hash(b"token", token);
        let generation = match self.actors.find(&hash, now) {
            Ok(actor) => return Ok(actor),
            Err(generation) => generation,
        };
        let found = self.store.token(&hash).await.map_err(unauthorized)?;
        if found.used_at.is_none_or(|at| now.ms_since(at) > TOUCH_MS) {
            let (store, id) = (Arc::clone(&self.store), found.id);
            self.note_use(async move { store.touch_token(id, now).await });
        }
        let credential = Credential::Token(found.id, found.scopes);
        let standing = standing(&found.user, credential);
        let actor = match found.user.kind {
            UserKind::Person => Actor::Person(standing),
            UserKind::Bot => Actor::Bot(standing),
        };
        self.actors.remember(hash, &actor, generation, now);
        Ok(actor)
    }

    /// Who acts on a connection, by what proved it when it was opened. The credential's end
    /// closes the connection; this looks again at the account: its role, names and state.
    ///
    /// # Errors
    /// `Unauthorized` when the account is gone, or not active any more.
    pub async fn actor_of_connection(
        &self,
        user: UserId,
        credential: &Credential,
    ) -> Result<Actor> {
        let now = self.env.now();
        let key = connection_key(user, credential);
        let generation = match self.actors.find(&key, now) {
            Ok(actor) => return Ok(actor),
            Err(generation) => generation,
        };
        let found = self.store.user(user).await.map_err(unauthorized)?;
        if found.state != UserState::Active {
            return Err(Error::Unauthorized);
        }
        let is_live = match credential {
            Credential::Session(id) => {
                let sessions = self.store.sessions(user).await?;
                sessions.iter().any(|session| session.id == *id)
            }
            Credential::Token(id, _) => {
                let tokens = self.store.tokens(user).await?;
                tokens.iter().any(|token| token.id == *id)
            }
        };
        if !is_live {
            return Err(Error::Unauthorized);
        }
        let standing = standing(&found, credential.clone());
        let actor = match found.kind {
            UserKind::Person => Actor::Person(standing),
            UserKind::Bot => Actor::Bot(standing),
        };
        self.actors.remember(key, &actor, generation, now);
        Ok(actor)
    }

    /// The actor's sessions, last used first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<SessionInfo>> {
        let user = self.self_managing(actor)?;
        Ok(self.store.sessions(user).await?)
    }

    /// Ends the actor's own session: logs out.
    ///
    /// # Errors
    /// `Unauthorized` when the actor has none.
    pub async fn log_out(self: &Arc<Self>, actor: &Actor) -> Result<()> {
        let standing = actor.standing().ok_or(Error::Unauthorized)?;
        let Credential::Session(id) = standing.credential else {
            return Err(Error::Unauthorized);
        };
        let (chat, user) = (Arc::clone(self), standing.user);
        self.finish(async move {
            match chat.store.end_session(user, id).await {
                Ok(()) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
            chat.revoke_credentials(&[id], &[]).await;
            Ok(())
        })
        .await
    }

    /// Ends one of the actor's sessions.
    ///
    /// # Errors
    /// `NotFound` when it is not theirs; `Denied`.
    pub async fn end_session(self: &Arc<Self>, actor: &Actor, id: SessionId) -> Result<()> {
        let (chat, user) = (Arc::clone(self), self.self_managing(actor)?);
        self.finish(async move {
            chat.store.end_session(user, id).await?;
            chat.revoke_credentials(&[id], &[]).await;
            Ok(())
        })
        .await
    }

    /// Ends the actor's sessions but the one that asks; returns how many.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn end_other_sessions(self: &Arc<Self>, actor: &Actor) -> Result<usize> {
        let user = self.self_managing(actor)?;
        let keep = match actor.standing().map(|standing| &standing.credential) {
            Some(Credential::Session(id)) => Some(*id),
            _ => None,
        };
        let chat = Arc::clone(self);
        self.finish(async move {
            let ended = chat.store.end_sessions(user, keep).await?;
            chat.revoke_credentials(&ended, &[]).await;
            Ok(ended.len())
        })
        .await
    }

    /// Writes down that a credential was used. Nobody waits for it: when nothing can be
    /// written, a full disk for one, reading goes on all the same.
    fn note_use(&self, touch: impl Future<Output = store::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move {
            if let Err(error) = touch.await {
                tracing::debug!("the use of a credential was not noted: {error}");
            }
        });
    }

    /// Acts on ended credentials: forgets them and closes their sockets. Resolves when no
    /// frame can reach them any more.
    pub(crate) async fn revoke_credentials(&self, sessions: &[SessionId], tokens: &[TokenId]) {
        for id in sessions {
            self.actors.forget(&Forget::Session(*id));
            self.live.revoke(Revocation::Session(*id)).await;
        }
        for id in tokens {
            self.actors.forget(&Forget::Token(*id));
            self.live.revoke(Revocation::Token(*id)).await;
        }
    }

    /// What is stored of a secret: HMAC-SHA-256 under the house's key, with the kind of
    /// secret in front so that one kind can never stand for another.
    pub(crate) fn keyed_hash(&self, kind: &[u8], secret: &str) -> [u8; 32] {
        // HMAC takes keys of any length, so this cannot fail; if it did, no secret matches.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.settings.secret_key) else {
            return [0; 32];
        };
        mac.update(kind);
        mac.update(&[0]);
        mac.update(secret.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Under what an actor of a connection is remembered, beside those of secrets: the rest of
/// the key is zero, which no hash is.
fn connection_key(user: UserId, credential: &Credential) -> [u8; 32] {
    let (kind, id) = match credential {
        Credential::Session(id) => (1, id.0),
        Credential::Token(id, _) => (2, id.0),
    };
    let mut key = [0; 32];
    key[0] = kind;
    key[8..16].copy_from_slice(&user.0.to_be_bytes());
    key[16..24].copy_from_slice(&id.to_be_bytes());
    key
}

fn unauthorized(error: StoreError) -> Error {
    match error {
        StoreError::NotFound => Error::Unauthorized,
        other => other.into(),
    }
}

/// Ends sessions whose time is over, once a minute, and closes their sockets.
pub(crate) async fn expire(chat: Arc<Chat>, stopping: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        chat.limits.sweep();
        let now = chat.env.now();
        let idle_before = now.plus_ms(-chat.settings.session_idle_ms);
        let opened_before = now.plus_ms(-chat.settings.session_age_ms);
        match chat.store.expire_sessions(idle_before, opened_before).await {
            Ok(ended) => {
                let ids: Vec<SessionId> = ended.into_iter().map(|(_, id)| id).collect();
                chat.revoke_credentials(&ids, &[]).await;
            }
            Err(error) => tracing::warn!("sessions could not be expired: {error}"),
        }
    }
}
