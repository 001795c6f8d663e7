//! One answer of the admin port: `/status`, and of `/metrics` the duration of Kafka commits.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::admin::{ExistingRows, TableReport};
use crate::cli::snapshot::ask::Admin;

/// State of a connector at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) taken_at: Instant,
    pub(super) status: Status,
    pub(super) commits: Commits,
}

/// Number and total duration of Kafka commits since the start of the connector.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Commits {
    pub(super) count: f64,
    pub(super) seconds: f64,
}

/// What is shown of the response to `/status`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) error: Option<String>,
    pub(super) role: Role,
    pub(super) uptime_seconds: u64,
    pub(super) lsn: Positions,
    pub(super) lag_bytes: u64,
    pub(super) lag_seconds: f64,
    pub(super) slot_retained_bytes: u64,
    pub(super) wal: Option<Wal>,
    #[serde(default)]
    pub(super) outboxes: Vec<Outbox>,
    #[serde(default)]
    pub(super) polled_outboxes: Vec<PolledOutbox>,
    #[serde(default)]
    pub(super) tables: Vec<TableReport>,
    pub(super) transactions: u64,
    pub(super) changes: Counts,
    pub(super) dead_letters: Counts,
    pub(super) snapshot: ExistingRows,
    pub(super) verification: Option<Verification>,
    pub(super) reconnects: u64,
}

/// Count by table, then by operation or reason.
pub(super) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Role {
    pub(super) is: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Wal {
    pub(super) written_bytes_per_second: Option<u64>,
    #[serde(default)]
    pub(super) limits: Vec<Limit>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Limit {
    pub(super) limit: String,
    pub(super) headroom_bytes: Option<u64>,
    pub(super) time_to_limit_seconds: Option<u64>,
    pub(super) at_risk: bool,
}

/// Positions in the notation of Postgres; null if unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Positions {
    pub(super) confirmed: Option<String>,
    pub(super) checkpointed: Option<String>,
    pub(super) produced: Option<String>,
    pub(super) received: Option<String>,
    pub(super) server: Option<String>,
}

/// Newest certificate of `walcast verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verification {
    pub(super) verdict: String,
    pub(super) age_seconds: i64,
    pub(super) differences: u64,
}

/// Outbox with its relay lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outbox {
    pub(super) table: String,
    pub(super) pending: u64,
    pub(super) oldest_age_seconds: f64,
    pub(super) published: u64,
    pub(super) dead: u64,
}

/// Outbox that is polled, with its relay lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PolledOutbox {
    pub(super) table: String,
    pub(super) pending: u64,
    pub(super) oldest_age_seconds: Option<f64>,
}

impl Sample {
    /// Asks the connector.
    pub(super) async fn take(admin: &Admin) -> anyhow::Result<Self> {
        let status: Status = admin.status().await?;
        let metrics = admin.metrics().await?;
        Ok(Self {
            taken_at: Instant::now(),
            commits: Commits::parse(&metrics, &status.name),
            status,
        })
    }
}

impl Commits {
    /// Finds the commits of a connector in the text of `/metrics`.
    pub(super) fn parse(metrics: &str, connector: &str) -> Self {
        let value = |series: &str| {
            let prefix = format!("walcast_kafka_commit_seconds_{series}{{connector=\"{connector}\"}} ");
            let mut values = metrics
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix)?.parse().ok());
            values.next().unwrap_or_default()
        };
        Self {
            count: value("count"),
            seconds: value("sum"),
        }
    }
}
