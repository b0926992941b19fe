//! The HTTP side: server, pages, API, sockets up to their upgrade.
//!
//! Everything a request can ask for goes through [`Gate`](gate::Gate) to a route of
//! [`routes()`], gets its Actor from `auth`, calls one function of `chat`, and turns the
//! result into HTML or JSON. Nothing here reads a database or decides a permission; it
//! cannot: `store` is out of reach. A newcomer would add a check of roles to a handler: it
//! belongs into `domain::policy`.

pub mod api;
mod auth;
mod compress;
mod csrf;
mod embedded;
mod gate;
mod headers;
mod hosts;
pub mod ids;
mod limits;
mod ops;
mod pages;
pub mod problem;
mod render;
mod routes;
mod server;
pub mod settings;
mod socket;
mod state;
mod turns;
pub mod views;

use axum::Router;

pub use api::openapi_json;
pub use hosts::Client;
pub use routes::{Route, Who};
pub use server::{listen, serve};
pub use settings::{BaseUrl, Bounds, Network, Settings};
pub use socket::inbound;
pub use state::App;

use routes::Routes;

/// Turns what happens into text for the live path.
#[must_use]
pub fn renderer() -> std::sync::Arc<dyn live::Render> {
    std::sync::Arc::new(render::Renderer)
}

/// Every route with its method and who may use it.
#[must_use]
pub fn routes() -> Vec<Route> {
    all_routes(true).into_table()
}

/// The routes as a service, without the gate; `serve` puts it in front.
pub(crate) fn router(app: App) -> Router {
    all_routes(app.settings.debug).into_router(app)
}

fn all_routes(is_debug: bool) -> Routes {
    let routes = Routes::default()
        .get("/healthz", Who::Anyone, ops::healthz)
        .get("/readyz", Who::Anyone, ops::readyz)
        .get("/assets/{*path}", Who::Anyone, embedded::asset);
    let routes = pages::add(api::add(routes));
    socket::add(routes, is_debug)
}
