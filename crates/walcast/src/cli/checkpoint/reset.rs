//! `walcast checkpoint reset`.

use std::io::{self, BufRead, IsTerminal, Write};

use walcast_delivery::{DeliveryError, Sink};

use super::set::take_lead;
use crate::config::Config;
use crate::exit::{Exit, Refusal};
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn reset(config: &Config, yes: bool, json: bool) -> anyhow::Result<Exit> {
    let topic = wiring::kafka(config)?.checkpoint_topic();
    if !yes
        && !asked(&format!(
            "delete the checkpoint of {} and its history from {topic}?",
            config.name
        ))?
    {
        return Err(Refusal::NotConfirmed("deleting the checkpoint").into());
    }
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    take_lead(&config.name, &mut source).await?;
    let log = sink.open().await.map_err(DeliveryError::Sink)?;
    sink.delete_checkpoint(&log).await?;
    let mut output = stdout();
    output.line(&match log.current {
        deleted if json => serde_json::to_string_pretty(
            &serde_json::json!({ "deleted": deleted, "earlier": log.history.len() }),
        )?,
        Some(current) => format!(
            "deleted the checkpoint of {} at {} and {} earlier ones; slot {} is as it was",
            config.name,
            current.end_lsn,
            log.history.len(),
            current.slot
        ),
        None => format!(
            "{} has no checkpoint; {} earlier ones are deleted",
            config.name,
            log.history.len()
        ),
    })?;
    output.flush()?;
    Ok(Exit::Done)
}

/// Asks on the terminal; where there is none, nobody says yes.
fn asked(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
