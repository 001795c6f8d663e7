//! `walcast checkpoint set`: moves a stopped connector to another position.

use std::time::Duration;

use jiff::Timestamp;
use walcast_delivery::{
    CheckpointLog, CheckpointUpdate, DeliveryError, Rewind, RewindRejected, Sink, Source, rewind,
};
use walcast_pgoutput::Lsn;

use super::show::describe;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::stdout::stdout;
use crate::wiring;

/// What the user accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// Missed changes, or delivered ones that the server no longer has.
    pub(super) gap: bool,
    /// Another cluster than the checkpoint's.
    pub(super) cluster: bool,
}

pub(super) async fn set(config: &Config, lsn: Lsn, accepted: Accepted, json: bool) -> anyhow::Result<Exit> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let request = Rewind {
        to: lsn,
        accept_gap: accepted.gap,
        accept_cluster: accepted.cluster,
        now_unix_micros: Timestamp::now().as_microsecond(),
    };
    let update = move_to(&config.name, &mut source, &mut sink, request).await?;
    let mut output = stdout();
    match json {
        true => output.json(&update.current)?,
        false => output.lines(describe(&config.name, &update.current))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Time to acquire leadership that no instance holds: a connection and one query.
const LEADERSHIP_TIMEOUT: Duration = Duration::from_secs(10);

/// Writes the new checkpoint as the connector does: with leadership, and in a Kafka transaction.
pub(super) async fn move_to<P: Source, K: Sink>(
    name: &str,
    source: &mut P,
    sink: &mut K,
    request: Rewind,
) -> anyhow::Result<CheckpointUpdate> {
    let log = open_stopped(name, source, sink).await?;
    let timeline = log.current.as_ref().map(|current| current.timeline);
    let source_state = source.inspect(timeline).await.map_err(DeliveryError::Source)?;
    let update = rewind(&source_state, &log, request)?;
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(update)
}

/// Opens the checkpoint of a stopped connector with leadership, which fences any other instance of the same name. A running
/// instance is detected before any step that could disturb it.
pub(in crate::cli) async fn open_stopped<P: Source, K: Sink>(
    name: &str,
    source: &mut P,
    sink: &mut K,
) -> anyhow::Result<CheckpointLog> {
    acquire_leadership(name, source).await?;
    // The slot is decisive: behind a connection pooler, an instance may stream from it without leadership.
    let before = source.inspect(None).await.map_err(DeliveryError::Source)?;
    if let Some((slot, pid)) = before.slot.and_then(|slot| Some((slot.name, slot.active_pid?))) {
        return Err(RewindRejected::Running { slot, pid }.into());
    }
    Ok(sink.open().await.map_err(DeliveryError::Sink)?)
}

/// Acquires leadership; fails if another instance leads. Waiting for leadership disturbs no instance.
pub(in crate::cli) async fn acquire_leadership<P: Source>(name: &str, source: &mut P) -> anyhow::Result<()> {
    match tokio::time::timeout(LEADERSHIP_TIMEOUT, source.acquire_leadership()).await {
        Ok(led) => Ok(led.map_err(DeliveryError::Source)?),
        Err(_) => Err(Rejection::Running(name.to_owned()).into()),
    }
}
