//! Checks of single values.

use std::time::Duration;

use crate::config::bytes::ByteSize;
use crate::config::document::Document;
use crate::config::duration::ConfigDuration;
use crate::config::error::{ConfigError, Fault};

/// One hour; a connector with longer intervals would appear to hang.
pub(super) const INTERVAL_MAX: ConfigDuration = ConfigDuration::from_secs(3600);
/// Limit of sizes that are held in memory.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Checks of values, with the document for the positions in errors.
pub(super) struct Check<'d> {
    pub(super) document: &'d Document<'d>,
}

impl<'d> Check<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self { document }
    }
}

impl Check<'_> {
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        value: Option<T>,
        example: &'static str,
    ) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.document.error_at(key, Fault::Missing { key, example }))
    }

    pub(super) fn rule(
        &self,
        key: &'static str,
        value: &str,
        wanted: &'static str,
        holds: bool,
    ) -> Result<(), ConfigError> {
        if holds {
            return Ok(());
        }
        Err(self.wrong_at(key, key, value, wanted))
    }

    /// Checks that no entry of `unresolved` is left.
    pub(super) fn resolved(&self, entries: &[String]) -> Result<(), ConfigError> {
        if entries.is_empty() {
            return Ok(());
        }
        let entries = entries.to_vec();
        Err(self
            .document
            .error_at("unresolved", Fault::Unresolved { entries }))
    }

    /// Error about the value at `place`, which is the key with the indexes of repeated tables.
    pub(super) fn wrong_at(
        &self,
        place: &str,
        key: &'static str,
        value: &str,
        wanted: &'static str,
    ) -> ConfigError {
        let value = value.to_owned();
        self.document.error_at(place, Fault::Value { key, value, wanted })
    }

    pub(super) fn range(
        &self,
        key: &'static str,
        value: u64,
        min: u64,
        max: u64,
    ) -> Result<u64, ConfigError> {
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(self.document.error_at(key, Fault::Range { key, value, min, max }))
    }

    /// Checks that a duration lies within its bounds, both of which are allowed.
    pub(super) fn duration(
        &self,
        key: &'static str,
        value: ConfigDuration,
        min: ConfigDuration,
        max: ConfigDuration,
    ) -> Result<Duration, ConfigError> {
        if (min..=max).contains(&value) {
            return Ok(value.get());
        }
        let fault = Fault::DurationRange { key, value, min, max };
        Err(self.document.error_at(key, fault))
    }

    pub(super) fn memory(&self, key: &'static str, size: ByteSize, min: u64) -> Result<usize, ConfigError> {
        let bytes = self.range(key, size.as_u64(), min, MEMORY_BYTES_MAX)?;
        usize::try_from(bytes).map_err(|_| {
            self.document.error_at(
                key,
                Fault::Range {
                    key,
                    value: bytes,
                    min,
                    max: u64::from(u32::MAX),
                },
            )
        })
    }

    pub(super) fn without(&self, key: &'static str, needs: &'static str) -> ConfigError {
        self.document.error_at(key, Fault::Without { key, needs })
    }
}
