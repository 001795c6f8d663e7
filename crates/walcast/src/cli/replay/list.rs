//! `walcast replay list` and `walcast replay status`.

use serde::Serialize;
use walcast_kafka::stored_replays;

use super::report::{Report, table};
use super::stored;
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;

/// Replays, as printed with `--json`.
#[derive(Debug, Serialize)]
struct Listing {
    replays: Vec<Report>,
}

pub(super) async fn list(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let stored = stored_replays(&config.kafka).await?;
    let replays: Vec<Report> = stored.iter().map(Report::of).collect();
    let mut output = stdout();
    match json {
        true => output.json(&Listing { replays })?,
        false => output.lines(table(&replays))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

pub(super) async fn status(config: &Config, name: &str, json: bool) -> anyhow::Result<Exit> {
    let found = stored::find(config, name).await?;
    let found = found.ok_or_else(|| stored::unknown(name))?;
    print(&Report::of(&found), json)?;
    Ok(Exit::Done)
}

/// Prints one replay.
pub(super) fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(report)?,
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    Ok(())
}
