//! What every part of the live path shares.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use domain::Epoch;

use crate::doubts::Doubts;
use crate::limits::Limits;
use crate::rooms::Rooms;
use crate::{Config, Inbound, Render};

/// Shared by the handle, the shards and the tasks. It knows none of them, so there is no
/// circle to keep them alive.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) render: Arc<dyn Render>,
    pub(crate) inbound: OnceLock<Arc<dyn Inbound>>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) doubts: Doubts,
    pub(crate) limits: Limits,
    /// Sockets now open.
    pub(crate) open: AtomicUsize,
    epoch: AtomicU64,
}

impl Context {
    pub(crate) fn new(config: Config, render: Arc<dyn Render>, epoch: Epoch) -> Context {
        Context {
            rooms: Arc::new(Rooms::new(config.shards)),
            limits: Limits::new(&config),
            doubts: Doubts::default(),
            inbound: OnceLock::new(),
            open: AtomicUsize::new(0),
            epoch: AtomicU64::new(epoch.0),
            render,
            config,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    pub(crate) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::SeqCst);
    }
}
