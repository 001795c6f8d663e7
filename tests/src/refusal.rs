//! How a command says no: one line on stderr beside its log, the reason first, then the fix.

use crate::{Case, Finished};

/// Exit code of a check that found a fault.
const REFUSED: i32 = 1;

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

impl Finished {
    /// The line that says why the command failed, without the leading `error: `. Panics unless it exited with `code`, and
    /// the line is the last one on stderr and the only one that is no log line.
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let mut lines = self.stderr.lines().rev();
        let error = lines.next().and_then(|line| line.strip_prefix("error: "));
        let error = error.unwrap_or_else(|| panic!("the last line is no error: {self:#?}"));
        for line in lines {
            let is_log = serde_json::from_str::<serde_json::Value>(line).is_ok() || is_human_log(line);
            assert!(is_log, "{line:?} is neither log nor the one error line");
        }
        error
    }

    /// Panics when any of these texts is in either output.
    pub fn assert_silent_about(&self, secrets: &[&str]) {
        for secret in secrets {
            let is_printed = self.stdout.contains(secret) || self.stderr.contains(secret);
            assert!(!is_printed, "a secret was printed: {self:#?}");
        }
    }
}

/// Log lines for people begin with time and level.
fn is_human_log(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_time = |word: &str| word.ends_with('Z') && word.contains('T');
    words.next().is_some_and(is_time)
        && words
            .next()
            .is_some_and(|level| ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level))
}

/// Panics unless a text holds all of these.
pub fn assert_reports(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

impl Case<'_> {
    /// Starts the connector, which must halt without having written anything to any topic; what it said. `check` finds a
    /// fault as well.
    pub async fn halts(&self) -> String {
        let checked = self.command(&["check"]).await;
        checked.error(REFUSED);
        assert!(
            checked.stdout.lines().any(|line| line.starts_with("FAIL ")),
            "{checked:#?}"
        );
        self.halts_once_it_streams().await
    }

    /// The same where only the stream can show it, so that `check` finds nothing.
    pub async fn halts_once_it_streams(&self) -> String {
        let before = self.everything().await;
        let halted = self.run_to_end().await;
        let why = halted.error(HALTED).to_owned();
        let after = self.everything().await;
        let written: Vec<_> = after.iter().filter(|record| !before.contains(record)).collect();
        assert!(
            written.is_empty(),
            "written by a connector that halted: {why}\n{written:#?}"
        );
        assert_eq!(
            before.len(),
            after.len(),
            "removed by a connector that halted: {why}"
        );
        why
    }

    /// Runs the command that a message names as the remedy, word by word, with a yes where it asks for one.
    pub async fn follow(&self, message: &str) {
        let remedy = remedy(message);
        let yes = if remedy.contains(&"reset") { "--yes" } else { "" };
        let arguments: Vec<&str> = remedy
            .into_iter()
            .chain([yes])
            .filter(|word| !word.is_empty())
            .collect();
        let done = self.command(&arguments).await;
        assert_eq!(done.code, Some(0), "{arguments:?}: {done:#?}");
    }
}

/// The arguments of the `walcast` command that a message names as the remedy.
pub fn remedy(message: &str) -> Vec<&str> {
    let (_, command) = message
        .split_once("walcast checkpoint ")
        .unwrap_or_else(|| panic!("no command in {message:?}"));
    let command = command.split(';').next().unwrap_or_default();
    ["checkpoint"]
        .into_iter()
        .chain(command.split_whitespace())
        .collect()
}
