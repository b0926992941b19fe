//! The rules of `decide` as one table: action × role × room kind × state.
//!
//! A cell says what the actor of its column gets for the action of its row, with a session:
//! `ok`, `hide`, or the reason of a refusal. Columns: a guest outside and inside the room; a
//! member of the house outside the room; in the room its member, moderator and owner; and
//! a moderator, administrator and owner of the house who are outside the room.

use super::{Action, Decision, Facts, Reason, decide};
use crate::actor::{Credential, Standing};
use crate::{
    Actor, MemberRole, Role, RoomKind, Scope, Scopes, SessionId, TokenId, UserId, UserKind,
    UserState,
};

const ME: UserId = UserId(1);
const SOMEONE: UserId = UserId(2);

const TABLE: &str = "
action          room    state            g.out  g.in     out      in       in.mod   in.own   mod.out  adm.out  own.out
read_room       open    -                hide   ok       ok       ok       ok       ok       ok       ok       ok
read_room       open    archived         hide   ok       ok       ok       ok       ok       ok       ok       ok
read_room       lobby   -                hide   ok       ok       ok       ok       ok       ok       ok       ok
read_room       closed  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
read_room       closed  archived         hide   ok       hide     ok       ok       ok       hide     hide     hide
read_room       direct  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
read_room       absent  -                hide   hide     hide     hide     hide     hide     hide     hide     hide
join_room       open    -                hide   ok       ok       ok       ok       ok       ok       ok       ok
join_room       open    archived         hide   archived archived archived archived archived archived archived archived
join_room       lobby   -                hide   ok       ok       ok       ok       ok       ok       ok       ok
join_room       closed  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
join_room       direct  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
leave_room      open    -                hide   ok       not_mem  ok       ok       ok       not_mem  not_mem  not_mem
leave_room      open    archived         hide   ok       not_mem  ok       ok       ok       not_mem  not_mem  not_mem
leave_room      lobby   -                hide   lobby    lobby    lobby    lobby    lobby    lobby    lobby    lobby
leave_room      closed  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
leave_room      direct  -                hide   direct   hide     direct   direct   direct   hide     hide     hide
change_room     open    -                hide   role     role     role     ok       ok       role     ok       ok
change_room     open    archived         hide   role     role     role     archived archived role     archived archived
change_room     lobby   -                hide   role     role     role     role     role     role     ok       ok
change_room     closed  -                hide   role     hide     role     ok       ok       hide     hide     hide
change_room     direct  -                hide   direct   hide     direct   direct   direct   hide     hide     hide
archive_room    open    -                hide   role     role     role     role     ok       role     ok       ok
archive_room    open    archived         hide   role     role     role     role     ok       role     ok       ok
archive_room    lobby   -                hide   lobby    lobby    lobby    lobby    lobby    lobby    lobby    lobby
archive_room    closed  -                hide   role     hide     role     role     ok       hide     hide     hide
archive_room    direct  -                hide   direct   hide     direct   direct   direct   hide     hide     hide
post            open    -                hide   ok       ok       ok       ok       ok       ok       ok       ok
post            open    archived         hide   archived archived archived archived archived archived archived archived
post            lobby   -                hide   ok       ok       ok       ok       ok       ok       ok       ok
post            closed  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
post            closed  archived         hide   archived hide     archived archived archived hide     hide     hide
post            direct  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
edit_message    open    -                hide   author   author   author   author   author   author   author   author
edit_message    open    own              hide   ok       ok       ok       ok       ok       ok       ok       ok
edit_message    open    own,deleted      hide   deleted  deleted  deleted  deleted  deleted  deleted  deleted  deleted
edit_message    open    own,archived     hide   archived archived archived archived archived archived archived archived
edit_message    closed  own              hide   ok       hide     ok       ok       ok       hide     hide     hide
edit_message    closed  -                hide   author   hide     author   author   author   hide     hide     hide
edit_message    direct  own              hide   ok       hide     ok       ok       ok       hide     hide     hide
delete_message  open    -                hide   author   author   author   ok       ok       ok       ok       ok
delete_message  open    own              hide   ok       ok       ok       ok       ok       ok       ok       ok
delete_message  open    own,deleted      hide   ok       ok       ok       ok       ok       ok       ok       ok
delete_message  open    own,archived     hide   ok       ok       ok       ok       ok       ok       ok       ok
delete_message  open    archived         hide   author   author   author   ok       ok       ok       ok       ok
delete_message  closed  -                hide   author   hide     author   ok       ok       hide     hide     hide
delete_message  closed  own              hide   ok       hide     ok       ok       ok       hide     hide     hide
delete_message  direct  -                hide   author   hide     author   ok       ok       hide     hide     hide
read_edits      open    -                hide   author   author   author   ok       ok       ok       ok       ok
read_edits      open    own              hide   ok       ok       ok       ok       ok       ok       ok       ok
read_edits      open    own,deleted      hide   deleted  deleted  deleted  deleted  deleted  deleted  deleted  deleted
read_edits      closed  -                hide   author   hide     author   ok       ok       hide     hide     hide
read_edits      direct  own              hide   ok       hide     ok       ok       ok       hide     hide     hide
mark_read       open    -                hide   ok       not_mem  ok       ok       ok       not_mem  not_mem  not_mem
mark_read       open    archived         hide   ok       not_mem  ok       ok       ok       not_mem  not_mem  not_mem
mark_read       closed  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
mark_read       direct  -                hide   ok       hide     ok       ok       ok       hide     hide     hide
create_room     -       -                guest  guest    ok       ok       ok       ok       ok       ok       ok
read_people     -       -                guest  guest    ok       ok       ok       ok       ok       ok       ok
manage_self     -       -                ok     ok       ok       ok       ok       ok       ok       ok       ok
read_console    -       -                role   role     role     role     role     role     role     ok       ok
reset_password  -       -                role   role     role     role     role     role     role     role     role
reset_password  -       on-guest         role   role     role     role     role     role     role     ok       ok
reset_password  -       on-member        role   role     role     role     role     role     role     ok       ok
reset_password  -       on-moderator     role   role     role     role     role     role     role     ok       ok
reset_password  -       on-administrator role   role     role     role     role     role     role     role     ok
reset_password  -       on-owner         role   role     role     role     role     role     role     role     ok
reset_password  -       on-self          role   role     role     role     role     role     role     oneself  oneself
deactivate_user -       -                role   role     role     role     role     role     role     role     role
deactivate_user -       on-guest         role   role     role     role     role     role     role     ok       ok
deactivate_user -       on-member        role   role     role     role     role     role     role     ok       ok
deactivate_user -       on-moderator     role   role     role     role     role     role     role     ok       ok
deactivate_user -       on-administrator role   role     role     role     role     role     role     role     ok
deactivate_user -       on-owner         role   role     role     role     role     role     role     role     ok
deactivate_user -       on-self          role   role     role     role     role     role     role     oneself  oneself
";

