//! Events of librdkafka outside of calls: log lines, connection errors, and records that were not written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{DeliveryResult, Headers, Message};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use tracing::{debug, enabled, info, warn};

use crate::error_class::ErrorClass;

/// Tracing target of librdkafka's log lines, so that they can be filtered separately.
const TARGET: &str = "librdkafka";

/// Property that a producer honors, although librdkafka warns at each start that the property is a consumer's.
const PRODUCER_PROPERTY_WITH_WARNING: &str = "allow.auto.create.topics";

/// Events of one client, shared between its callbacks and its callers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<State>);

#[derive(Debug, Default)]
struct State {
    has_failure: AtomicBool,
    failure: Mutex<Option<RecordFailure>>,
    problem: Mutex<Option<ConnectionProblem>>,
    denied_topic: Mutex<Option<String>>,
    /// Limit in bytes of a request that holds more than one record.
    request_bytes: usize,
}

/// Record that was not written.
#[derive(Clone, Debug)]
pub(crate) struct RecordFailure {
    pub(crate) topic: String,
    pub(crate) bytes: usize,
    /// Whether the record has a key, or any of those that failed in one request with it.
    pub(crate) has_key: bool,
    pub(crate) code: RDKafkaErrorCode,
    /// Header `walcast.id` of the record; `None` when it has none, or failed in one request with others.
    pub(crate) id: Option<String>,
    /// Whether the record had a request of its own, being at least as large as the limit of a request.
    pub(crate) is_alone: bool,
}

impl RecordFailure {
    /// Whether the record failed only because another record failed: it was purged, or shared a request with an invalid record.
    pub(crate) fn is_secondary(&self) -> bool {
        matches!(
            self.code,
            RDKafkaErrorCode::PurgeQueue
                | RDKafkaErrorCode::PurgeInflight
                | RDKafkaErrorCode::InvalidDifferentRecord
        )
    }

    /// Whether the record failed only because the transaction or the producer had failed.
    pub(crate) fn is_consequence(&self) -> bool {
        matches!(
            self.code,
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::PurgeQueue
                | RDKafkaErrorCode::PurgeInflight
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::ProducerFenced
        )
    }
}

/// Error of a connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionProblem {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: String,
}

impl ConnectionProblem {
    /// Whether the broker rejected the client's authentication or certificate.
    pub(crate) fn is_authentication_failure(&self) -> bool {
        ErrorClass::of(self.code) == ErrorClass::Unauthenticated || is_certificate_rejected(&self.reason)
    }
}

/// Whether the text of a connection error says that the broker rejected the client certificate. With TLS 1.3 the broker
/// rejects a certificate only after the handshake; librdkafka reports a broken connection, and OpenSSL's text is the only
/// sign.
fn is_certificate_rejected(reason: &str) -> bool {
    reason.split_once("ssl/tls alert ").is_some_and(|(_, alert)| {
        [
            "certificate",
            "bad certificate",
            "unsupported certificate",
            "unknown ca",
            "access denied",
            "no certificate",
        ]
        .iter()
        .any(|rejection| alert.starts_with(rejection))
    }) || reason.contains("alert certificate required")
        || reason.contains("alert unknown ca")
        // The certificate was signed by another CA of the same name.
        || reason.contains("alert decrypt error")
}

impl Events {
    /// Events of a producer with this limit of a request, in bytes. A single larger record has a request of its own.
    pub(crate) fn of_producer(request_bytes: usize) -> Self {
        Self(Arc::new(State {
            request_bytes,
            ..State::default()
        }))
    }

