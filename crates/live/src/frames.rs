//! Facts as frames, encoded at most once per format and compression and shared by all.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use bytes::Bytes;
use domain::Signal;
use tracing::error;

use crate::{Format, Render, ws};

/// One of the four shapes of a frame: format × deflated or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant(u8);

impl Variant {
    pub(crate) fn new(format: Format, deflate: bool) -> Variant {
        let format = match format {
            Format::Html => 0,
            Format::Json => 2,
        };
        Variant(format | u8::from(deflate))
    }

    pub(crate) fn format(self) -> Format {
        if self.0 & 2 == 0 {
            Format::Html
        } else {
            Format::Json
        }
    }
}

/// The frames of one fact, made when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Encoded([OnceLock<Bytes>; 4]);

impl Encoded {
    /// The frame, and how many bytes this call added. Two shards may ask at once: one
    /// encodes, the other waits for it, which is shorter than encoding twice.
    pub(crate) fn get(
        &self,
        variant: Variant,
        write: impl FnOnce(Format, &mut String),
    ) -> (&Bytes, usize) {
        let added = Cell::new(0);
        let plain = || {
            self.0[usize::from(variant.0 & 2)].get_or_init(|| {
                let frame = rendered(|out| write(variant.format(), out));
                added.set(added.get() + frame.len());
                frame
            })
        };
        let frame = if variant.0 & 1 == 0 {
            plain()
        } else {
            self.0[usize::from(variant.0)].get_or_init(|| {
                let plain = plain();
                let Some(small) = ws::deflated_frame(plain) else {
                    return plain.clone();
                };
                added.set(added.get() + small.len());
                small
            })
        };
        (frame, added.get())
    }

    /// The frame's length, if it exists already.
    pub(crate) fn known_len(&self, variant: Variant) -> usize {
        self.0[usize::from(variant.0)].get().map_or(0, Bytes::len)
    }
}

/// A signal on its way to several shards.
#[derive(Debug)]
pub(crate) struct SignalFrames {
    signal: Signal,
    encoded: Encoded,
}

impl SignalFrames {
    pub(crate) fn new(signal: Signal) -> SignalFrames {
        SignalFrames {
            signal,
            encoded: Encoded::default(),
        }
    }

    pub(crate) fn get(&self, variant: Variant, render: &dyn Render) -> &Bytes {
        let write = |format, out: &mut String| render.signal(format, &self.signal, out);
        self.encoded.get(variant, write).0
    }
}

/// A text frame of what `write` writes; empty when it writes nothing.
///
/// A renderer that panics over one poisonous row must not take the shard and all its
/// sockets along: that fact has no frame, readers notice the missing number and ask for it.
pub(crate) fn rendered(write: impl FnOnce(&mut String)) -> Bytes {
    let mut text = String::new();
    if catch_unwind(AssertUnwindSafe(|| write(&mut text))).is_err() {
        error!("rendering a live frame panicked; the frame is left out");
        return Bytes::new();
    }
    if text.is_empty() {
        return Bytes::new();
    }
    ws::text_frame(&text)
}
