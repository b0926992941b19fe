//! Rooms: find, list, make, change.

use async_trait::async_trait;
use domain::{
    Event, MemberRole, Membership, Role, Room, RoomChanges, RoomId, RoomRef, Seq, Time, UserId,
};

use super::members::{add, require_active};
use super::rows::{
    MEMBERSHIP_WIDTH, ROOM_WIDTH, conflict, fold, limit, maybe_membership, membership,
    membership_columns, room, room_columns, time, word,
};
use super::tx::{NONE, Row, Tx};
use super::users::lock_user;
use super::{PostgresStore, log};
use crate::{
    ChangeRoom, Conflict, CreateRoom, Result, RoomFacts, RoomListFilter, RoomListed, Rooms,
};

/// Rooms one person may make who is no administrator.
const MAX_ROOMS_MADE: i64 = 1000;
/// Longest slug without its number, in characters.
const MAX_SLUG_CHARS: usize = 60;

#[async_trait]
impl Rooms for PostgresStore {
    async fn room_facts(&self, room: &RoomRef, user: Option<UserId>) -> Result<RoomFacts> {
        self.read((room, user), |tx, (room, user)| {
            Box::pin(facts(tx, room, *user))
        })
        .await
    }

    async fn rooms(&self, user: UserId, filter: &RoomListFilter) -> Result<Vec<RoomListed>> {
        self.read((user, filter), |tx, (user, filter)| {
            Box::pin(list(tx, *user, filter))
        })
        .await
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>> {
        self.read(user, |tx, user| {
            Box::pin(async {
                tx.all(MEMBERSHIPS, [user.0], |row| membership(row, 0))
                    .await
            })
        })
        .await
    }

    async fn create_room(&self, new: &CreateRoom) -> Result<(Room, Event)> {
        self.write(new.clone(), |tx, new| Box::pin(create(tx, new)))
            .await
    }

    async fn change_room(&self, change: &ChangeRoom) -> Result<(Room, Option<Event>)> {
        self.write(change.clone(), |tx, wished| {
            Box::pin(change_room(tx, wished))
        })
        .await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<(RoomId, Seq)>> {
        let ids: Vec<i64> = rooms.iter().map(|room| room.0).collect();
        self.read(ids, |tx, ids| {
            Box::pin(async move {
                tx.all(HEADS, [ids], |row| {
                    Ok((RoomId(row.get(0)?), Seq(row.get(1)?)))
                })
                .await
            })
        })
        .await
    }
}

async fn facts(tx: &Tx, reference: &RoomRef, user: Option<UserId>) -> Result<RoomFacts> {
    let user = user.map(|user| user.0);
    let read = |row: &Row<'_>| {
        Ok(RoomFacts {
            room: room(row, 0)?,
            membership: maybe_membership(row, ROOM_WIDTH)?,
        })
    };
    match reference {
        RoomRef::Id(id) => tx.one(FACTS_BY_ID, (id.0, user), read).await,
        RoomRef::Slug(slug) => tx.one(FACTS_BY_SLUG, (slug, user), read).await,
    }
}

async fn list(tx: &Tx, user: UserId, filter: &RoomListFilter) -> Result<Vec<RoomListed>> {
    let sql = if filter.joined {
        ROOMS_JOINED
    } else {
        ROOMS_KNOWN
    };
    let query = filter.query.as_deref().map(fold);
    // Before every name: no folded name is empty.
    let (name, id) = filter.after.clone().unwrap_or_default();
    tx.all(
        sql,
        (user.0, query, name, id, limit(filter.limit, 1000)),
        |row| {
            const REST: usize = ROOM_WIDTH + MEMBERSHIP_WIDTH;
            Ok(RoomListed {
                room: room(row, 0)?,
                membership: maybe_membership(row, ROOM_WIDTH)?,
                last_message_at: time(row, REST)?,
                unread: row.get(REST + 1)?,
                mentions: row.get(REST + 2)?,
            })
        },
    )
    .await
}

async fn create(tx: &Tx, new: &CreateRoom) -> Result<(Room, Event)> {
    // Two rooms made at once by one person must not both be the last one allowed.
    lock_user(tx, new.creator).await?;
    require_active(tx, new.creator).await?;
    let (role, made) = tx
        .one(CREATOR, [new.creator.0], |row| {
            Ok((word(row, 0, Role::from_word)?, row.get::<i64>(1)?))
        })
        .await?;
    if made >= MAX_ROOMS_MADE && role < Role::Administrator {
        return conflict(Conflict::TooMany);
    }
    let id: i64 = tx.one(NEXT_ROOM_ID, NONE, |row| row.get(0)).await?;
    let wished = match &new.slug {
        Some(slug) => slug.clone(),
        None => format!("room-{id}"),
    };
    let slug = free_slug(tx, &wished).await?;
    tx.change(
        INSERT_ROOM,
        (
            id,
            &slug,
            &new.name,
            fold(&new.name),
            &new.topic,
            fold(&new.topic),
            new.kind.as_str(),
            new.creator.0,
            new.at.0,
        ),
    )
    .await?;
    let author = log::author_of(tx, new.creator).await?;
    let (_, event) = add(tx, RoomId(id), author, MemberRole::Owner, new.at).await?;
    Ok((by_id(tx, RoomId(id)).await?, event))
}

/// `wished`, or the first of `wished-2`, `wished-3` … that no room has. Another node may
/// take it before the commit; then the whole operation runs again and finds the next.
async fn free_slug(tx: &Tx, wished: &str) -> Result<String> {
    let mut slug = wished.to_owned();
    let base: String = wished.chars().take(MAX_SLUG_CHARS).collect();
    let mut number = 2_u64;
    while tx.one(SLUG_TAKEN, [&slug], |row| row.get(0)).await? {
        slug = format!("{base}-{number}");
        number += 1;
    }
    Ok(slug)
}

async fn by_id(tx: &Tx, id: RoomId) -> Result<Room> {
    tx.one(ROOM_BY_ID, [id.0], |row| room(row, 0)).await
}

async fn change_room(tx: &Tx, change: &ChangeRoom) -> Result<(Room, Option<Event>)> {
    log::lock_room(tx, change.room).await?;
    let before = by_id(tx, change.room).await?;
    if let Some(actor) = change.actor {
        require_active(tx, actor).await?;
    }
    let changes = really_changed(tx, &before, change).await?;
    if changes == RoomChanges::default() {
        return Ok((before, None));
    }
    apply(tx, change.room, &changes, change.at).await?;
    let by = match change.actor {
        Some(actor) => Some(log::author_of(tx, actor).await?),
        None => None,
    };
    let changes = RoomChanges { by, ..changes };
    let event = log::append_changed(tx, change.room, changes, change.at).await?;
    Ok((by_id(tx, change.room).await?, Some(event)))
}

/// What of the wished changes differs from what is stored; without `by`.
async fn really_changed(tx: &Tx, before: &Room, change: &ChangeRoom) -> Result<RoomChanges> {
    let wished = &change.changes;
    let role = match wished.role {
        Some((user, role)) => {
            let now = tx
                .one(MEMBER_ROLE, (before.id.0, user.0), |row| {
                    word(row, 0, MemberRole::from_word)
                })
                .await?;
            let is_demotion = now == MemberRole::Owner && role != MemberRole::Owner;
            if is_demotion && !has_other_owner(tx, before.id, user).await? {
                return conflict(Conflict::LastOwner);
            }
            (now != role).then_some((user, role))
        }
        None => None,
    };
    Ok(RoomChanges {
        name: wished.name.clone().filter(|name| *name != before.name),
        topic: wished.topic.clone().filter(|topic| *topic != before.topic),
        archived: wished
            .archived
            .filter(|archived| *archived != before.archived_at.is_some()),
        by: None,
        role,
    })
}

/// Demoting the only owner is refused also when nobody else is in the room.
async fn has_other_owner(tx: &Tx, room: RoomId, user: UserId) -> Result<bool> {
    tx.one(HAS_OTHER_OWNER, (room.0, user.0), |row| row.get(0))
        .await
}

async fn apply(tx: &Tx, room: RoomId, changes: &RoomChanges, at: Time) -> Result<()> {
    if let Some(name) = &changes.name {
        tx.change(RENAME, (room.0, name, fold(name))).await?;
    }
    if let Some(topic) = &changes.topic {
        tx.change(SET_TOPIC, (room.0, topic, fold(topic))).await?;
    }
    if let Some(is_archived) = changes.archived {
        tx.change(SET_ARCHIVED, (room.0, is_archived.then_some(at.0)))
            .await?;
    }
    if let Some((user, role)) = changes.role {
        tx.change(SET_ROLE, (room.0, user.0, role.as_str())).await?;
    }
    Ok(())
}

// By primary key (room_id, user_id) of memberships.
macro_rules! facts_from {
    ($where:literal) => {
        concat!(
            "select ",
            room_columns!(),
            ", ",
            membership_columns!(),
            "\n  from rooms r\n  left join memberships m on m.room_id = r.id and m.user_id = $2\n",
            $where
        )
    };
}

// By primary key.
const FACTS_BY_ID: &str = facts_from!(" where r.id = $1");

// By the unique index of slug.
const FACTS_BY_SLUG: &str = facts_from!(" where r.slug = $1");

// By primary key.
const ROOM_BY_ID: &str = concat!(
    "select ",
    room_columns!(),
    "\n  from rooms r\n where r.id = $1"
);

// The page's rooms are chosen first and counted afterwards, so that ten thousand rooms cost
// ten thousand steps in an index and not ten thousand counts. A room read to its head is not
// counted at all.
macro_rules! listed {
    ($from:literal) => {
        concat!(
            "select ",
            room_columns!(),
            ", ",
            membership_columns!(),
            ", r.last_message_at,
       case when m.user_id is null or m.read_seq >= r.last_seq then 0 else (
         select count(*)
           from (
             select 1
               from messages
              where room_id = r.id and seq > m.read_seq and author_id <> $1
                and deleted_at is null
              limit 1000
           ) others
       ) end,
       case when m.user_id is null or m.read_seq >= r.last_seq then 0 else (
         select count(*)
           from (
             select 1
               from mentions
              where user_id = $1 and room_id = r.id and seq > m.read_seq
              limit 1000
           ) mentioned
       ) end
  from (
    select p.id as page_id, p.folded_name as page_name
",
            $from,
            "
       and ($2::text is null or strpos(p.folded_name, $2) > 0 or strpos(p.folded_topic, $2) > 0)
       and (p.folded_name, p.id) > ($3, $4)
     order by p.folded_name, p.id
     limit $5
  ) page
  join rooms r on r.id = page_id
  left join memberships m on m.room_id = page_id and m.user_id = $1
 order by page_name, page_id"
        )
    };
}

// By memberships_by_user and primary keys; counts by messages_by_room and mentions_by_user.
const ROOMS_JOINED: &str = listed!(
    "      from memberships pm
      join rooms p on p.id = pm.room_id
     where pm.user_id = $1 and pm.involvement <> 'hidden'"
);

// By rooms_by_folded_name and primary keys; counts by messages_by_room and mentions_by_user.
const ROOMS_KNOWN: &str = listed!(
    "      from rooms p
     where (
             p.kind = 'open'
             or exists (select 1 from memberships where room_id = p.id and user_id = $1)
           )"
);

// By memberships_by_user.
const MEMBERSHIPS: &str = concat!(
    "select ",
    membership_columns!(),
    "\n  from memberships m\n where m.user_id = $1\n order by m.room_id"
);

// By primary key; the count by rooms_by_creator.
const CREATOR: &str = "
select role, (select count(*) from rooms where creator_id = users.id)
  from users
 where id = $1";

// The slug may need the id before the row exists.
const NEXT_ROOM_ID: &str = "
select nextval(pg_get_serial_sequence('rooms', 'id'))";

// By the unique index of slug.
const SLUG_TAKEN: &str = "
select exists (select 1 from rooms where slug = $1)";

const INSERT_ROOM: &str = "
insert into rooms (
  id, slug, name, folded_name, topic, folded_topic, kind, creator_id, created_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

// By primary key.
const MEMBER_ROLE: &str = "
select role
  from memberships
 where room_id = $1 and user_id = $2";

// By primary key (room_id, user_id): the members of one room.
const HAS_OTHER_OWNER: &str = "
select exists (
  select 1
    from memberships
   where room_id = $1 and user_id <> $2 and role = 'owner'
)";

const RENAME: &str = "
update rooms
   set name = $2, folded_name = $3
 where id = $1";

const SET_TOPIC: &str = "
update rooms
   set topic = $2, folded_topic = $3
 where id = $1";

const SET_ARCHIVED: &str = "
update rooms
   set archived_at = $2
 where id = $1";

const SET_ROLE: &str = "
update memberships
   set role = $3
 where room_id = $1 and user_id = $2";

// By primary key.
const HEADS: &str = "
select r.id, r.last_seq
  from rooms r
 where r.id = any($1)";

/// Every statement of this file, for the test that prepares them all.
#[cfg(test)]
pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("FACTS_BY_ID", FACTS_BY_ID),
    ("FACTS_BY_SLUG", FACTS_BY_SLUG),
    ("ROOM_BY_ID", ROOM_BY_ID),
    ("ROOMS_JOINED", ROOMS_JOINED),
    ("ROOMS_KNOWN", ROOMS_KNOWN),
    ("MEMBERSHIPS", MEMBERSHIPS),
    ("CREATOR", CREATOR),
    ("NEXT_ROOM_ID", NEXT_ROOM_ID),
    ("SLUG_TAKEN", SLUG_TAKEN),
    ("INSERT_ROOM", INSERT_ROOM),
    ("MEMBER_ROLE", MEMBER_ROLE),
    ("HAS_OTHER_OWNER", HAS_OTHER_OWNER),
    ("RENAME", RENAME),
    ("SET_TOPIC", SET_TOPIC),
    ("SET_ARCHIVED", SET_ARCHIVED),
    ("SET_ROLE", SET_ROLE),
    ("HEADS", HEADS),
];
