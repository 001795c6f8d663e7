//! What is to come of a scenario, as the directives of its file say it.

use super::scenario::Expected;

/// Directives about the outcome that were read so far.
#[derive(Debug)]
pub(super) struct Expectation {
    expected: Expected,
    paths: Vec<String>,
    says: Option<String>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            expected: Expected::Equal,
            paths: Vec::new(),
            says: None,
        }
    }
}

impl Expectation {
    /// Reads a directive; false if it is none about the outcome.
    pub(super) fn read(&mut self, word: &str, rest: &str) -> bool {
        let text = rest.to_owned();
        match (word, rest.is_empty()) {
            ("equal", true) => self.expected = Expected::Equal,
            ("differs", false) => {
                self.expected = Expected::Differs {
                    reason: text,
                    paths: Vec::new(),
                }
            }
            ("halts", false) => {
                self.expected = Expected::Halts {
                    reason: text,
                    says: String::new(),
                }
            }
            ("fails", false) => {
                self.expected = Expected::Fails {
                    reason: text,
                    says: String::new(),
                }
            }
            ("at", false) => self.paths.push(text),
            ("says", false) => self.says = Some(text),
            _ => return false,
        }
        true
    }

    /// Whether a connector is to end, which takes the scenarios that share it with it.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.expected, Expected::Halts { .. } | Expected::Fails { .. })
    }

    /// What is expected, complete.
    pub(super) fn finish(mut self) -> Result<Expected, String> {
        let fits = match (&mut self.expected, self.says.take()) {
            (Expected::Differs { paths, .. }, None) => {
                *paths = std::mem::take(&mut self.paths);
                !paths.is_empty()
            }
            (Expected::Halts { says: place, .. } | Expected::Fails { says: place, .. }, Some(says)) => {
                *place = says;
                self.paths.is_empty()
            }
            (Expected::Equal, None) => self.paths.is_empty(),
            _ => false,
        };
        if fits {
            Ok(self.expected)
        } else {
            Err("`differs` goes with `at`, `halts` and `fails` go with `says`".to_owned())
        }
    }
}
