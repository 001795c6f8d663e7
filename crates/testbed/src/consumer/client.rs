//! The client library, as the tests use it.

use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::{SILENCE_LIMIT, WAIT};
use crate::error::Result;

/// Runs blocking work without holding up other tasks where the runtime has more than one thread.
pub(super) fn block<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

pub(super) fn consumer(brokers: &str) -> KafkaResult<BaseConsumer> {
    with_isolation(brokers, "read_committed")
}

/// A consumer that sees the records of open transactions too.
pub(super) fn uncommitted_consumer(brokers: &str) -> KafkaResult<BaseConsumer> {
    with_isolation(brokers, "read_uncommitted")
}

fn with_isolation(brokers: &str, level: &str) -> KafkaResult<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "walcast-testbed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", level)
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50")
        .create()
}

pub(super) fn partitions_of(consumer: &BaseConsumer, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), SILENCE_LIMIT)?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic && found.error().is_none());
    Ok(found
        .map(|found| {
            found
                .partitions()
                .iter()
                .map(|partition| partition.id())
                .collect()
        })
        .unwrap_or_default())
}

/// The first offset of a partition and the one after its last; asked again while its leader changes or is away.
pub(super) fn bounds(consumer: &BaseConsumer, topic: &str, partition: i32) -> KafkaResult<(i64, i64)> {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownPartition};
    let begun = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, SILENCE_LIMIT) {
            Err(error)
                if begun.elapsed() < SILENCE_LIMIT
                    && (passing(&error)
                        || is_one_of(
                            &error,
                            &[LeaderNotAvailable, NotLeaderForPartition, UnknownPartition],
                        )) =>
            {
                std::thread::sleep(WAIT);
            }
            other => return other,
        }
    }
}

/// Errors from which the client library recovers by itself.
pub(super) fn passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    is_one_of(
        error,
        &[AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve],
    )
}

fn is_one_of(error: &KafkaError, codes: &[RDKafkaErrorCode]) -> bool {
    error
        .rdkafka_error_code()
        .is_some_and(|code| codes.contains(&code))
}
