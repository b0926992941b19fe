//! What templates may write `|name` for, beyond what the template engine brings.

use askama::Values;
use askama::filters::Safe;

/// `{{ "send"|icon }}`: an outline icon of the sprite, nothing for an unknown name (the
/// template lint finds those).
#[askama::filter_fn]
pub fn icon(name: &str, _: &dyn Values) -> askama::Result<Safe<&'static str>> {
    Ok(Safe(assets::icon(name).unwrap_or_default()))
}

/// `{{ "app.css"|asset }}`: where an embedded file is served.
#[askama::filter_fn]
pub fn asset(name: &str, _: &dyn Values) -> askama::Result<Safe<&'static str>> {
    Ok(Safe(assets::url(name)))
}
