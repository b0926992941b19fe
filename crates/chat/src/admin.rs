//! What administrators and the operator do to accounts. Every act is audited.

use std::sync::Arc;

use domain::passwords::check_password;
use domain::policy::{Action, Facts};
use domain::{Actor, Role, Time, User, UserState, Username};
use live::{Revocation, close};
use store::{Audit, AuditEntry, PasswordReset, UserUpdate};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::actors::Forget;
use crate::{Chat, Error, Result, access};

/// A reset link is worth something for so long.
const RESET_LIFE_MS: i64 = 15 * 60 * 1000;

/// A password-reset link just made; shown once.
#[derive(Clone, Debug)]
pub struct ResetLink {
    /// The last part of `/reset/{secret}`.
    pub secret: String,
    /// From then on it is worth nothing.
    pub expires_at: Time,
}

impl Chat {
    /// Makes a password-reset link for a person; an earlier one dies.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn make_reset_link(
        self: &Arc<Self>,
        actor: &Actor,
        username: &str,
        address: &str,
    ) -> Result<ResetLink> {
        let subject = self.subject(actor, username, Action::ResetPassword).await?;
        let secret = URL_SAFE_NO_PAD.encode(self.env.bytes::<32>());
        let expires_at = self.env.now().plus_ms(RESET_LIFE_MS);
        let audit = self.entry(actor, "user.reset_link_made", &subject, "{}", address);
        let reset = PasswordReset {
            user: subject.id,
            secret_hash: self.keyed_hash(b"reset", &secret),
            expires_at,
            made_by: actor.user(),
            audit: Some(audit),
        };
        self.store.create_password_reset(&reset).await?;
        Ok(ResetLink { secret, expires_at })
    }

    /// For whom a reset link is good.
    ///
    /// # Errors
    /// `Conflict(ResetInvalid)` when used, expired, replaced or never made.
    pub async fn reset_subject(&self, secret: &str) -> Result<User> {
        let hash = self.keyed_hash(b"reset", secret);
        Ok(self
            .store
            .password_reset_user(&hash, self.env.now())
            .await?)
    }

    /// Sets a new password by a reset link, once; every session and token ends.
    ///
    /// # Errors
    /// `Conflict(ResetInvalid)`, `Invalid`.
    pub async fn reset_password(
        self: &Arc<Self>,
        secret: &str,
        new: String,
        confirm: &str,
    ) -> Result<User> {
        let user = self.reset_subject(secret).await?;
        if new != confirm {
            return Err(Error::invalid(
                "password_confirm",
                "invalid",
                "the two passwords are not the same",
            ));
        }
        check_password(&new, &[&user.username, &user.display_name])?;
        let password_hash = self.hasher.hash(new, self.env.bytes()).await?;
        let hash = self.keyed_hash(b"reset", secret);
        let (chat, now) = (Arc::clone(self), self.env.now());
        self.finish(async move {
            let (user, sessions, tokens) = chat
                .store
                .use_password_reset(&hash, &password_hash, now)
                .await?;
            chat.revoke_credentials(&sessions, &tokens).await;
            Ok(user)
        })
        .await
    }

    /// Sets a person's password from the command line.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`.
    pub async fn set_password(
        self: &Arc<Self>,
        actor: &Actor,
        username: &str,
        new: String,
    ) -> Result<User> {
        let subject = self.subject(actor, username, Action::ResetPassword).await?;
        check_password(&new, &[&subject.username, &subject.display_name])?;
        let password_hash = Some(self.hasher.hash(new, self.env.bytes()).await?);
        let update = UserUpdate {
            password_hash,
            ..UserUpdate::default()
        };
        self.update_subject(actor, &subject, update, "user.password_set", "{}", "")
            .await
    }

    /// Opens or closes a person's account. Closing ends sessions, tokens and sockets
    /// before this returns; messages stay.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Conflict(LastOwner)`.
    pub async fn set_user_state(
        self: &Arc<Self>,
        actor: &Actor,
        username: &str,
        state: UserState,
        address: &str,
    ) -> Result<User> {
        let subject = self
            .subject(actor, username, Action::DeactivateUser)
            .await?;
        let action = match state {
            UserState::Active => "user.reactivated",
            UserState::Banned => "user.banned",
            UserState::Deactivated => "user.deactivated",
        };
        let update = UserUpdate {
            state: Some(state),
            ..UserUpdate::default()
        };
        self.update_subject(actor, &subject, update, action, "{}", address)
            .await
    }

    /// Gives a person another role in the house; from the command line.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Conflict(LastOwner)`.
    pub async fn set_role(
        self: &Arc<Self>,
        actor: &Actor,
        username: &str,
        role: Role,
    ) -> Result<User> {
        let subject = self
            .subject(actor, username, Action::DeactivateUser)
            .await?;
        let details = format!(r#"{{"from":"{}","to":"{role}"}}"#, subject.role);
        let update = UserUpdate {
            role: Some(role),
            ..UserUpdate::default()
        };
        self.update_subject(actor, &subject, update, "user.role_changed", &details, "")
            .await
    }

    /// People of the house for the console, by id.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn console_people(
        &self,
        actor: &Actor,
        filter: &store::UserListFilter,
    ) -> Result<Vec<User>> {
        access::require(actor, Action::ReadConsole, &Facts::default())?;
        Ok(self.store.users(filter).await?)
    }

    /// Whether the policy lets the actor do something to a person; for pages that hide
    /// what is not allowed.
    #[must_use]
    pub fn may_on_person(&self, actor: &Actor, action: Action, subject: &User) -> bool {
        access::require(actor, action, &subject_facts(actor, subject)).is_ok()
    }

    /// Administrative acts, newest first.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn audit_entries(
        &self,
        actor: &Actor,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>> {
        access::require(actor, Action::ReadConsole, &Facts::default())?;
        Ok(self.store.audit_entries(before, limit).await?)
    }

    /// Closes what an account that is not active may not keep.
    pub(crate) async fn act_on_state(&self, user: &User) {
        self.actors.forget(&Forget::User(user.id));
        let code = match user.state {
            UserState::Active => return,
            UserState::Banned => close::BANNED,
            UserState::Deactivated => close::SIGNED_OUT,
        };
        self.live.revoke(Revocation::User(user.id, code)).await;
    }

    /// The person acted on, if the actor may.
    async fn subject(&self, actor: &Actor, username: &str, action: Action) -> Result<User> {
        access::require(actor, Action::ReadConsole, &Facts::default())?;
        let subject = self
            .store
            .user_by_name(&Username::skeleton_of(username))
            .await?;
        access::require(actor, action, &subject_facts(actor, &subject))?;
        Ok(subject)
    }

    /// Changes an account, writes that down in the same transaction, and ends what it may
    /// not keep; done to its end even when the caller hangs up.
    async fn update_subject(
        self: &Arc<Self>,
        actor: &Actor,
        subject: &User,
        update: UserUpdate,
        action: &'static str,
        details: &str,
        address: &str,
    ) -> Result<User> {
        let audit = Some(self.entry(actor, action, subject, details, address));
        let update = UserUpdate { audit, ..update };
        let (chat, id, now) = (Arc::clone(self), subject.id, self.env.now());
        self.finish(async move {
            let (user, sessions, tokens) = chat.store.update_user(id, &update, now).await?;
            chat.actors.forget(&Forget::User(id));
            chat.revoke_credentials(&sessions, &tokens).await;
            if user.state != UserState::Active {
                chat.act_on_state(&user).await;
            }
            Ok(user)
        })
        .await
    }

    fn entry(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: &User,
        details: &str,
        address: &str,
    ) -> Audit {
        Audit {
            actor: actor.user(),
            action,
            subject: format!("user {} ({})", subject.id, subject.username),
            details: details.to_owned(),
            address: address.to_owned(),
            at: self.env.now(),
        }
    }
}

fn subject_facts(actor: &Actor, subject: &User) -> Facts {
    Facts {
        subject_role: Some(subject.role),
        subject_is_self: actor.user() == Some(subject.id),
        ..Facts::default()
    }
}
