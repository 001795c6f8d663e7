//! `walcast checkpoint set`.

use std::time::Duration;

use jiff::Timestamp;
use walcast_delivery::{CheckpointUpdate, DeliveryError, Rewind, RewindRefused, Sink, Source, rewind};
use walcast_pgoutput::Lsn;

use super::show::describe;
use crate::config::Config;
use crate::exit::{Exit, Refusal};
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn set(config: &Config, lsn: Lsn, accept_gap: bool, json: bool) -> anyhow::Result<Exit> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let wish = Rewind {
        to: lsn,
        accept_gap,
        now_unix_micros: Timestamp::now().as_microsecond(),
    };
    let update = move_to(&config.name, &mut source, &mut sink, wish).await?;
    let mut output = stdout();
    output.line(&match json {
        true => serde_json::to_string_pretty(&update.current)?,
        false => describe(&config.name, &update.current),
    })?;
    output.flush()?;
    Ok(Exit::Done)
}

/// How long the lead may take when nobody has it: connecting and one query.
const LEAD_WITHIN: Duration = Duration::from_secs(10);

/// Writes the new checkpoint as the connector itself would: leading, and in a Kafka transaction that fences whoever else
/// has the name. Whether an instance runs is asked before anything could disturb it.
pub(super) async fn move_to<P: Source, K: Sink>(
    name: &str,
    source: &mut P,
    sink: &mut K,
    wish: Rewind,
) -> anyhow::Result<CheckpointUpdate> {
    take_lead(name, source).await?;
    // The slot is the last word: an instance may stream from it without the lead, behind a pooler.
    let before = source.survey(None).await.map_err(DeliveryError::Source)?;
    if let Some((slot, pid)) = before.slot.and_then(|slot| Some((slot.name, slot.active_pid?))) {
        return Err(RewindRefused::Running { slot, pid }.into());
    }
    let log = sink.open().await.map_err(DeliveryError::Sink)?;
    let timeline = log.current.as_ref().map(|current| current.timeline);
    let survey = source.survey(timeline).await.map_err(DeliveryError::Source)?;
    let update = rewind(&survey, &log, wish)?;
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(update)
}

/// Leads, or says that somebody else does. Waiting for the lead disturbs nobody.
pub(in crate::cli) async fn take_lead<P: Source>(name: &str, source: &mut P) -> anyhow::Result<()> {
    match tokio::time::timeout(LEAD_WITHIN, source.lead()).await {
        Ok(led) => Ok(led.map_err(DeliveryError::Source)?),
        Err(_) => Err(Refusal::Running(name.to_owned()).into()),
    }
}
