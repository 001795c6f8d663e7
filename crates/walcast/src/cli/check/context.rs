//! Context of transactions, which servers before 14 do not send.

use walcast_delivery::SourceState;
use walcast_mapper::config::ContextConfig;
use walcast_postgres::MESSAGES_SINCE;

use super::finding::Finding;

/// Finding about a server that sends no logical decoding messages; `None` for any other, and where no context is wanted.
pub(super) fn finding(config: &ContextConfig, source_state: &SourceState) -> Option<Finding> {
    let version = source_state.server_version;
    if config.prefixes.is_empty() || version >= MESSAGES_SINCE {
        return None;
    }
    Some(Finding {
        name: "context of transactions".to_owned(),
        ok: true,
        warning: false,
        detail: format!(
            "none: Postgres {} sends no logical decoding messages, Postgres 14 and later do",
            version / 10_000
        ),
    })
}
