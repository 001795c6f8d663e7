//! One comparison: position, fence, topics, certificate.

use anyhow::Context;
use tracing::info;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_delivery::{ChosenRows, Snapshot};
use walcast_mapper::config::Encoding;
use walcast_postgres::PostgresSnapshot;
use walcast_verify::{Certificate, Method, Pace, TransactionCounts, hash_of};

use super::args::Choice;
use super::compared::{Sides, Unit};
use super::details::Difference;
use super::fence::{self, Fence};
use super::recheck::Again;
use super::records::RecordDecoder;
use super::report::{Report, differences};
use super::transaction_events::EventsOfTransactions;
use super::units::{chosen, units};
use crate::config::Config;
use crate::exit::UsageError;
use crate::wiring;

/// Part of the names of temporary slots.
const PURPOSE: &str = "verify";

/// What is compared, and how.
pub(super) struct Request<'a> {
    pub(super) config: &'a Config,
    pub(super) choice: &'a Choice,
    condition: Option<Condition>,
    method: Method,
}

/// Outcome of a comparison.
pub(super) enum Answer {
    /// Both sides were compared.
    Report(Box<Report>),
    /// The checkpoint of the connector does not cover the position; the reason and the way on.
    Behind(String),
}

impl<'a> Request<'a> {
    /// Checks what was chosen on the command line.
    ///
    /// # Errors
    /// The condition is not one, or values cannot be compared in the chosen way.
    pub(super) fn new(config: &'a Config, choice: &'a Choice) -> Result<Self, UsageError> {
        Ok(Self {
            config,
            choice,
            condition: choice.condition.as_deref().map(condition).transpose()?,
            method: method(config, choice.independent)?,
        })
    }

    /// Compares both sides. `again` contains the keys that are compared; `None`: all of them.
    pub(super) async fn compare(&self, again: Option<&Again>) -> anyhow::Result<Answer> {
        let Self { config, choice, .. } = *self;
        let state = walcast_postgres::inspect(&config.postgres, None).await?;
        let chosen = chosen(config, &state, choice, again)?;
        let snapshot = snapshot(config).await?;
        let lsn = snapshot.lsn();
        info!(position = %lsn, tables = chosen.len(), "comparing the source with the topics");
        let log = match fence::wait(&wiring::checkpoints(config), &state, lsn, choice.wait.get()).await? {
            Fence::Reached(log) => log,
            Fence::Behind(reason) => return Ok(Answer::Behind(reason)),
        };
        let mut certificate = Certificate {
            system_identifier: state.system_identifier.to_string(),
            timeline: state.timeline.as_u32(),
            database: state.database.clone(),
            lsn: lsn.to_string(),
            taken_at_unix_micros: snapshot.taken_at().unix_micros(),
            condition: choice.condition.clone(),
            is_independent: self.method == Method::Independent,
            is_recheck: again.is_some(),
            ..Certificate::new(config.name.clone(), env!("CARGO_PKG_VERSION").to_owned())
        };
        let units = units(config, &state, &log, chosen, &mut certificate.not_compared);
        for topic in again.iter().flat_map(|again| again.keys()) {
            if !units.iter().any(|unit| unit.topic == *topic) && !certificate.not_compared.contains_key(topic)
            {
                let reason = "no captured table that is compared has this topic";
                certificate.not_compared.insert(topic.clone(), reason.to_owned());
            }
        }
        let mut sides = Sides {
            decoder: RecordDecoder::new(config)?,
            snapshot,
            pace: Pace::new(choice.rows_per_second),
            rows: self
                .condition
                .as_ref()
                .map_or(ChosenRows::Configured, ChosenRows::Where),
            method: self.method,
            limit: choice.limit,
            // A recheck reads the keys that differed, and no history.
            transactions: match again {
                None => EventsOfTransactions::new(config),
                Some(_) => None,
            },
            config,
        };
        let mut found = Vec::new();
        for unit in &units {
            Box::pin(compare_topic(
                &mut sides,
                unit,
                again,
                &mut certificate,
                &mut found,
            ))
            .await?;
        }
        let whole = Box::pin(sides.whole_transactions(&mut certificate.not_compared)).await?;
        certificate.transactions = whole.as_ref().map(|whole| TransactionCounts {
            checked: whole.checked,
            incomplete: whole.incomplete,
        });
        certificate.verdict = certificate.overall();
        let previous = match choice.no_certificate {
            true => None,
            false => walcast_kafka::last_verification(config.kafka.clone()).await?,
        };
        certificate.previous = previous.as_deref().map(hash_of);
        let stored = serde_json::to_vec(&certificate).context("the certificate cannot be serialized")?;
        let all: u64 = certificate.topics.iter().map(differences).sum();
        Ok(Answer::Report(Box::new(Report {
            certificate_sha256: hash_of(&stored),
            left_out: all.saturating_sub(listed(&found)),
            differences: found,
            incomplete_transactions: whole.map(|whole| whole.found).unwrap_or_default(),
            certificate,
            stored,
        })))
    }

    /// Appends the certificate of a comparison to its topic.
    pub(super) async fn store(&self, report: &Report) -> anyhow::Result<()> {
        if !self.choice.no_certificate {
            walcast_kafka::write_verification(self.config.kafka.clone(), report.stored.clone()).await?;
        }
        Ok(())
    }
}

/// Number of differences that are listed; one stands for all copies of a row.
fn listed(found: &[Difference]) -> u64 {
    found
        .iter()
        .map(|difference| difference.copies.unwrap_or(1))
        .sum()
}

async fn compare_topic(
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

fn condition(text: &str) -> Result<Condition, UsageError> {
    let parsed = Condition::parse(text, Dialect::Comparisons);
    parsed.map_err(|error| UsageError(format!("--where: {error}")))
}

/// Snapshot in which all rows are visible, also those that the configuration does not read.
async fn snapshot(config: &Config) -> anyhow::Result<PostgresSnapshot> {
    let mut postgres = config.postgres.clone();
    postgres.snapshot_filters.clear();
    let taken = PostgresSnapshot::exact(postgres, PURPOSE).await;
    Ok(taken.map_err(walcast_delivery::DeliveryError::Source)?)
}
