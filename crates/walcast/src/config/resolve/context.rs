//! Configuration of the context of transactions, from `[context]`.

use walcast_mapper::config::ContextConfig;

use super::check::Check;
use crate::config::error::ConfigError;
use crate::config::raw::RawContext;

/// A context is part of each record of its transaction: a larger one would be most of the topic.
const BYTES_MAX: u64 = 64 << 10;

impl Check<'_> {
    pub(super) fn context(&self, raw: &RawContext) -> Result<ContextConfig, ConfigError> {
        for (index, prefix) in raw.clear_prefixes.iter().enumerate() {
            if raw.prefixes.contains(prefix) {
                let place = format!("context.clear_prefixes[{index}]");
                let wanted = "a prefix that is not in context.prefixes, whose messages set a context";
                return Err(self.wrong_at(&place, "context.clear_prefixes", prefix, wanted));
            }
        }
        let bytes_max = self.range("context.bytes_max", raw.bytes_max.as_u64(), 1, BYTES_MAX)?;
        Ok(ContextConfig {
            prefixes: raw.prefixes.clone(),
            clear_prefixes: raw.clear_prefixes.clone(),
            // The range fits any machine.
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        })
    }
}
