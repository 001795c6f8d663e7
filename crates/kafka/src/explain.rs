//! Maps librdkafka's error codes to errors that name the operation and the resource.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;

use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::error_class::{ErrorClass, is_invalid_response};
use crate::events::{Events, RecordFailure};

/// Maps the failures of one client to errors.
#[derive(Clone, Debug)]
pub(crate) struct Explain {
    config: Arc<KafkaConfig>,
    events: Events,
    authenticated_before: Arc<AtomicBool>,
}

/// Attempted operation, in the terms of Kafka's ACLs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// Description of the operation, such as `reading the checkpoint`.
    pub(crate) doing: &'static str,
    /// ACL operation that the attempt needs.
    pub(crate) operation: &'static str,
    /// Type of the resource, such as `topic`.
    pub(crate) resource: &'static str,
    /// Name of the resource.
    pub(crate) name: &'a str,
}

impl Explain {
    /// `authenticated_before` outlives the client: whether a broker has accepted the credentials since the start.
    pub(crate) fn new(
        config: Arc<KafkaConfig>,
        events: Events,
        authenticated_before: Arc<AtomicBool>,
    ) -> Self {
        Self {
            config,
            events,
            authenticated_before,
        }
    }

    /// Error for an error code.
    pub(crate) fn code(&self, attempt: Attempt<'_>, code: RDKafkaErrorCode, reason: &str) -> KafkaError {
        let Attempt {
            doing,
            operation,
            resource,
            name,
        } = attempt;
        let reason = self.config.properties.redact(reason);
        match ErrorClass::of(code) {
            ErrorClass::Fenced => KafkaError::Fenced {
                transactional_id: self.config.transactional_id(),
            },
            ErrorClass::Unauthenticated => self.unauthenticated(reason),
            ErrorClass::Unauthorized if code == RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                let resource = format!("transactional id {}", self.config.transactional_id());
                KafkaError::Unauthorized {
                    operation: "Write",
                    resource,
                }
            }
            ErrorClass::Unauthorized if code == RDKafkaErrorCode::ClusterAuthorizationFailed => {
                KafkaError::Unauthorized {
                    operation,
                    resource: format!("the cluster (for {resource} {name})"),
                }
            }
            ErrorClass::Unauthorized => KafkaError::Unauthorized {
                operation,
                resource: format!("{resource} {name}"),
            },
            ErrorClass::Unreachable => self.unreachable(doing, reason),
            ErrorClass::Rejected | ErrorClass::InvalidRecord => KafkaError::Rejected { doing, reason },
            ErrorClass::UnknownTopic if resource == "topic" => KafkaError::UnknownTopic {
                topic: name.to_owned(),
            },
            ErrorClass::Transient if is_invalid_response(code) => KafkaError::Failed {
                doing,
                reason: format!("the response of a broker is invalid: {reason}"),
            },
            ErrorClass::TooLarge | ErrorClass::UnknownTopic | ErrorClass::Transient => {
                KafkaError::Failed { doing, reason }
            }
        }
    }

    /// Error for a failed call of the client library.
    pub(crate) fn client(&self, attempt: Attempt<'_>, error: &ClientError) -> KafkaError {
        match error.rdkafka_error_code() {
            Some(code) => self.code(attempt, code, &error.to_string()),
            None => KafkaError::ClientRejected {
                reason: self.config.properties.redact(&error.to_string()),
            },
        }
    }

    /// Error for a record that was not written.
    pub(crate) fn record(&self, failure: &RecordFailure) -> KafkaError {
        let RecordFailure {
            topic,
            bytes,
            has_key,
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
            _ if ErrorClass::of(*code) == ErrorClass::InvalidRecord => KafkaError::RecordInvalid {
                topic: topic.clone(),
                has_key: *has_key,
                reason: code.to_string(),
                id: id.clone(),
            },
            _ if ErrorClass::of(*code) == ErrorClass::TooLarge => KafkaError::RecordTooLarge {
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

    /// Whether the cause is known for which brokers do not answer.
    pub(crate) fn knows_problem(&self) -> bool {
        let problem = self.events.problem();
        problem.is_some_and(|problem| problem.code != RDKafkaErrorCode::AllBrokersDown)
    }

    /// Error for brokers that do not answer: they are unreachable, or they reject the client.
    fn unreachable(&self, doing: &'static str, reason: String) -> KafkaError {
        match self.events.problem() {
            Some(problem) if problem.is_authentication_failure() => {
                self.unauthenticated(self.config.properties.redact(&problem.reason))
            }
            Some(problem) => KafkaError::Unreachable {
                doing,
                brokers: self.config.brokers.clone(),
                reason: self.config.properties.redact(&problem.reason),
                // The peer closed the connection at the first request, and nothing else is known.
                may_speak_another_protocol: problem.code == RDKafkaErrorCode::AllBrokersDown,
            },
            None => KafkaError::Unreachable {
                doing,
                brokers: self.config.brokers.clone(),
                reason,
                may_speak_another_protocol: false,
            },
        }
    }

    /// Error of failed authentication, once a broker has reported it.
    pub(crate) fn authentication_failure(&self) -> Option<KafkaError> {
        let problem = self.events.problem()?;
        problem
            .is_authentication_failure()
            .then(|| self.unauthenticated(self.config.properties.redact(&problem.reason)))
    }

    fn unauthenticated(&self, reason: String) -> KafkaError {
        KafkaError::Unauthenticated {
            brokers: self.config.brokers.clone(),
            reason,
            authenticated_before: self.authenticated_before.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::PortError;

    use super::*;

    const ATTEMPT: Attempt<'_> = Attempt {
        doing: "creating a topic",
        operation: "Create",
        resource: "topic",
        name: "shop.public.items",
    };

    fn explain() -> Explain {
        let config = Arc::new(KafkaConfig::unreachable());
        Explain::new(config, Events::default(), Arc::default())
    }

    #[test]
    fn a_request_that_would_be_rejected_again_is_not_retried() {
        let error = explain().code(ATTEMPT, RDKafkaErrorCode::PolicyViolation, "not with this name");
        assert!(matches!(error, KafkaError::Rejected { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            "creating a topic: the broker rejected the request: not with this name"
        );
        assert!(!error.is_retryable());
    }

    #[test]
    fn a_record_that_the_brokers_cannot_store_now_is_written_again() {
        let error = explain().record(&RecordFailure {
            topic: "shop.public.items".to_owned(),
            bytes: 7,
            has_key: true,
            code: RDKafkaErrorCode::NotEnoughReplicas,
            id: None,
            is_alone: false,
        });
        assert!(
            matches!(&error, KafkaError::RecordFailed { topic, .. } if topic == "shop.public.items"),
            "{error}"
        );
        assert!(error.is_retryable());
    }
}
