//! Settings by which the connector is operated: snapshots, lag, verification, retention.

use std::time::Duration;

use walcast_delivery::SnapshotMode;
use walcast_kafka::verification_topic;

use super::markdown::{code, codes};
use crate::config::{ByteSize, Config, ConfigDuration};

fn duration(duration: Duration) -> String {
    ConfigDuration::new(duration).to_string()
}

pub(super) fn snapshots(config: &Config) -> Vec<String> {
    let snapshot = &config.delivery.snapshot;
    let when = match snapshot.mode {
        SnapshotMode::Initial => "Existing rows are read at the first start, before any changes (`initial`).",
        SnapshotMode::InitialOnly => {
            "Existing rows are read at the first start, and the connector ends (`initial_only`)."
        }
        SnapshotMode::WhenNeeded => {
            "Existing rows are read at the first start, and when the slot no longer has the changes (`when_needed`)."
        }
        SnapshotMode::Always => "Existing rows are read at every start (`always`).",
        SnapshotMode::Never => {
            "Existing rows are not read (`never`): the topics begin with the first change."
        }
    };
    let mut lines = vec![format!("- {when}")];
    if snapshot.mode != SnapshotMode::Never && !snapshot.tables.is_empty() {
        lines.push(format!("- Only rows of {} are read.", codes(&snapshot.tables)));
    }
    for (tables, condition) in &config.postgres.snapshot_filters {
        lines.push(format!(
            "- Of {}, rows that satisfy {} are read.",
            code(&tables.to_string()),
            code(&condition.to_string())
        ));
    }
    lines.push(
        "- Rows are read again on request while changes are streamed: `walcast snapshot start --tables …`. Cadence: [on request, or \
         how often]."
            .to_owned(),
    );
    lines
}

pub(super) fn lag(config: &Config) -> Vec<String> {
    let labels = format!("{{connector=\"{}\"}}", config.name);
    let lag = format!("max(walcast_lag_seconds{labels}) > [seconds]");
    let streaming = format!("max(walcast_streaming{labels}) == 0");
    let monitor = &config.slot_monitor;
    let mut lines = match config.admin.listen {
        Some(_) => vec![
            format!("- Alert on lag: {} for [time].", code(&lag)),
            format!("- Alert on a standstill: {} for [time].", code(&streaming)),
        ],
        None => vec!["- There are no metrics: `[admin] listen` is not set.".to_owned()],
    };
    if config.admin.listen.is_some() {
        lines.extend(alerts(config));
    }
    lines.push(match monitor.warn_within.is_zero() {
        true => {
            "- No warning is logged when a limit of the slot is near (`warn_within = \"0s\"`).".to_owned()
        }
        false => format!(
            "- A warning is logged when a limit of the slot is nearer than {}.",
            duration(monitor.warn_within)
        ),
    });
    if let Some(bytes) = monitor.wal_disk_size {
        lines.push(format!("- The disk of WAL has {}.", ByteSize::new(bytes)));
    }
    lines
}

/// Alerts on outboxes and event stores.
fn alerts(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    if !config.mapper.outboxes.is_empty() {
        lines.push("- Alerts on outboxes: those of examples/deploy/outbox-alerts.yaml.".to_owned());
    }
    if !config.mapper.event_stores.is_empty() {
        let violations = format!(
            "increase(walcast_event_store_violations_total{{connector=\"{}\"}}[5m]) > 0",
            config.name
        );
        lines.push(format!("- Alert on violated streams: {}.", code(&violations)));
    }
    lines
}

pub(super) fn verification(config: &Config) -> Vec<String> {
    let topic = verification_topic(&config.kafka.topic_prefix);
    let mut lines = vec![
        "- Job: `walcast verify --every [interval] --metrics-listen [address]`, with the alerts of \
         examples/deploy/verify-alerts.yaml."
            .to_owned(),
        format!(
            "- Each comparison is a certificate in the topic {}.",
            code(&topic)
        ),
        "- `walcast verify --repair` delivers rows that differ once more.".to_owned(),
    ];
    if !config.mapper.outboxes.is_empty() {
        lines.push("- Outboxes are not compared: their rows are events in other topics.".to_owned());
    }
    if !config.mapper.event_stores.is_empty() {
        lines.push(
            "- Event stores are not compared: the order of each stream is compared while it is delivered."
                .to_owned(),
        );
    }
    lines
}

pub(super) fn replay(config: &Config) -> Vec<String> {
    let replay = &config.delivery.replay;
    let mut lines = Vec::new();
    lines.push(match replay.retention.is_zero() {
        true => "- WAL is not kept for a replay: the connector cannot be rewound (`[replay] retention`)."
            .to_owned(),
        false => {
            let budget = replay.retention_bytes.map_or(String::new(), |bytes| {
                format!(", at most {}", ByteSize::new(bytes))
            });
            format!(
                "- The connector can be rewound by {}{budget} of WAL.",
                duration(replay.retention)
            )
        }
    });
    let bookmarks = &config.bookmarks;
    if let Some(every) = bookmarks.every {
        lines.push(format!(
            "- A bookmark is made every {}; {} are kept.",
            duration(every),
            bookmarks.keep
        ));
    }
    lines.push(format!(
        "- A bookmark may retain {} of WAL.",
        ByteSize::new(bookmarks.wal_budget)
    ));
    lines.push(topics(config));
    lines.extend(config.stream_snapshots.iter().map(|snapshots| {
        format!(
            "- The streams of {} have snapshots in {}, every {} or {} events.{}",
            code(&snapshots.topic),
            code(&snapshots.snapshots),
            duration(snapshots.every),
            snapshots.every_events,
            snapshots.replay_budget.map_or(String::new(), |budget| {
                format!(" A rebuild from zero may take {}.", duration(budget))
            })
        )
    }));
    lines.push(
        "- A consumer that starts later reads the topics from their beginning, as far as they are retained: [how long a rebuild may \
         take]. `walcast replay start` sends a stored window again."
            .to_owned(),
    );
    lines
}

/// How topics are created, and how long they keep records.
pub(super) fn topics(config: &Config) -> String {
    let topics = &config.kafka.topics;
    let settings = topics.config.iter().map(|(key, value)| format!("{key}={value}"));
    match (topics.auto_create, topics.config.is_empty()) {
        (false, _) => "- Topics are created by others, with [retention].".to_owned(),
        (true, true) => "- Topics are created with the retention of the broker.".to_owned(),
        (true, false) => format!("- Topics are created with {}.", codes(settings)),
    }
}
