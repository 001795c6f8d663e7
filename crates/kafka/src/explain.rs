//! Turns librdkafka's error codes into errors that say what happened, to which thing, and what to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;

use crate::events::{Events, RecordFailure};
use crate::sorting::Kind;
use crate::{KafkaConfig, KafkaError};

/// Explains the failures of one client.
#[derive(Clone, Debug)]
pub(crate) struct Explain {
    config: Arc<KafkaConfig>,
    events: Events,
    was_let_in: Arc<AtomicBool>,
}

/// What was tried on what, in the words of Kafka's access rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// For people, such as `reading the checkpoint`.
    pub(crate) doing: &'static str,
    /// The operation that has to be granted.
    pub(crate) operation: &'static str,
    /// The kind of resource, such as `topic`.
    pub(crate) resource: &'static str,
    /// Its name.
    pub(crate) name: &'a str,
}

impl Explain {
    /// `was_let_in` lasts longer than a client: it says whether a broker ever let one in.
    pub(crate) fn new(config: Arc<KafkaConfig>, events: Events, was_let_in: Arc<AtomicBool>) -> Self {
        Self {
            config,
            events,
            was_let_in,
        }
    }

    /// The error for a code.
    pub(crate) fn code(&self, attempt: Attempt<'_>, code: RDKafkaErrorCode, reason: &str) -> KafkaError {
        let Attempt {
            doing,
            operation,
            resource,
            name,
        } = attempt;
        let reason = self.config.properties.redact(reason);
        match Kind::of(code) {
            Kind::Fenced => KafkaError::Fenced {
                transactional_id: self.config.transactional_id(),
            },
            Kind::Unauthenticated => self.unauthenticated(reason),
            Kind::Unauthorized if code == RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                let resource = format!("transactional id {}", self.config.transactional_id());
                KafkaError::Unauthorized {
                    operation: "Write",
                    resource,
                }
            }
            Kind::Unauthorized if code == RDKafkaErrorCode::ClusterAuthorizationFailed => {
                KafkaError::Unauthorized {
                    operation,
                    resource: format!("the cluster (for {resource} {name})"),
                }
            }
            Kind::Unauthorized => KafkaError::Unauthorized {
                operation,
                resource: format!("{resource} {name}"),
            },
            Kind::Unreachable => self.unreachable(doing, reason),
            Kind::Refused => KafkaError::Refused { doing, reason },
            Kind::UnknownTopic if resource == "topic" => KafkaError::UnknownTopic {
                topic: name.to_owned(),
            },
            Kind::TooLarge | Kind::UnknownTopic | Kind::Passing => KafkaError::Failed { doing, reason },
        }
    }

    /// The error of a call that gives no more than a code.
    pub(crate) fn client(&self, attempt: Attempt<'_>, error: &ClientError) -> KafkaError {
        match error.rdkafka_error_code() {
            Some(code) => self.code(attempt, code, &error.to_string()),
            None => KafkaError::ClientRejected {
                reason: self.config.properties.redact(&error.to_string()),
            },
        }
    }

    /// The error for a record that was not written.
    pub(crate) fn record(&self, failure: &RecordFailure) -> KafkaError {
        let RecordFailure {
            topic,
            bytes,
            code,
            id,
            ..
        } = failure;
        let attempt = Attempt {
            doing: "writing records",
            operation: "Write",
            resource: "topic",
            name: topic,
        };
        match self.code(attempt, *code, &code.to_string()) {
            _ if Kind::of(*code) == Kind::TooLarge => KafkaError::RecordTooLarge {
                topic: topic.clone(),
                bytes: *bytes,
                id: id.clone(),
            },
            KafkaError::Failed { reason, .. } => KafkaError::RecordFailed {
                topic: topic.clone(),
                reason,
            },
            other => other,
        }
    }

    /// Nobody answers: because nobody is there, or because nobody lets us in.
    fn unreachable(&self, doing: &'static str, reason: String) -> KafkaError {
        match self.events.problem() {
            Some(problem) if problem.is_refusal() => {
                self.unauthenticated(self.config.properties.redact(&problem.reason))
            }
            // Whoever listens has closed the connection at the first request, and nothing else is known.
            Some(problem) if problem.code == RDKafkaErrorCode::AllBrokersDown => KafkaError::Unreachable {
                doing,
                brokers: self.config.brokers.clone(),
                reason: format!(
                    "{}; if somebody listens there, security.protocol of [kafka.properties] may not be what is expected",
                    self.config.properties.redact(&problem.reason)
                ),
            },
            Some(problem) => KafkaError::Unreachable {
                doing,
                brokers: self.config.brokers.clone(),
                reason: self.config.properties.redact(&problem.reason),
            },
            None => KafkaError::Unreachable {
                doing,
                brokers: self.config.brokers.clone(),
                reason,
            },
        }
    }

    /// The error of a broker that does not let us in, as soon as one said so.
    pub(crate) fn turned_away(&self) -> Option<KafkaError> {
        let problem = self.events.problem()?;
        problem
            .is_refusal()
            .then(|| self.unauthenticated(self.config.properties.redact(&problem.reason)))
    }

    fn unauthenticated(&self, reason: String) -> KafkaError {
        KafkaError::Unauthenticated {
            brokers: self.config.brokers.clone(),
            reason,
            was_let_in: self.was_let_in.load(Ordering::Relaxed),
        }
    }
}
