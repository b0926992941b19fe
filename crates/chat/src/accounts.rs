//! Setting up, signing up, logging in, and changing one's own account.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::actor::{Credential, Standing};
use domain::passwords::{PASSWORD_CHARS, check_password};
use domain::policy::{Action, Facts};
use domain::users::parse_email;
use domain::{Actor, DisplayName, Invalid, Role, SessionId, User, UserId, UserKind, Username};
use store::{NewSession, NewUser, StoreError, UserListFilter, UserUpdate};
use subtle::ConstantTimeEq;

use crate::actors::Forget;
use crate::attempts::Underway;
use crate::{Chat, Error, Registration, Result, access};

/// The window in which failed sign-ins are counted.
const ATTEMPT_WINDOW_MS: i64 = 15 * 60 * 1000;
/// Failed sign-ins of an account in the window.
const ATTEMPTS_PER_ACCOUNT: i64 = 5;
/// Failed sign-ins of an address in the window.
const ATTEMPTS_PER_ADDRESS: i64 = 100;
/// Failed sign-ins of an account in a row before only a reset helps (NIST 800-63B-4).
const ATTEMPTS_IN_A_ROW: i64 = 100;

/// What a person types to get an account.
#[derive(Clone, Debug, Default)]
pub struct SignUp {
    /// Unique, look-alikes included.
    pub username: String,
    /// 8 to 400 characters, not common.
    pub password: String,
    /// Must equal the password.
    pub password_confirm: String,
    /// Empty: the username.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// The one-time code, for set-up off loopback.
    pub code: String,
}

/// Where a person signs in from.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// The browser, as it says itself.
    pub agent: String,
    /// The address, IPv6 by its /64.
    pub address: String,
    /// The mark that an earlier sign-in of this account left in this browser. Whoever has
    /// it is not slowed by strangers who guess at the account.
    pub known_mark: Option<String>,
}

/// A signed-in browser. The secret is shown once and kept nowhere.
#[derive(Clone)]
pub struct SignedIn {
    /// Goes into the cookie.
    pub secret: String,
    /// Goes into a cookie of its own, see [`Device::known_mark`].
    pub known_mark: String,
    /// Who.
    pub user: User,
    /// Which session.
    pub session: SessionId,
}

/// Somebody whose password was right a moment ago.
pub(crate) struct Proved {
    pub(crate) user: User,
    /// The hash it was right for; `None` for an account just made.
    pub(crate) hash: Option<String>,
}

impl Chat {
    /// Makes the owner, once, and signs them in.
    ///
    /// # Errors
    /// `NotFound` when the house has an owner; `Invalid`.
    pub async fn set_up(self: &Arc<Self>, form: SignUp, device: &Device) -> Result<SignedIn> {
        if self.is_set_up().await? {
            return Err(Error::NotFound);
        }
        if let Some(code) = self.setup_code()
            && !bool::from(code.as_bytes().ct_eq(form.code.trim().as_bytes()))
        {
            return Err(Error::invalid(
                "code",
                "invalid",
                "the code is the one printed in the log",
            ));
        }
        let user = match self.create_person(form, Role::Owner).await {
            Err(Error::Conflict(store::Conflict::OwnerExists)) => return Err(Error::NotFound),
            other => other?,
        };
        tracing::info!(user.id = %user.id, "the house has an owner");
        self.open_session(Proved { user, hash: None }, device).await
    }

    /// Makes an account and signs it in.
    ///
    /// # Errors
    /// `RegistrationClosed`, `SetupRequired`, `Invalid`, `TooMany`.
    pub async fn sign_up(self: &Arc<Self>, form: SignUp, device: &Device) -> Result<SignedIn> {
        if !self.is_set_up().await? {
            return Err(Error::SetupRequired);
        }
        if self.settings.registration != Registration::Open {
            return Err(Error::RegistrationClosed);
        }
        self.limits.sign_up(&device.address)?;
        let user = self.create_person(form, Role::Member).await?;
        self.open_session(Proved { user, hash: None }, device).await
    }

    /// Makes the owner if there is none, else an administrator; for the command line.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`.
    pub async fn create_superuser(self: &Arc<Self>, form: SignUp) -> Result<User> {
        let role = if self.is_set_up().await? {
            Role::Administrator
        } else {
            Role::Owner
        };
        self.create_person(form, role).await
    }

    async fn create_person(self: &Arc<Self>, form: SignUp, role: Role) -> Result<User> {
        let (username, display_name, email) = checked(&form)?;
        let password_hash = self.hasher.hash(form.password, self.env.bytes()).await?;
        let new = NewUser {
            username: username.as_str().to_owned(),
            skeleton: username.skeleton().to_owned(),
            display_name,
            email,
            kind: UserKind::Person,
            role,
            password_hash: Some(password_hash),
            at: self.env.now(),
        };
        let chat = Arc::clone(self);
        self.finish(async move {
            let created = chat.store.create_user(&new).await;
            let (user, events) = created.map_err(|error| match error {
                StoreError::Conflict(store::Conflict::UsernameTaken) => Error::invalid(
                    "username",
                    "taken",
                    "this name, or one that looks like it, is taken",
                ),
                // Which addresses have accounts is nobody's business: the same words would
                // serve a malformed one.
                StoreError::Conflict(store::Conflict::EmailTaken) => {
                    Error::invalid("email", "invalid", "this address cannot be used here")
                }
                StoreError::Conflict(store::Conflict::OwnerExists) => {
                    Error::Conflict(store::Conflict::OwnerExists)
                }
                other => other.into(),
            })?;
            chat.publish_all(events);
            Ok(user)
        })
        .await
    }

