//! Text as it is compared: providers trim and reformat what they store.

use unicode_normalization::UnicodeNormalization as _;

/// Composed (NFC), without blanks at the ends, each run of blanks inside as one.
#[must_use]
pub fn normalised_text(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// First and last name, apart: "Ann" "Lee Fox" is not "Ann Lee" "Fox".
#[must_use]
pub fn normalised_name(parts: [Option<&str>; 2]) -> String {
    parts
        .map(|part| normalised_text(part.unwrap_or_default()))
        .join("\n")
}

/// An address as providers compare it: without blanks at the ends, in small letters.
#[must_use]
pub fn normalised_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The digits alone.
#[must_use]
pub fn normalised_phone(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_provider_has_tidied_is_still_the_same() {
        for (sent, stored) in [
            ("Lee v. Lee ", "Lee v. Lee"),
            ("Lee  v.\tLee", "Lee v. Lee"),
            ("Rene\u{301}", "Ren\u{e9}"),
            (" \u{a0}A\n", "A"),
        ] {
            assert_eq!(normalised_text(sent), normalised_text(stored), "{sent:?}");
        }
        assert_ne!(normalised_text("Lee v. Lee"), normalised_text("lee v. lee"));
    }

    #[test]
    fn a_phone_is_its_digits() {
        assert_eq!(normalised_phone("+1 (555) 010-0100"), "15550100100");
        assert_eq!(normalised_phone("n/a"), "");
    }
}
