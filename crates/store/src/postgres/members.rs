//! Memberships, receipts and unread counts.

use async_trait::async_trait;
use domain::{
    Author, Event, Involvement, MemberRole, Membership, RoomId, RoomKind, Seq, Time, UserId,
    UserState,
};

use super::rows::{
    USER_WIDTH, conflict, limit, membership, membership_columns, user, user_columns, word,
};
use super::tx::Tx;
use super::{PostgresStore, log};
use crate::{Conflict, Joined, Left, Member, Members, Receipt, Result, StoreError, UnreadCount};

/// Rooms up to this size keep who read when.
const MAX_MEMBERS_WITH_RECEIPTS: i64 = 100;

#[async_trait]
impl Members for PostgresStore {
    async fn join_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Joined> {
        self.write((room, user, at), |tx, (room, user, at)| {
            Box::pin(join(tx, *room, *user, *at))
        })
        .await
    }

    async fn leave_room(&self, room: RoomId, user: UserId, at: Time) -> Result<Left> {
        self.write((room, user, at), |tx, (room, user, at)| {
            Box::pin(leave(tx, *room, *user, *at))
        })
        .await
    }

    async fn members(
        &self,
        room: RoomId,
        after: Option<(String, i64)>,
        most: usize,
    ) -> Result<Vec<Member>> {
        self.read((room, after, most), |tx, (room, after, most)| {
            Box::pin(list(tx, *room, after.as_ref(), *most))
        })
        .await
    }

    async fn mark_read(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        at: Time,
    ) -> Result<Option<Seq>> {
        let args = (room.0, user.0, seq.0, at.0, MAX_MEMBERS_WITH_RECEIPTS);
        self.write_one(args, |tx, args| {
            Box::pin(async {
                tx.one(MARK_READ, *args, |row| {
                    let moved_to = Seq(row.get(0)?);
                    Ok(row.get::<bool>(1)?.then_some(moved_to))
                })
                .await
            })
        })
        .await
    }

    async fn mark_unread(&self, room: RoomId, user: UserId, seq: Seq) -> Result<()> {
        self.write_one((room.0, user.0, seq.0), |tx, args| {
            Box::pin(async {
                match tx.change(MARK_UNREAD, *args).await? {
                    0 => Err(StoreError::NotFound),
                    _ => Ok(()),
                }
            })
        })
        .await
    }

    async fn receipts(
        &self,
        room: RoomId,
        messages: &[(Seq, UserId)],
    ) -> Result<Vec<Vec<Receipt>>> {
        self.read((room, messages), |tx, (room, messages)| {
            Box::pin(receipts(tx, *room, messages))
        })
        .await
    }

    async fn unread_counts(&self, room: RoomId, users: &[UserId]) -> Result<Vec<UnreadCount>> {
        let users: Vec<i64> = users.iter().map(|user| user.0).collect();
        self.read((room.0, users), |tx, (room, users)| {
            Box::pin(async move {
                tx.all(UNREAD_COUNT, (room, users), |row| {
                    Ok(UnreadCount {
                        user: UserId(row.get(0)?),
                        unread: row.get(1)?,
                        mentions: row.get(2)?,
                    })
                })
                .await
            })
        })
        .await
    }
}

