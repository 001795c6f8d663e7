//! The settings of each client of librdkafka that is made here.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use walcast_delivery::Guarantee;

use crate::events::set_log_level;
use crate::{KafkaConfig, Properties};

/// Bytes of records that wait in the producer. Enough to keep a broker busy for 100 ms; more only costs memory.
const QUEUE_BYTES: u64 = 16 * 1024 * 1024;

/// Records that wait in the producer: what librdkafka keeps of each beside its bytes, headers above all, is several hundred
/// bytes.
const QUEUE_RECORDS: &str = "25000";

/// How long a record waits for others to share its request. In a transaction that costs nothing: until the broker has taken
/// note that the transaction writes to the partition, which takes as long, nothing may be sent.
const LINGER_MS: &str = "1";

/// The same without transactions. A commit waits for it twice: for the records, and then for the checkpoint.
const LINGER_ALONE_MS: &str = "0.5";

/// librdkafka's default of `batch.size`.
pub(crate) const BATCH_BYTES: usize = 1_000_000;

/// librdkafka's default of `message.max.bytes`.
const RECORD_BYTES_MAX: u64 = 1_000_000;

/// A broker that comes back is noticed within this time.
const RECONNECT_BACKOFF_MAX_MS: &str = "2000";

/// Properties that only a producer knows: a consumer would warn about each.
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

/// The producer of records.
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
        // A report for each record would cost a fifth of the producer's time; success is what the commit says.
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

/// A producer of records that stand alone: outside of any transaction, so that the connector's producer is not fenced. It needs
/// no other right than to write to the topic.
pub(crate) fn writer(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    // The partition that the connector's producer chooses for the same key.
    client.set("partitioner", "murmur2_random");
    add_common(&mut client, config, |_| true);
    client
        .set("enable.idempotence", "false")
        .set("acks", "all")
        .set("delivery.report.only.error", "true")
        .set("allow.auto.create.topics", "false");
    client
}

/// How long a record waits for others: as the user says, or as it is said here.
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

/// A consumer that reads committed records only.
pub(crate) fn committed_reader(config: &KafkaConfig) -> ClientConfig {
    let mut client = reader(config);
    client.set("isolation.level", "read_committed");
    client
}

/// A consumer that sees the end of the log, whatever is open.
pub(crate) fn uncommitted_reader(config: &KafkaConfig) -> ClientConfig {
    let mut client = reader(config);
    client.set("isolation.level", "read_uncommitted");
    client
}

fn reader(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    add_common(&mut client, config, |key| !is_producer_only(key));
    client
        // Assigning partitions needs a group's name; no group is joined and no offset committed.
        .set("group.id", config.transactional_id())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "error");
    client
}

/// A client for creating topics. Nobody polls its main queue, so nothing may be logged into it.
pub(crate) fn admin(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    add_common(&mut client, config, |key| !is_producer_only(key));
    client.set_log_level(RDKafkaLogLevel::Emerg);
    client
}

fn add_common(client: &mut ClientConfig, config: &KafkaConfig, wanted: impl Fn(&str) -> bool) {
    client
        .set("client.id", config.transactional_id())
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX_MS);
    if uses_public_authorities(&config.properties) {
        // The OpenSSL that is built in looks for them where nobody keeps them: they are looked for in the usual places.
        client.set("ssl.ca.location", "probe");
    }
    for (key, value) in config.properties.iter().filter(|(key, _)| wanted(key)) {
        client.set(key, value);
    }
    client.set("bootstrap.servers", &config.brokers);
    set_log_level(client);
}

/// Whether there is TLS, and nothing said of whom to believe.
fn uses_public_authorities(properties: &Properties) -> bool {
    let has_tls = properties
        .value("security.protocol")
        .is_some_and(|protocol| protocol.to_ascii_lowercase().contains("ssl"));
    has_tls && properties.value("ssl.ca.location").is_none() && properties.value("ssl.ca.pem").is_none()
}

fn is_producer_only(key: &str) -> bool {
    PRODUCER_ONLY.iter().any(|prefix| key.starts_with(prefix))
}

/// How many bytes of records one request of a partition holds, where it holds more than one.
pub(crate) fn batch_bytes(properties: &Properties) -> usize {
    let size = properties
        .value("batch.size")
        .and_then(|value| value.trim().parse().ok());
    size.unwrap_or(BATCH_BYTES)
}

/// The most bytes of key and value that the producer takes of one record.
pub(crate) fn record_bytes_max(properties: &Properties) -> u64 {
    properties
        .value("message.max.bytes")
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(RECORD_BYTES_MAX)
}

/// Whether requests are compressed: what is too large as it is may fit then.
pub(crate) fn compresses(properties: &Properties) -> bool {
    ["compression.codec", "compression.type"]
        .iter()
        .filter_map(|key| properties.value(key))
        .any(|codec| codec.trim() != "none")
}

/// A queue that cannot hold the largest record would never take it: room for two.
fn queue_kbytes(properties: &Properties) -> u64 {
    QUEUE_BYTES.max(2 * record_bytes_max(properties)).div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_authorities_are_looked_for_unless_another_is_named() {
        let believes_public = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            uses_public_authorities(&Properties::new(owned.collect()).unwrap())
        };
        assert!(believes_public(&[("security.protocol", "SASL_SSL")]));
        assert!(believes_public(&[("security.protocol", "ssl")]));
        assert!(!believes_public(&[]));
        assert!(!believes_public(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "/etc/kafka/ca.pem")
        ]));
        assert!(!believes_public(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.pem", "-----BEGIN")
        ]));
    }
}
