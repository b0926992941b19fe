//! What every handler can reach.

use std::sync::Arc;

use chat::Chat;
use live::Live;

use crate::hosts::Hosts;
use crate::pages::Timelines;
use crate::settings::Settings;
use crate::turns::Turns;

/// What every handler can reach. Cheap to clone; axum's `State`.
#[derive(Clone)]
pub struct App {
    /// The application.
    pub chat: Arc<Chat>,
    /// The live path.
    pub live: Live,
    /// The settings in force.
    pub settings: Arc<Settings>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) timelines: Arc<Timelines>,
}

impl App {
    /// Joins the parts.
    #[must_use]
    pub fn new(chat: Arc<Chat>, live: Live, settings: Settings) -> Self {
        let hosts = Arc::new(Hosts::new(&settings));
        Self {
            chat,
            live,
            settings: Arc::new(settings),
            hosts,
            turns: Arc::default(),
            timelines: Arc::default(),
        }
    }
}
