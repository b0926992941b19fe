//! A house with people and words in it, for the tests of views and for the preview.

use domain::{
    Author, Body, Epoch, Message, MessageId, Nonce, Origin, Quote, Room, RoomId, RoomKind, Seq,
    Time, UserId, UserKind,
};

use super::{
    AppFrame, Composer, Hole, MessageView, Place, RoomPage, RoomView, Sidebar, SidebarRoom,
    TimelineFragment, TimelineHead, TimelineView, Viewer, render,
};

/// 2026-11-20T08:18:14.123Z.
pub(crate) const NOW: Time = Time(1_795_162_694_123);
pub(crate) const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);

pub(crate) fn author(id: i64) -> Author {
    let (username, display_name, kind) = match id {
        1 => ("ada", "Ada Lovelace", UserKind::Person),
        2 => ("bob", "Bob", UserKind::Person),
        3 => ("eve", "Ève Martin-Dupont", UserKind::Person),
        4 => ("noor", "نور الهدى", UserKind::Person),
        5 => ("deploy", "Deploys", UserKind::Bot),
        6 => ("ken", "Ken Tanaka 田中", UserKind::Person),
        _ => (
            "maximiliana",
            "Maximiliana von Hohenzollern-Sigmaringen the Unabbreviated",
            UserKind::Person,
        ),
    };
    Author {
        id: UserId(id),
        username: username.into(),
        display_name: display_name.into(),
        kind,
    }
}

/// A message of `author_id` at seq `seq`, `minutes` after eight o'clock or so.
pub(crate) fn message(seq: i64, author_id: i64, minutes: i64, html: &str) -> Message {
    Message {
        id: MessageId(seq),
        room: RoomId(1),
        seq: Seq(seq),
        nonce: Nonce(uuid::Uuid::from_u128(
            0x0192_a3b4_c5d6_4e7f_8091_a2b3_c4d5_0000 + seq as u128,
        )),
        author: author(author_id),
        body: Some(Body::Markdown {
            source: String::new(),
            html: html.into(),
        }),
        origin: Origin::Person,
        reply_to: None,
        created_at: NOW.plus_ms(minutes * 60_000),
        edited_at: None,
        deleted_at: None,
        version: 1,
    }
}

pub(crate) fn deleted(seq: i64, author_id: i64, minutes: i64) -> Message {
    Message {
        body: None,
        deleted_at: Some(NOW),
        version: 2,
        ..message(seq, author_id, minutes, "")
    }
}

pub(crate) fn quote(id: i64, author_id: i64, source: Option<&str>) -> Quote {
    Quote {
        id: MessageId(id),
        seq: Seq(id),
        author: author(author_id),
        source: source.map(str::to_owned),
    }
}

pub(crate) fn lobby() -> Room {
    Room {
        id: RoomId(1),
        slug: "lobby".into(),
        name: "Lobby".into(),
        kind: RoomKind::Open,
        topic: "Where everyone meets. Be kind, be brief, bring biscuits.".into(),
        head: Seq(40),
        member_count: 23,
        archived_at: None,
        created_at: NOW,
    }
}

pub(crate) fn room(id: i64, slug: &str, name: &str, topic: &str) -> Room {
    Room {
        id: RoomId(id),
        slug: slug.into(),
        name: name.into(),
        topic: topic.into(),
        ..lobby()
    }
}

pub(crate) fn frame(place: Place) -> AppFrame {
    let line = |id, slug: &str, name: &str, unread, mentions| SidebarRoom {
        id: RoomId(id),
        slug: slug.into(),
        name: name.into(),
        kind: if id == 4 {
            RoomKind::Closed
        } else {
            RoomKind::Open
        },
        head: Seq(40),
        unread,
        mentions,
    };
    AppFrame {
        epoch: EPOCH,
        max_chars: 1000,
        sidebar: Sidebar {
            viewer: Viewer {
                id: UserId(1),
                username: "ada".into(),
                display_name: "Ada Lovelace".into(),
                is_admin: true,
            },
            place,
            rooms: vec![
                line(1, "lobby", "Lobby", 0, 0),
                line(2, "analytical-engine", "Analytical engine", 12, 3),
                line(3, "books", "Books & tea", 4, 0),
                line(4, "board", "Board", 0, 0),
                line(
                    5,
                    "release-planning",
                    "Release planning for the winter quarter",
                    1,
                    0,
                ),
                line(6, "garden", "Garden", 0, 0),
            ],
        },
    }
}

