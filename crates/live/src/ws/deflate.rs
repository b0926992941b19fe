//! Inflating with a bound, deflating once.
//!
//! Both sides work message by message (no context takeover), so one state per thread
//! serves every connection: about 40 KB to inflate, 300 KB to deflate, made on first use.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sync flush ends with; cut by the sender, put back by the receiver (RFC 7692
/// §7.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Payloads below this size do not get smaller.
const MIN_DEFLATE_BYTES: usize = 64;

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// Its inflated size is above the limit.
    TooBig,
    /// It is not deflated data.
    Corrupt,
}

/// Inflates messages; shared by all connections of a thread.
#[derive(Debug, Default)]
pub struct Inflater(Option<Decompress>);

impl Inflater {
    /// An inflater that takes no memory until it is used.
    #[must_use]
    pub fn new() -> Inflater {
        Inflater(None)
    }

    /// Inflates a whole message. Never holds more than `limit` and a step of output,
    /// whatever the input promises.
    pub(super) fn inflate(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        let state = self.0.get_or_insert_with(|| Decompress::new(false));
        state.reset(false);
        let mut out = Vec::with_capacity((input.len() * 3).clamp(64, 4096).min(limit + 1));
        for part in [input, &TAIL] {
            inflate_part(state, part, limit, &mut out)?;
        }
        Ok(out)
    }
}

fn inflate_part(
    state: &mut Decompress,
    mut part: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), InflateError> {
    loop {
        if out.len() > limit {
            return Err(InflateError::TooBig);
        }
        if out.len() == out.capacity() {
            out.reserve_exact(out.len().max(512).min(limit + 1 - out.len()));
        }
        let (in_before, out_before) = (state.total_in(), out.len());
        let status = state
            .decompress_vec(part, out, FlushDecompress::Sync)
            .map_err(|_| InflateError::Corrupt)?;
        let consumed = usize::try_from(state.total_in() - in_before).unwrap_or(part.len());
        part = part.get(consumed..).unwrap_or_default();
        if status == Status::StreamEnd {
            // A block with BFINAL set ends a stream; RFC 7692 §7.2.3.4 lets more follow.
            state.reset(false);
            if part.is_empty() {
                break;
            }
            continue;
        }
        if part.is_empty() && out.len() < out.capacity() {
            break;
        }
        if consumed == 0 && out.len() == out_before && out.len() < out.capacity() {
            return Err(InflateError::Corrupt);
        }
    }
    if out.len() > limit {
        return Err(InflateError::TooBig);
    }
    Ok(())
}

thread_local! {
    static DEFLATER: RefCell<Option<Compress>> = const { RefCell::new(None) };
}

/// `payload` deflated with a fresh context, the sync flush's tail cut; `None` when that
/// does not make it smaller.
pub(super) fn deflate(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() <= MIN_DEFLATE_BYTES {
        return None;
    }
    DEFLATER.with_borrow_mut(|slot| {
        let state = slot.get_or_insert_with(|| Compress::new(Compression::new(6), false));
        state.reset();
        // Output that does not fit here is not smaller and not wanted.
        let mut out = Vec::with_capacity(payload.len() + TAIL.len());
        let status = state.compress_vec(payload, &mut out, FlushCompress::Sync);
        let is_whole = status.is_ok()
            && state.total_in() == payload.len() as u64
            && out.len() < out.capacity()
            && out.ends_with(&TAIL);
        if !is_whole {
            return None;
        }
        out.truncate(out.len() - TAIL.len());
        (out.len() < payload.len()).then_some(out)
    })
}
