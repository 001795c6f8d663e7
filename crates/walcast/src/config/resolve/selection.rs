//! Which columns and keys are sent, and under which names. Patterns were read with the file; what is left are rules over
//! several keys.

use walcast_mapper::{ColumnPattern, ColumnSettings, KeyRule, NameSettings};

use super::{Check, Fault};
use crate::config::ConfigError;

/// A topic's name has at most 249 characters, and the prefix and two names of Postgres leave room for so many twice.
const DELIMITER_BYTES_MAX: usize = 4;

impl Check<'_> {
    pub(super) fn names(&self, raw: NameSettings) -> Result<NameSettings, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds =
            (1..=DELIMITER_BYTES_MAX).contains(&raw.delimiter.len()) && raw.delimiter.bytes().all(plain);
        let wanted = "up to 4 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics";
        self.rule("names.delimiter", &raw.delimiter, wanted, holds)?;
        Ok(raw)
    }

    pub(super) fn columns(&self, raw: ColumnSettings) -> Result<ColumnSettings, ConfigError> {
        let mask = raw.mask.iter().map(|rule| &rule.columns);
        self.all_choose("columns.mask.columns", "columns.mask", mask)?;
        let truncate = raw.truncate.iter().map(|rule| &rule.columns);
        self.all_choose("columns.truncate.columns", "columns.truncate", truncate)?;
        let hash = raw.hash.iter().map(|rule| &rule.columns);
        self.all_choose("columns.hash.columns", "columns.hash", hash)?;
        Ok(raw)
    }

    /// A rule for no column would look as if it did something.
    fn all_choose<'r>(
        &self,
        key: &'static str,
        table: &str,
        rules: impl Iterator<Item = &'r Vec<ColumnPattern>>,
    ) -> Result<(), ConfigError> {
        for (index, columns) in rules.enumerate() {
            if columns.is_empty() {
                let wanted = "at least one pattern such as \"public.users.email\"";
                return Err(self.empty(key, &format!("{table}[{index}].columns"), wanted));
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self, raw: Vec<KeyRule>) -> Result<Vec<KeyRule>, ConfigError> {
        for (index, rule) in raw.iter().enumerate() {
            if rule.columns.is_empty() {
                let wanted = "at least one column";
                return Err(self.empty("keys.columns", &format!("keys[{index}].columns"), wanted));
            }
        }
        Ok(raw)
    }

    fn empty(&self, key: &'static str, place: &str, wanted: &'static str) -> ConfigError {
        let value = "[]".to_owned();
        self.document.error_at(place, Fault::Value { key, value, wanted })
    }
}
