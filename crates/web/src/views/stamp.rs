//! Times as pages show them before scripts make them local: UTC, written by hand.
//!
//! A page of fifty messages prints a hundred of these, so they take no calendar library
//! and no allocation.

use std::fmt;

use askama::filters::HtmlSafe;
use domain::Time;

/// A point in time as RFC 3339 in UTC with milliseconds, e.g. `2026-11-20T08:18:14.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub Time);

impl From<Time> for Stamp {
    fn from(at: Time) -> Self {
        Self(at)
    }
}

/// Year, month, day, hour, minute, second, millisecond.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    ms: i64,
}

impl Stamp {
    /// `08:18`.
    #[must_use]
    pub fn clock(self) -> Clock {
        Clock(self)
    }

    /// `20 Nov 2026, 08:18 UTC`.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self)
    }

    /// `20 Nov 2026`.
    #[must_use]
    pub fn date(self) -> Date {
        Date(self)
    }

    /// Civil fields by the days-from-civil method: eras of 400 years that begin in March,
    /// so that a leap day is the last of its year.
    fn fields(self) -> Fields {
        // Years 0 to 9999: what RFC 3339 can write.
        let ms = self.0.0.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let days = ms.div_euclid(86_400_000);
        let of_day = ms.rem_euclid(86_400_000);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Fields {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            hour: of_day / 3_600_000,
            minute: of_day / 60_000 % 60,
            second: of_day / 1_000 % 60,
            ms: of_day % 1_000,
        }
    }
}

/// The last `N` decimal digits of `value` into `out`.
fn digits(value: i64, out: &mut [u8]) {
    let mut rest = value;
    for place in out.iter_mut().rev() {
        // rem_euclid(10) is 0..=9.
        *place = b'0' + rest.rem_euclid(10) as u8;
        rest /= 10;
    }
}

fn write_ascii(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(bytes).map_err(|_| fmt::Error)?)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(fields.year, &mut text[0..4]);
        digits(fields.month, &mut text[5..7]);
        digits(fields.day, &mut text[8..10]);
        digits(fields.hour, &mut text[11..13]);
        digits(fields.minute, &mut text[14..16]);
        digits(fields.second, &mut text[17..19]);
        digits(fields.ms, &mut text[20..23]);
        write_ascii(f, &text)
    }
}

/// See [`Stamp::clock`].
pub struct Clock(Stamp);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.fields();
        let mut text = *b"00:00";
        digits(fields.hour, &mut text[0..2]);
        digits(fields.minute, &mut text[3..5]);
        write_ascii(f, &text)
    }
}

/// See [`Stamp::date`].
pub struct Date(Stamp);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.fields();
        let month = match fields.month {
            1 => "Jan",
            2 => "Feb",
            3 => "Mar",
            4 => "Apr",
            5 => "May",
            6 => "Jun",
            7 => "Jul",
            8 => "Aug",
            9 => "Sep",
            10 => "Oct",
            11 => "Nov",
            _ => "Dec",
        };
        write!(f, "{} {month} {}", fields.day, fields.year)
    }
}

/// See [`Stamp::day`].
pub struct Day(Stamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} UTC", Date(self.0), Clock(self.0))
    }
}

// Digits, letters and punctuation that mean nothing in HTML.
impl HtmlSafe for Stamp {}
impl HtmlSafe for Clock {}
impl HtmlSafe for Date {}
impl HtmlSafe for Day {}

#[cfg(test)]
mod tests {
    use domain::Time;

    use super::Stamp;

    #[test]
    fn prints_the_same_as_the_calendar_library() {
        for ms in (-2_000_000_000_000..=4_000_000_000_000).step_by(86_399_777 * 11) {
            assert_eq!(Stamp(Time(ms)).to_string(), Time(ms).to_string(), "{ms}");
        }
        let leap = Stamp(Time(1_709_164_800_000));
        assert_eq!(leap.to_string(), "2024-02-29T00:00:00.000Z");
        assert_eq!(leap.day().to_string(), "29 Feb 2024, 00:00 UTC");
        assert_eq!(Stamp(Time(1_795_162_694_005)).clock().to_string(), "08:18");
        assert_eq!(
            Stamp(Time(i64::MAX)).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }
}
