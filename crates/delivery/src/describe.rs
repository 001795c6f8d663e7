//! Texts of errors: the causes of an error on one line, and the hook by which a program adds its remedies.

use std::error::Error;

/// Function that turns an error into the text that is logged, shown in the status, and stored in dead letters.
///
/// The errors of this crate state what happened. The program that runs a connector knows the commands and the settings that
/// resolve them, and passes a function that adds these.
#[derive(Clone, Copy, Debug)]
pub struct Describe(fn(&(dyn Error + 'static)) -> String);

impl Describe {
    /// Describes errors by a function.
    #[must_use]
    pub const fn by(describe: fn(&(dyn Error + 'static)) -> String) -> Self {
        Self(describe)
    }

    /// Text of an error with its causes.
    pub(crate) fn error(self, error: &(dyn Error + 'static)) -> String {
        (self.0)(error)
    }
}

/// Describes an error by its causes alone, as [`one_line`] does.
impl Default for Describe {
    fn default() -> Self {
        Self(one_line)
    }
}

/// Error and its causes on one line. A cause that the text before it already contains is left out.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause
            .to_string()
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("; ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn check(texts: &[&'static str], expected: &str) {
        let layers = texts
            .iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Layer { text, source })));
        assert_eq!(one_line(&*layers.unwrap()), expected);
    }

    #[test]
    fn each_cause_is_printed_once_and_on_one_line() {
        check(
            &["run", "postgres: connection refused", "connection refused"],
            "run: postgres: connection refused",
        );
        check(&["outer", "a\n  b"], "outer: a; b");
    }
}
