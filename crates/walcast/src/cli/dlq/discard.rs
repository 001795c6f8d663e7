//! `walcast dlq discard`: resolves dead letters without delivering them.

use serde_json::json;

use super::letter::{Choice, chosen, count, letters};
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;

/// Resolves the chosen dead letters of the current list; dead letters that are written later remain.
pub(super) async fn discard(config: &Config, choice: &Choice, json: bool) -> anyhow::Result<Exit> {
    let letters = chosen(letters(config).await?, choice)?;
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    if !ids.is_empty() {
        let topic = config.delivery.dead_letters.topic.clone();
        walcast_kafka::resolve_dead_letters(config.kafka.clone(), topic, ids.clone()).await?;
    }
    let mut output = stdout();
    match (json, ids.as_slice()) {
        (true, ids) => output.json(&json!({ "discarded": ids }))?,
        (false, []) => output.line("no dead letters were chosen")?,
        (false, [id]) => output.line(&format!("resolved: {id}"))?,
        (false, ids) => output.line(&format!("resolved: {}", count(ids.len())))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}
