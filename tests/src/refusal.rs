//! How a command says no: one line on stderr beside its log, the reason first, then the fix.

use crate::Finished;

impl Finished {
    /// The line that says why the command failed, without the leading `error: `. Panics unless it exited with `code`, and
    /// the line is the last one on stderr and the only one that is no log line (in JSON).
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let mut lines = self.stderr.lines().rev();
        let error = lines.next().and_then(|line| line.strip_prefix("error: "));
        let error = error.unwrap_or_else(|| panic!("the last line tells no error: {self:#?}"));
        for line in lines {
            let is_log = serde_json::from_str::<serde_json::Value>(line).is_ok();
            assert!(is_log, "{line:?} is neither log nor the one error line");
        }
        error
    }

    /// Panics when any of these texts is in either output.
    pub fn assert_silent_about(&self, secrets: &[&str]) {
        for secret in secrets {
            let is_told = self.stdout.contains(secret) || self.stderr.contains(secret);
            assert!(!is_told, "a secret was printed: {self:#?}");
        }
    }
}

/// Panics unless a text holds all of these.
pub fn assert_tells(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
