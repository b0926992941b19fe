-- Everything the first Parlour keeps. Times are UTC milliseconds; words such as roles and
-- kinds are those of `domain`. Tables that grow with every message carry no check
-- constraints and as few indexes as their queries allow: each costs every post.

create table house (
  key text primary key,
  value any not null
) strict, without rowid;

create table users (
  id integer primary key,
  username text not null,
  skeleton text not null unique,
  display_name text not null,
  -- Lower-case copies, because SQLite folds ASCII alone.
  folded_username text not null,
  folded_name text not null,
  email text,
  folded_email text unique,
  kind text not null check (kind in ('person', 'bot')),
  role text not null
    check (role in ('guest', 'member', 'moderator', 'administrator', 'owner')),
  state text not null check (state in ('active', 'banned', 'deactivated')),
  password_hash text,
  failed_in_a_row integer not null default 0,
  created_at integer not null
) strict;

create index users_owners on users (id) where role = 'owner';
create index users_by_folded_username on users (folded_username);
create index users_by_folded_name on users (folded_name, id);

-- Ids of sessions and tokens are never used twice: a late revocation must not hit a
-- session opened since.
create table sessions (
  id integer primary key autoincrement,
  user_id integer not null references users (id),
  secret_hash blob not null unique,
  agent text not null,
  address text not null,
  created_at integer not null,
  seen_at integer not null
) strict;

create index sessions_by_user on sessions (user_id, seen_at);
create index sessions_by_seen on sessions (seen_at);
create index sessions_by_created on sessions (created_at);

create table tokens (
  id integer primary key autoincrement,
  user_id integer not null references users (id),
  name text not null,
  secret_hash blob not null unique,
  may_read integer not null,
  may_write integer not null,
  may_administer integer not null,
  created_at integer not null,
  used_at integer
) strict;

create index tokens_by_user on tokens (user_id, id);

create table password_resets (
  user_id integer primary key references users (id),
  secret_hash blob not null unique,
  expires_at integer not null,
  made_by integer references users (id)
) strict;

create table sign_in_attempts (
  id integer primary key,
  skeleton text not null,
  address text not null,
  at integer not null
) strict;

create index sign_in_attempts_by_skeleton on sign_in_attempts (skeleton, at);
create index sign_in_attempts_by_address on sign_in_attempts (address, at);
create index sign_in_attempts_by_at on sign_in_attempts (at);

-- `last_seq` is the room's head; `member_count` is kept, because counting ten thousand
-- members for every page would cost more than the page.
create table rooms (
  id integer primary key autoincrement,
  slug text not null unique,
  name text not null,
  folded_name text not null,
  topic text not null,
  folded_topic text not null,
  kind text not null check (kind in ('open', 'closed', 'direct')),
  last_seq integer not null default 0,
  member_count integer not null default 0,
  last_message_at integer,
  creator_id integer references users (id),
  archived_at integer,
  created_at integer not null
) strict;

create index rooms_by_folded_name on rooms (folded_name, id);
create index rooms_by_creator on rooms (creator_id);

create table memberships (
  room_id integer not null references rooms (id),
  user_id integer not null references users (id),
  role text not null check (role in ('member', 'moderator', 'owner')),
  involvement text not null check (involvement in ('all', 'mentions', 'none', 'hidden')),
  read_seq integer not null,
  unread_from integer,
  joined_at integer not null,
  primary key (room_id, user_id)
) strict, without rowid;

create index memberships_by_user on memberships (user_id, room_id);

-- Rows are never removed (a deleted message is a tombstone), so ids never come back.
create table messages (
  id integer primary key,
  room_id integer not null references rooms (id),
  seq integer not null,
  author_id integer not null references users (id),
  nonce blob not null,
  fingerprint blob not null,
  origin text not null,
  source text,
  html text,
  sealed blob,
  reply_to integer references messages (id),
  version integer not null default 1,
  markup_version integer not null,
  created_at integer not null,
  edited_at integer,
  deleted_at integer
) strict;

-- One index serves pages of history and, covering, the unread count. That (room_id, seq)
-- is unique follows from the primary key of `events`, so it is not checked twice.
create index messages_by_room on messages (room_id, seq, author_id, deleted_at);
create unique index messages_by_nonce on messages (author_id, nonce);

create table message_edits (
  message_id integer not null references messages (id),
  version integer not null,
  source text not null,
  replaced_at integer not null,
  primary key (message_id, version)
) strict, without rowid;

-- (room_id, seq) names the message that mentions.
create table mentions (
  room_id integer not null,
  seq integer not null,
  user_id integer not null references users (id),
  primary key (room_id, seq, user_id)
) strict, without rowid;

create index mentions_by_user on mentions (user_id, room_id, seq);

-- The log of each room: references, never bodies, so a replay shows messages as they are.
create table events (
  room_id integer not null references rooms (id),
  seq integer not null,
  kind text not null,
  at integer not null,
  message_id integer references messages (id),
  user_id integer references users (id),
  by_id integer references users (id),
  data text,
  primary key (room_id, seq)
) strict, without rowid;

-- One row per advance in rooms of up to 100 members; the first row at or past a seq says
-- when that member had read it.
create table receipts (
  room_id integer not null,
  user_id integer not null,
  seq integer not null,
  at integer not null,
  primary key (room_id, user_id, seq)
) strict, without rowid;

-- `rowid` is the message id. `domain::search` has split the text already: `unicode61`
-- would break words of many scripts. Deleting names the words, so that `secure-delete` can
-- take them out of the file at once; with `contentless_delete` a removed row is only
-- marked, and its words stay until a merge.
create virtual table search using fts5 (
  body,
  content = '',
  tokenize = 'ascii'
);
insert into search (search, rank) values ('secure-delete', 1);

create table jobs (
  id integer primary key autoincrement,
  kind text not null,
  payload text not null,
  attempts integer not null default 0,
  -- Also the lease: taking a job moves it into the future.
  due_at integer not null
) strict;

create index jobs_by_due on jobs (due_at, id);

create table notices (
  id integer primary key autoincrement,
  kind text not null,
  user_id integer,
  at integer not null
) strict;

create index notices_by_at on notices (at);

create table audit (
  id integer primary key autoincrement,
  actor_id integer references users (id),
  action text not null,
  subject text not null,
  details text not null,
  address text not null,
  at integer not null
) strict;

insert into house (key, value) values ('epoch', random());

-- Room 1 is the lobby, in every house.
insert into rooms (slug, name, folded_name, topic, folded_topic, kind, created_at)
values ('lobby', 'Lobby', 'lobby', '', '', 'open', cast(unixepoch('subsec') * 1000 as integer));
