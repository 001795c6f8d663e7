//! The steps of a comparison: position, fence, topics, certificate.

use std::collections::BTreeMap;

use anyhow::Context;
use tracing::info;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_delivery::{CheckpointLog, ChosenRows, Snapshot, SnapshotMode, SourceState};
use walcast_mapper::TableName;
use walcast_mapper::config::Encoding;
use walcast_mapper::names;
use walcast_postgres::PostgresSnapshot;
use walcast_verify::{Certificate, Method, Pace, Verdict, hash_of};

use super::args::{Choice, VerifyArgs};
use super::compared::{Sides, Unit};
use super::details::Difference;
use super::fence::{self, Fence};
use super::recheck::{self, Again};
use super::records::RecordDecoder;
use super::report::{Report, differences};
use crate::config::Config;
use crate::exit::{Exit, UsageError};
use crate::stdout::stdout;
use crate::wiring;

/// Part of the names of temporary slots.
const PURPOSE: &str = "verify";

pub(crate) async fn verify(config: Config, args: VerifyArgs) -> anyhow::Result<Exit> {
    let VerifyArgs { choice, json, .. } = args;
    let condition = choice.condition.as_deref().map(condition).transpose()?;
    let method = method(&config, choice.independent)?;
    let again = choice.recheck.as_deref().map(recheck::read).transpose()?;
    let state = walcast_postgres::inspect(&config.postgres, None).await?;
    let chosen = chosen(&config, &state, &choice, again.as_ref())?;
    let snapshot = snapshot(&config).await?;
    let lsn = snapshot.lsn();
    info!(position = %lsn, tables = chosen.len(), "comparing the source with the topics");
    let log = match fence::wait(&wiring::checkpoints(&config), lsn, choice.wait.get()).await? {
        Fence::Reached(log) => log,
        Fence::Behind(reason) => {
            let mut output = stdout();
            match json {
                true => output.json(&serde_json::json!({"verdict": Verdict::Undecided, "reason": reason}))?,
                false => output.line(&format!("undecided: {reason}"))?,
            };
            output.flush()?;
            return Ok(Exit::Undecided);
        }
    };
    let mut certificate = Certificate {
        system_identifier: state.system_identifier.to_string(),
        timeline: state.timeline.as_u32(),
        database: state.database.clone(),
        lsn: lsn.to_string(),
        taken_at_unix_micros: snapshot.taken_at().unix_micros(),
        condition: choice.condition.clone(),
        is_independent: method == Method::Independent,
        is_recheck: again.is_some(),
        ..Certificate::new(config.name.clone(), env!("CARGO_PKG_VERSION").to_owned())
    };
    let units = units(&config, &state, &log, chosen, &mut certificate.not_compared);
    for topic in again.iter().flat_map(Again::keys) {
        if !units.iter().any(|unit| unit.topic == *topic) && !certificate.not_compared.contains_key(topic) {
            let reason = "no captured table that is compared has this topic";
            certificate.not_compared.insert(topic.clone(), reason.to_owned());
        }
    }
    let mut sides = Sides {
        decoder: RecordDecoder::new(&config)?,
        snapshot,
        pace: Pace::new(choice.rows_per_second),
        rows: condition
            .as_ref()
            .map_or(ChosenRows::Configured, ChosenRows::Where),
        method,
        limit: choice.limit,
        config: &config,
    };
    let mut found = Vec::new();
    for unit in &units {
        Box::pin(compare(
            &mut sides,
            unit,
            again.as_ref(),
            &mut certificate,
            &mut found,
        ))
        .await?;
    }
    certificate.verdict = certificate.overall();
    let previous = match choice.no_certificate {
        true => None,
        false => walcast_kafka::last_verification(config.kafka.clone()).await?,
    };
    certificate.previous = previous.as_deref().map(hash_of);
    let stored = serde_json::to_vec(&certificate).context("the certificate cannot be serialized")?;
    let all: u64 = certificate.topics.iter().map(differences).sum();
    let report = Report {
        certificate_sha256: hash_of(&stored),
        left_out: all.saturating_sub(listed(&found)),
        differences: found,
        certificate,
    };
    print(&report, json)?;
    if !choice.no_certificate {
        walcast_kafka::write_verification(config.kafka.clone(), stored).await?;
    }
    Ok(match report.certificate.verdict {
        Verdict::Identical => Exit::Done,
        Verdict::Different => Exit::Rejected,
        Verdict::Undecided => Exit::Undecided,
    })
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(report)?,
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    Ok(())
}

/// Number of differences that are listed; one stands for all copies of a row.
fn listed(found: &[Difference]) -> u64 {
    found
        .iter()
        .map(|difference| difference.copies.unwrap_or(1))
        .sum()
}

async fn compare(
    sides: &mut Sides<'_>,
    unit: &Unit,
    again: Option<&Again>,
    certificate: &mut Certificate,
    found: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    let only = again.map(|again| again.get(&unit.topic).cloned().unwrap_or_default());
    match sides.compare(unit, only).await? {
        Ok(compared) => {
            found.extend(sides.details(unit, &compared).await?);
            certificate.topics.push(compared.certificate);
        }
        Err(reason) => {
            for table in &unit.tables {
                certificate.not_compared.insert(table.to_string(), reason.clone());
            }
        }
    }
    Ok(())
}

