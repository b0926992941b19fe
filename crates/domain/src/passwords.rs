//! Rules for passwords people choose. Hashing is `chat`'s business.

use zxcvbn::{Score, zxcvbn};

use crate::Invalid;

/// Shortest and longest password, in Unicode scalar values.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=400;

/// Checks a password someone wants to use: 8 to 400 characters, not all digits, not common
/// (zxcvbn's lists), not like the person's own names.
///
/// # Errors
/// `Invalid` for the field `password`: `too_short`, `too_long`, `too_common`, `invalid`.
pub fn check_password(password: &str, own_names: &[&str]) -> Result<(), Invalid> {
    let chars = password.chars().count();
    if chars < *PASSWORD_CHARS.start() {
        return Err(refuse(
            "too_short",
            format!(
                "A password needs at least {} characters; this one has {chars}.",
                PASSWORD_CHARS.start()
            ),
        ));
    }
    if chars > *PASSWORD_CHARS.end() {
        return Err(refuse(
            "too_long",
            format!(
                "A password can have at most {} characters; this one has {chars}.",
                PASSWORD_CHARS.end()
            ),
        ));
    }
    if password.chars().all(char::is_numeric) {
        return Err(refuse(
            "invalid",
            "A password cannot be all digits; mix in letters or other characters.".to_owned(),
        ));
    }
    if own_names.iter().any(|name| is_like(password, name)) {
        return Err(refuse("invalid", LIKE_THE_NAME.to_owned()));
    }
    check_strength(password, own_names)
}

const LIKE_THE_NAME: &str =
    "This password is too much like your name; choose one that nobody who knows you would try.";

/// The most characters zxcvbn looks at. Its cost grows faster than its input, and what is
/// longer is not made weaker by what follows.
const MEASURED_CHARS: usize = 100;

fn refuse(code: &'static str, message: String) -> Invalid {
    Invalid::new("password", code, message)
}

fn check_strength(password: &str, own_names: &[&str]) -> Result<(), Invalid> {
    let measured: String = password.chars().take(MEASURED_CHARS).collect();
    let names: Vec<String> = own_names
        .iter()
        .map(|name| name.chars().take(MEASURED_CHARS).collect())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if zxcvbn(&measured, &names).score() > Score::One {
        return Ok(());
    }
    // Weak with the names and good without them: the names are what makes it weak.
    if !names.is_empty() && zxcvbn(&measured, &[]).score() > Score::One {
        return Err(refuse("invalid", LIKE_THE_NAME.to_owned()));
    }
    Err(refuse(
        "too_common",
        "This password is among the first that are guessed; use several unrelated words or a longer one."
            .to_owned(),
    ))
}

/// Whether little is left of the password without the name (or its parts, or either of
/// them backwards). An e-mail address counts by its parts too.
fn is_like(password: &str, name: &str) -> bool {
    let password = letters(password);
    let parts = name.split(|c: char| !c.is_alphanumeric()).map(letters);
    parts.chain([letters(name)]).any(|part| {
        if part.chars().count() < 3 {
            return false;
        }
        let backwards: String = part.chars().rev().collect();
        [part, backwards].iter().any(|part| {
            password.contains(part.as_str())
                && password.replace(part.as_str(), "").chars().count() < 4
        })
    })
}

fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .take(*PASSWORD_CHARS.end())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check_password;

    fn check(password: &str, expected: Result<(), &str>) {
        let got = check_password(password, &["ada", "Ada Lovelace", "ada@lovelace.example"]);
        let got = got.map_err(|refusal| {
            assert_eq!(refusal.field, "password");
            refusal.code
        });
        assert_eq!(got, expected, "{password:?}");
    }

    #[test]
    fn passwords_are_long_uncommon_and_not_the_name() {
        check("correct horse battery", Ok(()));
        check("vK7#qq0w", Ok(()));
        check("пароль-на-сегодня", Ok(()));
        check("tall 👒 with \0 inside", Ok(()));
        check("vK7#qq0", Err("too_short"));
        check("", Err("too_short"));
        check(&"vK7#qq0w".repeat(50), Ok(()));
        check(&format!("{}x", "vK7#qq0w".repeat(50)), Err("too_long"));
        check(&"x".repeat(1_000_000), Err("too_long"));
        check("93847562918273", Err("invalid"));
        check("٩٨٧٦٥٤٣٢", Err("invalid"));
        for common in [
            "password",
            "password1",
            "qwertyuiop",
            "letmein1",
            "aaaaaaaa",
            "P@ssw0rd",
        ] {
            check(common, Err("too_common"));
        }
        for like in [
            "Lovelace",
            "lovelace1",
            "ecalevol",
            "adalovelace",
            "ada.lovelace",
            "Ada-Ada-Ada",
        ] {
            check(like, Err("invalid"));
        }
        check("lovelace wrote the first loop", Ok(()));
    }

    #[test]
    fn refusals_say_the_limit_and_the_size() {
        let refusal = check_password("short", &[]).unwrap_err();
        assert!(refusal.message.contains('8') && refusal.message.contains('5'));
    }

    #[test]
    fn the_longest_password_is_cheap_enough_to_measure() {
        // Repeats are what zxcvbn takes longest over; without the cap this takes minutes.
        let started = std::time::Instant::now();
        let _ = check_password(&"aB1!".repeat(100), &["aB1!"]);
        let _ = check_password(&"ab".repeat(200), &[&"ab".repeat(10_000)]);
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
