//! Remedies for errors of the Kafka sink and of the schema registry client.

use std::error::Error;

use super::mapper;
use walcast_kafka::{AddressProblem, KafkaError, Registration, RegistryError, TlsFile};

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    let of_sink = error.downcast_ref().and_then(sink);
    of_sink.or_else(|| error.downcast_ref().and_then(registry))
}

fn sink(error: &KafkaError) -> Option<String> {
    let remedy = match error {
        KafkaError::PropertyNotAllowed { key, .. } => property(key),
        KafkaError::PropertyInvalid { .. } | KafkaError::ClientRejected { .. } => {
            "correct [kafka.properties]"
        }
        KafkaError::Thread { .. } => {
            "raise the limit of threads or processes (ulimit -u, TasksMax of systemd), or free memory"
        }
        KafkaError::Stopped | KafkaError::NotOpen { .. } | KafkaError::Cancelled { .. } => {
            "start again, which continues at the checkpoint"
        }
        KafkaError::Unreachable {
            may_speak_another_protocol: true,
            ..
        } => "if a broker listens there, it may require another security.protocol in [kafka.properties]",
        KafkaError::Unreachable { .. } => "check [kafka] brokers, and that the brokers run",
        KafkaError::Fenced { .. } => {
            "give each connector a name of its own; a start of this instance stands by for the other one"
        }
        KafkaError::MustAbort { .. } | KafkaError::RecordFailed { .. } | KafkaError::Failed { .. } => {
            "the process log of the broker may contain the reason; a running connector tries again from the checkpoint"
        }
        KafkaError::Unauthenticated { .. } => {
            "check security.protocol, sasl.* and ssl.* of [kafka.properties]"
        }
        KafkaError::TransactionExpired { .. } => "the limit is [kafka] transaction_timeout",
        KafkaError::RecordTooLarge { .. } => {
            "raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) \
             above it, then start again"
        }
        KafkaError::RecordInvalid {
            topic,
            has_key: false,
            ..
        } => {
            let remedy = mapper::key_missing(topic, None);
            return Some(format!(
                "a compacted topic takes no record without a key: {remedy}"
            ));
        }
        KafkaError::RecordInvalid { .. } => {
            "the process log of the broker contains the reason; correct the settings of the topic, then start again"
        }
        KafkaError::UnknownTopic { .. } => "create it, or set auto_create = true in [kafka.topics]",
        KafkaError::TopicRejected { command, .. } => {
            return Some(format!("correct [kafka.topics], or create it with: {command}"));
        }
        KafkaError::CheckpointUnreadable { .. } => {
            "no other program may write to the checkpoint topic; write a tombstone for that key, and start again, which reports how to \
             continue without a checkpoint"
        }
        KafkaError::Rejected { .. } => {
            "correct [kafka.properties], [kafka.topics] or the settings of the broker; its process log contains the reason"
        }
        KafkaError::CheckpointPartitions { .. } => {
            "stop every connector that uses it, delete it if no checkpoint in it is needed, or set another [kafka] topic_prefix"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Setting that replaces a librdkafka property.
fn property(key: &str) -> &'static str {
    match key {
        "bootstrap.servers" | "metadata.broker.list" => "set [kafka] brokers",
        "transaction.timeout.ms" => "set [kafka] transaction_timeout",
        "allow.auto.create.topics" => "the settings are in [kafka.topics]",
        "log.queue" | "log_level" | "log.thread.name" => "set [log]",
        _ => "take it out of [kafka.properties]",
    }
}

fn registry(error: &RegistryError) -> Option<String> {
    let remedy = match error {
        RegistryError::Address { problem } => match problem {
            AddressProblem::Credentials => "set username and password in [registry]",
            _ => "correct [registry] url",
        },
        RegistryError::Proxy { .. } => "correct [registry] proxy",
        RegistryError::TlsFile { file, .. } => match file {
            TlsFile::CaCertificates => "check [registry] ca_file",
            TlsFile::Key => "check [registry] key_file",
            TlsFile::Certificate => "check [registry] certificate_file",
        },
        RegistryError::Tls { .. } => {
            "check ca_file, certificate_file and key_file of [registry], and that the certificate is valid for the host name in its url"
        }
        RegistryError::Redirected { .. } => "set [registry] url to the address of the registry itself",
        RegistryError::Oversized { .. } => "check that [registry] url is a schema registry",
        RegistryError::Unreachable { .. } => "check [registry] url and that the registry runs",
        RegistryError::Unauthorized { .. } => "check the user, password or token of [registry]",
        RegistryError::Incompatible { .. } => {
            "change the subject's compatibility level, or the table, then start again, or set on_incompatible = \"new_subject\" in \
             [registry]"
        }
        RegistryError::Client { .. } => {
            "install the certificates of the authorities that the system trusts (package ca-certificates), or set ca_file in [registry]"
        }
        RegistryError::Rejected { .. } => {
            "the registry must accept Avro schemas; change the table, or the form of its values ([format]), then start again"
        }
        RegistryError::ServerError { .. } => {
            "the process log of the registry contains the reason; a running connector tries again"
        }
        RegistryError::NotFound {
            answers_at: Some(url),
            ..
        } => return Some(format!("set url = {url:?} in [registry]")),
        RegistryError::NotFound { .. } => "check the path of [registry] url",
        RegistryError::NotRegistered { registration, .. } => match registration {
            Registration::Denied { .. } => {
                "register the schema under that subject, or allow the user of [registry] to register schemas, then start again"
            }
            Registration::Disabled => {
                "register the schema under that subject, or set auto_register = true in [registry], then start again"
            }
        },
        RegistryError::UnexpectedAnswer { .. } => "check [registry] url",
        _ => return None,
    };
    Some(remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use walcast_delivery::{BoxedPortError, DeliveryError};
    use walcast_kafka::{KafkaError, KafkaProperties, Registration, RegistryError};

    use crate::remedy::describe;

    #[test]
    fn remedy_is_found_behind_the_errors_of_the_connector() {
        let error = KafkaError::RecordTooLarge {
            topic: "shop.public.orders".to_owned(),
            bytes: 2_000_000,
            id: None,
        };
        let error = DeliveryError::Sink(BoxedPortError::from(error));
        expect_test::expect!["kafka: a record of 2000000 bytes for topic shop.public.orders is larger than allowed; raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) above it, then start again"]
            .assert_eq(&describe(&error));
    }

    #[test]
    fn remedies_of_rejections_name_settings() {
        let invalid = |has_key| KafkaError::RecordInvalid {
            topic: "shop.public.orders".to_owned(),
            has_key,
            reason: "InvalidRecord (Broker: Broker failed to validate record)".to_owned(),
            id: Some("0/16B3748/3".to_owned()),
        };
        expect_test::expect![[r#"the broker rejects record 0/16B3748/3 (walcast.id), which has no key, for topic shop.public.orders: InvalidRecord (Broker: Broker failed to validate record); a compacted topic takes no record without a key: take "truncate" out of [events] operations, or give the table a key in [[keys]], whichever the record is of, or end the compaction with: kafka-configs.sh --bootstrap-server BROKERS --alter --topic 'shop.public.orders' --add-config cleanup.policy=delete (for topics that are created: cleanup_policy of [kafka.topics]), then start again"#]].assert_eq(&describe(&invalid(false)));
        expect_test::expect![[r#"the broker rejects record 0/16B3748/3 (walcast.id) for topic shop.public.orders: InvalidRecord (Broker: Broker failed to validate record); the process log of the broker contains the reason; correct the settings of the topic, then start again"#]].assert_eq(&describe(&invalid(true)));
        let not_registered = |registration| RegistryError::NotRegistered {
            url: "http://registry:8081".to_owned(),
            subject: "shop.public.orders-value".to_owned(),
            schema: r#"{"type":"record"}"#.to_owned(),
            registration,
        };
        expect_test::expect![[r#"the schema of subject shop.public.orders-value is not registered at http://registry:8081, and the configuration disables registration; the schema is {"type":"record"}; register the schema under that subject, or set auto_register = true in [registry], then start again"#]].assert_eq(&describe(&not_registered(Registration::Disabled)));
        let message = "not allowed".to_owned();
        expect_test::expect![[r#"the schema of subject shop.public.orders-value is not registered at http://registry:8081, which denies registration (status 403): not allowed; the schema is {"type":"record"}; register the schema under that subject, or allow the user of [registry] to register schemas, then start again"#]].assert_eq(&describe(&not_registered(Registration::Denied { message })));
        expect_test::expect![[r#"http://registry:8081 is no Confluent schema registry interface (status 404): no reason given; http://registry:8081/apis/ccompat/v7 is one; set url = "http://registry:8081/apis/ccompat/v7" in [registry]"#]].assert_eq(&describe(&RegistryError::NotFound {
            url: "http://registry:8081".to_owned(),
            message: "no reason given".to_owned(),
            answers_at: Some("http://registry:8081/apis/ccompat/v7".to_owned()),
        }));
    }

    #[test]
    fn remedy_of_a_property_names_the_setting_in_its_place() {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), "b:9092".to_owned())]);
        let error = KafkaProperties::new(properties).unwrap_err();
        expect_test::expect![
            "bootstrap.servers may not be set: the brokers are a setting of their own; set [kafka] brokers"
        ]
        .assert_eq(&describe(&error));
    }
}
