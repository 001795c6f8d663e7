//! `walcast outbox move`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tracing::info;
use walcast_delivery::{
    Backlog, CheckpointStore, DeliveryError, HandedOver, PolledSource, PolledTable, PreparedStream,
    RewindRejected, Source, SourceState,
};
use walcast_mapper::TableName;
use walcast_mapper::config::{InvalidUpdate, PublishedMark};
use walcast_postgres::polled_tables;

use crate::cli::checkpoint::{acquire_leadership, describe};
use crate::config::Config;
use crate::exit::{Exit, Rejection, UsageError};
use crate::stdout::stdout;
use crate::wiring;

/// Time to acquire leadership that no instance holds: a connection and one query.
const LEADERSHIP_TIMEOUT: Duration = Duration::from_secs(10);

/// Moves the outboxes, or checks whether they can be moved.
pub(crate) async fn hand_over(
    polling: &Config,
    streaming: &Config,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<Exit> {
    check_configurations(polling, streaming)?;
    let tables = polled_tables(&polling.postgres, &polling.polled).await?;
    check_rules(&tables, streaming)?;
    let mut source = wiring::source(streaming)?;
    // To look disturbs no instance, and is possible while one polls.
    if !dry_run {
        acquire_leadership(&polling.name, &mut source).await?;
    }
    // A process that was killed has left transactions open, which hide what is behind them. The hand-over looks again once they have ended.
    let log = wiring::checkpoints(streaming).peek().await;
    if let Some(current) = log.map_err(DeliveryError::Sink)?.current {
        let text = format!(
            "the connector {:?} has a checkpoint at {}: its outboxes are streamed already, and nothing was changed; next: walcast run with \
             the configuration that streams",
            polling.name, current.end_lsn
        );
        return Err(Rejection::Request(text).into());
    }
    let source_state = match dry_run {
        true => walcast_postgres::inspect(&streaming.postgres, None).await?,
        false => source.inspect(None).await.map_err(DeliveryError::Source)?,
    };
    check_tables(&source_state, &tables)?;
    if let Some((slot, pid)) = source_state
        .slot
        .as_ref()
        .and_then(|slot| Some((slot.name.clone(), slot.active_pid?)))
    {
        return Err(RewindRejected::Running { slot, pid }.into());
    }
    let oids: BTreeSet<_> = tables.iter().map(|table| table.relation.oid).collect();
    let prepared = PreparedStream::check(&source_state, &streaming.delivery, oids)?;
    if dry_run {
        return Box::pin(show_backlogs(polling, &prepared, json)).await;
    }
    let names: Vec<TableName> = tables.iter().map(PolledTable::name).collect();
    Box::pin(prepared.create(&mut source, &names)).await?;
    source.step_down();
    let mut poller = wiring::poller(polling)?;
    poller.source = poller.source.handing_over_to(streaming.postgres.clone());
    lead(&polling.name, &mut poller.source).await?;
    info!(outboxes = names.len(), "moving outboxes to the WAL");
    let (creates_publication, creates_slot) = (prepared.creates_publication, prepared.creates_slot);
    let HandedOver { checkpoint, events } = poller.hand_over(prepared).await?;
    let mut output = stdout();
    match json {
        true => output.json(&json!({
            "moved": true,
            "checkpoint": checkpoint,
            "events": events,
            "tables": names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "created_publication": creates_publication,
            "created_slot": creates_slot,
        }))?,
        false => {
            output.lines(describe(&polling.name, &checkpoint))?;
            output.line(&format!("{:<13} {events} events sent by polling", "moved"))?;
            output.line(&format!(
                "{:<13} walcast run, with the configuration that streams",
                "next"
            ))?
        }
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Waits for leadership; fails if another instance leads. Waiting disturbs no instance.
async fn lead<P: PolledSource>(name: &str, source: &mut P) -> anyhow::Result<()> {
    match tokio::time::timeout(LEADERSHIP_TIMEOUT, source.acquire_leadership()).await {
        Ok(led) => Ok(led.map_err(DeliveryError::Source)?),
        Err(_) => Err(Rejection::Running(name.to_owned()).into()),
    }
}

/// Checks that one connector polls with the first configuration and streams with the second.
fn check_configurations(polling: &Config, streaming: &Config) -> Result<(), UsageError> {
    let fault = if polling.polled.is_empty() {
        "--config is a configuration that does not poll: give the one with source = \"poll\" in [[outbox]]"
            .to_owned()
    } else if !streaming.polled.is_empty() {
        "--to is a configuration that polls: give one without source = \"poll\" in [[outbox]]".to_owned()
    } else if polling.name != streaming.name {
        format!(
            "the names of the configurations differ: {:?} and {:?}; with one name, neither can run while the other has the events",
            polling.name, streaming.name
        )
    } else if polling.kafka.checkpoint_topic() != streaming.kafka.checkpoint_topic() {
        "[kafka] topic_prefix of the configurations differs, and so does the checkpoint topic".to_owned()
    } else if polling.kafka.brokers != streaming.kafka.brokers {
        "[kafka] brokers of the configurations differ".to_owned()
    } else {
        return Ok(());
    };
    Err(UsageError(fault))
}

/// Checks that each polled table is an outbox of the stream, whose marks are no errors there.
fn check_rules(tables: &[PolledTable], streaming: &Config) -> Result<(), UsageError> {
    for table in tables {
        let name = table.name();
        let rule = streaming.mapper.outboxes.iter().find(|rule| rule.matches(&name));
        let Some(rule) = rule else {
            return Err(UsageError(format!(
                "{name} is no outbox in the configuration of --to: add an [[outbox]] for it"
            )));
        };
        let is_marked = table.rule.poll.published.first() != Some(&PublishedMark::Delete);
        if is_marked && rule.on_update == InvalidUpdate::Fatal {
            return Err(UsageError(format!(
                "rows of {name} are marked after the position, which is an update and an error with on_update = \"fatal\": set on_update = \
                 \"ignore\" in the configuration of --to"
            )));
        }
    }
    Ok(())
}

/// Checks that the stream captures the tables that are polled.
fn check_tables(source_state: &SourceState, tables: &[PolledTable]) -> Result<(), Rejection> {
    let missing = tables.iter().find(|table| {
        let mut captured = source_state.captured.iter();
        !captured.any(|one| one.oid == table.relation.oid && one.name == table.name())
    });
    match missing {
        None => Ok(()),
        Some(table) => Err(Rejection::Request(format!(
            "{} is not captured in the database {} with the configuration of --to: add it to [postgres] tables, or correct [postgres] url",
            table.name(),
            source_state.database
        ))),
    }
}

async fn show_backlogs(polling: &Config, prepared: &PreparedStream, json: bool) -> anyhow::Result<Exit> {
    let mut poller = wiring::poller(polling)?;
    let tables = poller.source.tables().await.map_err(DeliveryError::Source)?;
    let mut backlogs: BTreeMap<String, Backlog> = BTreeMap::new();
    for table in &tables {
        let backlog = poller
            .source
            .backlog(table)
            .await
            .map_err(DeliveryError::Source)?;
        backlogs.insert(table.name().to_string(), backlog);
    }
    let mut output = stdout();
    if json {
        let outboxes: Vec<_> = backlogs
            .iter()
            .map(|(table, backlog)| {
                json!({
                    "table": table,
                    "pending": backlog.pending,
                    "gate": backlog.gate.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        output.json(&json!({
            "moved": false,
            "outboxes": outboxes,
            "creates_publication": prepared.creates_publication,
            "creates_slot": prepared.creates_slot,
        }))?;
    } else {
        for (table, backlog) in &backlogs {
            let gate = backlog.gate.as_ref();
            let gate = gate.map_or(String::new(), |gate| {
                format!("; the position waits for {gate}, {}", gate.remedy())
            });
            output.line(&format!(
                "{table}: {} events to be sent by polling{gate}",
                backlog.pending
            ))?;
        }
        for (is_missing, what) in [
            (prepared.creates_publication, "publication"),
            (prepared.creates_slot, "slot"),
        ] {
            let state = if is_missing { "is created" } else { "exists" };
            output.line(&format!("the {what} {state}"))?;
        }
        output.line("nothing was changed; run the command without --dry-run")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::check_configurations;
    use crate::config::{Config, parse_for_test};

    fn config(name: &str, prefix: &str, source: &str) -> Config {
        let text = format!(
            "name = \"{name}\"\n[postgres]\nurl = \"postgres://walcast@db/shop\"\n[kafka]\nbrokers = \"kafka:9092\"\n\
             topic_prefix = \"{prefix}\"\n[format]\nkey = \"json\"\nvalue = \"json\"\n[[outbox]]\ntables = \"public.outbox\"\n{source}"
        );
        parse_for_test(&text, &|_| Err(VarError::NotPresent)).unwrap()
    }

    #[test]
    fn one_connector_polls_with_the_first_configuration_and_streams_with_the_second() {
        let poll = "source = \"poll\"";
        let polling = config("shop", "shop", poll);
        let check = |polling: &Config, streaming: &Config| {
            check_configurations(polling, streaming).map_err(|error| error.to_string())
        };
        assert_eq!(check(&polling, &config("shop", "shop", "")), Ok(()));
        let refused = |polling: &Config, streaming: &Config, text: &str| {
            let error = check(polling, streaming).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        refused(
            &config("shop", "shop", ""),
            &config("shop", "shop", ""),
            "does not poll",
        );
        refused(
            &polling,
            &config("shop", "shop", poll),
            "--to is a configuration that polls",
        );
        refused(
            &polling,
            &config("other", "shop", ""),
            "names of the configurations differ",
        );
        refused(&polling, &config("shop", "other", ""), "topic_prefix");
    }
}