fn method(config: &Config, independent: bool) -> Result<Method, UsageError> {
    match (independent, config.mapper.value) {
        (false, _) => Ok(Method::Mapped),
        (true, Encoding::Avro) => Ok(Method::Independent),
        (true, _) => Err(UsageError(
            "--independent compares Avro values only, and [format] value is another encoding".to_owned(),
        )),
    }
}

fn condition(text: &str) -> anyhow::Result<Condition> {
    let parsed = Condition::parse(text, Dialect::Comparisons);
    Ok(parsed.map_err(|error| UsageError(format!("--where: {error}")))?)
}

/// Snapshot in which all rows are visible, also those that the configuration does not read.
async fn snapshot(config: &Config) -> anyhow::Result<PostgresSnapshot> {
    let mut postgres = config.postgres.clone();
    postgres.snapshot_filters.clear();
    let taken = PostgresSnapshot::exact(postgres, PURPOSE).await;
    Ok(taken.map_err(walcast_delivery::DeliveryError::Source)?)
}

/// Tables that are compared.
fn chosen(
    config: &Config,
    state: &SourceState,
    choice: &Choice,
    again: Option<&Again>,
) -> Result<Vec<TableName>, UsageError> {
    let captured: Vec<TableName> = state
        .captured
        .iter()
        .map(|table| table.name.clone())
        .filter(|table| config.postgres.signal_table.as_ref() != Some(table))
        .collect();
    let is_outbox = |table: &TableName| config.mapper.outbox_of(table).is_some();
    let (outboxes, captured): (Vec<_>, Vec<_>) = captured.into_iter().partition(is_outbox);
    for pattern in &choice.tables {
        if captured.iter().any(|table| pattern.matches(table)) {
            continue;
        }
        return Err(UsageError(
            match outboxes.iter().find(|table| pattern.matches(table)) {
                Some(outbox) => format!(
                    "--tables {pattern} matches the outbox {outbox} only, whose rows are events in the topics that they name"
                ),
                None => format!("--tables {pattern} matches no captured table"),
            },
        ));
    }
    let topic = |table: &TableName| names::topic(&config.mapper, table);
    let is_chosen = |table: &TableName| match again {
        Some(again) => again.contains_key(&topic(table)),
        None => choice.tables.is_empty() || choice.tables.iter().any(|pattern| pattern.matches(table)),
    };
    let topics: Vec<String> = captured
        .iter()
        .filter(|table| is_chosen(table))
        .map(topic)
        .collect();
    // Records of a topic that belong to no chosen table would be extra.
    let sharing = captured.iter().filter(|table| topics.contains(&topic(table)));
    let chosen: Vec<TableName> = sharing.cloned().collect();
    match chosen.is_empty() {
        true => Err(UsageError("no captured table is to be compared".to_owned())),
        false => Ok(chosen),
    }
}

/// Topics with their tables; tables whose changes are skipped are left out, with the reason.
fn units(
    config: &Config,
    state: &SourceState,
    log: &CheckpointLog,
    chosen: Vec<TableName>,
    not_compared: &mut BTreeMap<String, String>,
) -> Vec<Unit> {
    let settings = &config.delivery.snapshot;
    let skipped = |table: &TableName| {
        let mut quarantines = log.quarantines.values();
        // Also one that was resumed: until its rows are read, its topic has those from before.
        quarantines.any(|one| one.table == *table)
    };
    let is_read = |table: &TableName| {
        let progress = log.current.as_ref().and_then(|current| current.snapshot.as_ref());
        let mut waiting = progress.iter().flat_map(|progress| &progress.tables);
        let is_selected =
            settings.tables.is_empty() || settings.tables.iter().any(|pattern| pattern.matches(table));
        let mut filters = config.postgres.snapshot_filters.iter();
        let is_known = log.known_tables.as_ref().is_none_or(|known| {
            let mut captured = state.captured.iter();
            captured.any(|one| one.name == *table && known.contains(&one.oid))
        });
        settings.mode != SnapshotMode::Never
            && is_known
            && is_selected
            && !filters.any(|(pattern, _)| pattern.matches(table))
            && !waiting.any(|progress| progress.table() == *table)
    };
    let mut topics: BTreeMap<String, Vec<TableName>> = BTreeMap::new();
    for table in chosen {
        topics
            .entry(names::topic(&config.mapper, &table))
            .or_default()
            .push(table);
    }
    let mut units = Vec::new();
    for (topic, tables) in topics {
        if tables.iter().any(skipped) {
            for table in tables {
                let reason =
                    "it, or a table with the same topic, is quarantined, or is read after a quarantine";
                not_compared.insert(table.to_string(), reason.to_owned());
            }
            continue;
        }
        units.push(Unit {
            omits_existing_rows: !tables.iter().all(is_read),
            topic,
            tables,
        });
    }
    units
}
