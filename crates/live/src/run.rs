//! Consecutive frames to write at once.

use bytes::{Bytes, BytesMut};
use domain::Seq;

/// Consecutive frames in one piece, the same for every reader at the same position.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) bytes: Bytes,
    /// Where each frame ends; frame `i` is event `from + 1 + i`. A fact without a frame
    /// ends where it begins.
    ends: Vec<u32>,
    from: Seq,
    pub(crate) to: Seq,
}

impl Run {
    /// Joins the frames of the events after `from`.
    pub(crate) fn new(from: Seq, frames: &[&Bytes], total: usize) -> Run {
        let to = Seq(from.0 + frames.len() as i64);
        if let [only] = frames {
            return Run {
                bytes: Bytes::clone(only),
                ends: vec![only.len() as u32],
                from,
                to,
            };
        }
        let mut bytes = BytesMut::with_capacity(total);
        let mut ends = Vec::with_capacity(frames.len());
        for frame in frames {
            bytes.extend_from_slice(frame);
            ends.push(bytes.len() as u32);
        }
        Run {
            bytes: bytes.freeze(),
            ends,
            from,
            to,
        }
    }

    /// The position after `written` bytes, and the unwritten rest of the frame in which
    /// they end (empty between frames).
    pub(crate) fn cut(&self, written: usize) -> (Seq, Bytes) {
        let whole = self.ends.partition_point(|end| *end as usize <= written);
        let at_boundary = written == 0
            || whole
                .checked_sub(1)
                .and_then(|last| self.ends.get(last))
                .is_some_and(|end| *end as usize == written);
        if at_boundary {
            return (Seq(self.from.0 + whole as i64), Bytes::new());
        }
        let end = self
            .ends
            .get(whole)
            .map_or(self.bytes.len(), |end| *end as usize);
        // A copy, not a slice: a slice would keep the whole run alive for one slow reader.
        let rest = Bytes::copy_from_slice(&self.bytes[written..end]);
        (Seq(self.from.0 + whole as i64 + 1), rest)
    }
}
