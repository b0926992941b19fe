//! Accounts, reset links and counted sign-ins.
//!
//! What a newcomer would get wrong: whatever ends an account's standing (a new password, a
//! ban) ends its sessions, tokens and reset links in the same transaction, and says which,
//! so that the caller can close their sockets.

use async_trait::async_trait;
use domain::{Event, MemberRole, Role, RoomId, SessionId, Time, TokenId, User, UserId, UserState};
use rusqlite::Connection;

use super::members::add;
use super::rows::{Statements, USER_WIDTH, conflict, fold, limit, time, user, user_columns};
use super::writer::Tx;
use super::{SqliteStore, house, log};
use crate::{
    Attempts, Conflict, Credentials, NewUser, NoticeKind, PasswordReset, Result, StoreError,
    UserListFilter, UserUpdate, Users,
};

/// The room everyone is in; made by the first migration.
const LOBBY: RoomId = RoomId(1);
/// How long a failed sign-in is kept, whatever window is asked about.
const ATTEMPT_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

#[async_trait]
impl Users for SqliteStore {
    async fn has_owner(&self) -> Result<bool> {
        self.read(has_owner).await
    }

    async fn create_user(&self, new: &NewUser) -> Result<(User, Vec<Event>)> {
        let new = new.clone();
        self.write(move |tx| create(tx, &new)).await
    }

    async fn user(&self, id: UserId) -> Result<User> {
        self.read(move |conn| by_id(conn, id)).await
    }

    async fn user_by_name(&self, skeleton: &str) -> Result<User> {
        let skeleton = skeleton.to_owned();
        self.read(move |conn| conn.one(USER_BY_NAME, [skeleton], |row| user(row, 0)))
            .await
    }

    async fn credentials(&self, skeleton: &str) -> Result<Credentials> {
        let skeleton = skeleton.to_owned();
        self.read(move |conn| {
            conn.one(CREDENTIALS, [skeleton], |row| {
                Ok(Credentials {
                    user: user(row, 0)?,
                    password_hash: row.get(USER_WIDTH)?,
                })
            })
        })
        .await
    }

