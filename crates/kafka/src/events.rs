//! What librdkafka tells outside of our calls: log lines, connection errors, records that were not written.

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

use crate::sorting::Kind;

/// librdkafka's own target, so that its lines can be filtered apart from ours.
const TARGET: &str = "librdkafka";

/// The property a producer obeys although librdkafka warns, at each start, that it is only a consumer's.
const OBEYED_ALL_THE_SAME: &str = "allow.auto.create.topics";

/// What a client was told, for whoever called it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<State>);

#[derive(Debug, Default)]
struct State {
    has_failure: AtomicBool,
    failure: Mutex<Option<RecordFailure>>,
    problem: Mutex<Option<Problem>>,
    refused_topic: Mutex<Option<String>>,
    /// What a request with more than one record holds at most.
    request_bytes: usize,
}

/// A record that was not written.
#[derive(Clone, Debug)]
pub(crate) struct RecordFailure {
    pub(crate) topic: String,
    pub(crate) bytes: usize,
    pub(crate) code: RDKafkaErrorCode,
    /// Its header `walcast.id`; `None` where it has none, or failed in one request with others.
    pub(crate) id: Option<String>,
    /// Whether it was in a request of its own, being as large as one or larger.
    pub(crate) is_alone: bool,
}

impl RecordFailure {
    /// Whether it was given up because another failed.
    pub(crate) fn is_purge(&self) -> bool {
        matches!(
            self.code,
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight
        )
    }
}

/// Why a connection fails.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: String,
}

impl Problem {
    /// Whether the broker does not let us in.
    pub(crate) fn is_refusal(&self) -> bool {
        Kind::of(self.code) == Kind::Unauthenticated || is_certificate_refused(&self.reason)
    }
}

/// With TLS 1.3 a broker says only after the handshake that it does not take our certificate, or wants one; to librdkafka that is
/// a connection that broke off, and OpenSSL's words are all there is.
fn is_certificate_refused(reason: &str) -> bool {
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
        .any(|refusal| alert.starts_with(refusal))
    }) || reason.contains("alert certificate required")
        || reason.contains("alert unknown ca")
        // What signed it is another authority of the same name.
        || reason.contains("alert decrypt error")
}

impl Events {
    /// Those of a producer whose requests hold so many bytes, unless it is one record that is larger.
    pub(crate) fn of_producer(request_bytes: usize) -> Self {
        Self(Arc::new(State {
            request_bytes,
            ..State::default()
        }))
    }

    /// The first record that failed since [`Events::forget_failure`], those passed over that were only purged with it.
    pub(crate) fn failure(&self) -> Option<RecordFailure> {
        // Asked for between records: a lock only when there is something to see.
        if !self.0.has_failure.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.0.failure).clone()
    }

    pub(crate) fn forget_failure(&self) {
        *lock(&self.0.failure) = None;
        self.0.has_failure.store(false, Ordering::Release);
    }

    /// The topic that a broker last did not let us write in a transaction.
    pub(crate) fn refused_topic(&self) -> Option<String> {
        lock(&self.0.refused_topic).clone()
    }

    /// The last connection problem.
    pub(crate) fn problem(&self) -> Option<Problem> {
        lock(&self.0.problem).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values are replaced whole, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(topic) = refused_topic(facility, message) {
            *lock(&self.0.refused_topic) = Some(topic.to_owned());
        }
        match level {
            // It goes on trying by itself: what needs a person comes back as the error of a call.
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
                if !message.contains(OBEYED_ALL_THE_SAME) =>
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
            // That all brokers are down is told after why each of them is.
            if code != RDKafkaErrorCode::AllBrokersDown || problem.is_none() {
                *problem = Some(Problem {
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
            // The reports of one request come together: what was refused for its size was all of them.
            Some(failure) if !failure.is_purge() => {
                if Kind::of(code) == Kind::TooLarge && !failure.is_alone {
                    failure.id = None;
                }
            }
            _ => {
                let bytes = message.key_len() + message.payload_len();
                *first = Some(RecordFailure {
                    topic: message.topic().to_owned(),
                    bytes,
                    code,
                    id: identity(message.headers()),
                    is_alone: bytes >= self.0.request_bytes,
                });
                self.0.has_failure.store(true, Ordering::Release);
            }
        }
    }
}

/// The header by which a record is recognized.
pub(crate) fn identity(headers: Option<&impl Headers>) -> Option<String> {
    let id = headers?.iter().find(|header| header.key == "walcast.id")?;
    String::from_utf8(id.value?.to_vec()).ok()
}

/// Only a log line says which topic may not be written: the error of the transaction does not, and its records are purged
/// without a cause of their own.
fn refused_topic<'a>(facility: &str, message: &'a str) -> Option<&'a str> {
    if facility != "ADDPARTS" {
        return None;
    }
    let (_, named) = message.split_once("Failed to add partition \"")?;
    let (topic, why) = named.split_once('"')?;
    // Those that were asked for together with it are not added either, and are logged too.
    why.contains("Topic authorization failed").then_some(topic)
}

/// Lets librdkafka log what tracing would show of it.
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
    use super::{is_certificate_refused, refused_topic};

    #[test]
    fn a_refused_certificate_is_told_by_openssls_words() {
        for reason in [
            "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
            "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
            "Receive failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48",
            "Receive failed: error:0A000415:SSL routines::ssl/tls alert certificate expired: SSL alert number 45",
        ] {
            assert!(is_certificate_refused(reason), "{reason}");
        }
        for reason in [
            "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            "Receive failed: error:0A000438:SSL routines::tlsv1 alert internal error: SSL alert number 80",
        ] {
            assert!(!is_certificate_refused(reason), "{reason}");
        }
    }

    #[test]
    fn the_topic_is_found_in_librdkafkas_words() {
        let line = "[thrd:main]: 127.0.0.1:9092/1: Failed to add partition \"shop.public.orders\" [0] to transaction: \
                    Broker: Topic authorization failed";
        assert_eq!(refused_topic("ADDPARTS", line), Some("shop.public.orders"));
        assert_eq!(refused_topic("FAIL", line), None);
        let beside = line.replace("Topic authorization failed", "Operation not attempted");
        assert_eq!(refused_topic("ADDPARTS", &beside), None);
        assert_eq!(
            refused_topic("ADDPARTS", "Failed to add partitions to transaction"),
            None
        );
    }
}
