//! Accounts, reset links and counted sign-ins.
//!
//! What a newcomer would get wrong: whatever ends an account's standing (a new password, a
//! ban) ends its sessions, tokens and reset links in the same transaction, and says which,
//! so that the caller can close their sockets. Whoever opens one takes the lock on the
//! account first, so none is opened in between.

use async_trait::async_trait;
use domain::{Event, MemberRole, Role, RoomId, SessionId, Time, TokenId, User, UserId, UserState};

use super::members::add;
use super::rows::{USER_WIDTH, conflict, fold, limit, time, user, user_columns};
use super::tx::{NONE, Tx};
use super::{PostgresStore, house, log};
use crate::{
    Attempts, Conflict, Credentials, NewUser, NoticeKind, PasswordReset, Result, StoreError,
    UserListFilter, UserUpdate, Users,
};

/// The room everyone is in; made by the first migration.
pub(super) const LOBBY: RoomId = RoomId(1);
/// How long a failed sign-in is kept, whatever window is asked about.
const ATTEMPT_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

#[async_trait]
impl Users for PostgresStore {
    async fn has_owner(&self) -> Result<bool> {
        self.read((), |tx, ()| Box::pin(has_owner(tx))).await
    }

    async fn create_user(&self, new: &NewUser) -> Result<(User, Vec<Event>)> {
        self.write(new.clone(), |tx, new| Box::pin(create(tx, new)))
            .await
    }

    async fn user(&self, id: UserId) -> Result<User> {
        self.read(id, |tx, id| Box::pin(by_id(tx, *id))).await
    }

    async fn user_by_name(&self, skeleton: &str) -> Result<User> {
        self.read(skeleton, |tx, skeleton| {
            Box::pin(async { tx.one(USER_BY_NAME, [*skeleton], |row| user(row, 0)).await })
        })
        .await
    }

    async fn credentials(&self, skeleton: &str) -> Result<Credentials> {
        self.read(skeleton, |tx, skeleton| {
            Box::pin(async {
                tx.one(CREDENTIALS, [*skeleton], |row| {
                    Ok(Credentials {
                        user: user(row, 0)?,
                        password_hash: row.get(USER_WIDTH)?,
                    })
                })
                .await
            })
        })
        .await
    }

    async fn users(&self, filter: &UserListFilter) -> Result<Vec<User>> {
        let query = filter.query.as_deref().map(fold);
        let after = filter.after.map_or(0, |user| user.0);
        let args = (query, after, limit(filter.limit, 1000));
        self.read(args, |tx, (query, after, most)| {
            Box::pin(async move {
                tx.all(USERS, (query, after, most), |row| user(row, 0))
                    .await
            })
        })
        .await
    }

    async fn update_user(
        &self,
        user: UserId,
        update: &UserUpdate,
        _at: Time,
    ) -> Result<(User, Vec<SessionId>, Vec<TokenId>)> {
        self.write((user, update.clone()), |tx, (user, wished)| {
            Box::pin(change(tx, *user, wished))
        })
        .await
    }

    async fn email(&self, user: UserId) -> Result<Option<String>> {
        self.read(user, |tx, user| {
            Box::pin(async { tx.one(EMAIL, [user.0], |row| row.get(0)).await })
        })
        .await
    }

    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()> {
        self.write(reset.clone(), |tx, reset| {
            Box::pin(async {
                lock_user(tx, reset.user).await?;
                let params = (
                    reset.user.0,
                    reset.secret_hash.as_slice(),
                    reset.expires_at.0,
                    reset.made_by.map(|user| user.0),
                );
                tx.change(PUT_RESET, params).await?;
                match &reset.audit {
                    Some(audit) => house::write_down(tx, audit).await,
                    None => Ok(()),
                }
            })
        })
        .await
    }

    async fn password_reset_user(&self, secret_hash: &[u8; 32], at: Time) -> Result<User> {
        self.read((*secret_hash, at), |tx, (secret_hash, at)| {
            Box::pin(reset_user(tx, secret_hash, *at))
        })
        .await
    }

    async fn use_password_reset(
        &self,
        secret_hash: &[u8; 32],
        password_hash: &str,
        at: Time,
    ) -> Result<(User, Vec<SessionId>, Vec<TokenId>)> {
        let update = UserUpdate {
            password_hash: Some(password_hash.to_owned()),
            ..UserUpdate::default()
        };
        self.write(
            (*secret_hash, at, update),
            |tx, (secret_hash, at, update)| {
                Box::pin(async {
                    let user = reset_user(tx, secret_hash, *at).await?;
                    lock_user(tx, user.id).await?;
                    // Of two who use it at once, the later one looks again.
                    reset_user(tx, secret_hash, *at).await?;
                    change(tx, user.id, update).await
                })
            },
        )
        .await
    }