pub(crate) fn timeline(messages: &[Message]) -> TimelineView<'_> {
    TimelineView {
        messages: messages.iter().map(MessageView::of).collect(),
        beginning: None,
        has_older: false,
        has_newer: false,
        head: messages.last().map_or(Seq::ZERO, |message| message.seq),
        epoch: EPOCH,
    }
}

pub(crate) fn room_page(room: &Room, messages: &[Message]) -> RoomPage {
    RoomPage {
        frame: frame(Place::Room(room.id)),
        room: RoomView::of(room),
        timeline: TimelineHead::of(&timeline(messages)),
        list: Hole,
        read: Seq::ZERO,
        joined: true,
        can_post: true,
        can_change: true,
        may_tidy: true,
        around: None,
        target: None,
        composer: Composer {
            nonce: Nonce(uuid::Uuid::from_u128(7)),
            body: String::new(),
            reply: None,
            refusal: None,
        },
    }
}

/// A room's page with its messages in place, as a browser gets it.
pub(crate) fn room_html(page: &RoomPage, messages: &[Message]) -> String {
    let timeline = TimelineView {
        beginning: page.timeline.older.is_none().then(|| page.room.clone()),
        has_older: page.timeline.older.is_some(),
        has_newer: page.timeline.newer.is_some(),
        ..timeline(messages)
    };
    let list = render(&TimelineFragment { timeline });
    render(page).replacen(Hole::MARK, &list, 1)
}

fn busy() -> Vec<Message> {
    let mut all = vec![
        message(3, 2, -1_300, "<p>Morning! The kettle is on.</p>"),
        message(
            4,
            2,
            -1_299,
            "<p>Biscuits are on the shelf behind the difference engine.</p>",
        ),
        message(
            5,
            7,
            -1_290,
            "<p>Thank you. I will be ten minutes late, the omnibus has opinions.</p>",
        ),
        message(
            9,
            3,
            -40,
            "<p>Has anyone tried the new <strong>release</strong>? Notes are <a href=\"https://example.org/notes\" rel=\"nofollow noopener\">here</a>. What I like:</p><ul><li>it starts in a blink</li><li>nothing is lost when the line drops</li><li><code>parlour doctor</code> says what to mend</li></ul>",
        ),
        message(
            10,
            3,
            -39,
            "<p>And it runs on the smallest machine I own.</p>",
        ),
        message(
            12,
            5,
            -31,
            "<p>Build 481 is green. <code>main</code> is deployed to staging.</p>",
        ),
        message(
            13,
            1,
            -30,
            "<p>Lovely. I read the timing code again; the loop is now</p><pre><code class=\"language-rust\">while let Some(event) = log.next() {\n    // Readers are positions, not queues: ten thousand of them share these bytes.\n    shard.wake(event.seq);\n}</code></pre>",
        ),
        message(
            15,
            4,
            -20,
            "<p>صباح الخير جميعاً! هل الاجتماع في الرابعة؟</p>",
        ),
        message(
            17,
            6,
            -12,
            "<p>@ada could you look at the table before four?</p><table><thead><tr><th>Rooms</th><th>Readers</th><th>p99</th></tr></thead><tbody><tr><td>1</td><td>10,000</td><td>41 ms</td></tr><tr><td>1,000</td><td>10</td><td>6 ms</td></tr></tbody></table>",
        ),
        message(
            18,
            6,
            -11,
            "<blockquote><p>Whatever is on a screen can be rebuilt from the log.</p></blockquote><ul><li><input type=\"checkbox\" disabled checked aria-label=\"Done\"> table</li><li><input type=\"checkbox\" disabled aria-label=\"To do\"> picture</li></ul>",
        ),
        deleted(19, 2, -10),
        message(21, 1, -4, "<p>Will do, right after tea.</p>"),
        message(22, 2, -2, "<p>🎉</p>"),
        message(
            23,
            3,
            -1,
            "<p>Averyveryverylongwordwithoutanyspaceinitthatwouldotherwisepushthewholetimelinesidewaysandspoilthepageforeverybodyelse, and a sentence after it that wraps onto a second and perhaps a third line as sentences tend to do.</p>",
        ),
    ];
    all[4].edited_at = Some(NOW);
    all[6].edited_at = Some(NOW);
    all[11].reply_to = Some(quote(
        17,
        6,
        Some("could you look at the table before four?"),
    ));
    all[13].reply_to = Some(quote(19, 2, None));
    all
}

