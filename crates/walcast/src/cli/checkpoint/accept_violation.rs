//! `walcast checkpoint accept-violation`: lets a connector continue that has halted before an event of an event store.

use jiff::Timestamp;
use walcast_delivery::{Checkpoint, CheckpointUpdate, DeliveryError, HeldBy, Sink, Source};

use super::set::open_stopped;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn accept_violation(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let now = Timestamp::now().as_microsecond();
    let accepted = accept_in(&config.name, &mut source, &mut sink, now).await?;
    let mut output = stdout();
    match json {
        true => output.json(&serde_json::json!({ "accepted": accepted }))?,
        false => output.line(&format!(
            "the change of {}.{} in transaction {} is sent by the next start: {}",
            accepted.namespace, accepted.table, accepted.xid, accepted.error
        ))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Writes the checkpoint with the accepted change as the connector does: with leadership, and in a Kafka transaction that fences any other
/// instance of the same name.
async fn accept_in<P: Source, K: Sink>(
    name: &str,
    source: &mut P,
    sink: &mut K,
    now_unix_micros: i64,
) -> anyhow::Result<HeldBy> {
    let log = open_stopped(name, source, sink).await?;
    let held = log.current.and_then(|current| {
        let held_by = current.held_by.clone().filter(|held_by| !held_by.is_accepted)?;
        Some((held_by, current))
    });
    let Some((mut held_by, current)) = held else {
        let text = format!("{name} has not halted before an event of an event store; nothing was changed");
        return Err(Rejection::Request(text).into());
    };
    held_by.is_accepted = true;
    let update = CheckpointUpdate::of(Checkpoint {
        held_by: Some(held_by.clone()),
        written_at_unix_micros: now_unix_micros,
        ..current
    });
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(held_by)
}
