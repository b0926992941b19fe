//! Sessions and tokens, found by the hash of their secret.

use async_trait::async_trait;
use domain::{Scopes, SessionId, Time, TokenId, UserId};

use super::SqliteStore;
use super::members::require_active;
use super::rows::{Statements, USER_WIDTH, conflict, time, user, user_columns};
use super::writer::Tx;
use crate::{
    Conflict, NewSession, NewToken, Result, SessionInfo, SessionStanding, Sessions, StoreError,
    TokenInfo, TokenStanding,
};

/// Sessions of one person; the one unused for longest goes.
const MAX_SESSIONS: i64 = 100;
/// Tokens of one person.
const MAX_TOKENS: i64 = 100;

#[async_trait]
impl Sessions for SqliteStore {
    async fn create_session(&self, new: &NewSession) -> Result<SessionId> {
        let new = new.clone();
        self.write(move |tx| {
            require_active(tx, new.user)?;
            require_proof(tx, new.user, new.proof.as_deref())?;
            tx.change(DROP_OLDEST_SESSIONS, (new.user.0, MAX_SESSIONS - 1))?;
            tx.change(
                INSERT_SESSION,
                (
                    new.user.0,
                    &new.secret_hash,
                    &new.agent,
                    &new.address,
                    new.at.0,
                ),
            )?;
            Ok(SessionId(tx.last_insert_rowid()))
        })
        .await
    }

    async fn session(&self, secret_hash: &[u8; 32]) -> Result<SessionStanding> {
        let secret_hash = *secret_hash;
        self.read(move |conn| {
            conn.one(SESSION, [secret_hash], |row| {
                Ok(SessionStanding {
                    user: user(row, 0)?,
                    id: SessionId(row.get(USER_WIDTH)?),
                    created_at: Time(row.get(USER_WIDTH + 1)?),
                    seen_at: Time(row.get(USER_WIDTH + 2)?),
                })
            })
        })
        .await
    }

