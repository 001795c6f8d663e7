//! A slot that is being created when the connector starts. An earlier instance that was killed, or whose network failed, leaves
//! such a slot behind: its walsender still waits for running transactions, and the slot has no position yet.

use std::time::Duration;

use tracing::info;

use crate::error::DeliveryError;
use crate::ports::source::Source;
use crate::source_state::{SourceState, Timeline};

/// Interval at which a slot that is being created is inspected.
const INSPECTION_INTERVAL: Duration = Duration::from_secs(1);

/// Number of inspections after which the wait is logged again.
const INSPECTIONS_PER_REMINDER: u32 = 60;

/// Inspects the source, and waits while the slot is being created. The creation of an earlier instance is ended: nothing was
/// delivered from a slot without a position, and the server removes it. The creation of another client is waited for.
pub(super) async fn inspect_complete<P: Source>(
    source: &mut P,
    known: Option<Timeline>,
) -> Result<SourceState, DeliveryError> {
    let mut inspections: u32 = 0;
    loop {
        let source_state = source.inspect(known).await.map_err(DeliveryError::Source)?;
        let Some((slot, creator)) = source_state
            .slot
            .as_ref()
            .and_then(|slot| Some((slot.name.clone(), slot.creator()?)))
        else {
            return Ok(source_state);
        };
        if inspections.is_multiple_of(INSPECTIONS_PER_REMINDER) {
            info!(
                slot,
                is_earlier_instance = creator.is_connector,
                "the slot is being created by {creator}: waiting until the creation has ended"
            );
        }
        inspections += 1;
        if creator.is_connector {
            source.end_slot_creation().await.map_err(DeliveryError::Source)?;
        }
        tokio::time::sleep(INSPECTION_INTERVAL).await;
    }
}
