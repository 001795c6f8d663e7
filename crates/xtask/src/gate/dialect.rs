//! The words of the field: what the tree is written in is the English of Postgres, Kafka, Avro and Debezium, so that a
//! reader needs no other dictionary. `dialect.txt` has the words and phrases that are refused, with what to write instead.

use std::collections::HashSet;

use anyhow::{Result, bail};

/// What is refused, with what to write instead, line by line.
const WORDS: &str = include_str!("dialect.txt");

/// Folders and files that still hold such words. One that holds none any more must be taken off the list.
const EXCEPTED: &[&str] = &[];

/// With these words a function's name is a half sentence without a subject.
const FIRST_WORDS: [&str; 8] = [
    "what",
    "who",
    "whose",
    "it",
    "nothing",
    "everything",
    "whatever",
    "wherever",
];

/// Refused unless one of [`TERMS_WITH_LOG`] follows.
const AMBIGUOUS: &str = concat!("the", " log");

/// The account of Unix systems: in quotes, or in a line of `/etc/passwd`.
const ACCOUNTS: [&str; 3] = ["`nobody`", "\"nobody", "nobody:"];

/// The article with `log` means the WAL or the output of a process, and the reader cannot know which; before one of these
/// words it is a term.
const TERMS_WITH_LOG: [&str; 16] = [
    "cleaner",
    "compaction",
    "directory",
    "end",
    "entries",
    "entry",
    "file",
    "files",
    "filter",
    "format",
    "level",
    "line",
    "lines",
    "segment",
    "sequence",
    "start",
];

/// Checks every file, given as its path and its text.
pub(super) fn check<'a>(files: impl Iterator<Item = &'a (String, String)>) -> Result<()> {
    let mut findings = Vec::new();
    let mut excepted = EXCEPTED.to_vec();
    for (file, text) in files {
        let of_file = findings_in(file, text);
        match EXCEPTED.iter().find(|prefix| file.starts_with(**prefix)) {
            None => findings.extend(of_file),
            Some(prefix) if !of_file.is_empty() => excepted.retain(|other| other != prefix),
            Some(_) => {}
        }
    }
    findings.extend(excepted.iter().map(|prefix| {
        format!(
            "{prefix} holds none of them now; remove it from EXCEPTED in crates/xtask/src/gate/dialect.rs"
        )
    }));
    if !findings.is_empty() {
        bail!(
            "words that are not the field's (crates/xtask/src/gate/dialect.txt):\n{}",
            findings.join("\n")
        );
    }
    Ok(())
}

/// A word in a text, in small letters.
struct Word {
    text: String,
    line: usize,
    /// Only white space and the signs of comments and texts lie between the word and the one before it.
    follows: bool,
}

fn findings_in(file: &str, text: &str) -> Vec<String> {
    let without_accounts = ACCOUNTS
        .iter()
        .fold(text.to_owned(), |text, account| text.replace(account, "-"));
    let words = words(&without_accounts);
    let phrases: Vec<_> = refused().collect();
    let first: HashSet<&str> = phrases
        .iter()
        .filter_map(|(phrase, _)| phrase.split(' ').next())
        .collect();
    let mut findings = Vec::new();
    for (number, word) in words.iter().enumerate() {
        if !first.contains(word.text.as_str()) {
            continue;
        }
        let from = &words[number..];
        for (refused, instead) in &phrases {
            if begins_with(from, refused) {
                findings.push(format!("{file}:{}: \"{refused}\"; write: {instead}", word.line));
            }
        }
        if begins_with(from, AMBIGUOUS)
            && !from
                .get(2)
                .is_some_and(|next| next.follows && is_term_with_log(&next.text))
        {
            let instead = "write: WAL, or: the process log, logs";
            findings.push(format!("{file}:{}: \"{AMBIGUOUS}\"; {instead}", word.line));
        }
    }
    if file.ends_with(".rs") {
        findings.extend(function_names(file, text));
    }
    findings
}

/// Functions whose names begin with a pronoun.
fn function_names(file: &str, text: &str) -> Vec<String> {
    let refused = |line: &str| {
        let name = line.split("fn ").nth(1)?;
        let (first, _) = name.split_once('_')?;
        FIRST_WORDS
            .contains(&first)
            .then(|| name.split('(').next().unwrap_or(name).to_owned())
    };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some((number + 1, refused(line)?)))
        .map(|(line, name)| {
            format!("{file}:{line}: {name}; name what the code does: rejects_…, resumes_after_…")
        })
        .collect()
}

fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    let entries = WORDS.lines().filter(|line| !line.starts_with('#'));
    entries.filter_map(|line| line.split_once(" = "))
}

fn is_term_with_log(word: &str) -> bool {
    TERMS_WITH_LOG.contains(&word)
}

fn begins_with(words: &[Word], phrase: &str) -> bool {
    let mut rest = words.iter();
    phrase.split(' ').enumerate().all(|(number, wanted)| {
        rest.next()
            .is_some_and(|word| word.text == wanted && (number == 0 || word.follows))
    })
}

/// The words of a text; names are taken apart at underscores and capital letters.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut follows = false;
    for (number, line) in text.lines().enumerate() {
        let mut is_within = false;
        let mut was_small = false;
        for letter in line.chars() {
            let letter = if letter == '’' { '\'' } else { letter };
            let is_possessive = letter == '\'' && is_within;
            if letter.is_alphanumeric() || is_possessive {
                let begins = !is_within || (letter.is_uppercase() && was_small);
                if begins {
                    words.push(Word {
                        text: String::new(),
                        line: number + 1,
                        follows,
                    });
                    follows = true;
                }
                if let Some(word) = words.last_mut() {
                    word.text.extend(letter.to_lowercase());
                }
                was_small = letter.is_lowercase();
                is_within = true;
            } else {
                follows &= letter.is_whitespace() || "/!#\"\\*_|".contains(letter);
                is_within = false;
            }
        }
    }
    for word in &mut words {
        word.text.truncate(word.text.trim_end_matches('\'').len());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        findings_in("a.rs", text).len()
    }

    #[test]
    fn finds_every_planted_word_and_phrase() {
        assert!(refused().count() > 20);
        for (phrase, _) in refused() {
            assert_eq!(count(&format!("// A stream {phrase} it.")), 1, "{phrase}");
            let broken = phrase.replace(' ', "\n    /// ");
            assert_eq!(count(&format!("    /// A stream {broken} it.")), 1, "{phrase}");
        }
        let word = refused().next().unwrap().0;
        for name in [
            format!("fn is_{word}() {{}}"),
            format!("struct Was{}{};", word[..1].to_uppercase(), &word[1..]),
        ] {
            assert_eq!(count(&name), 1, "{name}");
        }
        assert_eq!(count(&format!("un{word} {word}s go, on set (back)")), 0);
    }

    #[test]
    fn finds_names_that_begin_with_a_pronoun() {
        for first in FIRST_WORDS {
            assert_eq!(count(&format!("    async fn {first}_fails() {{}}")), 1, "{first}");
        }
        assert_eq!(count("fn items_are_kept() {}\nfn it() {}"), 0);
        assert_eq!(count("runs as `nobody`, or nobody:x:65534"), 0);
    }

    #[test]
    fn refuses_an_ambiguous_log() {
        let the = "the";
        assert_eq!(count(&format!("// Read {the}\n// log.")), 1);
        assert_eq!(count(&format!("// {the} log, level 3")), 1);
        assert_eq!(
            count("// the write-ahead log, the process log, the log level, the log end offset"),
            0
        );
    }
}
