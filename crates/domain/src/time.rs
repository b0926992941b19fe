//! Points in time: UTC milliseconds, printed as RFC 3339 with `Z`.

use std::fmt;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Order, deduplication and pagination never depend on it (clocks jump); it is for people,
/// expiry and rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// This point moved by `ms` milliseconds, saturating at the ends.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; negative when the clock went back.
    #[must_use]
    pub fn ms_since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 with milliseconds and `Z`, e.g. `2026-11-20T08:18:14.123Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn no_clock_makes_it_overflow() {
        assert_eq!(Time(i64::MAX).plus_ms(1), Time(i64::MAX));
        assert_eq!(Time(5).ms_since(Time(7)), -2);
        assert_eq!(Time(i64::MIN).ms_since(Time(1)), i64::MIN);
        assert_eq!(Time(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn prints_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Time(1_795_162_694_005).to_string(),
            "2026-11-20T08:18:14.005Z"
        );
    }
}