/// The columns of the table: standing in the house, and in the room.
const COLUMNS: [(&str, Role, Option<MemberRole>); 9] = [
    ("g.out", Role::Guest, None),
    ("g.in", Role::Guest, Some(MemberRole::Member)),
    ("out", Role::Member, None),
    ("in", Role::Member, Some(MemberRole::Member)),
    ("in.mod", Role::Member, Some(MemberRole::Moderator)),
    ("in.own", Role::Member, Some(MemberRole::Owner)),
    ("mod.out", Role::Moderator, None),
    ("adm.out", Role::Administrator, None),
    ("own.out", Role::Owner, None),
];

fn session() -> Credential {
    Credential::Session(SessionId(1))
}

fn token(read: bool, write: bool, admin: bool) -> Credential {
    Credential::Token(TokenId(1), Scopes { read, write, admin })
}

fn person(role: Role, state: UserState, credential: Credential) -> Actor {
    Actor::Person(Standing {
        user: ME,
        username: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        role,
        state,
        kind: UserKind::Person,
        credential,
    })
}

fn facts(room: &str, state: &str) -> Facts {
    let mut facts = Facts {
        room_kind: match room {
            "open" | "lobby" => Some(RoomKind::Open),
            "closed" => Some(RoomKind::Closed),
            "direct" => Some(RoomKind::Direct),
            "absent" | "-" => None,
            other => panic!("unknown room {other}"),
        },
        is_lobby: room == "lobby",
        author: Some(SOMEONE),
        ..Facts::default()
    };
    for word in state.split(',') {
        match word {
            "-" => {}
            "archived" => facts.is_archived = true,
            "own" => facts.author = Some(ME),
            "deleted" => facts.is_deleted = true,
            "on-self" => {
                facts.subject_is_self = true;
                facts.subject_role = Some(Role::Member);
            }
            other => {
                let role = other.strip_prefix("on-").and_then(Role::from_word);
                facts.subject_role = Some(role.expect("a role after on-"));
            }
        }
    }
    facts
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "ok",
        Decision::Hide => "hide",
        Decision::Deny(Reason::Banned) => "banned",
        Decision::Deny(Reason::Deactivated) => "deactivated",
        Decision::Deny(Reason::Scope) => "scope",
        Decision::Deny(Reason::Guest) => "guest",
        Decision::Deny(Reason::NotMember) => "not_mem",
        Decision::Deny(Reason::NotAuthor) => "author",
        Decision::Deny(Reason::Role) => "role",
        Decision::Deny(Reason::Archived) => "archived",
        Decision::Deny(Reason::Lobby) => "lobby",
        Decision::Deny(Reason::Deleted) => "deleted",
        Decision::Deny(Reason::Oneself) => "oneself",
        Decision::Deny(Reason::Direct) => "direct",
    }
}

/// The rows of the table as action, room, state and cells.
fn rows() -> Vec<(Action, &'static str, &'static str, Vec<&'static str>)> {
    let mut lines = TABLE.trim().lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    let names: Vec<_> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(head[3..], names);
    lines
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(words.len(), 3 + COLUMNS.len(), "{line}");
            let action = Action::from_word(words[0]).unwrap_or_else(|| panic!("{line}"));
            (action, words[1], words[2], words[3..].to_vec())
        })
        .collect()
}

