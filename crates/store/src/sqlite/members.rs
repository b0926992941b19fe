//! Memberships, receipts and unread counts.

use async_trait::async_trait;
use domain::{
    Author, Event, Involvement, MemberRole, Membership, RoomId, RoomKind, Seq, Time, UserId,
    UserState,
};
use rusqlite::Connection;

use super::rows::{
    Statements, USER_WIDTH, conflict, error_from, limit, membership, membership_columns, user,
    user_columns, word,
};
use super::writer::Tx;
use super::{SqliteStore, log};
use crate::{Conflict, Joined, Left, Member, Members, Receipt, Result, StoreError, UnreadCount};

/// Rooms up to this size keep who read when.
const MAX_MEMBERS_WITH_RECEIPTS: i64 = 100;
/// Rooms up to this size are sorted to be listed; in larger ones the people of the house
/// are walked by name instead, which stops at the page's end.
const MAX_MEMBERS_TO_SORT: i64 = 500;

#[async_trait]
impl Members for SqliteStore {
    async fn join_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Joined> {
        self.write(move |tx| join(tx, room, user, at)).await
    }

    async fn leave_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Left> {
        self.write(move |tx| leave(tx, room, user, at)).await
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<(String, i64)>,
        most: usize,
    ) -> Result<Vec<Member>> {
        self.read(move |conn| list(conn, room, after, most)).await
    }

    async fn mark_read(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        at: Time,
    ) -> Result<Option<Seq>> {
        self.write(move |tx| mark_read(tx, room, user, seq, at))
            .await
    }

    async fn mark_unread(&self, room: RoomId, user: UserId, seq: Seq) -> Result<()> {
        self.write(
            move |tx| match tx.change(MARK_UNREAD, (room.0, user.0, seq.0))? {
                0 => Err(StoreError::NotFound),
                _ => Ok(()),
            },
        )
        .await
    }

    async fn receipts(
        &self,
        room: RoomId,
        messages: &[(Seq, UserId)],
    ) -> Result<Vec<Vec<Receipt>>> {
        let messages = messages.to_vec();
        self.read(move |conn| receipts(conn, room, &messages)).await
    }

    async fn unread_counts(&self, room: RoomId, users: &[UserId]) -> Result<Vec<UnreadCount>> {
        let users = users.to_vec();
        self.read(move |conn| {
            let snapshot = conn.unchecked_transaction().map_err(error_from)?;
            let mut counts = Vec::with_capacity(users.len());
            for user in users {
                let count = snapshot.maybe(UNREAD_COUNT, (room.0, user.0), |row| {
                    Ok(UnreadCount {
                        user,
                        unread: row.get(0)?,
                        mentions: row.get(1)?,
                    })
                })?;
                counts.extend(count);
            }
            Ok(counts)
        })
        .await
    }
}

fn join(tx: &Tx<'_>, room: RoomId, user: UserId, at: Time) -> Result<Joined> {
    let (kind, is_archived) = tx.one(ROOM_TO_JOIN, [room.0], |row| {
        Ok((word(row, 0, RoomKind::from_word)?, row.get::<_, bool>(1)?))
    })?;
    require_active(tx, user)?;
    if let Some(membership) = tx.maybe(MEMBERSHIP, (room.0, user.0), |row| membership(row, 0))? {
        return Ok(Joined {
            membership,
            event: None,
        });
    }
    if kind != RoomKind::Open {
        return Err(StoreError::NotFound);
    }
    if is_archived {
        return conflict(Conflict::Archived);
    }
    let author = log::author_of(tx, user)?;
    let (membership, event) = add(tx, room, author, MemberRole::Member, at)?;
    Ok(Joined {
        membership,
        event: Some(event),
    })
}

/// Makes a membership with its event. The new member has nothing unread: what was said
/// before is history to them.
pub(super) fn add(
    tx: &Tx<'_>,
    room: RoomId,
    author: Author,
    role: MemberRole,
    at: Time,
) -> Result<(Membership, Event)> {
    let user = author.id;
    let event = log::append_joined(tx, room, author, at)?;
    tx.change(
        INSERT_MEMBERSHIP,
        (room.0, user.0, role.as_str(), event.seq.0, at.0),
    )?;
    tx.change(COUNT_MEMBER, (room.0, 1))?;
    let membership = Membership {
        room,
        user,
        role,
        involvement: Involvement::All,
        read_seq: event.seq,
        unread_from: None,
        joined_at: at,
    };
    Ok((membership, event))
}

