//! Construction of the parts of a connector from the configuration.

use walcast_delivery::{
    BookmarkMonitor, Connector, ConnectorState, Describe, Metrics, OutboxCleaner, OutboxPoller, RetryJitter,
    SlotMonitor, SnapshotRequests,
};
use walcast_kafka::{
    KafkaCheckpointStore, KafkaPolledTarget, KafkaSink, KafkaTopics, Registry, StreamSnapshots,
};
use walcast_postgres::{
    PostgresBookmarks, PostgresOutboxTables, PostgresOutboxes, PostgresSource, PostgresWalWatch,
};

use crate::config::Config;
use crate::remedy::{describe, retention_text};

/// Checkpoint store, not connected yet.
pub(crate) fn checkpoints(config: &Config) -> KafkaCheckpointStore {
    KafkaCheckpointStore::new(config.kafka.clone())
}

/// Kafka sink, not connected yet.
pub(crate) fn sink(config: &Config) -> anyhow::Result<KafkaSink> {
    Ok(KafkaSink::new(config.kafka.clone())?)
}

/// Postgres source of a command, not connected yet. A command does not connect again after an error.
pub(crate) fn source(config: &Config) -> anyhow::Result<PostgresSource> {
    Ok(PostgresSource::new(config.postgres.clone())?.converting_texts_singly())
}

/// Connector with all of its parts, not connected yet.
pub(crate) fn connector(
    config: &Config,
) -> anyhow::Result<Connector<PostgresSource, KafkaCheckpointStore, KafkaSink, KafkaTopics, Option<Registry>>>
{
    let state = ConnectorState::default();
    Ok(Connector {
        source: PostgresSource::new(config.postgres.clone())?
            .reporting_to(state.role.clone())
            .reporting_slot_creation_to(state.slot_creation.clone()),
        checkpoints: checkpoints(config),
        sink: sink(config)?,
        topics: KafkaTopics::new(config.kafka.clone())?,
        registry: config.registry.as_ref().map(Registry::new).transpose()?,
        mapper: config.mapper.clone(),
        config: config.delivery.clone(),
        metrics: Metrics::default(),
        state,
        requests: SnapshotRequests::new(),
        describe: Describe::by(describe),
        retry_jitter: RetryJitter::random(),
    })
}

/// Connector whose outboxes are polled, with all of its parts, not connected yet.
pub(crate) fn poller(
    config: &Config,
) -> anyhow::Result<OutboxPoller<PostgresOutboxes, KafkaPolledTarget, KafkaTopics, Option<Registry>>> {
    let state = ConnectorState::default();
    let workers = config.polled.iter().map(|rule| rule.poll.workers);
    let ports = (0..workers.max().unwrap_or_default()).map(|_| {
        let topics = KafkaTopics::new(config.kafka.clone())?;
        let registry = config.registry.as_ref().map(Registry::new).transpose()?;
        anyhow::Ok((topics, registry))
    });
    let source = PostgresOutboxes::new(config.postgres.clone(), config.polled.clone())?;
    Ok(OutboxPoller {
        source: source.reporting_to(state.role.clone()),
        target: KafkaPolledTarget::new(config.kafka.clone()),
        ports: ports.collect::<anyhow::Result<_>>()?,
        mapper: config.mapper.clone(),
        config: config.delivery.clone(),
        metrics: Metrics::default(),
        state,
        describe: Describe::by(describe),
        retry_jitter: RetryJitter::random(),
    })
}

/// Slot monitor of the connector with this state.
pub(crate) fn slot_monitor(
    config: &Config,
    source: &PostgresSource,
    state: ConnectorState,
) -> SlotMonitor<PostgresWalWatch> {
    SlotMonitor::new(
        source.wal_watch(),
        config.slot_monitor.clone(),
        state,
        Describe::by(describe),
        retention_text,
    )
}

/// Monitor of the bookmarks of the connector with this state.
pub(crate) fn bookmark_monitor(
    config: &Config,
    source: &PostgresSource,
    state: ConnectorState,
) -> BookmarkMonitor<PostgresBookmarks> {
    let slots = PostgresBookmarks::of_leader(&source.wal_watch());
    BookmarkMonitor::new(slots, config.bookmarks.clone(), state, Describe::by(describe))
}

/// Cleaner of the outboxes of the connector with this state.
pub(crate) fn outbox_cleaner(
    config: &Config,
    source: &PostgresSource,
    state: ConnectorState,
) -> OutboxCleaner<PostgresOutboxTables> {
    let tables = PostgresOutboxTables::of_leader(&source.wal_watch(), config.postgres.clone());
    OutboxCleaner::new(
        tables,
        config.outbox_cleanup.clone(),
        state,
        Describe::by(describe),
    )
}

/// Writers of the snapshots of streams of the connector with this state, one for each topic.
pub(crate) fn stream_snapshots(config: &Config, state: &ConnectorState) -> Vec<StreamSnapshots> {
    let topics = config.stream_snapshots.iter();
    topics
        .map(|topic| {
            let registry = config.registry.clone();
            let shown = state.stream_snapshots.clone();
            StreamSnapshots::new(config.kafka.clone(), registry, topic.clone(), shown)
        })
        .collect()
}

#[cfg(test)]
mod tests;
