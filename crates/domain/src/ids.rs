//! Identifiers. A bare `i64` never crosses a function: each kind of id is its own type.

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A Room.
    RoomId
);
id!(
    /// A User: a person or a bot.
    UserId
);
id!(
    /// A Message; also its DOM id, `msg-<id>`.
    MessageId
);
id!(
    /// A signed-in browser.
    SessionId
);
id!(
    /// An API token.
    TokenId
);
id!(
    /// An Event's position in its room: 1, 2, 3, without gaps. 0 stands before the first.
    Seq
);

impl Seq {
    /// The position before every event.
    pub const ZERO: Seq = Seq(0);

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// Random id of this history of numbers. When it changes, old Seqs mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// How far a reader has got in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The history the seq belongs to.
    pub epoch: Epoch,
    /// The room.
    pub room: RoomId,
    /// The last event the reader has.
    pub seq: Seq,
}

/// UUID chosen by the sender of a message, unique per author. Repeating it returns the
/// first result, which is what makes a retry safe. Anyone in the room can read it, so it
/// proves nothing about who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub uuid::Uuid);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for Nonce {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Epoch, Nonce, RoomId, Seq};

    #[test]
    fn ids_read_what_they_print() {
        assert_eq!("42".parse(), Ok(RoomId(42)));
        assert_eq!(RoomId(42).to_string(), "42");
        for wrong in ["", "x", "1.0", "9223372036854775808", " 1", "1 "] {
            assert!(wrong.parse::<RoomId>().is_err(), "{wrong:?}");
        }
        assert_eq!(Seq::ZERO.next(), Seq(1));
    }

    #[test]
    fn an_epoch_is_sixteen_hex_digits() {
        let epoch = Epoch(0xab);
        assert_eq!(epoch.to_string(), "00000000000000ab");
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
        assert_eq!(Epoch(u64::MAX).to_string().parse(), Ok(Epoch(u64::MAX)));
        assert!("".parse::<Epoch>().is_err());
        assert!("1ffffffffffffffff".parse::<Epoch>().is_err());
    }

    #[test]
    fn a_nonce_is_a_uuid_in_any_case() {
        let text = "0192a3b4-c5d6-4e7f-8091-a2b3c4d5e6f7";
        let nonce: Nonce = text.parse().unwrap();
        assert_eq!(nonce.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(nonce));
        for wrong in [
            "",
            "1",
            "0192a3b4-c5d6-4e7f-8091-a2b3c4d5e6f",
            &"0".repeat(129),
        ] {
            assert!(wrong.parse::<Nonce>().is_err(), "{wrong:?}");
        }
    }
}