fn leave(tx: &Tx<'_>, room: RoomId, user: UserId, at: Time) -> Result<Left> {
    log::room_must_exist(tx, room)?;
    let Some(membership) = tx.maybe(MEMBERSHIP, (room.0, user.0), |row| membership(row, 0))? else {
        return Ok(Left { event: None });
    };
    if membership.role == MemberRole::Owner && is_last_owner(tx, room, user)? {
        return conflict(Conflict::LastOwner);
    }
    tx.change(DELETE_MEMBERSHIP, (room.0, user.0))?;
    tx.change(DELETE_RECEIPTS, (room.0, user.0))?;
    tx.change(COUNT_MEMBER, (room.0, -1))?;
    let author = log::author_of(tx, user)?;
    let event = log::append_left(tx, room, author, at)?;
    Ok(Left { event: Some(event) })
}

/// Whether others are in `room` and none of them owns it.
fn is_last_owner(tx: &Tx<'_>, room: RoomId, user: UserId) -> Result<bool> {
    tx.one(IS_LAST_OWNER, (room.0, user.0), |row| row.get(0))
}

/// `Conflict(NotActive)` when the account may not act, `NotFound` when there is none.
pub(super) fn require_active(tx: &Tx<'_>, user: UserId) -> Result<()> {
    let state = tx.one(STATE, [user.0], |row| word(row, 0, UserState::from_word))?;
    match state {
        UserState::Active => Ok(()),
        UserState::Banned | UserState::Deactivated => conflict(Conflict::NotActive),
    }
}

fn list(
    conn: &Connection,
    room: RoomId,
    after: Option<(String, i64)>,
    most: usize,
) -> Result<Vec<Member>> {
    let snapshot = conn.unchecked_transaction().map_err(error_from)?;
    let count: i64 = snapshot.one(MEMBER_COUNT, [room.0], |row| row.get(0))?;
    // Before every name: no folded name is empty.
    let (name, id) = after.unwrap_or_default();
    let sql = if count <= MAX_MEMBERS_TO_SORT {
        MEMBERS_SORTED
    } else {
        MEMBERS_WALKED
    };
    snapshot.all(sql, (room.0, name, id, limit(most, 1000)), |row| {
        Ok(Member {
            user: user(row, 0)?,
            membership: membership(row, USER_WIDTH)?,
        })
    })
}

fn mark_read(tx: &Tx<'_>, room: RoomId, user: UserId, seq: Seq, at: Time) -> Result<Option<Seq>> {
    let (read, is_marked, head, members) = tx.one(RECEIPT, (room.0, user.0), |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, bool>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
        ))
    })?;
    let to = seq.0.min(head).max(read);
    if to == read && !is_marked {
        return Ok(None);
    }
    tx.change(MARK_READ, (room.0, user.0, to))?;
    if to == read {
        return Ok(None);
    }
    if members <= MAX_MEMBERS_WITH_RECEIPTS {
        tx.change(INSERT_RECEIPT, (room.0, user.0, to, at.0))?;
    }
    Ok(Some(Seq(to)))
}

// By primary key.
const ROOM_TO_JOIN: &str = "
select kind, archived_at is not null
  from rooms
 where id = ?1";

// By primary key.
const STATE: &str = "
select state
  from users
 where id = ?1";

// By primary key.
const MEMBERSHIP: &str = concat!(
    "select ",
    membership_columns!(),
    "\n  from memberships m\n where m.room_id = ?1 and m.user_id = ?2"
);

const INSERT_MEMBERSHIP: &str = "
insert into memberships (room_id, user_id, role, involvement, read_seq, joined_at)
values (?1, ?2, ?3, 'all', ?4, ?5)";

// By primary key.
const COUNT_MEMBER: &str = "
update rooms
   set member_count = member_count + ?2
 where id = ?1";

// By primary key.
const DELETE_MEMBERSHIP: &str = "
delete from memberships
 where room_id = ?1 and user_id = ?2";

/// A message is read at the first receipt at or past it. Per member the receipts from the
/// first message on are walked beside the messages, once.
fn receipts(
    conn: &Connection,
    room: RoomId,
    messages: &[(Seq, UserId)],
) -> Result<Vec<Vec<Receipt>>> {
    let mut read = vec![Vec::new(); messages.len()];
    let Some((first, _)) = messages.first() else {
        return Ok(read);
    };
    let snapshot = conn.unchecked_transaction().map_err(error_from)?;
    let readers = snapshot.all(
        READERS,
        (room.0, MAX_MEMBERS_WITH_RECEIPTS, first.0),
        |row| Ok((UserId(row.get(0)?), row.get::<_, String>(1)?)),
    )?;
    let mut statement = snapshot.prepare_cached(RECEIPTS).map_err(error_from)?;
    for (user, username) in readers {
        let mut rows = statement
            .query((room.0, user.0, first.0))
            .map_err(error_from)?;
        let mut waiting = messages.iter().zip(read.iter_mut()).peekable();
        while let Some(row) = rows.next().map_err(error_from)? {
            let seq: i64 = row.get(0).map_err(error_from)?;
            let read_at = Time(row.get(1).map_err(error_from)?);
            while let Some(((_, author), read)) = waiting.next_if(|((at, _), _)| at.0 <= seq) {
                if *author != user {
                    read.push(Receipt {
                        user,
                        username: username.clone(),
                        read_at,
                    });
                }
            }
            if waiting.peek().is_none() {
                break;
            }
        }
    }
    for receipts in &mut read {
        receipts.sort_by_key(|receipt| (receipt.read_at, receipt.user));
    }
    Ok(read)
}