    /// Opens a session for whoever knows username and password.
    ///
    /// # Errors
    /// `WrongCredentials` (unknown name and wrong password take the same time), `TooMany`,
    /// `Denied` when the account is banned or closed, told only to who knows the password.
    pub async fn log_in(
        &self,
        username: &str,
        password: String,
        device: &Device,
    ) -> Result<SignedIn> {
        let proved = self.check_credentials(username, password, device).await?;
        self.open_session(proved, device).await
    }

    /// Checks username and password, counting failures in the database.
    pub(crate) async fn check_credentials(
        &self,
        username: &str,
        password: String,
        device: &Device,
    ) -> Result<Proved> {
        if !self.is_set_up().await? {
            return Err(Error::SetupRequired);
        }
        if password.chars().take(PASSWORD_CHARS.end() + 1).count() > *PASSWORD_CHARS.end() {
            return Err(Error::WrongCredentials);
        }
        let skeleton = Username::skeleton_of(username);
        let found = match self.store.credentials(&skeleton).await {
            Ok(found) => Some(found),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let is_known = found
            .as_ref()
            .is_some_and(|found| self.knows(device, found.user.id));
        let _underway = self.admit_attempt(&skeleton, device, is_known).await?;
        let hash = found.as_ref().and_then(|found| found.password_hash.clone());
        let is_right = self.hasher.verify(password, hash).await?;
        let now = self.env.now();
        self.store
            .record_sign_in(&skeleton, &device.address, !is_right, now)
            .await?;
        let Some(found) = found.filter(|_| is_right) else {
            tracing::info!(address = %device.address, "a sign-in failed");
            return Err(Error::WrongCredentials);
        };
        // Only now, to who knows the password, is it told that the account is closed.
        let standing = standing(&found.user, Credential::Session(SessionId(0)));
        access::require(
            &Actor::Person(standing),
            Action::ManageSelf,
            &Facts::default(),
        )?;
        Ok(Proved {
            user: found.user,
            hash: found.password_hash,
        })
    }

    /// Whether there may be another try. Those under way count as failed until they are
    /// recorded, or whoever guesses two hundred times at once had two hundred guesses.
    async fn admit_attempt(
        &self,
        skeleton: &str,
        device: &Device,
        is_known: bool,
    ) -> Result<Option<Underway>> {
        if !self.settings.rate_limits {
            return Ok(None);
        }
        let underway = self.underway.enter(skeleton, &device.address);
        let now = self.env.now();
        let since = now.plus_ms(-ATTEMPT_WINDOW_MS);
        let attempts = self
            .store
            .sign_in_attempts(skeleton, &device.address, since)
            .await?;
        let is_above = |account: i64, address: i64| {
            attempts.address + address >= ATTEMPTS_PER_ADDRESS
                || (!is_known && attempts.account + account >= ATTEMPTS_PER_ACCOUNT)
                || attempts.account_in_a_row + account >= ATTEMPTS_IN_A_ROW
        };
        if !is_above(underway.others_of_account, underway.others_of_address) {
            return Ok(Some(underway));
        }
        if !is_above(0, 0) {
            return Err(Error::TooMany {
                what: "sign-ins at once",
                retry_after_s: 1,
            });
        }
        let wait_ms = attempts.oldest_at.map_or(ATTEMPT_WINDOW_MS, |at| {
            at.plus_ms(ATTEMPT_WINDOW_MS).ms_since(now)
        });
        let retry_after_s = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1);
        Err(Error::TooMany {
            what: "failed sign-ins",
            retry_after_s,
        })
    }

    pub(crate) async fn open_session(&self, proved: Proved, device: &Device) -> Result<SignedIn> {
        let Proved { user, hash } = proved;
        let secret = URL_SAFE_NO_PAD.encode(self.env.bytes::<32>());
        let session = self
            .store
            .create_session(&NewSession {
                user: user.id,
                secret_hash: self.keyed_hash(b"session", &secret),
                agent: device.agent.chars().take(200).collect(),
                address: device.address.clone(),
                proof: hash,
                at: self.env.now(),
            })
            .await?;
        let known_mark = self.known_mark(user.id);
        Ok(SignedIn {
            secret,
            known_mark,
            user,
            session,
        })
    }

    fn known_mark(&self, user: UserId) -> String {
        URL_SAFE_NO_PAD.encode(self.keyed_hash(b"device", &user.to_string()))
    }

    fn knows(&self, device: &Device, user: UserId) -> bool {
        device.known_mark.as_ref().is_some_and(|mark| {
            mark.as_bytes()
                .ct_eq(self.known_mark(user).as_bytes())
                .into()
        })
    }

