//! `walcast table resume`: by the running connector, or in the checkpoint of a stopped one.

use jiff::Timestamp;
use walcast_delivery::{DeliveryError, Resumption, RewindRejected, Sink, SnapshotCommand, Source};
use walcast_mapper::pattern::TablePattern;

use crate::cli::checkpoint::open_stopped;
use crate::cli::snapshot::ask;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn resume(config: &Config, tables: Vec<TablePattern>, json: bool) -> anyhow::Result<Exit> {
    let command = SnapshotCommand::ResumeTables {
        tables: tables.clone(),
    };
    let unanswered = match config.admin.listen {
        None => "[admin] listen is not set".to_owned(),
        Some(_) => match ask::ask(config, &command, json).await {
            Err(error) if ask::is_not_listening(&error) => error.to_string(),
            answered => return answered,
        },
    };
    let resumed = match resume_stopped(config, &tables).await {
        Err(error) if is_running(&error) => {
            return Err(Rejection::Request(format!(
                "{unanswered}; {error}, or run this command where its admin port can be reached"
            ))
            .into());
        }
        resumed => resumed?,
    };
    let mut output = stdout();
    match json {
        true => output.json(&serde_json::json!({ "tables": resumed }))?,
        false => output.line(&format!(
            "resumed: {}; the next start delivers their changes and reads their rows",
            resumed.join(", ")
        ))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Writes the checkpoint as the connector does: with leadership, and in a Kafka transaction.
async fn resume_stopped(config: &Config, tables: &[TablePattern]) -> anyhow::Result<Vec<String>> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let log = open_stopped(&config.name, &mut source, &mut sink).await?;
    let timeline = log.current.as_ref().map(|current| current.timeline);
    let source_state = source.inspect(timeline).await.map_err(DeliveryError::Source)?;
    let resumption = Resumption {
        tables,
        slot: &config.delivery.slot,
        publication: &config.delivery.publication,
        now_unix_micros: Timestamp::now().as_microsecond(),
    };
    let updated = resumption
        .update(&log, &source_state)
        .map_err(DeliveryError::from)?;
    let (update, resumed) = updated?;
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(resumed.iter().map(ToString::to_string).collect())
}

/// Whether an instance runs, so that its checkpoint must not be changed.
fn is_running(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<RewindRejected>(),
        Some(RewindRejected::Running { .. })
    ) || matches!(error.downcast_ref::<Rejection>(), Some(Rejection::Running(_)))
}
