//! From the configuration to the parts of a connector.

use std::num::{NonZeroU16, NonZeroU32};

use tokio::sync::watch;
use walcast_delivery::{
    Connector, DeliveryConfig, GuardConfig, Guardian, Metrics, OnIncompatible, SnapshotMode,
    SnapshotRequests, Status,
};
use walcast_kafka::{
    ClientIdentity, KafkaConfig, KafkaSink, KafkaTopics, Properties, Registry, RegistryConfig, RegistryTls,
    TopicConfig,
};
use walcast_mapper::MapperConfig;
use walcast_postgres::{PostgresConfig, PostgresSource, PostgresWalWatch};

use crate::config::{Config, RegistryAuth, Secret};
use crate::exit::UsageError;

/// How Kafka is reached and what is written there.
///
/// # Errors
/// A librdkafka property is unknown, or would break the guarantee.
pub(crate) fn kafka(config: &Config) -> anyhow::Result<KafkaConfig> {
    let section = &config.kafka;
    let properties =
        Properties::new(section.properties.0.clone()).map_err(|error| UsageError(error.to_string()))?;
    Ok(KafkaConfig {
        name: config.name.clone(),
        brokers: section.brokers.clone(),
        topic_prefix: section.topic_prefix.clone(),
        guarantee: section.guarantee,
        transaction_timeout: section.transaction_timeout,
        properties,
        topics: TopicConfig {
            create: section.topics.create,
            partitions: section.topics.partitions.and_then(NonZeroU32::new),
            replication: section
                .topics
                .replication
                .and_then(|replication| u16::try_from(replication).ok())
                .and_then(NonZeroU16::new),
            config: section.topics.config.clone(),
        },
    })
}

/// How the schema registry is reached; `None` where none is needed.
pub(crate) fn registry(config: &Config) -> Option<RegistryConfig> {
    let section = config.registry.as_ref()?;
    let secret = |secret: &Secret| walcast_kafka::Secret::new(secret.reveal());
    let auth = match &section.auth {
        RegistryAuth::None => walcast_kafka::RegistryAuth::None,
        RegistryAuth::Basic { username, password } => walcast_kafka::RegistryAuth::Basic {
            user: username.clone(),
            password: secret(password),
        },
        RegistryAuth::Bearer { token } => walcast_kafka::RegistryAuth::Bearer { token: secret(token) },
    };
    Some(RegistryConfig {
        url: section.url.clone(),
        auth,
        tls: RegistryTls {
            ca_file: section.ca_file.clone(),
            identity: section.identity.as_ref().map(|files| ClientIdentity {
                certificate_file: files.certificate_file.clone(),
                key_file: files.key_file.clone(),
            }),
        },
    })
}

/// The sink; nothing is connected yet.
pub(crate) fn sink(config: &Config) -> anyhow::Result<KafkaSink> {
    Ok(KafkaSink::new(kafka(config)?)?)
}

/// The source; nothing is connected yet.
pub(crate) fn source(config: &Config) -> anyhow::Result<PostgresSource> {
    Ok(PostgresSource::new(postgres(config))?)
}

/// How Postgres is reached and what of it is captured.
pub(crate) fn postgres(config: &Config) -> PostgresConfig {
    let section = &config.postgres;
    PostgresConfig {
        connect: section.connect.clone(),
        name: config.name.clone(),
        slot: section.slot.clone(),
        failover: section.failover,
        lead_timeout: section.lead_timeout,
        publication: section.publication.clone(),
        tables: section.tables.clone(),
        exclude: section.exclude.clone(),
        partitions: section.partitions,
        operations: config.events.operations.clone(),
        queue_bytes: section.queue_bytes,
        logical_decoding_work_mem: section.logical_decoding_work_mem.clone(),
        snapshot_tables: match config.snapshot.delivery.mode {
            SnapshotMode::Never => None,
            SnapshotMode::Initial
            | SnapshotMode::InitialOnly
            | SnapshotMode::WhenNeeded
            | SnapshotMode::Always => Some(config.snapshot.delivery.tables.clone()),
        },
        snapshot_connections: config.snapshot.connections,
        snapshot_lock_timeout: config.snapshot.lock_timeout,
        reader: config.snapshot.reader.clone(),
        signal_table: config.snapshot.delivery.signal_table.clone(),
        wal_disk: config.guard.wal_disk,
        snapshot_filters: config.snapshot.filters.clone(),
    }
}

/// How records are named and shaped.
pub(crate) fn mapper(config: &Config) -> MapperConfig {
    MapperConfig {
        tombstones_on_delete: config.format.tombstones_on_delete,
        unavailable_values: config.format.unavailable_values,
        unavailable_value_placeholder: config.format.unavailable_value_placeholder.clone(),
        key: config.format.key,
        value: config.format.value,
        shape: config.format.shape,
        flat: config.format.flat.clone(),
        types: config.types.clone(),
        names: config.names.clone(),
        columns: config.columns.clone(),
        keys: config.keys.clone(),
        missing_not_null: config.format.missing_not_null,
        null_with_default: config.format.null_with_default,
        events: config.events.clone(),
        ..MapperConfig::new(&config.kafka.topic_prefix, config.postgres.connect.database())
    }
}

/// A connector with everything it needs; nothing is connected yet.
pub(crate) fn connector(
    config: &Config,
    metrics: Metrics,
    status: watch::Sender<Status>,
) -> anyhow::Result<Connector<PostgresSource, KafkaSink, KafkaTopics, Option<Registry>>> {
    Ok(Connector {
        source: source(config)?,
        sink: sink(config)?,
        topics: KafkaTopics::new(kafka(config)?)?,
        registry: registry(config).as_ref().map(Registry::new).transpose()?,
        mapper: mapper(config),
        config: delivery(config),
        metrics,
        requests: SnapshotRequests::new(),
        status,
    })
}

/// The guardian of a connector's slot.
pub(crate) fn guardian(
    config: &Config,
    source: &PostgresSource,
    metrics: Metrics,
    status: watch::Receiver<Status>,
) -> Guardian<PostgresWalWatch> {
    let settings = GuardConfig {
        slot: config.postgres.slot.clone(),
        interval: config.postgres.watch_interval,
        warn_before: config.guard.warn_before,
        wal_disk: config.guard.wal_disk,
    };
    Guardian::new(source.wal_watch(), settings, metrics, status)
}

/// What the delivery loop is told.
fn delivery(config: &Config) -> DeliveryConfig {
    DeliveryConfig {
        slot: config.postgres.slot.clone(),
        publication: config.postgres.publication.clone(),
        create_missing: config.postgres.create,
        commit_interval: config.kafka.commit_interval,
        commit_bytes: config.kafka.commit_bytes,
        transaction_timeout: config.kafka.transaction_timeout,
        split_over_bytes: config.kafka.split_over_bytes,
        // Without a registry there is nothing that could refuse a schema.
        on_incompatible: config
            .registry
            .as_ref()
            .map_or(OnIncompatible::Halt, |registry| registry.on_incompatible),
        dead_letters: config.dead_letters.clone(),
        idle_interval: config.postgres.idle_interval,
        watch_interval: config.postgres.watch_interval,
        replay: config.replay,
        retry_delay_min: config.retry.delay_min,
        retry_delay_max: config.retry.delay_max,
        snapshot: config.snapshot.delivery.clone(),
    }
}