async fn join(tx: &Tx, room: RoomId, user: UserId, at: Time) -> Result<Joined> {
    log::lock_room(tx, room).await?;
    let (kind, is_archived) = tx
        .one(ROOM_TO_JOIN, [room.0], |row| {
            Ok((word(row, 0, RoomKind::from_word)?, row.get::<bool>(1)?))
        })
        .await?;
    require_active(tx, user).await?;
    let known = tx
        .maybe(MEMBERSHIP, (room.0, user.0), |row| membership(row, 0))
        .await?;
    if let Some(membership) = known {
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
    let author = log::author_of(tx, user).await?;
    let (membership, event) = add(tx, room, author, MemberRole::Member, at).await?;
    Ok(Joined {
        membership,
        event: Some(event),
    })
}

/// Makes a membership with its event. The new member has nothing unread: what was said
/// before is history to them.
pub(super) async fn add(
    tx: &Tx,
    room: RoomId,
    author: Author,
    role: MemberRole,
    at: Time,
) -> Result<(Membership, Event)> {
    let user = author.id;
    let event = log::append_joined(tx, room, author, at).await?;
    tx.change(
        INSERT_MEMBERSHIP,
        (room.0, user.0, role.as_str(), event.seq.0, at.0),
    )
    .await?;
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

async fn leave(tx: &Tx, room: RoomId, user: UserId, at: Time) -> Result<Left> {
    log::lock_room(tx, room).await?;
    let known = tx
        .maybe(MEMBERSHIP, (room.0, user.0), |row| membership(row, 0))
        .await?;
    let Some(membership) = known else {
        return Ok(Left { event: None });
    };
    if membership.role == MemberRole::Owner && is_last_owner(tx, room, user).await? {
        return conflict(Conflict::LastOwner);
    }
    tx.change(DELETE_MEMBERSHIP, (room.0, user.0)).await?;
    let author = log::author_of(tx, user).await?;
    let event = log::append_left(tx, room, author, at).await?;
    Ok(Left { event: Some(event) })
}

/// Whether others are in `room` and none of them owns it.
async fn is_last_owner(tx: &Tx, room: RoomId, user: UserId) -> Result<bool> {
    tx.one(IS_LAST_OWNER, (room.0, user.0), |row| row.get(0))
        .await
}

/// `Conflict(NotActive)` when the account may not act, `NotFound` when there is none. What
/// may not act stays so until the transaction ends, and the other way round.
pub(super) async fn require_active(tx: &Tx, user: UserId) -> Result<()> {
    let state = tx
        .one(STATE, [user.0], |row| word(row, 0, UserState::from_word))
        .await?;
    match state {
        UserState::Active => Ok(()),
        UserState::Banned | UserState::Deactivated => conflict(Conflict::NotActive),
    }
}

async fn list(
    tx: &Tx,
    room: RoomId,
    after: Option<&(String, i64)>,
    most: usize,
) -> Result<Vec<Member>> {
    // Before every name: no folded name is empty.
    let (name, id) = after.map_or(("", 0), |(name, id)| (name.as_str(), *id));
    let members = tx
        .all(MEMBERS, (room.0, name, id, limit(most, 1000)), |row| {
            Ok(Member {
                user: user(row, 0)?,
                membership: membership(row, USER_WIDTH)?,
            })
        })
        .await?;
    if members.is_empty() {
        log::room_must_exist(tx, room).await?;
    }
    Ok(members)
}

/// A message is read at the first receipt at or past it. Per member the receipts from the
/// first message on are walked beside the messages, once.
async fn receipts(tx: &Tx, room: RoomId, messages: &[(Seq, UserId)]) -> Result<Vec<Vec<Receipt>>> {
    let mut read = vec![Vec::new(); messages.len()];
    let (Some((first, _)), Some((last, _))) = (messages.first(), messages.last()) else {
        return Ok(read);
    };
    let params = (room.0, MAX_MEMBERS_WITH_RECEIPTS, first.0, last.0);
    let advances = tx
        .all(RECEIPTS, params, |row| {
            Ok((
                UserId(row.get(0)?),
                row.get::<String>(1)?,
                row.get::<i64>(2)?,
                Time(row.get(3)?),
            ))
        })
        .await?;
    for of_one in advances.chunk_by(|one, next| one.0 == next.0) {
        let mut waiting = messages.iter().zip(read.iter_mut()).peekable();
        for (user, username, seq, read_at) in of_one {
            while let Some(((_, author), read)) = waiting.next_if(|((at, _), _)| at.0 <= *seq) {
                if author != user {
                    read.push(Receipt {
                        user: *user,
                        username: username.clone(),
                        read_at: *read_at,
                    });
                }
            }
        }
    }
    for receipts in &mut read {
        receipts.sort_by_key(|receipt| (receipt.read_at, receipt.user));
    }
    Ok(read)
}

// By primary key.
const ROOM_TO_JOIN: &str = "
select kind, archived_at is not null
  from rooms
 where id = $1";

// By primary key. The lock keeps a ban waiting until what the account does is done.
const STATE: &str = "
select state
  from users
 where id = $1
   for share";

// By primary key.
const MEMBERSHIP: &str = concat!(
    "select ",
    membership_columns!(),
    "\n  from memberships m\n where m.room_id = $1 and m.user_id = $2"
);

// By primary key.
const INSERT_MEMBERSHIP: &str = "
with counted as (
  update rooms
     set member_count = member_count + 1
   where id = $1
)
insert into memberships (room_id, user_id, role, involvement, read_seq, joined_at)
values ($1, $2, $3, 'all', $4, $5)";

// By primary keys.
const DELETE_MEMBERSHIP: &str = "
with counted as (
  update rooms
     set member_count = member_count - 1
   where id = $1
), forgotten as (
  delete from receipts
   where room_id = $1 and user_id = $2
)
delete from memberships
 where room_id = $1 and user_id = $2";

// By primary key (room_id, user_id): the members of one room.
const IS_LAST_OWNER: &str = "
select exists (select 1 from memberships where room_id = $1 and user_id <> $2)
       and not exists (
         select 1
           from memberships
          where room_id = $1 and user_id <> $2 and role = 'owner'
       )";

// By primary key (room_id, user_id) and sorted, or by users_by_folded_name up to the page's
// end: the planner knows the room's size.
const MEMBERS: &str = concat!(
    "select ",
    user_columns!("u"),
    ", ",
    membership_columns!(),
    "
  from memberships m
  join users u on u.id = m.user_id
 where m.room_id = $1 and (u.folded_name, u.id) > ($2, $3)
 order by u.folded_name, u.id
 limit $4"
);

// By primary keys. What is read first is locked, so of two at once the later one goes on
// from where the earlier one ended.
const MARK_READ: &str = "
with before as (
  select m.read_seq, m.unread_from is not null as is_marked, r.member_count,
         greatest(m.read_seq, least($3, r.last_seq)) as moved_to
    from memberships m
    join rooms r on r.id = m.room_id
   where m.room_id = $1 and m.user_id = $2
     for no key update of m
),
moved as (
  update memberships m
     set read_seq = before.moved_to, unread_from = null
    from before
   where m.room_id = $1 and m.user_id = $2
     and (before.moved_to > before.read_seq or before.is_marked)
  returning m.read_seq
),
kept as (
  insert into receipts (room_id, user_id, seq, at)
  select $1, $2, moved_to, $4
    from before
   where moved_to > read_seq and member_count <= $5
  on conflict do nothing
)
select before.moved_to, before.moved_to > before.read_seq
  from before
  left join moved on true";

// By primary key.
const MARK_UNREAD: &str = "
update memberships
   set unread_from = $3
 where room_id = $1 and user_id = $2";

// By primary keys: at most 100 members, and of each the receipts from the first message to
// the first at or past the last one.
const RECEIPTS: &str = "
select m.user_id, u.username, x.seq, x.at
  from rooms r
  join memberships m on m.room_id = r.id
  join users u on u.id = m.user_id
 cross join lateral (
   select seq, at
     from receipts
    where room_id = r.id and user_id = m.user_id and seq >= $3
      and seq <= coalesce(
            (
              select min(seq)
                from receipts
               where room_id = r.id and user_id = m.user_id and seq >= $4
            ),
            $4
          )
 ) x
 where r.id = $1 and r.member_count <= $2 and m.read_seq >= $3
 order by m.user_id, x.seq";

// By primary key, messages_by_room and mentions_by_user.
const UNREAD_COUNT: &str = "
select m.user_id,
       (
         select count(*)
           from (
             select 1
               from messages
              where room_id = m.room_id and seq > m.read_seq and author_id <> m.user_id
                and deleted_at is null
              limit 1000
           ) unread
       ),
       (
         select count(*)
           from (
             select 1
               from mentions
              where user_id = m.user_id and room_id = m.room_id and seq > m.read_seq
              limit 1000
           ) mentioned
       )
  from unnest($2::bigint[]) with ordinality wanted (user_id, place)
  join memberships m on m.room_id = $1 and m.user_id = wanted.user_id
 order by wanted.place";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("ROOM_TO_JOIN", ROOM_TO_JOIN),
    ("STATE", STATE),
    ("MEMBERSHIP", MEMBERSHIP),
    ("INSERT_MEMBERSHIP", INSERT_MEMBERSHIP),
    ("DELETE_MEMBERSHIP", DELETE_MEMBERSHIP),
    ("IS_LAST_OWNER", IS_LAST_OWNER),
    ("MEMBERS", MEMBERS),
    ("MARK_READ", MARK_READ),
    ("MARK_UNREAD", MARK_UNREAD),
    ("RECEIPTS", RECEIPTS),
    ("UNREAD_COUNT", UNREAD_COUNT),
];
