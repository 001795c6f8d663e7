//! Errors of the Kafka sink and of the schema registry client.

use std::time::Duration;

use expect_test::expect_file;
use walcast_kafka::{AddressProblem, KafkaError, Registration, RegistryError, SchemaChanges, TlsFile};
use walcast_topics::TopicsError;

use super::{check, check_code, os_error};
use crate::exit::Exit;
use crate::remedy::describe;

const DOING: &str = "writing records";

fn topic() -> String {
    "shop.public.items".to_owned()
}

fn reason() -> String {
    "reason of the library".to_owned()
}

fn clients() -> Vec<KafkaError> {
    vec![
        KafkaError::PropertyNotAllowed {
            key: "acks".to_owned(),
            why: "changes can be lost",
        },
        KafkaError::PropertyInvalid {
            key: "linger.ms".to_owned(),
            reason: reason(),
        },
        KafkaError::ClientRejected { reason: reason() },
        KafkaError::Thread { source: os_error() },
        KafkaError::Stopped,
        KafkaError::NotOpen { doing: DOING },
        KafkaError::Cancelled { doing: DOING },
        KafkaError::Unreachable {
            doing: DOING,
            brokers: "kafka:9092".to_owned(),
            reason: reason(),
            may_speak_another_protocol: false,
        },
        KafkaError::Unauthenticated {
            brokers: "kafka:9092".to_owned(),
            reason: reason(),
            authenticated_before: false,
        },
        KafkaError::Unauthorized {
            operation: "Write",
            resource: "topic shop.public.items".to_owned(),
        },
        KafkaError::Fenced {
            transactional_id: "walcast-shop".to_owned(),
        },
        KafkaError::Rejected {
            doing: DOING,
            reason: reason(),
        },
        KafkaError::Failed {
            doing: DOING,
            reason: reason(),
        },
    ]
}

fn records() -> Vec<KafkaError> {
    vec![
        KafkaError::TransactionExpired {
            open: Duration::from_secs(61),
            limit: Duration::from_secs(60),
        },
        KafkaError::MustAbort {
            doing: DOING,
            reason: reason(),
        },
        KafkaError::CommitInDoubt {
            waited: Duration::from_secs(60),
            reason: reason(),
        },
        KafkaError::RecordFailed {
            topic: topic(),
            reason: reason(),
        },
        KafkaError::RecordTooLarge {
            topic: topic(),
            bytes: 2_000_000,
            id: None,
        },
        KafkaError::RecordInvalid {
            topic: topic(),
            has_key: true,
            reason: reason(),
            id: Some("0/16B3748/3".to_owned()),
        },
        KafkaError::UnknownTopic { topic: topic() },
        KafkaError::TopicNotCreated {
            topic: topic(),
            command: "kafka-topics.sh --create".to_owned(),
        },
        KafkaError::TopicRejected {
            topic: topic(),
            reason: reason(),
            command: "kafka-topics.sh --create".to_owned(),
            lacks_brokers: false,
            is_refused: false,
        },
        KafkaError::CheckpointPartitions {
            topic: "shop.checkpoints".to_owned(),
            found: 3,
        },
        KafkaError::CheckpointPolicy {
            topic: "shop.checkpoints".to_owned(),
            found: "delete".to_owned(),
            brokers: "kafka:9092".to_owned(),
        },
        KafkaError::EndHidden {
            topic: topic(),
            end: 12,
        },
        KafkaError::CheckpointUnreadable {
            key: "shop".to_owned(),
            source: serde_json::from_str::<u32>("x").unwrap_err(),
        },
        KafkaError::CheckpointVersion { found: 2, known: 1 },
    ]
}

fn url() -> String {
    "http://registry:8081".to_owned()
}

fn registry() -> Vec<RegistryError> {
    let subject = || "shop.public.items-value".to_owned();
    let message = || "reason of the registry".to_owned();
    let not_registered = |registration| RegistryError::NotRegistered {
        url: url(),
        subject: subject(),
        schema: "\"string\"".to_owned(),
        registration,
    };
    vec![
        RegistryError::Address {
            problem: AddressProblem::Scheme,
        },
        RegistryError::Address {
            problem: AddressProblem::Credentials,
        },
        RegistryError::Address {
            problem: AddressProblem::NoHost,
        },
        RegistryError::Client { reason: reason() },
        RegistryError::TlsFile {
            file: TlsFile::CaCertificates,
            path: "/etc/walcast/ca.pem".into(),
            reason: reason(),
        },
        RegistryError::Tls {
            url: url(),
            reason: reason(),
        },
        RegistryError::Proxy {
            problem: "names no host",
        },
        RegistryError::Redirected {
            url: url(),
            status: 302,
            to: "login:443".to_owned(),
        },
        RegistryError::Oversized {
            url: url(),
            limit: 8 << 20,
        },
        RegistryError::Unreachable {
            url: url(),
            reason: reason(),
        },
        RegistryError::Unauthorized {
            url: url(),
            status: 401,
            message: message(),
        },
        RegistryError::Incompatible {
            url: url(),
            subject: subject(),
            message: message(),
            changes: SchemaChanges::default(),
        },
        RegistryError::Rejected {
            url: url(),
            subject: subject(),
            status: 422,
            message: message(),
        },
        not_registered(Registration::Disabled),
        not_registered(Registration::Denied { message: message() }),
        RegistryError::NotFound {
            url: url(),
            message: message(),
            answers_at: None,
        },
        RegistryError::ServerError {
            url: url(),
            status: 500,
            message: message(),
        },
        RegistryError::UnexpectedAnswer {
            url: url(),
            reason: reason(),
        },
    ]
}

#[test]
fn every_error_of_a_kafka_client_has_a_code_and_a_way_on() {
    check(
        clients(),
        &["Unauthorized"],
        &expect_file!["texts/kafka_clients.txt"],
    );
}

#[test]
fn every_error_of_records_and_topics_has_a_code_and_a_way_on() {
    let in_text = [
        "CommitInDoubt",
        "TopicNotCreated",
        "CheckpointPolicy",
        "EndHidden",
        "CheckpointVersion",
    ];
    check(records(), &in_text, &expect_file!["texts/kafka_records.txt"]);
}

#[test]
fn every_error_of_the_registry_has_a_code_and_a_way_on() {
    check(registry(), &[], &expect_file!["texts/registry.txt"]);
}

#[test]
fn errors_of_reading_topics_have_the_code_of_their_cause() {
    let denied = RegistryError::Unauthorized {
        url: "http://registry:8081".to_owned(),
        status: 401,
        message: "no".to_owned(),
    };
    let text = denied.to_string();
    let error = TopicsError::Registry(denied);
    assert!(describe(&error).starts_with(&format!("{text}; ")), "{error}");
    check_code(error, Exit::Denied);
    check_code(TopicsError::Kafka(KafkaError::Stopped), Exit::Failed);
}
