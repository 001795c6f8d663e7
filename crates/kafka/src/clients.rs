//! Settings of the librdkafka clients.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use walcast_delivery::Guarantee;

use crate::config::KafkaConfig;
use crate::events::set_log_level;
use crate::properties::KafkaProperties;

/// Limit of the producer's queue in bytes. The queue keeps a broker busy for 100 ms; more would only cost memory.
const QUEUE_BYTES: u64 = 16 * 1024 * 1024;

/// Limit of the producer's queue in records: for each record librdkafka keeps several hundred bytes beside its payload,
/// mostly for headers.
const QUEUE_RECORDS: &str = "25000";

/// `linger.ms` of the transactional producer. In a transaction lingering costs nothing: no record may be sent before the
/// broker has added the partition to the transaction, which takes as long.
const LINGER_MS: &str = "1";

/// `linger.ms` without transactions. A commit lingers twice: for the records, and then for the checkpoint.
const LINGER_ALONE_MS: &str = "0.5";

/// Default of `batch.size` in librdkafka.
pub(crate) const BATCH_BYTES: usize = 1_000_000;

/// Default of `message.max.bytes` in librdkafka.
const RECORD_BYTES_MAX: u64 = 1_000_000;

/// Longest delay before a client reconnects to a broker that has come back.
const RECONNECT_BACKOFF_MAX_MS: &str = "2000";

/// Prefixes of properties that only a producer has: a consumer would log a warning for each.
const PRODUCER_ONLY: [&str; 17] = [
    "queue.buffering.",
    "linger.ms",
    "message.send.max.retries",
    "retries",
    "compression.",
    "batch.",
    "request.timeout.ms",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "partitioner",
    "sticky.partitioning.",
    "queuing.strategy",
    "produce.",
    "message.copy.max.bytes",
    "msg_order_cmp",
    "retry.backoff.",
    "message.max.bytes",
];

/// Settings of the producer of records.
pub(crate) fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("linger.ms", default_linger_ms(config.guarantee))
        .set(
            "queue.buffering.max.kbytes",
            queue_kbytes(&config.properties).to_string(),
        )
        .set("queue.buffering.max.messages", QUEUE_RECORDS)
        // The partition that the Java client would choose, so that other producers and joins agree.
        .set("partitioner", "murmur2_random");
    add_common(&mut client, config, |_| true);
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // A report for each record would cost a fifth of the producer's time; the commit reports success.
        .set("delivery.report.only.error", "true")
        .set("allow.auto.create.topics", "false");
    if config.guarantee == Guarantee::ExactlyOnce {
        client.set("transactional.id", config.transactional_id()).set(
            "transaction.timeout.ms",
            config.transaction_timeout.as_millis().to_string(),
        );
    }
    client
}

/// Settings of a producer without transactions, which does not fence the connector's producer. It needs the Write operation
/// on the topic and nothing else.
pub(crate) fn writer(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    // The same partition for a key as the connector's producer chooses.
    client.set("partitioner", "murmur2_random");
    add_common(&mut client, config, |_| true);
    client
        .set("enable.idempotence", "false")
        .set("acks", "all")
        .set("delivery.report.only.error", "true")
        .set("allow.auto.create.topics", "false");
    client
}

/// Effective `linger.ms`: the configured value or the default.
pub(crate) fn linger_ms(config: &KafkaConfig) -> &str {
    let value = |key| config.properties.value(key);
    value("linger.ms")
        .or_else(|| value("queue.buffering.max.ms"))
        .unwrap_or(default_linger_ms(config.guarantee))
}

fn default_linger_ms(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::ExactlyOnce => LINGER_MS,
        Guarantee::AtLeastOnce => LINGER_ALONE_MS,
    }
}

/// Isolation level of a consumer (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// The consumer sees committed records only, up to the last stable offset.
    Committed,
    /// The consumer sees the records of open and aborted transactions too, and the end offset.
    Uncommitted,
}

/// Time for which a broker may hold back the answer that a partition has no further record. The last offset of a topic that is
/// written in transactions is no record, so its end is known by this answer only, for which the default is half a second.
const END_WAIT_MS: &str = "10";

/// Size in KiB of the records that a consumer has fetched and not passed on yet. The default is 64 MiB, and 50 MiB more in one answer: a
/// reader of a large topic is slower than the broker, so that all of it would be filled.
const FETCHED_KBYTES: &str = "4096";

/// Number of such records from which on no more are fetched. librdkafka keeps about half a kilobyte for each record, which
/// [`FETCHED_KBYTES`] does not count: the default of 100,000 records would be 50 MB. With one answer of [`FETCH_BYTES`] that is still to
/// come, records of 100 bytes are 30,000 at most, and 15 MB.
const FETCHED_RECORDS: &str = "10000";

/// Size of one answer to a fetch, in bytes.
const FETCH_BYTES: &str = "2097152";

/// Time after which a consumer looks again whether what it has fetched was passed on, once that had reached [`FETCHED_KBYTES`] or
/// [`FETCHED_RECORDS`]. With the default of a second it would read 4 MiB, or 10,000 records, a second at most.
const FETCH_BACKOFF_MS: &str = "10";

