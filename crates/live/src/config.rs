//! Bounds and rhythms of the live path.

use std::time::Duration;

/// Bounds and rhythms. The defaults are the product's; tests shorten them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shard threads, 1..=64.
    pub shards: usize,
    /// Between data heartbeats (`heads`); with each one a peer that was silent meanwhile
    /// gets a ping.
    pub heartbeat: Duration,
    /// A peer silent for so long is gone. Looked at four times per heartbeat, so it is
    /// dropped at most a quarter of that later.
    pub reap_after: Duration,
    /// Time for the peer's echo of our close; afterwards the socket is dropped.
    pub close_wait: Duration,
    /// Frames kept per room; older ones are read from the store.
    pub ring_frames: usize,
    /// Bytes kept per room, all formats together; the oldest frames go first.
    pub ring_bytes: usize,
    /// Bytes kept for all rooms together. Beyond it, a room that gets an event keeps only
    /// its newest few; returning readers are filled from the store instead.
    pub ring_total_bytes: usize,
    /// How far behind a reader may fall before `resync`.
    pub lag_bytes: usize,
    /// Largest text message taken from a client; a larger one closes with 1009.
    pub max_message_bytes: usize,
    /// Between comparisons of heads with the store.
    pub head_check: Duration,
    /// How long a hole in a room's numbers may close by itself before the store is read.
    pub hole_wait: Duration,
    /// Sockets per user and per address; `None` lifts the limit (load tests). IPv6
    /// addresses count by /64.
    pub max_per_user: Option<usize>,
    /// See `max_per_user`.
    pub max_per_address: Option<usize>,
}

impl Default for Config {
    fn default() -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Config {
            shards: cores.min(2),
            heartbeat: Duration::from_secs(25),
            reap_after: Duration::from_secs(50),
            close_wait: Duration::from_secs(2),
            ring_frames: 256,
            ring_bytes: 4 * 1024 * 1024,
            ring_total_bytes: 128 * 1024 * 1024,
            lag_bytes: 1024 * 1024,
            max_message_bytes: 64 * 1024,
            head_check: Duration::from_secs(15),
            hole_wait: Duration::from_millis(30),
            max_per_user: Some(16),
            max_per_address: Some(1024),
        }
    }
}
