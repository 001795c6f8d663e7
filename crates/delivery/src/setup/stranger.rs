//! What is found out before anybody is fenced.

use crate::DeliveryError;
use crate::edge::{Sink, Source};
use crate::loss::is_of_this_server;

/// Checks that this server can be the one whose changes were delivered, before whoever delivers them is fenced: a server that
/// was replaced and still runs, or is another one, must not stop the delivery from the right one.
pub(crate) async fn refuse_stranger<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    slot: &str,
) -> Result<(), DeliveryError> {
    let seen = sink.peek().await.map_err(DeliveryError::Sink)?;
    let Some(checkpoint) = seen.current else {
        return Ok(());
    };
    let known = Some(checkpoint.timeline);
    let survey = source.survey(known).await.map_err(DeliveryError::Source)?;
    Ok(is_of_this_server(&survey, &checkpoint, slot)?)
}