    async fn sign_in_attempts(
        &self,
        skeleton: &str,
        address: &str,
        since: Time,
    ) -> Result<Attempts> {
        self.read((skeleton, address, since.0), |tx, args| {
            Box::pin(async {
                tx.one(ATTEMPTS, *args, |row| {
                    Ok(Attempts {
                        account: row.get(0)?,
                        account_in_a_row: row.get(1)?,
                        address: row.get(2)?,
                        oldest_at: time(row, 3)?,
                    })
                })
                .await
            })
        })
        .await
    }

    async fn record_sign_in(
        &self,
        skeleton: &str,
        address: &str,
        failed: bool,
        at: Time,
    ) -> Result<()> {
        let args = (skeleton.to_owned(), address.to_owned(), failed, at);
        self.write(args, |tx, (skeleton, address, failed, at)| {
            Box::pin(async move {
                if *failed {
                    tx.change(INSERT_ATTEMPT, (skeleton, address, at.0)).await?;
                    tx.change(DROP_OLD_ATTEMPTS, [at.plus_ms(-ATTEMPT_KEPT_MS).0])
                        .await?;
                    tx.change(COUNT_IN_A_ROW, [skeleton]).await?;
                } else {
                    tx.change(END_RUN, [skeleton]).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// Keeps others from changing the account until the transaction ends; `NotFound`.
pub(super) async fn lock_user(tx: &Tx, user: UserId) -> Result<()> {
    tx.one(LOCK_USER, [user.0], |_| Ok(())).await
}

pub(super) async fn has_owner(tx: &Tx) -> Result<bool> {
    tx.one(HAS_OWNER, NONE, |row| row.get(0)).await
}

async fn by_id(tx: &Tx, id: UserId) -> Result<User> {
    tx.one(USER_BY_ID, [id.0], |row| user(row, 0)).await
}

async fn create(tx: &Tx, new: &NewUser) -> Result<(User, Vec<Event>)> {
    // Everyone joins the lobby, so its lock decides who is first.
    log::lock_room(tx, LOBBY).await?;
    match (new.role == Role::Owner, has_owner(tx).await?) {
        (true, true) => return conflict(Conflict::OwnerExists),
        (false, false) => return conflict(Conflict::SetupRequired),
        _ => {}
    }
    let is_taken: bool = tx
        .one(NAME_TAKEN, [&new.skeleton], |row| row.get(0))
        .await?;
    if is_taken {
        return conflict(Conflict::UsernameTaken);
    }
    let (user, joined) = insert_account(tx, new).await?;
    Ok((user, vec![joined]))
}

/// Makes an account, whose name is free, and its membership in the lobby.
pub(super) async fn insert_account(tx: &Tx, new: &NewUser) -> Result<(User, Event)> {
    let folded_email = new.email.as_deref().map(fold);
    refuse_taken_email(tx, folded_email.as_deref(), UserId(0)).await?;
    let params = (
        &new.username,
        &new.skeleton,
        &new.display_name,
        fold(&new.username),
        fold(&new.display_name),
        &new.email,
        &folded_email,
        new.kind.as_str(),
        new.role.as_str(),
        &new.password_hash,
        new.at.0,
    );
    let id = tx
        .one(INSERT_USER, params, |row| row.get(0).map(UserId))
        .await?;
    let author = log::author_of(tx, id).await?;
    let (_, joined) = add(tx, LOBBY, author, MemberRole::Member, new.at).await?;
    Ok((by_id(tx, id).await?, joined))
}

async fn refuse_taken_email(tx: &Tx, folded: Option<&str>, except: UserId) -> Result<()> {
    let Some(folded) = folded else { return Ok(()) };
    if tx
        .one(EMAIL_TAKEN, (folded, except.0), |row| row.get(0))
        .await?
    {
        return conflict(Conflict::EmailTaken);
    }
    Ok(())
}

async fn change(
    tx: &Tx,
    id: UserId,
    update: &UserUpdate,
) -> Result<(User, Vec<SessionId>, Vec<TokenId>)> {
    if update.role.is_some() || update.state.is_some() {
        // Two owners demoting each other: the second one waits, and then sees.
        tx.change(LOCK_OWNERS, [id.0]).await?;
    } else {
        lock_user(tx, id).await?;
    }
    let before = by_id(tx, id).await?;
    let role = update.role.unwrap_or(before.role);
    let state = update.state.unwrap_or(before.state);
    let was_owner = before.role == Role::Owner && before.state == UserState::Active;
    let stays_owner = role == Role::Owner && state == UserState::Active;
    if was_owner && !stays_owner && !tx.one(HAS_OTHER_OWNER, [id.0], |row| row.get(0)).await? {
        return conflict(Conflict::LastOwner);
    }
    if let Some(email) = &update.email {
        let folded = email.as_deref().map(fold);
        refuse_taken_email(tx, folded.as_deref(), id).await?;
        tx.change(SET_EMAIL, (id.0, email, folded)).await?;
    }
    if let Some(name) = &update.display_name {
        tx.change(SET_DISPLAY_NAME, (id.0, name, fold(name)))
            .await?;
    }
    if let Some(hash) = &update.password_hash {
        tx.change(SET_PASSWORD, (id.0, hash)).await?;
    }
    tx.change(SET_STANDING, (id.0, role.as_str(), state.as_str()))
        .await?;
    let (mut sessions, mut tokens) = (Vec::new(), Vec::new());
    if update.password_hash.is_some() || state != UserState::Active {
        // A ban leaves no session, whoever asked to keep one.
        let keep = update
            .keep_session
            .filter(|_| state == UserState::Active)
            .map_or(0, |session| session.0);
        sessions = tx
            .all(END_SESSIONS, (id.0, keep), |row| row.get(0).map(SessionId))
            .await?;
        tokens = tx
            .all(END_TOKENS, [id.0], |row| row.get(0).map(TokenId))
            .await?;
        tx.change(END_RESETS, [id.0]).await?;
    }
    let changed = by_id(tx, id).await?;
    if let Some(audit) = &update.audit {
        house::write_down(tx, audit).await?;
        house::notify(tx, NoticeKind::UserChanged(id), audit.at).await?;
    }
    Ok((changed, sessions, tokens))
}

async fn reset_user(tx: &Tx, secret_hash: &[u8; 32], at: Time) -> Result<User> {
    match tx
        .maybe(RESET_USER, (secret_hash.as_slice(), at.0), |row| {
            user(row, 0)
        })
        .await?
    {
        Some(user) => Ok(user),
        None => Err(StoreError::Conflict(Conflict::ResetInvalid)),
    }
}

// By users_owners.
const HAS_OWNER: &str = "
select exists (select 1 from users where role = 'owner')";

// By users_owners.
const HAS_OTHER_OWNER: &str = "
select exists (
  select 1
    from users
   where role = 'owner' and state = 'active' and id <> $1
)";

// By primary key.
const LOCK_USER: &str = "
select id
  from users
 where id = $1
   for no key update";

// By primary key and users_owners. In one order, so that two who lock them never wait for
// each other.
const LOCK_OWNERS: &str = "
select id
  from users
 where id = $1 or role = 'owner'
 order by id
   for no key update";

// By primary key.
const USER_BY_ID: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.id = $1"
);

// By the unique index of skeleton.
const USER_BY_NAME: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.skeleton = $1"
);

// By the unique index of skeleton.
const CREDENTIALS: &str = concat!(
    "select ",
    user_columns!("u"),
    ", u.password_hash\n  from users u\n where u.skeleton = $1"
);

// By primary key, up to the page's end; a rare word walks all people.
const USERS: &str = concat!(
    "select ",
    user_columns!("u"),
    "
  from users u
 where u.id > $2
   and (
     $1::text is null
     or strpos(u.folded_username, $1) > 0
     or strpos(u.folded_name, $1) > 0
   )
 order by u.id
 limit $3"
);

// By the unique index of skeleton.
const NAME_TAKEN: &str = "
select exists (select 1 from users where skeleton = $1)";

// By the unique index of folded_email.
const EMAIL_TAKEN: &str = "
select exists (select 1 from users where folded_email = $1 and id <> $2)";

const INSERT_USER: &str = "
insert into users (
  username, skeleton, display_name, folded_username, folded_name, email, folded_email, kind,
  role, state, password_hash, created_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10, $11)
returning id";

// By primary key.
const EMAIL: &str = "
select email
  from users
 where id = $1";

const SET_EMAIL: &str = "
update users
   set email = $2, folded_email = $3
 where id = $1";

const SET_DISPLAY_NAME: &str = "
update users
   set display_name = $2, folded_name = $3
 where id = $1";

// A new password also ends the run of failed sign-ins with the old one.
const SET_PASSWORD: &str = "
update users
   set password_hash = $2, failed_in_a_row = 0
 where id = $1";

const SET_STANDING: &str = "
update users
   set role = $2, state = $3
 where id = $1 and (role <> $2 or state <> $3)";

// By sessions_by_user.
const END_SESSIONS: &str = "
delete from sessions
 where user_id = $1 and id <> $2
returning id";

// By tokens_by_user.
const END_TOKENS: &str = "
delete from tokens
 where user_id = $1
returning id";

// By primary key.
const END_RESETS: &str = "
delete from password_resets
 where user_id = $1";

const PUT_RESET: &str = "
insert into password_resets (user_id, secret_hash, expires_at, made_by)
values ($1, $2, $3, $4)
on conflict (user_id) do update
   set secret_hash = excluded.secret_hash, expires_at = excluded.expires_at,
       made_by = excluded.made_by";

// By the unique index of secret_hash and primary key.
const RESET_USER: &str = concat!(
    "select ",
    user_columns!("u"),
    "
  from password_resets p
  join users u on u.id = p.user_id
 where p.secret_hash = $1 and p.expires_at > $2 and u.state = 'active'"
);

// By sign_in_attempts_by_skeleton and _by_address. A name that nobody has counts its run
// like one that exists, so that the answer does not tell which names exist.
const ATTEMPTS: &str = "
select (select count(*) from sign_in_attempts where skeleton = $1 and at >= $3),
       coalesce(
         (select failed_in_a_row from users where skeleton = $1),
         (select count(*) from sign_in_attempts where skeleton = $1)
       ),
       (select count(*) from sign_in_attempts where address = $2 and at >= $3),
       (
         select min(at)
           from (
             select min(at) as at from sign_in_attempts where skeleton = $1 and at >= $3
             union all
             select min(at) from sign_in_attempts where address = $2 and at >= $3
           ) oldest
       )";

const INSERT_ATTEMPT: &str = "
insert into sign_in_attempts (skeleton, address, at)
values ($1, $2, $3)";

// By the unique index of skeleton.
const COUNT_IN_A_ROW: &str = "
update users
   set failed_in_a_row = failed_in_a_row + 1
 where skeleton = $1";

// By sign_in_attempts_by_at; a little with each new row keeps up with any flood.
const DROP_OLD_ATTEMPTS: &str = "
delete from sign_in_attempts
 where id in (
   select id
     from sign_in_attempts
    where at < $1
    order by at
    limit 100
      for update skip locked
 )";

// By the unique index of skeleton.
const END_RUN: &str = "
update users
   set failed_in_a_row = 0
 where skeleton = $1 and failed_in_a_row <> 0";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("HAS_OWNER", HAS_OWNER),
    ("HAS_OTHER_OWNER", HAS_OTHER_OWNER),
    ("LOCK_USER", LOCK_USER),
    ("LOCK_OWNERS", LOCK_OWNERS),
    ("USER_BY_ID", USER_BY_ID),
    ("USER_BY_NAME", USER_BY_NAME),
    ("CREDENTIALS", CREDENTIALS),
    ("USERS", USERS),
    ("NAME_TAKEN", NAME_TAKEN),
    ("EMAIL_TAKEN", EMAIL_TAKEN),
    ("INSERT_USER", INSERT_USER),
    ("EMAIL", EMAIL),
    ("SET_EMAIL", SET_EMAIL),
    ("SET_DISPLAY_NAME", SET_DISPLAY_NAME),
    ("SET_PASSWORD", SET_PASSWORD),
    ("SET_STANDING", SET_STANDING),
    ("END_SESSIONS", END_SESSIONS),
    ("END_TOKENS", END_TOKENS),
    ("END_RESETS", END_RESETS),
    ("PUT_RESET", PUT_RESET),
    ("RESET_USER", RESET_USER),
    ("ATTEMPTS", ATTEMPTS),
    ("INSERT_ATTEMPT", INSERT_ATTEMPT),
    ("COUNT_IN_A_ROW", COUNT_IN_A_ROW),
    ("DROP_OLD_ATTEMPTS", DROP_OLD_ATTEMPTS),
    ("END_RUN", END_RUN),
];
