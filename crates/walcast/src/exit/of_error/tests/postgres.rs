//! Errors of the Postgres source.

use std::time::Duration;

use expect_test::expect_file;
use walcast_delivery::{ConnectorSetting, Fix, SlotHolder, SystemIdentifier, Timeline};
use walcast_pgoutput::error::Fault;
use walcast_pgoutput::{DecodeError, Lsn};
use walcast_postgres::{AuthMethod, ConninfoError, LoginFault, PostgresError, ServerError, TlsSetupError};

use super::{Exit, check, check_code, os_error};

const DOING: &str = "connecting";
const LIMIT: Duration = Duration::from_secs(10);

fn endpoint() -> String {
    "db:5432".to_owned()
}

fn slot() -> String {
    "walcast_shop".to_owned()
}

fn rejected(code: &str, message: &str) -> Box<ServerError> {
    Box::new(ServerError {
        code: code.to_owned(),
        message: message.to_owned(),
        ..ServerError::default()
    })
}

fn server(code: &str, message: &str) -> PostgresError {
    PostgresError::Server {
        doing: DOING,
        error: rejected(code, message),
    }
}

fn settings() -> Vec<PostgresError> {
    vec![
        PostgresError::Conninfo(ConninfoError::NoUser),
        PostgresError::Setting {
            setting: "slot",
            value: "Shop".to_owned(),
            problem: "is not a name of a slot",
        },
        PostgresError::PublicationMissing { publication: slot() },
        PostgresError::NoTableMatches {
            pattern: "public.itmes".to_owned(),
        },
        PostgresError::TlsSetup(TlsSetupError::KeyIsOpen {
            path: "/etc/walcast/client.key".into(),
        }),
        PostgresError::PasswordMissing {
            endpoint: endpoint(),
            user: "walcast".to_owned(),
        },
        PostgresError::PasswordFile {
            path: "/run/secrets/password".into(),
            source: os_error(),
        },
        PostgresError::NoFailoverSlots { version: 160_004 },
        PostgresError::RowsUnreadable {
            why: "of 1 tables cannot be read: public.items".to_owned(),
            fix: Fix::from("GRANT SELECT ON public.items TO walcast; or set ")
                .setting(ConnectorSetting::SnapshotMode)
                .text(" to \"never\""),
        },
        PostgresError::NotAStandbyOfPrimary {
            endpoint: endpoint(),
            found: (SystemIdentifier::new(7), Timeline::new(1)),
            wanted: (SystemIdentifier::new(8), Timeline::new(1)),
        },
        PostgresError::StandbyTooOld {
            endpoint: endpoint(),
            version: 150_002,
        },
    ]
}

