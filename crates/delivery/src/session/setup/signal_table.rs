//! The signal table in the publication.

use tracing::info;

use crate::config::DeliveryConfig;
use crate::coverage::not_published;
use crate::error::DeliveryError;
use crate::ports::source::{Published, Refused, Source};
use crate::source_state::SourceState;

/// Publishes the signal table: signals arrive as its changes.
pub(super) async fn publish_signal_table<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    source_state: &SourceState,
) -> Result<(), DeliveryError> {
    let Some(table) = &config.snapshot.signal_table else {
        return Ok(());
    };
    if source_state.publishes(table) {
        return Ok(());
    }
    if !config.create_missing.publication() {
        return Err(not_published(table, &config.publication).into());
    }
    let published = source.publish(std::slice::from_ref(table)).await;
    let Published { refused, .. } = published.map_err(DeliveryError::Source)?;
    if let Some(Refused { error, .. }) = refused.into_iter().next() {
        return Err(DeliveryError::Source(error));
    }
    info!(%table, publication = config.publication, "signal table added to the publication");
    Ok(())
}