    async fn users(&self, filter: &UserListFilter) -> Result<Vec<User>> {
        let filter = filter.clone();
        self.read(move |conn| {
            let query = filter.query.as_deref().map(fold);
            let after = filter.after.map_or(0, |user| user.0);
            conn.all(USERS, (query, after, limit(filter.limit, 1000)), |row| {
                user(row, 0)
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
        let wished = update.clone();
        self.write(move |tx| change(tx, user, &wished)).await
    }

    async fn email(&self, user: UserId) -> Result<Option<String>> {
        self.read(move |conn| conn.one(EMAIL, [user.0], |row| row.get(0)))
            .await
    }

    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()> {
        let reset = reset.clone();
        self.write(move |tx| {
            by_id(tx, reset.user)?;
            tx.change(
                PUT_RESET,
                (
                    reset.user.0,
                    &reset.secret_hash,
                    reset.expires_at.0,
                    reset.made_by.map(|user| user.0),
                ),
            )?;
            match &reset.audit {
                Some(audit) => house::write_down(tx, audit),
                None => Ok(()),
            }
        })
        .await
    }

    async fn password_reset_user(&self, secret_hash: &[u8; 32], at: Time) -> Result<User> {
        let secret_hash = *secret_hash;
        self.read(move |conn| reset_user(conn, &secret_hash, at))
            .await
    }

    async fn use_password_reset(
        &self,
        secret_hash: &[u8; 32],
        password_hash: &str,
        at: Time,
    ) -> Result<(User, Vec<SessionId>, Vec<TokenId>)> {
        let secret_hash = *secret_hash;
        let update = UserUpdate {
            password_hash: Some(password_hash.to_owned()),
            ..UserUpdate::default()
        };
        self.write(move |tx| {
            let user = reset_user(tx, &secret_hash, at)?;
            change(tx, user.id, &update)
        })
        .await
    }

    async fn sign_in_attempts(
        &self,
        skeleton: &str,
        address: &str,
        since: Time,
    ) -> Result<Attempts> {
        let (skeleton, address) = (skeleton.to_owned(), address.to_owned());
        self.read(move |conn| {
            conn.one(ATTEMPTS, (skeleton, address, since.0), |row| {
                Ok(Attempts {
                    account: row.get(0)?,
                    account_in_a_row: row.get(1)?,
                    address: row.get(2)?,
                    oldest_at: time(row, 3)?,
                })
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
        let (skeleton, address) = (skeleton.to_owned(), address.to_owned());
        self.write(move |tx| {
            if failed {
                tx.change(INSERT_ATTEMPT, (&skeleton, &address, at.0))?;
                tx.change(COUNT_IN_A_ROW, [&skeleton])?;
                tx.change(DROP_OLD_ATTEMPTS, [at.plus_ms(-ATTEMPT_KEPT_MS).0])?;
            } else {
                tx.change(END_RUN, [&skeleton])?;
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn has_owner(conn: &Connection) -> Result<bool> {
    conn.one(HAS_OWNER, [], |row| row.get(0))
}

fn by_id(conn: &Connection, id: UserId) -> Result<User> {
    conn.one(USER_BY_ID, [id.0], |row| user(row, 0))
}

fn create(tx: &Tx<'_>, new: &NewUser) -> Result<(User, Vec<Event>)> {
    match (new.role == Role::Owner, has_owner(tx)?) {
        (true, true) => return conflict(Conflict::OwnerExists),
        (false, false) => return conflict(Conflict::SetupRequired),
        _ => {}
    }
    let is_taken: bool = tx.one(NAME_TAKEN, [&new.skeleton], |row| row.get(0))?;
    if is_taken {
        return conflict(Conflict::UsernameTaken);
    }
    let (user, joined) = insert_account(tx, new)?;
    Ok((user, vec![joined]))
}

/// Makes an account, whose name is free, and its membership in the lobby.
pub(super) fn insert_account(tx: &Tx<'_>, new: &NewUser) -> Result<(User, Event)> {
    let folded_email = new.email.as_deref().map(fold);
    refuse_taken_email(tx, folded_email.as_deref(), UserId(0))?;
    tx.change(
        INSERT_USER,
        (
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
        ),
    )?;
    let id = UserId(tx.last_insert_rowid());
    let author = log::author_of(tx, id)?;
    let (_, joined) = add(tx, LOBBY, author, MemberRole::Member, new.at)?;
    Ok((by_id(tx, id)?, joined))
}

fn refuse_taken_email(tx: &Tx<'_>, folded: Option<&str>, except: UserId) -> Result<()> {
    let Some(folded) = folded else { return Ok(()) };
    if tx.one(EMAIL_TAKEN, (folded, except.0), |row| row.get(0))? {
        return conflict(Conflict::EmailTaken);
    }
    Ok(())
}

fn change(
    tx: &Tx<'_>,
    id: UserId,
    update: &UserUpdate,
) -> Result<(User, Vec<SessionId>, Vec<TokenId>)> {
    let before = by_id(tx, id)?;
    let role = update.role.unwrap_or(before.role);
    let state = update.state.unwrap_or(before.state);
    let was_owner = before.role == Role::Owner && before.state == UserState::Active;
    let stays_owner = role == Role::Owner && state == UserState::Active;
    if was_owner && !stays_owner && !tx.one(HAS_OTHER_OWNER, [id.0], |row| row.get(0))? {
        return conflict(Conflict::LastOwner);
    }
    if let Some(email) = &update.email {
        let folded = email.as_deref().map(fold);
        refuse_taken_email(tx, folded.as_deref(), id)?;
        tx.change(SET_EMAIL, (id.0, email, folded))?;
    }
    if let Some(name) = &update.display_name {
        tx.change(SET_DISPLAY_NAME, (id.0, name, fold(name)))?;
    }
    if let Some(hash) = &update.password_hash {
        tx.change(SET_PASSWORD, (id.0, hash))?;
    }
    tx.change(SET_STANDING, (id.0, role.as_str(), state.as_str()))?;
    let (mut sessions, mut tokens) = (Vec::new(), Vec::new());
    if update.password_hash.is_some() || state != UserState::Active {
        // A ban leaves no session, whoever asked to keep one.
        let keep = update
            .keep_session
            .filter(|_| state == UserState::Active)
            .map_or(0, |session| session.0);
        sessions = tx.all(END_SESSIONS, (id.0, keep), |row| row.get(0).map(SessionId))?;
        tokens = tx.all(END_TOKENS, [id.0], |row| row.get(0).map(TokenId))?;
        tx.change(END_RESETS, [id.0])?;
    }
    if let Some(audit) = &update.audit {
        house::write_down(tx, audit)?;
        house::notify(tx, NoticeKind::UserChanged(id), audit.at)?;
    }
    Ok((by_id(tx, id)?, sessions, tokens))
}

fn reset_user(conn: &Connection, secret_hash: &[u8; 32], at: Time) -> Result<User> {
    match conn.maybe(RESET_USER, (secret_hash, at.0), |row| user(row, 0))? {
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
   where role = 'owner' and state = 'active' and id <> ?1
)";

// By primary key.
const USER_BY_ID: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.id = ?1"
);

// By the unique index of skeleton.
const USER_BY_NAME: &str = concat!(
    "select ",
    user_columns!("u"),
    "\n  from users u\n where u.skeleton = ?1"
);

// By the unique index of skeleton.
const CREDENTIALS: &str = concat!(
    "select ",
    user_columns!("u"),
    ", u.password_hash\n  from users u\n where u.skeleton = ?1"
);

// By primary key, up to the page's end; a rare word walks all people.
const USERS: &str = concat!(
    "select ",
    user_columns!("u"),
    "
  from users u
 where u.id > ?2
   and (?1 is null or instr(u.folded_username, ?1) or instr(u.folded_name, ?1))
 order by u.id
 limit ?3"
);

// By the unique index of skeleton.
const NAME_TAKEN: &str = "
select exists (select 1 from users where skeleton = ?1)";

// By the unique index of folded_email.
const EMAIL_TAKEN: &str = "
select exists (select 1 from users where folded_email = ?1 and id <> ?2)";

const INSERT_USER: &str = "
insert into users (
  username, skeleton, display_name, folded_username, folded_name, email, folded_email, kind,
  role, state, password_hash, created_at
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'active', ?10, ?11)";

// By primary key.
const EMAIL: &str = "
select email
  from users
 where id = ?1";

const SET_EMAIL: &str = "
update users
   set email = ?2, folded_email = ?3
 where id = ?1";

const SET_DISPLAY_NAME: &str = "
update users
   set display_name = ?2, folded_name = ?3
 where id = ?1";

// A new password also ends the run of failed sign-ins with the old one.
const SET_PASSWORD: &str = "
update users
   set password_hash = ?2, failed_in_a_row = 0
 where id = ?1";

const SET_STANDING: &str = "
update users
   set role = ?2, state = ?3
 where id = ?1 and (role <> ?2 or state <> ?3)";

// By sessions_by_user.
const END_SESSIONS: &str = "
delete from sessions
 where user_id = ?1 and id <> ?2
returning id";

// By tokens_by_user.
const END_TOKENS: &str = "
delete from tokens
 where user_id = ?1
returning id";

// By primary key.
const END_RESETS: &str = "
delete from password_resets
 where user_id = ?1";

const PUT_RESET: &str = "
insert into password_resets (user_id, secret_hash, expires_at, made_by)
values (?1, ?2, ?3, ?4)
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
 where p.secret_hash = ?1 and p.expires_at > ?2 and u.state = 'active'"
);

// By sign_in_attempts_by_skeleton and _by_address. A name that nobody has counts its run
// like one that exists, so that the answer does not tell which names exist.
const ATTEMPTS: &str = "
select (select count(*) from sign_in_attempts where skeleton = ?1 and at >= ?3),
       coalesce(
         (select failed_in_a_row from users where skeleton = ?1),
         (select count(*) from sign_in_attempts where skeleton = ?1)
       ),
       (select count(*) from sign_in_attempts where address = ?2 and at >= ?3),
       (
         select min(at)
           from (
             select min(at) as at from sign_in_attempts where skeleton = ?1 and at >= ?3
             union all
             select min(at) from sign_in_attempts where address = ?2 and at >= ?3
           )
       )";

const INSERT_ATTEMPT: &str = "
insert into sign_in_attempts (skeleton, address, at)
values (?1, ?2, ?3)";

// By the unique index of skeleton.
const COUNT_IN_A_ROW: &str = "
update users
   set failed_in_a_row = failed_in_a_row + 1
 where skeleton = ?1";

// By sign_in_attempts_by_at; a little with each new row keeps up with any flood.
const DROP_OLD_ATTEMPTS: &str = "
delete from sign_in_attempts
 where id in (select id from sign_in_attempts where at < ?1 order by at limit 100)";

// By the unique index of skeleton.
const END_RUN: &str = "
update users
   set failed_in_a_row = 0
 where skeleton = ?1 and failed_in_a_row <> 0";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("HAS_OWNER", HAS_OWNER),
    ("HAS_OTHER_OWNER", HAS_OTHER_OWNER),
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
