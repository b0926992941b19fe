//! Answers compressed on their way out, in pieces.
//!
//! A page is what differs per viewer around a timeline that is the same for everybody.
//! Deflate blocks that end on a byte and refer to nothing before them can be put one after
//! the other (RFC 1951 §3.2.3), so the timeline is deflated once and every viewer's answer
//! is spliced around it. Sockets have their own compression (`live::ws`).

use std::cell::RefCell;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

/// Smaller answers fit a packet anyway.
const MIN_BYTES: u64 = 1024;

/// Text with its deflated form, made once and shared by many answers.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) text: String,
    deflated: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl Block {
    pub(crate) fn new(text: String) -> Self {
        let mut crc = crc32fast::Hasher::new();
        crc.update(text.as_bytes());
        let mut deflated = Vec::new();
        deflate(text.as_bytes(), Compression::default(), &mut deflated);
        Self {
            text,
            deflated,
            crc,
        }
    }

    /// A fingerprint of the text.
    pub(crate) fn checksum(&self) -> u32 {
        self.crc.clone().finalize()
    }
}

/// An answer's text: `before` and `after` belong to one viewer, `shared` to everybody.
#[derive(Debug)]
pub(crate) struct Spliced {
    pub(crate) before: String,
    pub(crate) shared: Arc<Block>,
    pub(crate) after: String,
}

impl Spliced {
    /// The body for a client, with its encoding.
    pub(crate) fn into_body(self, request: &HeaderMap) -> (Bytes, Option<HeaderValue>) {
        if accepts_gzip(request) {
            let mut gzip = Gzip::new(self.before.len() / 3 + self.shared.deflated.len());
            gzip.text(self.before.as_bytes());
            gzip.block(&self.shared);
            gzip.text(self.after.as_bytes());
            return (gzip.finish().into(), Some(HeaderValue::from_static("gzip")));
        }
        (self.into_text().into(), None)
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        let mut plain = self.before;
        plain.push_str(&self.shared.text);
        plain.push_str(&self.after);
        plain
    }
}

/// A gzip file under construction (RFC 1952): one member of several deflate blocks.
struct Gzip {
    bytes: Vec<u8>,
    crc: crc32fast::Hasher,
    length: u32,
}

impl Gzip {
    fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + 256);
        // Magic, deflate, no flags, no time, fastest, unknown system.
        bytes.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
        Self {
            bytes,
            crc: crc32fast::Hasher::new(),
            length: 0,
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.crc.update(text);
        self.length = self
            .length
            .wrapping_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
        deflate(text, Compression::fast(), &mut self.bytes);
    }

    fn block(&mut self, block: &Block) {
        self.crc.combine(&block.crc);
        let length = u32::try_from(block.text.len()).unwrap_or(u32::MAX);
        self.length = self.length.wrapping_add(length);
        self.bytes.extend_from_slice(&block.deflated);
    }

    fn finish(mut self) -> Vec<u8> {
        // An empty last block.
        self.bytes.extend_from_slice(&[0x03, 0x00]);
        self.bytes
            .extend_from_slice(&self.crc.finalize().to_le_bytes());
        self.bytes.extend_from_slice(&self.length.to_le_bytes());
        self.bytes
    }
}

thread_local! {
    /// A compressor is a few hundred KiB to make and cheap to reset.
    static FAST: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Deflates `text` to the end of `out`, ending on a byte and referring to nothing before.
fn deflate(text: &[u8], level: Compression, out: &mut Vec<u8>) {
    if text.is_empty() {
        return;
    }
    if level == Compression::fast() {
        FAST.with_borrow_mut(|compress| {
            compress.reset();
            deflate_with(compress, text, out);
        });
    } else {
        deflate_with(&mut Compress::new(level, false), text, out);
    }
}

fn deflate_with(compress: &mut Compress, text: &[u8], out: &mut Vec<u8>) {
    loop {
        let done = usize::try_from(compress.total_in())
            .unwrap_or(text.len())
            .min(text.len());
        let rest = &text[done..];
        out.reserve(rest.len() / 2 + 64);
        let room = out.capacity() - out.len();
        // Only a broken state fails; the answer then ends early and the browser says so.
        if compress
            .compress_vec(rest, out, FlushCompress::Sync)
            .is_err()
        {
            tracing::error!("deflate failed on {} bytes", text.len());
            return;
        }
        let is_whole = usize::try_from(compress.total_in()).is_ok_and(|taken| taken == text.len());
        if is_whole && out.capacity() > out.len() && room > 0 {
            return;
        }
    }
}

/// Compresses an answer of text, unless it is small, or already is. The answer to HEAD has
/// the headers of the one to GET, but for a length that only compressing would tell.
pub(crate) async fn answer(is_head: bool, request_accepts: bool, response: Response) -> Response {
    if !is_worth_it(is_head, &response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts
        .headers
        .append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if !request_accepts {
        return Response::from_parts(parts, body);
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if is_head {
        return Response::from_parts(parts, body);
    }
    // Every answer here is built in memory; collecting it copies nothing.
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            Bytes::new()
        }
    };
    let mut gzip = Gzip::new(body.len() / 3);
    gzip.text(&body);
    Response::from_parts(parts, Body::from(gzip.finish()))
}

fn is_worth_it(is_head: bool, response: &Response) -> bool {
    let headers = response.headers();
    let size = if is_head {
        let length = headers.get(CONTENT_LENGTH);
        length.and_then(|length| length.to_str().ok()?.parse().ok())
    } else {
        response.body().size_hint().exact()
    };
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let is_text = kind.starts_with("text/html")
        || kind.starts_with("application/json")
        || kind.starts_with("application/problem+json");
    is_text
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !headers.contains_key(CONTENT_ENCODING)
        && size.is_some_and(|size: u64| size >= MIN_BYTES)
}

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
    request.get_all(ACCEPT_ENCODING).iter().any(|line| {
        line.to_str().is_ok_and(|line| {
            line.split(',').any(|coding| {
                let mut words = coding.split(';').map(str::trim);
                let is_gzip = words
                    .next()
                    .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
                let is_refused =
                    words.any(|word| matches!(word, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                is_gzip && !is_refused
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;

    use flate2::read::GzDecoder;
    use http::header::ACCEPT_ENCODING;
    use http::{HeaderMap, HeaderValue};

    use super::{Block, Spliced, accepts_gzip};

    fn headers(accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accept));
        headers
    }

    #[test]
    fn a_spliced_answer_is_one_gzip_file_of_the_same_text() {
        let noise: String = (0..40_000_u32)
            .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
            .collect();
        for (before, shared, after) in [
            ("<html>", "<ol></ol>", "</html>"),
            ("", "", ""),
            ("", "middle", ""),
            (noise.as_str(), noise.as_str(), noise.as_str()),
            ("a", &"b".repeat(300_000), "c"),
        ] {
            let block = Arc::new(Block::new(shared.to_owned()));
            for _ in 0..2 {
                let spliced = Spliced {
                    before: before.into(),
                    shared: Arc::clone(&block),
                    after: after.into(),
                };
                let (bytes, encoding) = spliced.into_body(&headers("br, gzip;q=0.8"));
                assert_eq!(encoding.unwrap(), "gzip");
                let mut text = String::new();
                GzDecoder::new(&bytes[..])
                    .read_to_string(&mut text)
                    .unwrap();
                assert!(text == format!("{before}{shared}{after}"));
            }
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=1.0", true),
            ("br", false),
            ("gzip;q=0", false),
            ("x-gzip", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&headers(accept)), expected, "{accept}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