fn connections() -> Vec<PostgresError> {
    let unreachable = || PostgresError::Unreachable {
        endpoint: endpoint(),
        source: os_error(),
    };
    vec![
        PostgresError::Resolve {
            host: "db".to_owned(),
            source: os_error(),
        },
        unreachable(),
        PostgresError::ConnectTimeout {
            endpoint: endpoint(),
            limit: LIMIT,
        },
        PostgresError::NoAnswer {
            endpoint: endpoint(),
            doing: DOING,
            limit: LIMIT,
        },
        PostgresError::AnswerTooLarge {
            endpoint: endpoint(),
            doing: DOING,
            messages: 1_000,
            bytes: 1_048_576,
        },
        PostgresError::Login {
            endpoint: endpoint(),
            fault: LoginFault::TooMuch,
        },
        PostgresError::Broken {
            endpoint: endpoint(),
            doing: DOING,
            source: os_error(),
        },
        PostgresError::TlsNotSupported {
            endpoint: endpoint(),
            mode: "require",
        },
        PostgresError::TlsHandshake {
            endpoint: endpoint(),
            source: os_error(),
        },
        PostgresError::UnsupportedAuthentication {
            endpoint: endpoint(),
            method: "GSSAPI".to_owned(),
        },
        PostgresError::ChannelBinding {
            endpoint: endpoint(),
            why: "is not reached over TLS",
        },
        PostgresError::Scram {
            endpoint: endpoint(),
            source: os_error(),
        },
        PostgresError::UnexpectedAnswer {
            doing: DOING,
            answer: "17x".to_owned(),
        },
        PostgresError::Protocol {
            doing: DOING,
            source: DecodeError {
                tag: Some(b'R'),
                offset: 5,
                wanted: "a method",
                fault: Fault::Truncated,
            },
        },
        PostgresError::UnexpectedMessage {
            doing: DOING,
            tag: b'G',
        },
        PostgresError::NoSuitableHost {
            hosts: "db1, db2".to_owned(),
            wanted: "primary",
            last: "db2:5432 is in recovery".to_owned(),
        },
        PostgresError::InRecovery { endpoint: endpoint() },
        PostgresError::DifferentServers {
            replication: SystemIdentifier::new(7),
            ordinary: SystemIdentifier::new(8),
        },
        PostgresError::PooledConnection { endpoint: endpoint() },
        PostgresError::TooOld { found: 110_022 },
        PostgresError::FirstConnection(Box::new(unreachable())),
    ]
}

fn sessions() -> Vec<PostgresError> {
    vec![
        PostgresError::ReadDenied {
            table: "\"public\".\"items\"".to_owned(),
            source: Box::new(server("42501", "permission denied for table items")),
        },
        PostgresError::UnreadableName {
            table: "\"public\".\"items\"".to_owned(),
            name: "the name of column caf\\xe9".to_owned(),
            sql: "DO $$ … $$".to_owned(),
        },
        PostgresError::ConditionRejected {
            table: "public.items".to_owned(),
            code: "22012".to_owned(),
        },
        PostgresError::ConditionTimeout {
            table: "public.items".to_owned(),
            limit: LIMIT,
        },
        server("28P01", "password authentication failed for user \"walcast\""),
        PostgresError::MayNotPublish {
            error: rejected("42501", "permission denied for database shop"),
            publications: Vec::new(),
        },
        PostgresError::SlotActive {
            slot: slot(),
            holder: Some(SlotHolder {
                pid: 7,
                application_name: None,
                client: None,
                is_connector: false,
            }),
            waited: LIMIT,
            error: rejected("55006", "replication slot \"walcast_shop\" is active for PID 7"),
        },
        PostgresError::StreamEnded {
            slot: slot(),
            after: Lsn::new(0x200),
            why: None,
        },
        PostgresError::StreamFailed {
            slot: slot(),
            after: Lsn::new(0x200),
            error: rejected(
                "55000",
                "can no longer get changes from replication slot \"walcast_shop\"",
            ),
        },
        PostgresError::Untranslatable {
            encoding: "WIN1252".to_owned(),
            error: Box::new(PostgresError::StreamFailed {
                slot: slot(),
                after: Lsn::new(0x200),
                error: rejected(
                    "22P05",
                    "character with byte sequence 0x81 in encoding \"WIN1252\" has no equivalent in encoding \"UTF8\"",
                ),
            }),
        },
        PostgresError::LeadershipLost {
            name: "shop".to_owned(),
            why: "it was closed".to_owned(),
        },
        PostgresError::NotLeading,
        PostgresError::StillActive {
            slot: slot(),
            waited: LIMIT,
        },
    ]
}

#[test]
fn every_error_of_a_setting_has_a_code_and_a_way_on() {
    let in_text = ["Conninfo", "TlsSetup"];
    check(settings(), &in_text, &expect_file!["texts/postgres_settings.txt"]);
}