    async fn touch_session(&self, id: SessionId, address: &str, at: Time) -> Result<()> {
        let address = address.to_owned();
        self.write(move |tx| {
            // Ended in between is no failure: the next request is refused.
            tx.change(TOUCH_SESSION, (id.0, &address, at.0))?;
            Ok(())
        })
        .await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionInfo>> {
        self.read(move |conn| {
            conn.all(SESSIONS, [user.0], |row| {
                Ok(SessionInfo {
                    id: SessionId(row.get(0)?),
                    agent: row.get(1)?,
                    address: row.get(2)?,
                    created_at: Time(row.get(3)?),
                    seen_at: Time(row.get(4)?),
                })
            })
        })
        .await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<()> {
        self.write(move |tx| one_gone(tx, END_SESSION, user, id.0))
            .await
    }

    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> Result<Vec<SessionId>> {
        let keep = keep.map_or(0, |session| session.0);
        self.write(move |tx| {
            tx.all(END_SESSIONS, (user.0, keep), |row| {
                row.get(0).map(SessionId)
            })
        })
        .await
    }

    async fn expire_sessions(
        &self,
        idle_before: Time,
        opened_before: Time,
    ) -> Result<Vec<(UserId, SessionId)>> {
        self.write(move |tx| {
            tx.all(EXPIRE_SESSIONS, (idle_before.0, opened_before.0), |row| {
                Ok((UserId(row.get(0)?), SessionId(row.get(1)?)))
            })
        })
        .await
    }

    async fn create_token(&self, new: &NewToken) -> Result<TokenInfo> {
        let new = new.clone();
        self.write(move |tx| create_token(tx, &new)).await
    }

    async fn token(&self, secret_hash: &[u8; 32]) -> Result<TokenStanding> {
        let secret_hash = *secret_hash;
        self.read(move |conn| {
            conn.one(TOKEN, [secret_hash], |row| {
                Ok(TokenStanding {
                    user: user(row, 0)?,
                    id: TokenId(row.get(USER_WIDTH)?),
                    scopes: scopes(row, USER_WIDTH + 1)?,
                    used_at: time(row, USER_WIDTH + 4)?,
                })
            })
        })
        .await
    }

    async fn touch_token(&self, id: TokenId, at: Time) -> Result<()> {
        self.write(move |tx| {
            tx.change(TOUCH_TOKEN, (id.0, at.0))?;
            Ok(())
        })
        .await
    }

    async fn tokens(&self, user: UserId) -> Result<Vec<TokenInfo>> {
        self.read(move |conn| {
            conn.all(TOKENS, [user.0], |row| {
                Ok(TokenInfo {
                    id: TokenId(row.get(0)?),
                    name: row.get(1)?,
                    scopes: scopes(row, 2)?,
                    created_at: Time(row.get(5)?),
                    used_at: time(row, 6)?,
                })
            })
        })
        .await
    }

    async fn delete_token(&self, user: UserId, id: TokenId) -> Result<()> {
        self.write(move |tx| one_gone(tx, DELETE_TOKEN, user, id.0))
            .await
    }
}

fn one_gone(tx: &Tx<'_>, sql: &str, user: UserId, id: i64) -> Result<()> {
    match tx.change(sql, (user.0, id))? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// Refuses a password that was changed since it was proved.
fn require_proof(tx: &Tx<'_>, user: UserId, proof: Option<&str>) -> Result<()> {
    let Some(proof) = proof else { return Ok(()) };
    if tx.one(IS_PASSWORD_HASH, (user.0, proof), |row| row.get(0))? {
        return Ok(());
    }
    conflict(Conflict::NotActive)
}

fn create_token(tx: &Tx<'_>, new: &NewToken) -> Result<TokenInfo> {
    require_active(tx, new.user)?;
    require_proof(tx, new.user, new.proof.as_deref())?;
    let count: i64 = tx.one(COUNT_TOKENS, [new.user.0], |row| row.get(0))?;
    if count >= MAX_TOKENS {
        return conflict(Conflict::TooMany);
    }
    tx.change(
        INSERT_TOKEN,
        (
            new.user.0,
            &new.name,
            &new.secret_hash,
            new.scopes.read,
            new.scopes.write,
            new.scopes.admin,
            new.at.0,
        ),
    )?;
    Ok(TokenInfo {
        id: TokenId(tx.last_insert_rowid()),
        name: new.name.clone(),
        scopes: new.scopes,
        created_at: new.at,
        used_at: None,
    })
}

fn scopes(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Scopes> {
    Ok(Scopes {
        read: row.get(at)?,
        write: row.get(at + 1)?,
        admin: row.get(at + 2)?,
    })
}

// By primary key.
const IS_PASSWORD_HASH: &str = "
select exists (select 1 from users where id = ?1 and password_hash = ?2)";

const INSERT_SESSION: &str = "
insert into sessions (user_id, secret_hash, agent, address, created_at, seen_at)
values (?1, ?2, ?3, ?4, ?5, ?5)";

// By sessions_by_user.
const DROP_OLDEST_SESSIONS: &str = "
delete from sessions
 where id in (
   select id
     from sessions
    where user_id = ?1
    order by seen_at desc, id desc
    limit -1 offset ?2
 )";

// By the unique index of secret_hash and primary key.
const SESSION: &str = concat!(
    "select ",
    user_columns!("u"),
    ", s.id, s.created_at, s.seen_at
  from sessions s
  join users u on u.id = s.user_id
 where s.secret_hash = ?1 and u.state = 'active'"
);

// By primary key. Never back: the wall clock may have been set.
const TOUCH_SESSION: &str = "
update sessions
   set address = ?2, seen_at = max(seen_at, ?3)
 where id = ?1";

// By sessions_by_user.
const SESSIONS: &str = "
select id, agent, address, created_at, seen_at
  from sessions
 where user_id = ?1
 order by seen_at desc, id desc";

// By primary key.
const END_SESSION: &str = "
delete from sessions
 where user_id = ?1 and id = ?2";

// By sessions_by_user.
const END_SESSIONS: &str = "
delete from sessions
 where user_id = ?1 and id <> ?2
returning id";

// By sessions_by_seen and sessions_by_created.
const EXPIRE_SESSIONS: &str = "
delete from sessions
 where id in (
   select id
     from sessions
    where seen_at < ?1 or created_at < ?2
    limit 1000
 )
returning user_id, id";

const INSERT_TOKEN: &str = "
insert into tokens (
  user_id, name, secret_hash, may_read, may_write, may_administer, created_at
)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

// By tokens_by_user.
const COUNT_TOKENS: &str = "
select count(*)
  from tokens
 where user_id = ?1";

// By the unique index of secret_hash and primary key.
const TOKEN: &str = concat!(
    "select ",
    user_columns!("u"),
    ", t.id, t.may_read, t.may_write, t.may_administer, t.used_at
  from tokens t
  join users u on u.id = t.user_id
 where t.secret_hash = ?1 and u.state = 'active'"
);

// By primary key.
const TOUCH_TOKEN: &str = "
update tokens
   set used_at = ?2
 where id = ?1";

// By tokens_by_user.
const TOKENS: &str = "
select id, name, may_read, may_write, may_administer, created_at, used_at
  from tokens
 where user_id = ?1
 order by id desc";

// By primary key.
const DELETE_TOKEN: &str = "
delete from tokens
 where user_id = ?1 and id = ?2";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("IS_PASSWORD_HASH", IS_PASSWORD_HASH),
    ("INSERT_SESSION", INSERT_SESSION),
    ("DROP_OLDEST_SESSIONS", DROP_OLDEST_SESSIONS),
    ("SESSION", SESSION),
    ("TOUCH_SESSION", TOUCH_SESSION),
    ("SESSIONS", SESSIONS),
    ("END_SESSION", END_SESSION),
    ("END_SESSIONS", END_SESSIONS),
    ("EXPIRE_SESSIONS", EXPIRE_SESSIONS),
    ("INSERT_TOKEN", INSERT_TOKEN),
    ("COUNT_TOKENS", COUNT_TOKENS),
    ("TOKEN", TOKEN),
    ("TOUCH_TOKEN", TOUCH_TOKEN),
    ("TOKENS", TOKENS),
    ("DELETE_TOKEN", DELETE_TOKEN),
];
