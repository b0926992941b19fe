//! Sessions and tokens, found by the hash of their secret.

use async_trait::async_trait;
use domain::{Scopes, SessionId, Time, TokenId, UserId};

use super::PostgresStore;
use super::members::require_active;
use super::rows::{USER_WIDTH, conflict, time, user, user_columns};
use super::tx::{Row, Tx};
use super::users::lock_user;
use crate::{
    Conflict, NewSession, NewToken, Result, SessionInfo, SessionStanding, Sessions, StoreError,
    TokenInfo, TokenStanding,
};

/// Sessions of one person; the one unused for longest goes.
const MAX_SESSIONS: i64 = 100;
/// Tokens of one person.
const MAX_TOKENS: i64 = 100;

#[async_trait]
impl Sessions for PostgresStore {
    async fn create_session(&self, new: &NewSession) -> Result<SessionId> {
        self.write(new.clone(), |tx, new| Box::pin(create_session(tx, new)))
            .await
    }

    async fn session(&self, secret_hash: &[u8; 32]) -> Result<SessionStanding> {
        self.read(*secret_hash, |tx, secret_hash| {
            Box::pin(async {
                tx.one(SESSION, [secret_hash.as_slice()], |row| {
                    Ok(SessionStanding {
                        user: user(row, 0)?,
                        id: SessionId(row.get(USER_WIDTH)?),
                        created_at: Time(row.get(USER_WIDTH + 1)?),
                        seen_at: Time(row.get(USER_WIDTH + 2)?),
                    })
                })
                .await
            })
        })
        .await
    }

