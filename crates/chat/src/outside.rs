//! The outside hand: what the command line or another process did to the database.
//!
//! Asked four times a second by one cheap pragma; only when something changed are the
//! notices read and acted on.

use std::sync::Arc;
use std::time::Duration;

use domain::UserState;
use live::{Revocation, close};
use store::NoticeKind;
use tokio_util::sync::CancellationToken;

use crate::actors::Forget;
use crate::{Chat, Result};

const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn watch(chat: Arc<Chat>, stopping: CancellationToken) {
    let mut seen = Seen::default();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = look(&chat, &mut seen).await {
            tracing::warn!("notices could not be read: {error}");
        }
    }
}

/// How far the notices have been acted on.
#[derive(Default)]
struct Seen {
    /// The last notice; `None` before the first look, which only finds the end.
    last: Option<i64>,
    /// The store tells of a change once. Until everything it brought is acted on, a look
    /// that failed must look again.
    is_behind: bool,
}

/// Reads and acts on what is new.
async fn look(chat: &Chat, seen: &mut Seen) -> Result<()> {
    seen.is_behind |= chat.store.changed_outside().await?;
    let Some(after) = seen.last else {
        let (_, newest) = chat.store.notices_after(i64::MAX).await?;
        seen.last = Some(newest);
        return Ok(());
    };
    if !seen.is_behind {
        return Ok(());
    }
    let (notices, newest) = chat.store.notices_after(after).await?;
    for notice in notices {
        act_on(chat, notice.kind).await?;
    }
    *seen = Seen {
        last: Some(newest),
        is_behind: false,
    };
    Ok(())
}

async fn act_on(chat: &Chat, notice: NoticeKind) -> Result<()> {
    match notice {
        NoticeKind::UserChanged(user) => {
            chat.actors.forget(&Forget::User(user));
            let user = chat.store.user(user).await?;
            if user.state != UserState::Active {
                chat.act_on_state(&user).await;
            } else {
                // Their password may have been set from outside, and some sockets be of
                // sessions that ended with it. Each comes back by itself if it still may.
                chat.live
                    .revoke(Revocation::User(user.id, close::RESTART))
                    .await;
            }
        }
        NoticeKind::HistoryChanged => chat.live.history_changed().await,
    }
    Ok(())
}
