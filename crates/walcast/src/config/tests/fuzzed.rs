//! Random edits of the longest example: each result is a configuration or an error of one line, never a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fuzzing::check_configuration;

const FULL: &str = include_str!("../../../../../examples/full.toml");

/// Tokens with a meaning in TOML, in patterns, in sizes or in URLs.
const PIECES: [&str; 24] = [
    "",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    "\n",
    "\\",
    "${",
    "$${",
    "${X}",
    "/",
    "*",
    "@",
    "%",
    "-1",
    "99999999999999999999",
    "é",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn never_panics(edits in vec((any::<Index>(), 0usize..12, select(PIECES.to_vec())), 1..6)) {
        let mut text: Vec<char> = FULL.chars().collect();
        for (place, length, piece) in edits {
            let from = place.index(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, piece.chars());
        }
        let text: String = text.into_iter().collect();
        check_configuration(text.as_bytes());
    }
}
