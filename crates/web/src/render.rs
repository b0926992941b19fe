//! Turns what happens into text for the live path: HTML from the templates, JSON from the
//! wire types. Called at most once per fact and format, however many read it.

use std::panic::AssertUnwindSafe;

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
            Format::Html => guarded(
                out,
                |out| views::write_event_frame(event, out),
                |out| views::write_unreadable_frame(event, out),
            ),
            Format::Json => guarded(
                out,
                |out| convert::write_event(event, out),
                |out| convert::write_unreadable(event, out),
            ),
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

/// Writes by `write`; should that panic over one poisonous row, by `instead`. The number
/// must arrive all the same, or every reader would ask for it for ever.
pub(crate) fn guarded(
    out: &mut String,
    write: impl FnOnce(&mut String),
    instead: impl FnOnce(&mut String),
) {
    let kept = out.len();
    let writing = AssertUnwindSafe(|| write(&mut *out));
    if std::panic::catch_unwind(writing).is_err() {
        tracing::error!("something stored cannot be shown; a placeholder stands for it");
        out.truncate(kept);
        instead(out);
    }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_poisonous_row_leaves_a_placeholder_and_nothing_of_itself() {
        let mut out = "before ".to_owned();
        guarded(
            &mut out,
            |out| {
                out.push_str("half a ro");
                panic!("poison");
            },
            |out| out.push_str("placeholder"),
        );
        assert_eq!(out, "before placeholder");
        guarded(&mut out, |out| out.push_str(" after"), |_| unreachable!());
        assert_eq!(out, "before placeholder after");
    }
}
