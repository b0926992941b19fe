//! `parlour dummy-data`: a house that looks lived in.
//!
//! For trying things out and for measuring at size; written through the import path, so a
//! million messages take less than a minute. The same numbers and seed make the same words,
//! and running it again adds nothing that is there already.

mod chance;
mod talk;
mod words;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chance::Chance;
use domain::{
    Body, Nonce, Role, RoomId, RoomKind, RoomName, RoomRef, Seq, Slug, Time, UserId, UserKind,
};
use store::{
    Answered, CreateRoom, EditVersion, ImportedMessage, NewUser, NoticeKind, Store, StoreError,
};
use talk::{Line, Person, Talk};
use tokio::sync::mpsc;

use super::{make_data_dir, runtime, say};
use crate::args::DummyDataArgs;
use crate::config::Config;
use crate::wiring;

/// Messages of one transaction: large enough that its flush is nothing, small enough that a
/// running server's own posts wait a fraction of a second.
const BATCH: usize = 2_000;
/// People made in one transaction.
const PEOPLE_BATCH: usize = 1_000;
/// Receipts are made up for so many people only: they are one row each.
const READERS: usize = 100;

pub(super) fn run(config: &Config, args: &DummyDataArgs) -> anyhow::Result<ExitCode> {
    make_data_dir(config)?;
    let file = config.sqlite_file();
    let store: Arc<dyn Store> = wiring::open_store(&file)?;
    runtime()?.block_on(async {
        let done = fill(store.as_ref(), args).await;
        // Told also after a failure: what was stored before it is there.
        store
            .add_notice(NoticeKind::HistoryChanged, wiring::now())
            .await?;
        store.close().await;
        say(&done?)?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn fill(store: &dyn Store, args: &DummyDataArgs) -> anyhow::Result<String> {
    let began = Instant::now();
    let people = talk::people(args.users as usize, args.seed);
    let now = wiring::now();
    let span = Span::before(now, args.messages as usize);
    let users = make_people(store, &people, span.start).await?;
    let wanted_rooms = args.rooms.unwrap_or_else(|| (args.users / 5).clamp(1, 12));
    let rooms = make_rooms(store, wanted_rooms as usize, &users, span.start).await?;
    let maker = Maker {
        users: users.clone(),
        rooms: rooms.clone(),
        span,
        seed: args.seed,
        count: args.messages as usize,
    };
    let stored = import(store, people, maker).await?;
    make_receipts(store, &users, &rooms, args.seed).await?;
    let known = args.messages as usize - stored;
    let mut summary = format!(
        "{} people and {} rooms are there; added {stored} messages in {:.1} s",
        users.len(),
        rooms.len(),
        began.elapsed().as_secs_f64()
    );
    if known > 0 {
        summary.push_str(&format!(
            " ({known} were there already; another --seed says something else)"
        ));
    }
    summary.push_str(
        "\nthe people have no password; `parlour users passwd NAME` gives one, \
         `parlour users list` names them",
    );
    Ok(summary)
}

async fn make_people(
    store: &dyn Store,
    people: &[Person],
    at: Time,
) -> anyhow::Result<Vec<UserId>> {
    let mut users = Vec::with_capacity(people.len());
    for some in people.chunks(PEOPLE_BATCH) {
        let batch = some
            .iter()
            .map(|person| NewUser {
                username: person.username.as_str().to_owned(),
                skeleton: person.username.skeleton().to_owned(),
                display_name: person.display_name.clone(),
                email: None,
                kind: UserKind::Person,
                role: Role::Member,
                password_hash: None,
                at,
            })
            .collect();
        let made = store
            .import_users(batch)
            .await
            .context("cannot make the people")?;
        users.extend(made.iter().map(|user| user.id));
    }
    Ok(users)
}

/// The lobby and `count` rooms more.
async fn make_rooms(
    store: &dyn Store,
    count: usize,
    users: &[UserId],
    at: Time,
) -> anyhow::Result<Vec<RoomId>> {
    let lobby = RoomRef::Slug(domain::rooms::LOBBY_SLUG.to_owned());
    let mut rooms = vec![store.room_facts(&lobby, None).await?.room.id];
    for (index, place) in talk::places(count).into_iter().enumerate() {
        let slug = RoomName::parse(&place.name)
            .ok()
            .and_then(|name| Slug::of_name(&name));
        if let Some(slug) = &slug {
            match store
                .room_facts(&RoomRef::Slug(slug.as_str().to_owned()), None)
                .await
            {
                Ok(found) => {
                    rooms.push(found.room.id);
                    continue;
                }
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(creator) = users.get(index % users.len().max(1)).copied() else {
            break;
        };
        let new = CreateRoom {
            name: place.name,
            slug: slug.map(|slug| slug.as_str().to_owned()),
            kind: RoomKind::Open,
            topic: place.topic,
            creator,
            at,
        };
        rooms.push(
            store
                .create_room(&new)
                .await
                .context("cannot make a room")?
                .0
                .id,
        );
    }
    Ok(rooms)
}

/// Makes messages on one thread while the writer stores those before: two cores' work.
async fn import(store: &dyn Store, people: Vec<Person>, maker: Maker) -> anyhow::Result<usize> {
    let total = maker.count;
    let (ready, mut batches) = mpsc::channel(2);
    let making = tokio::task::spawn_blocking(move || maker.make(&people, &ready));
    let mut progress = Progress::new(total);
    let (mut stored, mut done) = (0, 0);
    while let Some(batch) = batches.recv().await {
        done += Vec::len(&batch);
        stored += store
            .import_batch(batch)
            .await
            .context("cannot store the messages")?
            .stored;
        progress.show(done);
    }
    progress.end();
    making.await.context("making up messages failed")?;
    Ok(stored)
}

/// Lets some people have read some of it, so that unread counts and receipts differ.
async fn make_receipts(
    store: &dyn Store,
    users: &[UserId],
    rooms: &[RoomId],
    seed: u64,
) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed ^ 0x7265_6164);
    let heads = store.heads(rooms).await?;
    for user in users.iter().take(READERS) {
        for (room, head) in &heads {
            let behind = if chance.percent(60) {
                0
            } else {
                chance.below(30)
            };
            let seq = Seq(head.0 - i64::try_from(behind).unwrap_or(0));
            match store.mark_read(*room, *user, seq, wiring::now()).await {
                // Nobody is a member of every room.
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// When it was all said: evenly up to now, a few minutes apart, at most three years long.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Time,
    step_ms: i64,
}

impl Span {
    fn before(now: Time, count: usize) -> Span {
        const USUAL_STEP_MS: i64 = 7 * 60 * 1000;
        const LONGEST_MS: i64 = 3 * 365 * 24 * 60 * 60 * 1000;
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let step_ms = (LONGEST_MS / count).clamp(1, USUAL_STEP_MS);
        // Two minutes less, so that also the last edit lies in the past.
        let long = step_ms
            .saturating_mul(count + 1)
            .saturating_add(2 * 60 * 1000);
        Span {
            start: now.plus_ms(-long),
            step_ms,
        }
    }

    /// The time of message `index`; later ones are never earlier.
    fn at(self, index: usize, chance: &mut Chance) -> Time {
        let step = usize::try_from(self.step_ms).unwrap_or(1);
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let within = i64::try_from(chance.below(step)).unwrap_or(0);
        self.start
            .plus_ms(self.step_ms.saturating_mul(index + 1))
            .plus_ms(within)
    }
}

/// Turns made-up lines into messages to import.
struct Maker {
    users: Vec<UserId>,
    rooms: Vec<RoomId>,
    span: Span,
    seed: u64,
    count: usize,
}

impl Maker {
    /// Until all are made or nobody takes them any more.
    fn make(&self, people: &[Person], ready: &mpsc::Sender<Vec<ImportedMessage>>) {
        let mut talk = Talk::new(people, self.rooms.len(), self.seed);
        let mut chance = Chance::new(self.seed ^ 0x7469_6d65);
        let mut made = 0;
        while made < self.count {
            let size = BATCH.min(self.count - made);
            let batch: Vec<_> = (&mut talk)
                .take(size)
                .enumerate()
                .filter_map(|(place, line)| self.message(&line, place, made + place, &mut chance))
                .collect();
            made += size;
            if ready.blocking_send(batch).is_err() {
                return;
            }
        }
    }

    fn message(
        &self,
        line: &Line,
        place: usize,
        index: usize,
        chance: &mut Chance,
    ) -> Option<ImportedMessage> {
        let at = self.span.at(index, chance);
        let replaced_at = at.plus_ms(1_000 + i64::try_from(chance.below(60_000)).unwrap_or(0));
        let compiled = domain::markup::compile(&line.source);
        Some(ImportedMessage {
            room: *self.rooms.get(line.room)?,
            author: *self.users.get(line.author)?,
            nonce: self.nonce(index),
            body: Body::Markdown {
                source: line.source.clone(),
                html: compiled.html,
            },
            mentions: line
                .mentions
                .and_then(|person| self.users.get(person).copied())
                .into_iter()
                .collect(),
            // A conversation may reach back into the batch before; there the answer stands
            // alone, as some do.
            answers: line
                .answers
                .and_then(|back| place.checked_sub(back))
                .map(Answered::InBatch),
            at,
            earlier: line.before_edit.clone().map(|source| EditVersion {
                source,
                replaced_at,
            }),
        })
    }

    /// The same for the same seed and place, so that a second run finds it. Rising, because
    /// random keys would scatter a million rows all over the index.
    fn nonce(&self, index: usize) -> Nonce {
        let spread = Chance::new(self.seed).next();
        Nonce(uuid::Uuid::from_u64_pair(spread, index as u64))
    }
}

/// A bar on a terminal; nothing elsewhere.
struct Progress {
    total: usize,
    began: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            total,
            began: Instant::now(),
            shown: None,
            is_terminal,
        }
    }

    fn show(&mut self, done: usize) {
        const EVERY: Duration = Duration::from_millis(100);
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= EVERY);
        if !self.is_terminal || !(is_due || done == self.total) {
            return;
        }
        self.shown = Some(Instant::now());
        let rate = done as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let line = bar(done, self.total, rate);
        let mut err = std::io::stderr();
        // A terminal that is gone is no reason to stop importing.
        let _ = write!(err, "\r{line}").and_then(|()| err.flush());
    }

    fn end(&self) {
        if self.is_terminal && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn bar(done: usize, total: usize, rate: f64) -> String {
    const WIDTH: usize = 30;
    let filled = done * WIDTH / total.max(1);
    let percent = done * 100 / total.max(1);
    format!(
        "[{}{}] {percent:>3} %  {done} of {total} messages, {rate:.0}/s ",
        "#".repeat(filled),
        "-".repeat(WIDTH - filled)
    )
}

#[cfg(test)]
mod tests {
    use domain::Time;

    use super::{Chance, Span, bar};

    #[test]
    fn times_rise_and_end_before_now() {
        for count in [1, 300, 5_000_000] {
            let now = Time(1_800_000_000_000);
            let span = Span::before(now, count);
            let mut chance = Chance::new(3);
            let mut last = span.start;
            for index in (0..count - 1).step_by(1 + count / 1000).chain([count - 1]) {
                let at = span.at(index, &mut chance);
                assert!(at >= last && at <= now, "{index} of {count}: {at}");
                last = at;
            }
        }
    }

    #[test]
    fn the_bar_is_full_at_the_end() {
        assert!(bar(300, 300, 1.0).starts_with(&format!("[{}]", "#".repeat(30))));
        assert!(bar(0, 300, 0.0).starts_with(&format!("[{}]", "-".repeat(30))));
        assert!(bar(0, 0, 0.0).contains("0 of 0"));
    }
}
