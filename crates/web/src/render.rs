//! Turns what happens into text for the live path: HTML from the templates, JSON from the
//! wire types. Called at most once per fact and format, however many read it.

use domain::{Event, Signal};
use live::{Control, Format, Render};

use crate::api::convert;
use crate::views;

/// The product's renderer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Renderer;

impl Render for Renderer {
    fn event(&self, format: Format, event: &Event, out: &mut String) {
        match format {
            Format::Html => views::write_event_frame(event, out),
            Format::Json => convert::write_event(event, out),
        }
    }

    /// Signals are small JSON for the page too: its scripts act on them, nothing is swapped.
    fn signal(&self, _format: Format, signal: &Signal, out: &mut String) {
        convert::write_signal(signal, out);
    }

    fn control(&self, _format: Format, control: &Control, out: &mut String) {
        convert::write_control(control, out);
    }
}