/// Settings of a consumer that reads assigned partitions up to their present end.
pub(crate) fn bounded_reader(config: &KafkaConfig, isolation: Isolation) -> ClientConfig {
    let mut client = reader(config, isolation);
    for (key, value) in [
        ("fetch.wait.max.ms", END_WAIT_MS),
        ("queued.max.messages.kbytes", FETCHED_KBYTES),
        ("queued.min.messages", FETCHED_RECORDS),
        ("fetch.max.bytes", FETCH_BYTES),
        ("fetch.queue.backoff.ms", FETCH_BACKOFF_MS),
    ] {
        client.set(key, config.properties.value(key).unwrap_or(value));
    }
    client
}

/// Settings of a consumer that reads a topic from assigned partitions.
pub(crate) fn reader(config: &KafkaConfig, isolation: Isolation) -> ClientConfig {
    let mut client = ClientConfig::new();
    // A follower does not show the end of a partition: it may lack the last records, which would be passed over as if there were none.
    add_common(&mut client, config, |key| {
        !is_producer_only(key) && key != "client.rack"
    });
    client
        // Assigning partitions requires a group id; the consumer joins no group and commits no offset.
        .set("group.id", config.transactional_id())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "error")
        // librdkafka verifies no checksum by default. A changed byte of a checkpoint can be another position.
        .set("check.crcs", "true")
        .set(
            "isolation.level",
            match isolation {
                Isolation::Committed => "read_committed",
                Isolation::Uncommitted => "read_uncommitted",
            },
        );
    client
}

/// Settings of a client that asks for the offsets of a group. It never subscribes, so that it is no member, and commits no offset.
pub(crate) fn of_group(config: &KafkaConfig, group: &str) -> ClientConfig {
    let mut client = reader(config, Isolation::Committed);
    client.set("group.id", group);
    client
}

/// Settings of an admin client. Its main queue is not polled, so nothing may be logged into it.
pub(crate) fn admin(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    add_common(&mut client, config, |key| !is_producer_only(key));
    client.set_log_level(RDKafkaLogLevel::Emerg);
    client
}

fn add_common(client: &mut ClientConfig, config: &KafkaConfig, wanted: impl Fn(&str) -> bool) {
    // librdkafka's threads may still run when the process exits, and OpenSSL would free its tables under them
    // ("double free or corruption"). `init` initializes OpenSSL without that exit handler, before librdkafka does it with.
    openssl_sys::init();
    client
        .set("client.id", config.transactional_id())
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX_MS);
    if uses_system_cas(&config.properties) {
        // The bundled OpenSSL has a default path that no distribution uses; `probe` searches the usual paths.
        client.set("ssl.ca.location", "probe");
    }
    for (key, value) in config.properties.iter().filter(|(key, _)| wanted(key)) {
        client.set(key, value);
    }
    client.set("bootstrap.servers", &config.brokers);
    set_log_level(client);
}

/// Whether TLS is used without a configured CA.
fn uses_system_cas(properties: &KafkaProperties) -> bool {
    let has_tls = properties
        .value("security.protocol")
        .is_some_and(|protocol| protocol.to_ascii_lowercase().contains("ssl"));
    has_tls && properties.value("ssl.ca.location").is_none() && properties.value("ssl.ca.pem").is_none()
}

fn is_producer_only(key: &str) -> bool {
    PRODUCER_ONLY.iter().any(|prefix| key.starts_with(prefix))
}

/// Limit in bytes of a produce request for one partition that holds more than one record.
pub(crate) fn batch_bytes(properties: &KafkaProperties) -> usize {
    let size = properties
        .value("batch.size")
        .and_then(|value| value.trim().parse().ok());
    size.unwrap_or(BATCH_BYTES)
}

/// Largest record, in bytes of key and value, that the producer accepts.
pub(crate) fn record_bytes_max(properties: &KafkaProperties) -> u64 {
    properties
        .value("message.max.bytes")
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(RECORD_BYTES_MAX)
}

/// Whether requests are compressed, so that a record above the limit may still fit.
pub(crate) fn compresses(properties: &KafkaProperties) -> bool {
    ["compression.codec", "compression.type"]
        .iter()
        .filter_map(|key| properties.value(key))
        .any(|codec| codec.trim() != "none")
}

/// Limit of the queue in KiB. The queue has space for two of the largest records: a smaller one might never accept such a record.
fn queue_kbytes(properties: &KafkaProperties) -> u64 {
    QUEUE_BYTES.max(2 * record_bytes_max(properties)).div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_ask_the_leaders() {
        let rack = [("client.rack".to_owned(), "a".to_owned())];
        let config = KafkaConfig {
            properties: KafkaProperties::new(rack.into()).unwrap(),
            ..KafkaConfig::unreachable()
        };
        assert_eq!(producer(&config).get("client.rack"), Some("a"));
        assert_eq!(
            bounded_reader(&config, Isolation::Committed).get("client.rack"),
            None
        );
    }

    #[test]
    fn system_cas_are_used_unless_one_is_configured() {
        let uses_system_cas = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            uses_system_cas(&KafkaProperties::new(owned.collect()).unwrap())
        };
        assert!(uses_system_cas(&[("security.protocol", "SASL_SSL")]));
        assert!(uses_system_cas(&[("security.protocol", "ssl")]));
        assert!(!uses_system_cas(&[]));
        assert!(!uses_system_cas(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "/etc/kafka/ca.pem")
        ]));
        assert!(!uses_system_cas(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.pem", "-----BEGIN")
        ]));
    }
}
