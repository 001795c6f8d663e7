//! Properties that hold for every text of a configuration file: checked by crates/fuzz and by the tests of this crate.

use walcast_postgres::Environment;

use crate::config::{Config, ConfigError, ConfigInputs};

/// Value of every environment variable.
const VARIABLE: &str = "value";

/// Name of a section that does not exist.
const UNKNOWN_TABLE: &str = "walcast_has_no_such_table";

/// Reads `data` as a configuration file.
///
/// # Panics
/// An error is empty, has several lines or points behind the end of the file; or a valid configuration remains valid with an
/// unknown section.
pub fn check_configuration(data: &[u8]) {
    // A file that is not UTF-8 is rejected before it is parsed.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(config) => {
            assert!(!format!("{config:?}").is_empty());
            let longer = format!("{text}\n[{UNKNOWN_TABLE}]\n");
            let rejected = parse(&longer).expect_err("an unknown section was accepted");
            let rejected = rejected.to_string();
            assert!(rejected.contains(UNKNOWN_TABLE), "{rejected}");
        }
        Err(error) => check_error(&error, text),
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let inputs = ConfigInputs {
        lookup: &|_| Ok(VARIABLE.to_owned()),
        postgres: Environment::default(),
    };
    Config::parse("walcast.toml", text, &inputs)
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