/// What scripts add to a page, put in by hand.
fn decorate(html: &str) -> String {
    let mut html = html.to_owned();
    for seq in [4, 10, 18] {
        let row = format!("<li id=\"msg-{seq}\" class=\"message\"");
        html = html.replace(
            &row,
            &row.replace("\"message\"", "\"message message--follows\""),
        );
    }
    for (seq, class) in [
        (17, "mentions-me"),
        (13, "mine"),
        (21, "mine"),
        (15, "target"),
    ] {
        let row = format!("<li id=\"msg-{seq}\" class=\"message\"");
        html = html.replace(
            &row,
            &row.replace("\"message\"", &format!("\"message message--{class}\"")),
        );
    }
    for (before, words) in [(3, "Yesterday"), (9, "Today")] {
        let row = format!("<li id=\"msg-{before}\"");
        html = html.replace(
            &row,
            &format!("<li class=\"day\"><span>{words}</span></li>{row}"),
        );
    }
    html = html.replace(
        "<li id=\"msg-17\"",
        "<li id=\"new-line\" class=\"new-line\"><span>New</span></li><li id=\"msg-17\"",
    );
    html = html.replace(
        "<li id=\"msg-12\"",
        "<li id=\"event-1-11\" class=\"event\" data-seq=\"11\" data-at=\"2026-11-20T07:46:00.000Z\"><span class=\"event__text\"><bdi>Ken Tanaka 田中</bdi> joined.</span> <time class=\"event__time\" datetime=\"2026-11-20T07:46:00.000Z\">07:46</time></li><li id=\"msg-12\"",
    );
    let pending = html
        .split("pending-template\">")
        .nth(1)
        .unwrap()
        .split("</template>")
        .next()
        .unwrap()
        .to_owned();
    let failed = pending
        .replace(
            "message--pending",
            "message--pending message--failed message--follows",
        )
        .replace(
            "Sending…",
            "Not sent. The house has no room left on its disk.",
        )
        .replace("message__choices\" hidden", "message__choices\"");
    let fill = |row: &str, text: &str| {
        row.replace("\"auto\"></div>", &format!("\"auto\">{text}</div>"))
            .replace(
                "\"message__time\"></time>",
                "\"message__time\">08:19</time>",
            )
    };
    html = html.replace(
        "aria-label=\"Not sent yet\"></ol>",
        &format!(
            "aria-label=\"Not sent yet\">{}{}</ol>",
            fill(&pending, "This one is on its way …"),
            fill(&failed, "… and this one was refused.")
        ),
    );
    let toolbar = html
        .split("toolbar-template\">")
        .nth(1)
        .unwrap()
        .split("</template>")
        .next()
        .unwrap()
        .to_owned();
    html = html.replacen(
        "</div></li>\n<li class=\"day\"><span>Today",
        &format!("</div>{toolbar}</li>\n<li class=\"day\"><span>Today"),
        1,
    );
    html.replace(
        "data-connection data-state=\"\"></p>",
        "data-connection data-state=\"online\">Connected</p>",
    )
    .replace(
        "composer__count\"></span>",
        "composer__count\">37 left</span>",
    )
    .replace(
        "composer__typing\"></span>",
        "composer__typing\">Bob is typing…</span>",
    )
    .replace(
        "class=\"jump\" type=\"button\" hidden",
        "class=\"jump\" type=\"button\"",
    )
    .replace("data-count></span>", "data-count>4 new</span>")
}

fn offline(html: &str) -> String {
    html.replace("data-state=\"online\">Connected", "data-state=\"offline\">Offline since 14:02 – trying again")
        .replace("composer__typing\">Bob is typing…", "composer__typing\">")
        .replace("role=\"status\"></span> <span id=\"composer-typing\"", "role=\"status\" data-kind=\"state\">No connection. Your messages are kept and sent when it is back.</span> <span id=\"composer-typing\"")
        .replace("class=\"toasts\" role=\"status\"></div>", "class=\"toasts\" role=\"status\"><p class=\"toast toast--plain\">Link copied.</p><p class=\"toast toast--fault\">No connection: the message was not deleted.</p></div>")
}

