//! Escaping of text for terminals and logs: control characters, line breaks and characters that change the text direction.
//!
//! Names, and messages of servers, may contain any character. A terminal interprets some of them as commands, and a line break in
//! a value looks like the beginning of a line that walcast wrote.

use std::borrow::Cow;
use std::fmt::Write;

/// Text on one line: control characters and direction marks as `\n`, `\r`, `\t` or `\u{…}`, everything else unchanged.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_escaped, |escape, character| match character {
        '\n' => escape.push_str("\\n"),
        '\r' => escape.push_str("\\r"),
        '\t' => escape.push_str("\\t"),
        other => {
            let written = write!(escape, "\\u{{{:x}}}", u32::from(other));
            debug_assert!(written.is_ok(), "a string takes any text");
        }
    })
}

/// Equivalent JSON with more characters escaped: a serializer escapes only what the grammar requires. Line breaks are kept.
pub(crate) fn printable_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |character| character != '\n' && is_escaped(character);
    escaped(json, is_escaped, |escape, character| {
        // All of them are in the Basic Multilingual Plane.
        let written = write!(escape, "\\u{:04x}", u32::from(character));
        debug_assert!(written.is_ok(), "a string takes any text");
    })
}

/// Whether a character is a control character (C0, C1), a line or paragraph separator, or changes the text direction.
fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut printable = String::with_capacity(text.len() + 8);
    printable.push_str(clean);
    for character in rest.chars() {
        match is_escaped(character) {
            true => escape(&mut printable, character),
            false => printable.push(character),
        }
    }
    Cow::Owned(printable)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text with many characters that have to be escaped.
    pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
        let hostile = prop::sample::select(
            "\n\r\t\u{0}\u{7}\u{1b}\u{7f}\u{85}\u{9b}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\"\\'"
                .chars()
                .collect::<Vec<char>>(),
        );
        let characters = prop_oneof![any::<char>(), hostile];
        prop::collection::vec(characters, 0..40).prop_map(String::from_iter)
    }

    /// Whether a character may be printed; independent of the implementation above.
    pub(crate) fn is_harmless(character: char) -> bool {
        let code = u32::from(character);
        !(code < 0x20
            || (0x7f..=0x9f).contains(&code)
            || (0x2028..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
            || [0x61c, 0x200e, 0x200f].contains(&code))
    }

    #[test]
    fn names_in_any_script_stay_as_they_are() {
        for name in ["größe", "名前", "שלום", "a😀", "it's a \"name\" \\ $(x)", ""] {
            assert!(matches!(printable(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            printable("we\"ird\n2026 ERROR\r\t\u{1b}[31m\u{9b}\u{202e}"),
            "we\"ird\\n2026 ERROR\\r\\t\\u{1b}[31m\\u{9b}\\u{202e}"
        );
        assert_eq!(
            printable_json("{\n\"a\u{7f}\u{202e}\": 1}"),
            "{\n\"a\\u007f\\u202e\": 1}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_without_control_characters(text in hostile_text()) {
            prop_assert!(printable(&text).chars().all(is_harmless));
        }

        #[test]
        fn any_json_keeps_its_meaning(text in hostile_text()) {
            let json = serde_json::to_string_pretty(&[&text]).unwrap();
            let printed = printable_json(&json);
            prop_assert!(printed.chars().all(|character| character == '\n' || is_harmless(character)));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&printed).unwrap(), vec![text]);
        }
    }
}