    async fn touch_session(&self, id: SessionId, address: &str, at: Time) -> Result<()> {
        let args = (id.0, address.to_owned(), at.0);
        self.write_one(args, |tx, (id, address, at)| {
            Box::pin(async move {
                // Ended in between is no failure: the next request is refused.
                tx.change(TOUCH_SESSION, (id, address, at)).await?;
                Ok(())
            })
        })
        .await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionInfo>> {
        self.read(user, |tx, user| {
            Box::pin(async {
                tx.all(SESSIONS, [user.0], |row| {
                    Ok(SessionInfo {
                        id: SessionId(row.get(0)?),
                        agent: row.get(1)?,
                        address: row.get(2)?,
                        created_at: Time(row.get(3)?),
                        seen_at: Time(row.get(4)?),
                    })
                })
                .await
            })
        })
        .await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<()> {
        self.write_one((user, id.0), |tx, (user, id)| {
            Box::pin(one_gone(tx, END_SESSION, *user, *id))
        })
        .await
    }

    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> Result<Vec<SessionId>> {
        let keep = keep.map_or(0, |session| session.0);
        self.write_one((user.0, keep), |tx, args| {
            Box::pin(async {
                tx.all(END_SESSIONS, *args, |row| row.get(0).map(SessionId))
                    .await
            })
        })
        .await
    }

    async fn expire_sessions(
        &self,
        idle_before: Time,
        opened_before: Time,
    ) -> Result<Vec<(UserId, SessionId)>> {
        self.write_one((idle_before.0, opened_before.0), |tx, args| {
            Box::pin(async {
                tx.all(EXPIRE_SESSIONS, *args, |row| {
                    Ok((UserId(row.get(0)?), SessionId(row.get(1)?)))
                })
                .await
            })
        })
        .await
    }

    async fn create_token(&self, new: &NewToken) -> Result<TokenInfo> {
        self.write(new.clone(), |tx, new| Box::pin(create_token(tx, new)))
            .await
    }

    async fn token(&self, secret_hash: &[u8; 32]) -> Result<TokenStanding> {
        self.read(*secret_hash, |tx, secret_hash| {
            Box::pin(async {
                tx.one(TOKEN, [secret_hash.as_slice()], |row| {
                    Ok(TokenStanding {
                        user: user(row, 0)?,
                        id: TokenId(row.get(USER_WIDTH)?),
                        scopes: scopes(row, USER_WIDTH + 1)?,
                        used_at: time(row, USER_WIDTH + 4)?,
                    })
                })
                .await
            })
        })
        .await
    }

    async fn touch_token(&self, id: TokenId, at: Time) -> Result<()> {
        self.write_one((id.0, at.0), |tx, args| {
            Box::pin(async { tx.change(TOUCH_TOKEN, *args).await.map(|_| ()) })
        })
        .await
    }

    async fn tokens(&self, user: UserId) -> Result<Vec<TokenInfo>> {
        self.read(user, |tx, user| {
            Box::pin(async {
                tx.all(TOKENS, [user.0], |row| {
                    Ok(TokenInfo {
                        id: TokenId(row.get(0)?),
                        name: row.get(1)?,
                        scopes: scopes(row, 2)?,
                        created_at: Time(row.get(5)?),
                        used_at: time(row, 6)?,
                    })
                })
                .await
            })
        })
        .await
    }

    async fn delete_token(&self, user: UserId, id: TokenId) -> Result<()> {
        self.write_one((user, id.0), |tx, (user, id)| {
            Box::pin(one_gone(tx, DELETE_TOKEN, *user, *id))
        })
        .await
    }
}

async fn one_gone(tx: &Tx, sql: &str, user: UserId, id: i64) -> Result<()> {
    match tx.change(sql, (user.0, id)).await? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// Refuses a password that was changed since it was proved. Under the lock on the account,
/// so that it is not changed after this either.
async fn require_proof(tx: &Tx, user: UserId, proof: Option<&str>) -> Result<()> {
    let Some(proof) = proof else { return Ok(()) };
    if tx
        .one(IS_PASSWORD_HASH, (user.0, proof), |row| row.get(0))
        .await?
    {
        return Ok(());
    }
    conflict(Conflict::NotActive)
}

async fn create_session(tx: &Tx, new: &NewSession) -> Result<SessionId> {
    lock_user(tx, new.user).await?;
    require_active(tx, new.user).await?;
    require_proof(tx, new.user, new.proof.as_deref()).await?;
    tx.change(DROP_OLDEST_SESSIONS, (new.user.0, MAX_SESSIONS - 1))
        .await?;
    let params = (
        new.user.0,
        new.secret_hash.as_slice(),
        &new.agent,
        &new.address,
        new.at.0,
    );
    tx.one(INSERT_SESSION, params, |row| row.get(0).map(SessionId))
        .await
}

async fn create_token(tx: &Tx, new: &NewToken) -> Result<TokenInfo> {
    lock_user(tx, new.user).await?;
    require_active(tx, new.user).await?;
    require_proof(tx, new.user, new.proof.as_deref()).await?;
    let count: i64 = tx.one(COUNT_TOKENS, [new.user.0], |row| row.get(0)).await?;
    if count >= MAX_TOKENS {
        return conflict(Conflict::TooMany);
    }
    let params = (
        new.user.0,
        &new.name,
        new.secret_hash.as_slice(),
        new.scopes.read,
        new.scopes.write,
        new.scopes.admin,
        new.at.0,
    );
    Ok(TokenInfo {
        id: tx
            .one(INSERT_TOKEN, params, |row| row.get(0).map(TokenId))
            .await?,
        name: new.name.clone(),
        scopes: new.scopes,
        created_at: new.at,
        used_at: None,
    })
}

fn scopes(row: &Row<'_>, at: usize) -> Result<Scopes> {
    Ok(Scopes {
        read: row.get(at)?,
        write: row.get(at + 1)?,
        admin: row.get(at + 2)?,
    })
}

// By primary key.
const IS_PASSWORD_HASH: &str = "
select exists (select 1 from users where id = $1 and password_hash = $2)";

const INSERT_SESSION: &str = "
insert into sessions (user_id, secret_hash, agent, address, created_at, seen_at)
values ($1, $2, $3, $4, $5, $5)
returning id";

// By sessions_by_user.
const DROP_OLDEST_SESSIONS: &str = "
delete from sessions
 where id in (
   select id
     from sessions
    where user_id = $1
    order by seen_at desc, id desc
   offset $2
 )";

// By the unique index of secret_hash and primary key.
const SESSION: &str = concat!(
    "select ",
    user_columns!("u"),
    ", s.id, s.created_at, s.seen_at
  from sessions s
  join users u on u.id = s.user_id
 where s.secret_hash = $1 and u.state = 'active'"
);

// By primary key. Never back: the wall clock may have been set.
const TOUCH_SESSION: &str = "
update sessions
   set address = $2, seen_at = greatest(seen_at, $3)
 where id = $1";

// By sessions_by_user.
const SESSIONS: &str = "
select id, agent, address, created_at, seen_at
  from sessions
 where user_id = $1
 order by seen_at desc, id desc";

// By primary key.
const END_SESSION: &str = "
delete from sessions
 where user_id = $1 and id = $2";

// By sessions_by_user.
const END_SESSIONS: &str = "
delete from sessions
 where user_id = $1 and id <> $2
returning id";

// By sessions_by_seen and sessions_by_created.
const EXPIRE_SESSIONS: &str = "
delete from sessions
 where id in (
   select id
     from sessions
    where seen_at < $1 or created_at < $2
    limit 1000
 )
returning user_id, id";

const INSERT_TOKEN: &str = "
insert into tokens (
  user_id, name, secret_hash, may_read, may_write, may_administer, created_at
)
values ($1, $2, $3, $4, $5, $6, $7)
returning id";

// By tokens_by_user.
const COUNT_TOKENS: &str = "
select count(*)
  from tokens
 where user_id = $1";

// By the unique index of secret_hash and primary key.
const TOKEN: &str = concat!(
    "select ",
    user_columns!("u"),
    ", t.id, t.may_read, t.may_write, t.may_administer, t.used_at
  from tokens t
  join users u on u.id = t.user_id
 where t.secret_hash = $1 and u.state = 'active'"
);

// By primary key.
const TOUCH_TOKEN: &str = "
update tokens
   set used_at = $2
 where id = $1";

// By tokens_by_user.
const TOKENS: &str = "
select id, name, may_read, may_write, may_administer, created_at, used_at
  from tokens
 where user_id = $1
 order by id desc";

// By primary key.
const DELETE_TOKEN: &str = "
delete from tokens
 where user_id = $1 and id = $2";

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