    /// One's own account with its e-mail address.
    ///
    /// # Errors
    /// `Unauthorized`.
    pub async fn me(&self, actor: &Actor) -> Result<(User, Option<String>)> {
        let id = actor.user().ok_or(Error::Unauthorized)?;
        Ok((self.store.user(id).await?, self.store.email(id).await?))
    }

    /// Changes one's own display name.
    ///
    /// # Errors
    /// `Invalid`, `Denied`.
    pub async fn rename_self(self: &Arc<Self>, actor: &Actor, display_name: &str) -> Result<User> {
        let id = self.self_managing(actor)?;
        let display_name = DisplayName::parse(display_name)?;
        let update = UserUpdate {
            display_name: Some(display_name.as_str().to_owned()),
            ..UserUpdate::default()
        };
        let (chat, now) = (Arc::clone(self), self.env.now());
        self.finish(async move {
            let (user, _, _) = chat.store.update_user(id, &update, now).await?;
            chat.actors.forget(&Forget::User(id));
            Ok(user)
        })
        .await
    }

    /// Changes one's own password; every other session and every token ends.
    ///
    /// # Errors
    /// `Invalid` (also for a wrong present password), `Denied`, `TooMany`.
    pub async fn change_password(
        self: &Arc<Self>,
        actor: &Actor,
        present: String,
        new: String,
        confirm: &str,
        device: &Device,
    ) -> Result<()> {
        let id = self.self_managing(actor)?;
        let user = self.store.user(id).await?;
        if new != confirm {
            return Err(mismatch().into());
        }
        check_password(&new, &[&user.username, &user.display_name])?;
        match self
            .check_credentials(&user.username, present, device)
            .await
        {
            Err(Error::WrongCredentials) => {
                return Err(Error::invalid(
                    "current_password",
                    "invalid",
                    "this is not your present password",
                ));
            }
            other => other?,
        };
        let keep_session = match actor.standing().map(|standing| &standing.credential) {
            Some(Credential::Session(session)) => Some(*session),
            _ => None,
        };
        let password_hash = Some(self.hasher.hash(new, self.env.bytes()).await?);
        let update = UserUpdate {
            password_hash,
            keep_session,
            ..UserUpdate::default()
        };
        let (chat, now) = (Arc::clone(self), self.env.now());
        self.finish(async move {
            let (_, sessions, tokens) = chat.store.update_user(id, &update, now).await?;
            chat.revoke_credentials(&sessions, &tokens).await;
            Ok(())
        })
        .await
    }

    /// The user behind the actor, who may manage themselves.
    pub(crate) fn self_managing(&self, actor: &Actor) -> Result<UserId> {
        access::require(actor, Action::ManageSelf, &Facts::default())?;
        actor.user().ok_or(Error::Unauthorized)
    }

    /// People of the house by id.
    ///
    /// # Errors
    /// `Denied`.
    pub async fn people(&self, actor: &Actor, filter: &UserListFilter) -> Result<Vec<User>> {
        access::require(actor, Action::ReadPeople, &Facts::default())?;
        Ok(self.store.users(filter).await?)
    }

    /// One person of the house.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub async fn person(&self, actor: &Actor, username: &str) -> Result<User> {
        access::require(actor, Action::ReadPeople, &Facts::default())?;
        Ok(self
            .store
            .user_by_name(&Username::skeleton_of(username))
            .await?)
    }
}

/// The fields of a sign-up, all checked, so that a form can show every refusal at once.
fn checked(form: &SignUp) -> Result<(Username, String, Option<String>)> {
    let mut refusals: Vec<Invalid> = Vec::new();
    let username = Username::parse(&form.username)
        .map_err(|invalid| refusals.push(invalid))
        .ok();
    let display_name = if form.display_name.trim().is_empty() {
        username.as_ref().map(|name| name.as_str().to_owned())
    } else {
        match DisplayName::parse(&form.display_name) {
            Ok(name) => Some(name.as_str().to_owned()),
            Err(invalid) => {
                refusals.push(invalid);
                None
            }
        }
    };
    let email = parse_email(&form.email).unwrap_or_else(|invalid| {
        refusals.push(invalid);
        None
    });
    if let Err(invalid) = check_password(&form.password, &[&form.username, &form.display_name]) {
        refusals.push(invalid);
    } else if form.password != form.password_confirm {
        refusals.push(mismatch());
    }
    match (username, display_name) {
        (Some(username), Some(display_name)) if refusals.is_empty() => {
            Ok((username, display_name, email))
        }
        _ => Err(Error::Invalid(refusals)),
    }
}

fn mismatch() -> Invalid {
    Invalid::new(
        "password_confirm",
        "invalid",
        "the two passwords are not the same",
    )
}

/// A user as an actor's standing.
pub(crate) fn standing(user: &User, credential: Credential) -> Standing {
    Standing {
        user: user.id,
        username: user.username.clone(),
        display_name: user.display_name.clone(),
        role: user.role,
        state: user.state,
        kind: user.kind,
        credential,
    }
}