    /// First record that failed since [`Events::forget_failure`]; records that failed only because of it do not count.
    pub(crate) fn failure(&self) -> Option<RecordFailure> {
        // Called between records: the lock is taken only after a failure.
        if !self.0.has_failure.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.0.failure).clone()
    }

    pub(crate) fn forget_failure(&self) {
        *lock(&self.0.failure) = None;
        self.0.has_failure.store(false, Ordering::Release);
    }

    /// Topic for which a broker last denied a write in a transaction.
    pub(crate) fn denied_topic(&self) -> Option<String> {
        lock(&self.0.denied_topic).clone()
    }

    /// Last error of a connection.
    pub(crate) fn problem(&self) -> Option<ConnectionProblem> {
        lock(&self.0.problem).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced whole, so a panic while the lock is held leaves no partial state.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(topic) = denied_topic(facility, message) {
            *lock(&self.0.denied_topic) = Some(topic.to_owned());
        }
        match level {
            // librdkafka retries on its own: a failure that needs an operator is returned by a call.
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
                if !message.contains(PRODUCER_PROPERTY_WITH_WARNING) =>
            {
                warn!(target: TARGET, facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(target: TARGET, facility, "{message}"),
            _ => debug!(target: TARGET, facility, "{message}"),
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        debug!(target: TARGET, error = reason, "client error");
        if let Some(code) = error.rdkafka_error_code() {
            let mut problem = lock(&self.0.problem);
            // `AllBrokersDown` follows the error of each broker, which says more.
            if code != RDKafkaErrorCode::AllBrokersDown || problem.is_none() {
                *problem = Some(ConnectionProblem {
                    code,
                    reason: reason.to_owned(),
                });
            }
        }
    }
}

impl ConsumerContext for Events {}

impl ProducerContext<NoCustomPartitioner> for Events {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let mut first = lock(&self.0.failure);
        match &mut *first {
            // The reports of one request arrive together: the size of all of its records was rejected, or some are invalid. Of a
            // request with one invalid record, librdkafka reports all records as invalid.
            Some(failure) if !failure.is_secondary() => {
                let is_shared = matches!(
                    ErrorClass::of(code),
                    ErrorClass::TooLarge | ErrorClass::InvalidRecord
                );
                if is_shared && !failure.is_alone {
                    failure.id = None;
                    failure.has_key |= message.key().is_some();
                }
            }
            _ => {
                let bytes = message.key_len() + message.payload_len();
                *first = Some(RecordFailure {
                    topic: message.topic().to_owned(),
                    bytes,
                    has_key: message.key().is_some(),
                    code,
                    id: identity(message.headers()),
                    is_alone: bytes >= self.0.request_bytes,
                });
                self.0.has_failure.store(true, Ordering::Release);
            }
        }
    }
}

/// Header `walcast.id`, which identifies a record.
pub(crate) fn identity(headers: Option<&impl Headers>) -> Option<String> {
    let id = headers?.iter().find(|header| header.key == "walcast.id")?;
    String::from_utf8(id.value?.to_vec()).ok()
}

/// Topic of a denied write, taken from a log line: neither the transaction's error nor the purged records name the topic.
fn denied_topic<'a>(facility: &str, message: &'a str) -> Option<&'a str> {
    if facility != "ADDPARTS" {
        return None;
    }
    let (_, named) = message.split_once("Failed to add partition \"")?;
    let (topic, why) = named.split_once('"')?;
    // Other partitions of the same request are not added either, and are logged too.
    why.contains("Topic authorization failed").then_some(topic)
}

/// Sets librdkafka's log level to the level that tracing shows.
pub(crate) fn set_log_level(config: &mut ClientConfig) {
    config.set_log_level(if enabled!(target: TARGET, tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else if enabled!(target: TARGET, tracing::Level::INFO) {
        RDKafkaLogLevel::Info
    } else {
        RDKafkaLogLevel::Warning
    });
}

#[cfg(test)]
mod tests {
    use super::{denied_topic, is_certificate_rejected};

    #[test]
    fn rejected_certificate_is_found_in_the_text_of_openssl() {
        for reason in [
            "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
            "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
            "Receive failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48",
            "Receive failed: error:0A000415:SSL routines::ssl/tls alert certificate expired: SSL alert number 45",
        ] {
            assert!(is_certificate_rejected(reason), "{reason}");
        }
        for reason in [
            "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            "Receive failed: error:0A000438:SSL routines::tlsv1 alert internal error: SSL alert number 80",
        ] {
            assert!(!is_certificate_rejected(reason), "{reason}");
        }
    }

    #[test]
    fn denied_topic_is_found_in_a_log_line() {
        let line = "[thrd:main]: 127.0.0.1:9092/1: Failed to add partition \"shop.public.orders\" [0] to transaction: \
                    Broker: Topic authorization failed";
        assert_eq!(denied_topic("ADDPARTS", line), Some("shop.public.orders"));
        assert_eq!(denied_topic("FAIL", line), None);
        let beside = line.replace("Topic authorization failed", "Operation not attempted");
        assert_eq!(denied_topic("ADDPARTS", &beside), None);
        assert_eq!(
            denied_topic("ADDPARTS", "Failed to add partitions to transaction"),
            None
        );
    }
}
