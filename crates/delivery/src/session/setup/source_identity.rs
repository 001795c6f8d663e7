//! Source identity check, made before an earlier instance is fenced.

use crate::error::DeliveryError;
use crate::ports::checkpoint_store::CheckpointStore;
use crate::ports::source::Source;
use crate::position::resume::is_of_this_server;

/// Checks that the server is the source of the delivered changes, before the instance that delivers them is fenced: a
/// server that was replaced and still runs, or belongs to a different cluster, must not stop delivery from the right
/// one.
pub(crate) async fn check_source_identity<P: Source, C: CheckpointStore>(
    source: &mut P,
    checkpoints: &C,
    slot: &str,
) -> Result<(), DeliveryError> {
    let seen = checkpoints.peek().await.map_err(DeliveryError::Sink)?;
    let Some(checkpoint) = seen.current else {
        return Ok(());
    };
    let known = Some(checkpoint.timeline);
    let source_state = source.inspect(known).await.map_err(DeliveryError::Source)?;
    Ok(is_of_this_server(&source_state, &checkpoint, slot)?)
}