/// Every page by name.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    use domain::{Invalid, MemberRole, Role, User, UserState};

    use super::{
        BrowsePage, BrowseRoom, DeletePage, EditPage, ErrorPage, Errors, LoginPage, LogoutPage,
        MembersPage, MembersPanel, NewTokenView, PeoplePage, PersonRow, PersonView, Refusal,
        ReplyView, ResetLink, ResetPage, RoomSettingsPage, SessionRow, SettingsPage, SetupPage,
        SignupClosedPage, SignupPage, Stamp, TargetView, TokenRow, render,
    };

    let user = |id: i64, role, state| {
        let author = author(id);
        User {
            id: author.id,
            username: author.username,
            display_name: author.display_name,
            kind: author.kind,
            role,
            state,
            created_at: NOW,
        }
    };
    let people = || -> Vec<PersonView> {
        (1..=7)
            .map(|id| {
                PersonView::of(
                    &user(id, Role::Member, UserState::Active),
                    if id == 1 {
                        MemberRole::Owner
                    } else {
                        MemberRole::Member
                    },
                )
            })
            .collect()
    };
    let refused = Errors::of_fields(vec![
        Invalid::new(
            "username",
            "taken",
            "“ada” or a name that looks like it is taken",
        ),
        Invalid::new(
            "password",
            "too_short",
            "at least 8 characters; this one has 5",
        ),
    ]);
    let messages = busy();
    let lobby_room = lobby();
    let busy_page = room_html(&room_page(&lobby_room, &messages), &messages);
    let busy_page = decorate(&busy_page);
    let offline_page = offline(&busy_page);
    let panel = render(&MembersPanel {
        room: RoomView::of(&lobby_room),
        people: people(),
        next: None,
    });
    let at = busy_page.find("<aside id=\"panel\"").unwrap();
    let end = busy_page[at..].find("</aside>").unwrap() + at + 8;
    let mut panel_page = busy_page.clone();
    panel_page.replace_range(at..end, &panel);
    let panel_page = panel_page.replace("data-pane=\"room\"", "data-pane=\"panel\"");
    let mut reading = room_page(&lobby_room, &messages);
    reading.around = Some(Seq(17));
    reading.target = Some(TargetView {
        id: MessageId(17),
        seq: Seq(17),
        can_reply: true,
        can_edit: true,
        can_delete: true,
    });
    reading.timeline.older = Some(Seq(1));
    reading.timeline.newer = Some(Seq(40));
    reading.composer.body = "What I typed is still here.".into();
    reading.composer.reply = Some(ReplyView {
        id: MessageId(17),
        author: "Ken Tanaka 田中".into(),
        text: "could you look at the table before four?".into(),
    });
    reading.composer.refusal = Some(Refusal {
        code: "too_long".into(),
        text: "a message has at most 1,000 characters; this one has 1,204".into(),
    });
    let garden = room(6, "garden", "Garden", "");
    let mut looking = room_page(&garden, &messages[..3]);
    looking.joined = false;
    let archived = Room {
        archived_at: Some(NOW),
        ..room(
            5,
            "release-planning",
            "Release planning for the winter quarter",
            "A topic that goes on and on, because somebody thought that a topic is the right place for the whole agenda of the whole quarter, which it is not.",
        )
    };
    let browse = |query: &str, rooms: Vec<BrowseRoom>| BrowsePage {
        frame: frame(Place::Browse),
        query: query.into(),
        rooms,
        next: Some("/rooms/?cursor=x".into()),
        can_create: true,
        new_name: String::new(),
        new_topic: String::new(),
        errors: Errors::none(),
    };
    let rooms = vec![
        BrowseRoom::of(&lobby_room, true),
        BrowseRoom::of(
            &room(
                2,
                "analytical-engine",
                "Analytical engine",
                "Cards, mills and stores. Bring punched samples.",
            ),
            true,
        ),
        BrowseRoom::of(
            &room(3, "books", "Books & tea", "What we read and drink."),
            false,
        ),
        BrowseRoom::of(&garden, false),
        BrowseRoom::of(&archived, false),
    ];
    let settings = SettingsPage {
        frame: frame(Place::Settings),
        display_name: "Ada Lovelace".into(),
        notice: Some("Name saved.".into()),
        errors: Errors::of_fields(vec![Invalid::new(
            "current_password",
            "invalid",
            "that is not your password",
        )]),
        sessions: [
            (1, "Firefox on Linux", true),
            (2, "Safari on iPhone", false),
        ]
        .map(|(id, agent, is_current)| SessionRow {
            id: domain::SessionId(id),
            agent: agent.into(),
            address: "192.0.2.7".into(),
            created_at: Stamp(NOW),
            seen_at: Stamp(NOW),
            is_current,
        })
        .into(),
        tokens: vec![TokenRow {
            id: domain::TokenId(1),
            name: "backup script".into(),
            scopes: vec!["read", "write"],
            created_at: Stamp(NOW),
            used_at: None,
        }],
        new_token: Some(NewTokenView {
            name: "deploy bot".into(),
            secret: "plr_9f0aK2mQz7vYt41xWcB8nLs3".into(),
        }),
        token_name: String::new(),
    };
    let console = PeoplePage {
        frame: frame(Place::Admin),
        query: String::new(),
        people: (1..=7)
            .map(|id| {
                PersonRow::of(
                    &user(
                        id,
                        if id == 1 { Role::Owner } else { Role::Member },
                        if id == 6 {
                            UserState::Deactivated
                        } else {
                            UserState::Active
                        },
                    ),
                    id > 1,
                    id > 1,
                )
            })
            .collect(),
        next: None,
        notice: None,
        refusal: None,
        reset_link: Some(ResetLink {
            username: "bob".into(),
            url: "https://chat.example.org/reset/9f0aK2mQz7vYt41xWcB8nLs3".into(),
            expires_at: Stamp(NOW),
        }),
    };
    vec![
        ("room", busy_page.clone()),
        (
            "room-plain",
            room_html(&room_page(&lobby_room, &messages), &messages),
        ),
        (
            "room-list",
            busy_page.replace("data-pane=\"room\"", "data-pane=\"list\""),
        ),
        ("room-offline", offline_page),
        ("room-panel", panel_page),
        ("room-around", room_html(&reading, &messages)),
        ("room-empty", room_html(&room_page(&lobby_room, &[]), &[])),
        ("room-looking-in", room_html(&looking, &messages[..3])),
        (
            "room-archived",
            room_html(&room_page(&archived, &messages[..2]), &messages[..2]),
        ),
        (
            "members",
            render(&MembersPage {
                frame: frame(Place::Elsewhere),
                room: RoomView::of(&lobby_room),
                people: people(),
                next: None,
            }),
        ),
        ("browse", render(&browse("", rooms))),
        ("browse-none", render(&browse("zeppelin", Vec::new()))),
        (
            "room-settings",
            render(&RoomSettingsPage {
                frame: frame(Place::Elsewhere),
                room: RoomView::of(&lobby_room),
                name: "Lobby".into(),
                topic: lobby_room.topic.clone(),
                errors: Errors::none(),
            }),
        ),
        (
            "edit",
            render(&EditPage {
                frame: frame(Place::Elsewhere),
                id: MessageId(12),
                version: 1,
                source: "Will do, right after tea.".into(),
                refusal: None,
            }),
        ),
        (
            "delete",
            render(&DeletePage {
                frame: frame(Place::Elsewhere),
                message: MessageView::of(&messages[7]),
            }),
        ),
        ("settings", render(&settings)),
        ("people", render(&console)),
        (
            "setup",
            render(&SetupPage {
                needs_code: true,
                ..SetupPage::default()
            }),
        ),
        (
            "login",
            render(&LoginPage {
                can_sign_up: true,
                ..LoginPage::default()
            }),
        ),
        (
            "login-refused",
            render(&LoginPage {
                username: "ada".into(),
                errors: Errors::of_form("The username or the password is wrong."),
                ..LoginPage::default()
            }),
        ),
        (
            "signup",
            render(&SignupPage {
                username: "ada".into(),
                errors: refused,
                ..SignupPage::default()
            }),
        ),
        (
            "signup-closed",
            render(&SignupClosedPage {
                by_invitation: true,
            }),
        ),
        (
            "logout",
            render(&LogoutPage {
                display_name: "Ada Lovelace".into(),
            }),
        ),
        (
            "reset",
            render(&ResetPage {
                secret: "x".into(),
                username: "bob".into(),
                errors: Errors::none(),
            }),
        ),
        ("404", render(&ErrorPage::not_found())),
        (
            "403",
            render(&ErrorPage::forbidden(
                "Only owners change the settings of this room.",
            )),
        ),
        ("429", render(&ErrorPage::too_many(30))),
        ("503", render(&ErrorPage::unavailable())),
        ("500", render(&ErrorPage::internal("7f3a-11"))),
    ]
}
