//! Names that may be taken, and names that look like them.

use super::{DisplayName, RESERVED_USERNAMES, Role, Username, parse_email};

fn check(text: &str, expected: Result<&str, &str>) {
    let got = Username::parse(text);
    let got = got.as_ref().map(Username::as_str).map_err(|refusal| {
        assert_eq!(refusal.field, "username");
        refusal.code
    });
    assert_eq!(got, expected, "{text:?}");
}

#[test]
fn usernames_keep_the_rules() {
    check("ada", Ok("ada"));
    check("Ada_L.99-x", Ok("Ada_L.99-x"));
    check("_ada", Ok("_ada"));
    check("ｂｏｂ", Ok("bob"));
    check("Ζωή", Ok("Ζωή"));
    check("наталья", Ok("наталья"));
    check("हिन्दी", Ok("हिन्दी"));
    check("田中さん", Ok("田中さん"));
    check("42", Ok("42"));
    check(&"a".repeat(32), Ok(&"a".repeat(32)));
    check(&"a".repeat(33), Err("too_long"));
    check(&"a".repeat(1_000_000), Err("too_long"));
    check("a", Err("too_short"));
    check("", Err("empty"));
    for wrong in [
        " ",
        "a b",
        " ada",
        "ada ",
        "ada\n",
        "ada\0",
        "ada@x",
        "ada+x",
        "a/b",
        "<b>",
        "ada'",
        ".ada",
        "-ada",
        "ada.",
        "..",
        "__",
        "--",
        "ada\u{200b}",
        "a\u{200d}da",
        "\u{feff}ada",
        "ada\u{202e}",
        "ad\u{2066}a",
        "ada\u{ad}",
        "\u{301}ada",
        "👍👍",
        "a\u{334}\u{335}\u{336}",
    ] {
        check(wrong, Err("invalid"));
    }
}

#[test]
fn look_alikes_are_refused_or_equal() {
    // Mixed scripts never get in.
    for mixed in ["аdа", "ɑda", "pаypal", "Αda", "adа1", "ѕcope", "ad\u{3131}"] {
        check(mixed, Err("invalid"));
    }
    // Whole-script look-alikes and case share a skeleton with the original.
    for (one, other) in [
        ("ada", "ADA"),
        ("ada", "Ada"),
        ("scope", "ѕсоре"),
        ("b0b", "bOb"),
        ("will", "wi11"),
        ("Ian", "lan"),
        ("x_Ida", "x_lda"),
        ("modern", "modem"),
        ("ａｄａ", "ada"),
        ("ada", "ad\u{200b}a"),
        ("Ζωής", "ΖΩΉΣ"),
        ("straße", "STRAẞE"),
    ] {
        assert_eq!(
            Username::skeleton_of(one),
            Username::skeleton_of(other),
            "{one} {other}"
        );
    }
    check("wiIl", Err("invalid"));
    check("ILSE", Ok("ILSE"));
    assert_ne!(Username::skeleton_of("Ella"), Username::skeleton_of("Elia"));
    assert_ne!(Username::skeleton_of("ada"), Username::skeleton_of("bob"));
    assert_ne!(
        Username::skeleton_of("ada.l"),
        Username::skeleton_of("ada-l")
    );
    let ada = Username::parse("Ada").unwrap();
    assert_eq!(ada.skeleton(), Username::skeleton_of("aDA"));
    assert_eq!(ada.to_string(), "Ada");
}

#[test]
fn reserved_names_and_their_look_alikes_are_refused() {
    for reserved in RESERVED_USERNAMES {
        check(reserved, Err("reserved"));
        check(&reserved.to_uppercase(), Err("reserved"));
    }
    check("adrnin", Err("reserved"));
    check("a11", Err("reserved"));
    check("r00m", Err("reserved"));
    check("administrator1", Ok("administrator1"));
}

#[test]
fn display_names_are_any_visible_line_of_64() {
    let parse = |text: &str| {
        DisplayName::parse(text)
            .map(|name| name.as_str().to_owned())
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(parse(" Ada  Lovelace "), Ok("Ada Lovelace".to_owned()));
    assert_eq!(
        parse("<b>ada</b> 👩\u{200d}🚀"),
        Ok("<b>ada</b> 👩\u{200d}🚀".to_owned())
    );
    assert!(parse(&"å".repeat(64)).is_ok());
    assert_eq!(parse(&"å".repeat(65)), Err("too_long"));
    assert_eq!(parse("\u{200b}"), Err("empty"));
    assert_eq!(parse("a\u{202e}b"), Err("invalid"));
    assert_eq!(parse("a\u{9b}b"), Err("invalid"));
}

#[test]
fn emails_have_one_at_sign() {
    assert_eq!(parse_email("  "), Ok(None));
    assert_eq!(
        parse_email(" a@b.example "),
        Ok(Some("a@b.example".to_owned()))
    );
    let longest = format!("{}@b.example", "a".repeat(244));
    assert_eq!(longest.len(), 254);
    assert!(parse_email(&longest).is_ok());
    assert_eq!(
        parse_email(&format!("a{longest}")).unwrap_err().code,
        "too_long"
    );
    for wrong in [
        "a",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b\nc",
        "a@b\0",
        "a\u{200b}@b",
    ] {
        assert_eq!(parse_email(wrong).unwrap_err().code, "invalid", "{wrong:?}");
    }
}

#[test]
fn words_lead_there_and_back() {
    for role in Role::EACH {
        assert_eq!(Role::from_word(role.as_str()), Some(*role));
    }
    assert_eq!(Role::from_word("Owner"), None);
    assert!(Role::Guest < Role::Member && Role::Administrator < Role::Owner);
}