#[test]
fn every_error_of_a_connection_has_a_code_and_a_way_on() {
    let in_text = [
        "Unreachable",
        "ConnectTimeout",
        "NoAnswer",
        "TlsNotSupported",
        "TlsHandshake",
        "UnsupportedAuthentication",
        "FirstConnection",
    ];
    check(
        connections(),
        &in_text,
        &expect_file!["texts/postgres_connections.txt"],
    );
}

#[test]
fn every_error_of_a_session_has_a_code_and_a_way_on() {
    check(
        sessions(),
        &["UnreadableName"],
        &expect_file!["texts/postgres_sessions.txt"],
    );
}

#[test]
fn every_error_of_a_connection_string_has_a_way_on() {
    let errors = vec![
        ConninfoError::Malformed {
            problem: "a key without a value",
        },
        ConninfoError::Unknown {
            name: "usr".to_owned(),
        },
        ConninfoError::Unsupported {
            name: "service".to_owned(),
            instead: "write the parameters into the URL",
        },
        ConninfoError::Invalid {
            name: "sslmode",
            value: "maybe".to_owned(),
            wanted: "disable, allow, prefer, require, verify-ca or verify-full",
        },
        ConninfoError::Contradiction("sslrootcert=system needs sslmode=verify-full"),
        ConninfoError::NoUser,
    ];
    let errors = errors.into_iter().map(PostgresError::Conninfo).collect();
    let in_text = ["Conninfo"; 3];
    check(errors, &in_text, &expect_file!["texts/conninfo.txt"]);
}

#[test]
fn every_fault_of_a_login_has_a_way_on() {
    let faults = [
        LoginFault::MessageTooLong {
            tag: b'E',
            bytes: 40_000,
            limit: 30_000,
        },
        LoginFault::AnswerTooLong {
            tag: b'D',
            bytes: 2_147_483_647,
            limit: 1_073_741_824,
        },
        LoginFault::TooMuch,
        LoginFault::NotAllowed {
            asked: AuthMethod::Md5,
            required: "scram-sha-256".to_owned(),
        },
        LoginFault::Cleartext { mode: "require" },
    ];
    let errors = faults.map(|fault| PostgresError::Login {
        endpoint: endpoint(),
        fault,
    });
    let in_text = ["Login"; 2];
    check(Vec::from(errors), &in_text, &expect_file!["texts/login.txt"]);
}

#[test]
fn every_error_of_tls_files_has_a_way_on() {
    let path = || "/etc/walcast/client.pem".into();
    let errors = vec![
        TlsSetupError::File {
            parameter: "sslcert",
            path: path(),
            source: os_error(),
        },
        TlsSetupError::Pem {
            parameter: "sslrootcert",
            path: path(),
            source: rustls_pki_types::pem::Error::NoItemsFound,
        },
        TlsSetupError::KeyIsOpen { path: path() },
        TlsSetupError::KeyMissing { path: path() },
        TlsSetupError::NoSystemRoots {
            problem: "no file".to_owned(),
        },
        TlsSetupError::Rejected(rustls::Error::NoCertificatesPresented),
    ];
    let errors = errors.into_iter().map(PostgresError::TlsSetup).collect();
    let in_text = ["TlsSetup"; 2];
    check(errors, &in_text, &expect_file!["texts/tls_files.txt"]);
}

/// What the server rejects for good has another code than what passes.
#[test]
fn errors_of_the_server_have_codes_by_their_sqlstate() {
    for code in [
        "0A000", "22023", "28000", "28P01", "3D000", "42501", "42704", "55000", "57P04",
    ] {
        check_code(server(code, "no"), Exit::Denied);
    }
    for code in [
        "08006", "40001", "53300", "53400", "57P01", "58030", "XX000", "XX001",
    ] {
        check_code(server(code, "no"), Exit::Failed);
    }
    let older_than_publication = PostgresError::StreamFailed {
        slot: slot(),
        after: Lsn::new(0x200),
        error: rejected("42704", "publication \"walcast_shop\" does not exist"),
    };
    check_code(older_than_publication, Exit::Halted);
}
