//! Remedies for errors of the Kafka sink and of the schema registry client.

use std::error::Error;

use walcast_kafka::{AddressProblem, KafkaError, RegistryError, TlsFile};

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    let of_sink = error.downcast_ref().and_then(sink);
    of_sink.or_else(|| error.downcast_ref().and_then(registry))
}

fn sink(error: &KafkaError) -> Option<String> {
    let remedy = match error {
        KafkaError::PropertyNotAllowed { key, .. } => return property(key).map(str::to_owned),
        KafkaError::ClientRejected { .. } => "correct [kafka.properties]",
        KafkaError::Unreachable {
            may_speak_another_protocol: true,
            ..
        } => "if a broker listens there, it may require another security.protocol in [kafka.properties]",
        KafkaError::Unauthenticated { .. } => {
            "check security.protocol, sasl.* and ssl.* of [kafka.properties]"
        }
        KafkaError::TransactionExpired { .. } => "the limit is [kafka] transaction_timeout",
        KafkaError::RecordTooLarge { .. } => {
            "raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) \
             above it, then start again"
        }
        KafkaError::UnknownTopic { .. } => "create it, or set auto_create = true in [kafka.topics]",
        KafkaError::TopicRejected { command, .. } => {
            return Some(format!("correct [kafka.topics], or create it with: {command}"));
        }
        KafkaError::CheckpointPartitions { .. } => {
            "stop every connector that uses it, delete it if no checkpoint in it is needed, or set another [kafka] topic_prefix"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Setting that replaces a librdkafka property.
fn property(key: &str) -> Option<&'static str> {
    match key {
        "bootstrap.servers" | "metadata.broker.list" => Some("set [kafka] brokers"),
        "transaction.timeout.ms" => Some("set [kafka] transaction_timeout"),
        "allow.auto.create.topics" => Some("the settings are in [kafka.topics]"),
        "log.queue" | "log_level" | "log.thread.name" => Some("set [log]"),
        _ => None,
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
        RegistryError::NotFound { .. } => "check the path of [registry] url",
        RegistryError::UnexpectedAnswer { .. } => "check [registry] url",
        _ => return None,
    };
    Some(remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use walcast_delivery::{BoxedPortError, DeliveryError};
    use walcast_kafka::{KafkaError, KafkaProperties};

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
    fn remedy_of_a_property_names_the_setting_in_its_place() {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), "b:9092".to_owned())]);
        let error = KafkaProperties::new(properties).unwrap_err();
        expect_test::expect![
            "bootstrap.servers may not be set: the brokers are a setting of their own; set [kafka] brokers"
        ]
        .assert_eq(&describe(&error));
    }
}
