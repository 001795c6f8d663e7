//! Every error of the libraries, one of each variant: its exit code, and its text with the remedy.

mod delivery;
mod kafka;
mod mapper;
mod postgres;

use std::error::Error;
use std::io;

use expect_test::ExpectFile;
use walcast_delivery::{DeliveryError, Halt, ImportError, RewindRejected};
use walcast_kafka::KafkaError;
use walcast_mapper::TableName;
use walcast_pgoutput::Lsn;

use super::*;
use crate::answers::AnswerError;
use crate::remedy::{describe, remedy};

/// Compares exit codes and texts with a file. Each error has a remedy, except for those in `in_text`, whose text contains it.
fn check<E>(errors: Vec<E>, in_text: &[&str], expected: &ExpectFile)
where
    E: Error + Send + Sync + 'static,
{
    let mut lines = String::new();
    let mut without_remedy = Vec::new();
    for error in errors {
        let variant = variant(&error);
        if remedy(&error).is_none() {
            without_remedy.push(variant.clone());
        }
        let text = describe(&error);
        let code = Exit::of(&anyhow::Error::new(error)).code();
        lines.push_str(&format!("{code} {variant}: {text}\n"));
    }
    assert_eq!(without_remedy, in_text, "no way on is named");
    expected.assert_eq(&lines);
}

/// Name of an error's variant.
fn variant(error: &dyn Error) -> String {
    let debug = format!("{error:?}");
    debug.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

fn items() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "items".to_owned(),
    }
}

/// Error of the operating system.
fn os_error() -> io::Error {
    io::Error::other("reason of the system")
}

fn check_code(error: impl Into<anyhow::Error>, expected: Exit) {
    let error = error.into();
    assert_eq!(Exit::of(&error), expected, "{error:#}");
}

#[test]
fn errors_have_their_codes() {
    let halt = || Halt::SlotMissing {
        slot: "s".to_owned(),
        stored: Lsn::new(1),
    };
    check_code(UsageError("no".to_owned()), Exit::Usage);
    check_code(Rejection::Checks { failed: 1, all: 2 }, Exit::Rejected);
    check_code(
        RewindRejected::SlotMissing { slot: "s".to_owned() },
        Exit::Rejected,
    );
    check_code(
        anyhow::Error::new(DeliveryError::from(halt())).context("run"),
        Exit::Halted,
    );
    check_code(ImportError::Delivery(DeliveryError::from(halt())), Exit::Halted);
    check_code(anyhow::anyhow!("the network is down"), Exit::Failed);
}

/// An error of a port has the same code alone, as a command has it, and as an error of the connector.
#[test]
fn errors_of_ports_have_their_codes_behind_those_of_the_connector() {
    let too_large = || KafkaError::RecordTooLarge {
        topic: "t".to_owned(),
        bytes: 9,
        id: None,
    };
    check_code(too_large(), Exit::Halted);
    check_code(DeliveryError::Sink(too_large().into()), Exit::Halted);
    let denied = || KafkaError::Unauthorized {
        operation: "Write",
        resource: "topic t".to_owned(),
    };
    check_code(denied(), Exit::Denied);
    check_code(
        anyhow::Error::new(DeliveryError::Sink(denied().into())).context("run"),
        Exit::Denied,
    );
    check_code(DeliveryError::Sink(KafkaError::Stopped.into()), Exit::Failed);
}

#[test]
fn answers_of_a_connect_worker_have_their_codes() {
    let answered = |status| WorkerError::Answer {
        url: "http://connect:8083".to_owned(),
        connector: "shop".to_owned(),
        status,
    };
    let text = answered(401).to_string();
    assert!(
        text.contains("http://connect:8083 answers 401") && text.contains("check --connect-url"),
        "{text}"
    );
    check_code(answered(401), Exit::Denied);
    check_code(answered(503), Exit::Failed);
    let plugins = |status| WorkerError::Plugins {
        url: "http://connect:8083".to_owned(),
        status,
    };
    let text = plugins(403).to_string();
    assert!(
        text.contains("http://connect:8083 answers 403") && text.contains("check --connect-url"),
        "{text}"
    );
    check_code(plugins(403), Exit::Denied);
    check_code(plugins(503), Exit::Failed);
    check_code(
        WorkerError::Address {
            url: "connect:8083".to_owned(),
        },
        Exit::Usage,
    );
    check_code(
        WorkerError::Unreachable {
            url: "http://connect:8083".to_owned(),
            source: reqwest::Client::new().get("no address").build().unwrap_err(),
        },
        Exit::Failed,
    );
    check_code(
        WorkerError::Body {
            url: "http://connect:8083".to_owned(),
            source: AnswerError::Oversized { limit: 1_000 },
        },
        Exit::Failed,
    );
    check_code(
        WorkerError::NotStopped {
            connector: "shop".to_owned(),
            state: "RUNNING".to_owned(),
        },
        Exit::Rejected,
    );
}

#[test]
fn address_of_the_admin_port_has_its_code() {
    let failed = |kind: io::ErrorKind| AdminError::Address {
        listen: ([127, 0, 0, 1], 80).into(),
        source: kind.into(),
    };
    check_code(failed(io::ErrorKind::PermissionDenied), Exit::Usage);
    check_code(failed(io::ErrorKind::AddrInUse), Exit::Failed);
}
