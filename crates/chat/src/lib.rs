//! The application: one function per thing an actor can do, and the only writer.
//!
//! Pages, API, sockets and commands are doors to the same functions here. Each goes the
//! same way: find the object *for this actor* ([`access`]), ask `domain::policy`, check
//! the input, let the store do one whole operation, publish what was committed. It knows
//! no HTTP, no HTML and no status codes.

pub mod access;
pub mod accounts;
mod actors;
pub mod admin;
mod attempts;
pub mod env;
mod error;
mod limits;
pub mod messages;
mod outside;
mod passwords;
pub mod rooms;
pub mod sessions;
mod settings;
pub mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use live::Live;
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::{MessageAccess, RoomAccess};
pub use env::Env;
pub use error::{Error, Result};
pub use settings::{Registration, Settings};
// The types these functions speak in: `web` may not import `store`, and needs no copies.
pub use store::{
    AuditEntry, Conflict, EditVersion, Member, PageAnchor, Receipt, RoomListFilter, RoomListed,
    RoomPage, SessionInfo, TokenInfo, UserListFilter,
};

/// The running application. Shared as `Arc<Chat>`.
pub struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: Live,
    pub(crate) env: Env,
    pub(crate) settings: Settings,
    pub(crate) actors: actors::Actors,
    pub(crate) underway: attempts::Attempts,
    pub(crate) postable: access::Postable,
    pub(crate) hasher: passwords::Hasher,
    pub(crate) limits: limits::Limits,
    pub(crate) tasks: TaskTracker,
    stopping: CancellationToken,
    has_owner: AtomicBool,
    setup_code: Option<String>,
}

impl Chat {
    /// Starts the application and its background work: the eye on what other processes do
    /// and the expiry of sessions. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, live: Live, env: Env, settings: Settings) -> Arc<Chat> {
        let setup_code = settings.setup_needs_code.then(|| env.code());
        let chat = Arc::new(Chat {
            hasher: passwords::Hasher::new(settings.hashing_threads),
            limits: limits::Limits::new(settings.rate_limits),
            actors: actors::Actors::default(),
            underway: attempts::Attempts::default(),
            postable: access::Postable::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            has_owner: AtomicBool::new(false),
            setup_code,
            store,
            live,
            env,
            settings,
        });
        chat.tasks
            .spawn(outside::watch(Arc::clone(&chat), chat.stopping.clone()));
        chat.tasks
            .spawn(sessions::expire(Arc::clone(&chat), chat.stopping.clone()));
        chat
    }

    /// Waits until what was begun is done (posts on their way to the disk), then lets go.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The live path, for subscribing connections after [`Chat::room`] has agreed.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The one-time code that `/setup` asks for, when it asks for one.
    #[must_use]
    pub fn setup_code(&self) -> Option<&str> {
        self.setup_code.as_deref()
    }

    /// Whether the house has an owner. Cheap once it has.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn is_set_up(&self) -> Result<bool> {
        if self.has_owner.load(Ordering::Acquire) {
            return Ok(true);
        }
        let has_owner = self.store.has_owner().await?;
        if has_owner {
            self.has_owner.store(true, Ordering::Release);
        }
        Ok(has_owner)
    }

    /// Whether requests can be served: the database answers and is migrated.
    ///
    /// # Errors
    /// `Unavailable` and its kin.
    pub async fn ready(&self) -> Result<()> {
        Ok(self.store.ready().await?)
    }
}

#[cfg(test)]
mod tests;
