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
    let mut last = None;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        match look(&chat, last).await {
            Ok(newest) => last = newest,
            Err(error) => tracing::warn!("notices could not be read: {error}"),
        }
    }
}

/// Reads what is new after `last`; `None` is the first look, which only finds the end.
async fn look(chat: &Chat, last: Option<i64>) -> Result<Option<i64>> {
    let Some(after) = last else {
        chat.store.changed_outside().await?;
        let (_, newest) = chat.store.notices_after(i64::MAX).await?;
        return Ok(Some(newest));
    };
    if !chat.store.changed_outside().await? {
        return Ok(Some(after));
    }
    let (notices, newest) = chat.store.notices_after(after).await?;
    for notice in notices {
        match notice.kind {
            NoticeKind::UserChanged(user) => {
                chat.actors.forget(&Forget::User(user));
                let user = chat.store.user(user).await?;
                if user.state != UserState::Active {
                    chat.act_on_state(&user).await;
                } else if chat.store.sessions(user.id).await?.is_empty()
                    && chat.store.tokens(user.id).await?.is_empty()
                {
                    // Their password was set from outside: every credential has ended.
                    chat.live
                        .revoke(Revocation::User(user.id, close::SIGNED_OUT))
                        .await;
                }
            }
            NoticeKind::HistoryChanged => chat.live.history_changed().await,
        }
    }
    Ok(Some(newest))
}
