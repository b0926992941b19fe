//! The whole server over HTTP and sockets, started as people start it. One binary, because
//! every further one costs a link; a module per feature.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::print_stdout,
    reason = "seeds are printed, so that a failure can be repeated"
)]

mod accounts;
mod cli;
mod cost;
mod cross_site;
mod description;
mod doors;
mod erasure;
mod faults;
mod frames;
mod generated;
mod hostile;
mod house;
mod input;
mod limits;
mod markup;
mod messages;
mod reading;
mod resume;
mod rights;
mod rooms;
mod sessions;
mod setup;
mod slow;
mod sockets;
mod support;
mod torture;
mod upgrades;
