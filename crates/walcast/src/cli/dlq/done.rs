//! `walcast dlq done`: takes letters off the list, for whoever has dealt with them.

use serde_json::json;

use super::letter::{Choice, chosen, count, letters};
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;
use crate::wiring;

/// Only what is on the list when it is read: letters that come meanwhile stay.
pub(super) async fn done(config: &Config, choice: &Choice, json: bool) -> anyhow::Result<Exit> {
    let letters = chosen(letters(config).await?, choice)?;
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    if !ids.is_empty() {
        let topic = config.dead_letters.topic.clone();
        walcast_kafka::take_off(wiring::kafka(config)?, topic, ids.clone()).await?;
    }
    let mut output = stdout();
    output.line(&match (json, ids.as_slice()) {
        (true, ids) => serde_json::to_string_pretty(&json!({ "done": ids }))?,
        (false, []) => "no dead letters were chosen".to_owned(),
        (false, [id]) => format!("taken off the list: {id}"),
        (false, ids) => format!("taken off the list: {}", count(ids.len())),
    })?;
    output.flush()?;
    Ok(Exit::Done)
}
