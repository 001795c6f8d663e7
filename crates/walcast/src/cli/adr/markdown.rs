//! Markdown of texts from outside: the names of a database can contain anything.

use crate::printable::printable;

/// A text as code on one line, which ends where the text ends.
pub(super) fn code(text: &str) -> String {
    let text = printable(text);
    let longest = text.split(|character| character != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or_default() + 1);
    // A space separates the fence from a backtick of the text, and from nothing.
    match text.is_empty() || text.starts_with('`') || text.ends_with('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

/// Texts as code, separated by commas.
pub(super) fn codes<T: ToString>(texts: impl IntoIterator<Item = T>) -> String {
    let codes: Vec<String> = texts.into_iter().map(|text| code(&text.to_string())).collect();
    codes.join(", ")
}

/// A row of a table.
pub(super) fn row<const COLUMNS: usize>(cells: [String; COLUMNS]) -> String {
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::{code, codes, row};

    #[test]
    fn no_text_ends_its_code_or_its_cell() {
        for (text, expected) in [
            ("orders", "`orders`"),
            ("", "`  `"),
            ("a`b", "``a`b``"),
            ("``", "``` `` ```"),
            ("a\nb", "`a\\nb`"),
        ] {
            assert_eq!(code(text), expected, "{text:?}");
        }
        assert_eq!(codes(["a", "b"]), "`a`, `b`");
        assert_eq!(row([code("a|b"), "c".to_owned()]), "| `a\\|b` | c |");
    }
}