// By primary key (room_id, user_id, seq).
const DELETE_RECEIPTS: &str = "
delete from receipts
 where room_id = ?1 and user_id = ?2";

// By primary key (room_id, user_id): the members of one room.
const IS_LAST_OWNER: &str = "
select exists (select 1 from memberships where room_id = ?1 and user_id <> ?2)
       and not exists (
         select 1
           from memberships
          where room_id = ?1 and user_id <> ?2 and role = 'owner'
       )";

// By primary key.
const MEMBER_COUNT: &str = "
select member_count
  from rooms
 where id = ?1";

// By primary key (room_id, user_id), then sorted.
const MEMBERS_SORTED: &str = concat!(
    "select ",
    user_columns!("u"),
    ", ",
    membership_columns!(),
    "
  from memberships m
 cross join users u on u.id = m.user_id
 where m.room_id = ?1 and (u.folded_name, u.id) > (?2, ?3)
 order by u.folded_name, u.id
 limit ?4"
);

// By users_by_folded_name, then primary key (room_id, user_id).
const MEMBERS_WALKED: &str = concat!(
    "select ",
    user_columns!("u"),
    ", ",
    membership_columns!(),
    "
  from users u indexed by users_by_folded_name
 cross join memberships m on m.room_id = ?1 and m.user_id = u.id
 where (u.folded_name, u.id) > (?2, ?3)
 order by u.folded_name, u.id
 limit ?4"
);

// By primary keys.
const RECEIPT: &str = "
select m.read_seq, m.unread_from is not null, r.last_seq, r.member_count
  from memberships m
  join rooms r on r.id = m.room_id
 where m.room_id = ?1 and m.user_id = ?2";

// By primary key.
const MARK_READ: &str = "
update memberships
   set read_seq = ?3, unread_from = null
 where room_id = ?1 and user_id = ?2";

const INSERT_RECEIPT: &str = "
insert into receipts (room_id, user_id, seq, at)
values (?1, ?2, ?3, ?4)
on conflict do nothing";

// By primary key.
const MARK_UNREAD: &str = "
update memberships
   set unread_from = ?3
 where room_id = ?1 and user_id = ?2";

// By primary key (room_id, user_id): at most 100 members.
const READERS: &str = "
select m.user_id, u.username
  from rooms r
 cross join memberships m on m.room_id = r.id
 cross join users u on u.id = m.user_id
 where r.id = ?1 and r.member_count <= ?2 and m.read_seq >= ?3";

// By primary key (room_id, user_id, seq); the reader stops past the last message.
const RECEIPTS: &str = "
select seq, at
  from receipts
 where room_id = ?1 and user_id = ?2 and seq >= ?3
 order by seq";

// messages_by_room and mentions_by_user, covering.
const UNREAD_COUNT: &str = "
select (
         select count(*)
           from (
             select 1
               from messages
              where room_id = m.room_id and seq > m.read_seq and author_id <> m.user_id
                and deleted_at is null
              limit 1000
           )
       ),
       (
         select count(*)
           from (
             select 1
               from mentions
              where user_id = m.user_id and room_id = m.room_id and seq > m.read_seq
              limit 1000
           )
       )
  from memberships m
 where m.room_id = ?1 and m.user_id = ?2";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("ROOM_TO_JOIN", ROOM_TO_JOIN),
    ("STATE", STATE),
    ("MEMBERSHIP", MEMBERSHIP),
    ("INSERT_MEMBERSHIP", INSERT_MEMBERSHIP),
    ("COUNT_MEMBER", COUNT_MEMBER),
    ("DELETE_MEMBERSHIP", DELETE_MEMBERSHIP),
    ("DELETE_RECEIPTS", DELETE_RECEIPTS),
    ("IS_LAST_OWNER", IS_LAST_OWNER),
    ("MEMBER_COUNT", MEMBER_COUNT),
    ("MEMBERS_SORTED", MEMBERS_SORTED),
    ("MEMBERS_WALKED", MEMBERS_WALKED),
    ("RECEIPT", RECEIPT),
    ("MARK_READ", MARK_READ),
    ("INSERT_RECEIPT", INSERT_RECEIPT),
    ("MARK_UNREAD", MARK_UNREAD),
    ("READERS", READERS),
    ("RECEIPTS", RECEIPTS),
    ("UNREAD_COUNT", UNREAD_COUNT),
];
