//! Outboxes: how far the relay is behind, and whether clean-up has the privileges that it needs.

use walcast_delivery::{CheckpointLog, SourceState};

use super::finding::Finding;
use crate::config::Config;

/// Findings about outboxes; none without `[[outbox]]`.
pub(super) async fn findings(
    config: &Config,
    source_state: &SourceState,
    log: Option<&CheckpointLog>,
) -> Vec<Finding> {
    let mut captured = source_state.captured.iter();
    if !captured.any(|table| config.mapper.outbox_of(&table.name).is_some()) {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = lag(source_state, log).into_iter().collect();
    // If the server cannot be queried, the other findings contain the reason.
    let preconditions =
        walcast_postgres::cleanup_preconditions(&config.postgres, &config.outbox_cleanup, source_state).await;
    findings.extend(preconditions.unwrap_or_default().into_iter().map(Finding::from));
    findings
}

fn lag(source_state: &SourceState, log: Option<&CheckpointLog>) -> Option<Finding> {
    let checkpoint = log?.current.as_ref()?;
    let bytes = source_state.flush_lsn.bytes_since(checkpoint.end_lsn);
    Some(Finding {
        name: "relay lag of outboxes".to_owned(),
        ok: true,
        warning: false,
        detail: format!(
            "events up to {} are in Kafka, {bytes} bytes of WAL before the end; outboxes in /status of a running connector has pending \
             events and the age of the oldest",
            checkpoint.end_lsn
        ),
    })
}