#[test]
fn every_cell_of_the_table_is_what_decide_says() {
    let mut wrong = Vec::new();
    for (action, room, state, cells) in rows() {
        for ((column, role, member_role), expected) in COLUMNS.iter().zip(cells) {
            let actor = person(*role, UserState::Active, session());
            let mut facts = facts(room, state);
            facts.member_role = *member_role;
            let got = word(decide(&actor, action, &facts));
            if got != expected {
                wrong.push(format!(
                    "{action} {room} {state} {column}: {got}, table: {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_action_has_a_row_for_every_kind_of_room_it_happens_in() {
    let rows = rows();
    for action in Action::EACH {
        let rooms: &[&str] = if action.is_in_a_room() {
            &["open", "closed", "direct"]
        } else {
            &["-"]
        };
        for room in rooms {
            assert!(
                rows.iter().any(|row| row.0 == *action && row.1 == *room),
                "{action} has no row for {room}"
            );
        }
    }
}

#[test]
fn who_is_shut_out_may_do_nothing_at_all() {
    for action in Action::EACH {
        for role in Role::EACH {
            for (state, reason) in [
                (UserState::Banned, Reason::Banned),
                (UserState::Deactivated, Reason::Deactivated),
            ] {
                let mut facts = facts("open", "own");
                facts.member_role = Some(MemberRole::Owner);
                let actor = person(*role, state, session());
                assert_eq!(decide(&actor, *action, &facts), Decision::Deny(reason));
            }
        }
    }
}

/// The scopes a token needs for each action: all of those named.
const SCOPES: &str = "
read_room read            read_edits read          read_people read
create_room write         join_room write          leave_room write
change_room write         post write               edit_message write
delete_message write      mark_read write          archive_room admin
reset_password admin      deactivate_user admin    read_console admin
manage_self read,write,admin
";

#[test]
fn a_token_does_what_its_scopes_and_its_person_may() {
    let words: Vec<_> = SCOPES.split_whitespace().collect();
    let needs: Vec<_> = words
        .chunks(2)
        .map(|pair| (Action::from_word(pair[0]).unwrap(), pair[1]))
        .collect();
    assert_eq!(needs.len(), Action::EACH.len(), "an action has no scope");
    // An owner of everything, so that only the scope can be what is missing.
    let mut facts = facts("open", "own,on-member");
    facts.member_role = Some(MemberRole::Owner);
    for (action, needed) in needs {
        for bits in 0..8_u8 {
            let credential = token(bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            let Credential::Token(_, scopes) = credential else {
                panic!("a token is a token");
            };
            let is_covered = needed
                .split(',')
                .all(|scope| scopes.has(Scope::from_word(scope).unwrap()));
            let actor = person(Role::Owner, UserState::Active, credential);
            let expected = if is_covered { "ok" } else { "scope" };
            assert_eq!(
                word(decide(&actor, action, &facts)),
                expected,
                "{action} {bits:03b}"
            );
        }
    }
    // And a full token makes nobody more than they are.
    let guest = person(Role::Guest, UserState::Active, token(true, true, true));
    assert_eq!(word(decide(&guest, Action::CreateRoom, &facts)), "guest");
    assert_eq!(word(decide(&guest, Action::ReadConsole, &facts)), "role");
}

#[test]
fn a_missing_scope_tells_nothing_about_the_room() {
    let actor = person(Role::Member, UserState::Active, token(true, false, false));
    for room in ["open", "closed", "direct", "absent"] {
        let facts = facts(room, "-");
        assert_eq!(
            word(decide(&actor, Action::Post, &facts)),
            "scope",
            "{room}"
        );
    }
}

#[test]
fn the_operator_and_the_house_do_all_but_speak_for_others() {
    for actor in [Actor::Operator, Actor::System] {
        for action in Action::EACH {
            for room in ["open", "closed", "direct", "lobby", "-"] {
                for state in ["-", "archived", "own,deleted", "on-owner"] {
                    let facts = facts(room, state);
                    let expected = match action {
                        Action::EditMessage => "author",
                        Action::LeaveRoom | Action::ArchiveRoom if facts.is_lobby => "lobby",
                        Action::Post if facts.is_archived => "archived",
                        _ => "ok",
                    };
                    let got = word(decide(&actor, *action, &facts));
                    assert_eq!(got, expected, "{action} {room} {state}");
                }
            }
        }
    }
}

#[test]
fn every_reason_is_a_sentence() {
    for reason in [
        Reason::Banned,
        Reason::Deactivated,
        Reason::Scope,
        Reason::Guest,
        Reason::NotMember,
        Reason::NotAuthor,
        Reason::Role,
        Reason::Archived,
        Reason::Lobby,
        Reason::Deleted,
        Reason::Oneself,
        Reason::Direct,
    ] {
        let sentence = reason.sentence();
        assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase));
    }
}
