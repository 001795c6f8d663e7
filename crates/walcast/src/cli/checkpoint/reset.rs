//! `walcast checkpoint reset`: deletes the checkpoint and its history.

use walcast_delivery::{DeliveryError, Sink};

use super::set::acquire_leadership;
use crate::cli::confirmation::is_confirmed;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn reset(config: &Config, yes: bool, json: bool) -> anyhow::Result<Exit> {
    let topic = config.kafka.checkpoint_topic();
    if !yes
        && !is_confirmed(&format!(
            "delete the checkpoint of {} and its history from {topic}?",
            config.name
        ))?
    {
        return Err(Rejection::NotConfirmed("deleting the checkpoint").into());
    }
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    acquire_leadership(&config.name, &mut source).await?;
    let log = sink.open().await.map_err(DeliveryError::Sink)?;
    sink.delete_checkpoint(&log).await?;
    let mut output = stdout();
    match log.current {
        deleted if json => {
            output.json(&serde_json::json!({ "deleted": deleted, "earlier": log.history.len() }))?
        }
        Some(current) => output.line(&format!(
            "deleted the checkpoint of {} at {} and {} earlier ones; slot {} is unchanged",
            config.name,
            current.end_lsn,
            log.history.len(),
            current.slot
        ))?,
        None => output.line(&format!(
            "{} has no checkpoint; {} earlier ones are deleted",
            config.name,
            log.history.len()
        ))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}
