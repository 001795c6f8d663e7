//! What must hold for any text of a configuration file: asked by crates/fuzz and by the tests here.

use walcast_postgres::Environment;

use crate::config::{Config, ConfigError, Surroundings};

/// What every variable holds.
const VARIABLE: &str = "value";

/// A table that there is not.
const UNKNOWN_TABLE: &str = "walcast_has_no_such_table";

/// Reads `data` as a configuration file.
///
/// # Panics
/// An error is not one line that says something, points behind the end of the file, or a configuration that is taken is also
/// taken with a table that there is not.
pub fn check_configuration(data: &[u8]) {
    // A file that is not text is refused before it is read.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(config) => {
            assert!(!format!("{config:?}").is_empty());
            let longer = format!("{text}\n[{UNKNOWN_TABLE}]\n");
            let refused = parse(&longer).expect_err("a table that there is not was taken");
            let refused = refused.to_string();
            assert!(refused.contains(UNKNOWN_TABLE), "{refused}");
        }
        Err(error) => check_error(&error, text),
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let surroundings = Surroundings {
        lookup: &|_| Ok(VARIABLE.to_owned()),
        postgres: Environment::default(),
    };
    Config::parse("walcast.toml", text, &surroundings)
}

fn check_error(error: &ConfigError, text: &str) {
    let line = error.to_string();
    assert!(!line.contains('\n'), "more than one line: {line:?}");
    let place = match error {
        ConfigError::Content { place, .. } | ConfigError::ReadSecret { place, .. } => place,
        ConfigError::Read { .. } => panic!("no file was read: {line}"),
    };
    if let Some((row, column)) = place.line_and_column {
        let at = text.split('\n').nth(row - 1);
        let length = at.map(|line| line.chars().count());
        assert!(
            length.is_some_and(|length| column <= length + 1),
            "{line} points behind {length:?} characters"
        );
    }
}
