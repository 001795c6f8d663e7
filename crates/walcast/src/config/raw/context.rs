//! Table `[context]` as it is written.

use serde::{Deserialize, Serialize};
use walcast_mapper::config::ContextConfig;

use crate::config::bytes::ByteSize;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawContext {
    pub(crate) prefixes: Vec<String>,
    pub(crate) clear_prefixes: Vec<String>,
    pub(crate) bytes_max: ByteSize,
}

impl Default for RawContext {
    fn default() -> Self {
        let context = ContextConfig::default();
        Self {
            prefixes: context.prefixes,
            clear_prefixes: context.clear_prefixes,
            bytes_max: ByteSize::new(u64::try_from(context.bytes_max).unwrap_or(u64::MAX)),
        }
    }
}
