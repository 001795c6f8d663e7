//! Both kinds of connection to a malicious server. Time is paused once only silence follows, so that it passes at once.

use std::time::Duration;

use walcast_delivery::{PortError, RoleState, SystemIdentifier};
use walcast_testbed::{Answer, FakePostgres, Manner};

use super::dial::Endpoint;
use super::{ConnectConfig, Environment, SqlSession, connect_ordinary, connect_replication};
use crate::catalog;
use crate::error::PostgresError;
use crate::leadership::Leadership;
use crate::primary::on_primary;
use crate::replication::ReplicationConnection;

const PASSWORD: &str = "correct-horse";

async fn fake(manner: Manner, parameters: &str) -> (FakePostgres, ConnectConfig) {
    let fake = FakePostgres::start(manner).await.unwrap();
    let url = format!(
        "postgres://walcast:{PASSWORD}@127.0.0.1:{}/shop?{parameters}",
        fake.port()
    );
    (fake, ConnectConfig::parse(&url, &Environment::default()).unwrap())
}

async fn ordinary(config: &ConnectConfig) -> Result<SqlSession, PostgresError> {
    connect_ordinary(config, "walcast/shop").await
}

async fn replication(config: &ConnectConfig) -> Result<ReplicationConnection, PostgresError> {
    let endpoints = Endpoint::resolve(&config.hosts[0]).await.unwrap();
    let wire = connect_replication(config, &endpoints[0], 170_000, "walcast/shop", None, "UTF8").await?;
    Ok(ReplicationConnection::new(wire))
}

/// Error of both kinds of connection, without the port.
async fn refused(manner: Manner, parameters: &str) -> (String, FakePostgres) {
    let (fake, config) = fake(manner, parameters).await;
    let first = ordinary(&config).await.err().expect("an ordinary connection");
    let second = replication(&config)
        .await
        .err()
        .expect("a replication connection");
    assert_eq!(first.is_retryable(), second.is_retryable(), "{first}; {second}");
    let [first, second] = [first, second].map(|error| error.to_string());
    let port = format!(":{}", fake.port());
    assert_eq!(first, second);
    assert!(!first.contains(PASSWORD), "{first}");
    (first.replace(&port, ""), fake)
}

/// Whether a client has sent these bytes.
fn was_sent(fake: &FakePostgres, wanted: &[u8]) -> bool {
    let heard = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    fake.met().iter().any(|met| heard(&met.heard))
}

#[tokio::test]
async fn server_of_another_version_is_rejected() {
    let (_fake, config) = fake(Manner::OfVersion("110022"), "").await;
    let error = ordinary(&config).await.err().unwrap();
    assert!(
        matches!(error, PostgresError::TooOld { found: 110_022 }),
        "{error}"
    );
    // Not a version at all.
    let (_fake, config) = fake(Manner::OfVersion("eleven"), "").await;
    let error = ordinary(&config).await.err().unwrap();
    assert!(
        matches!(&error, PostgresError::UnexpectedAnswer { answer, .. } if answer == "eleven"),
        "{error}"
    );
}

#[tokio::test]
async fn server_that_is_silent_after_authentication_times_out() {
    let (_fake, config) = fake(Manner::SilentAfter(0), "connect_timeout=1").await;
    let error = ordinary(&config).await.err().unwrap();
    assert!(matches!(error, PostgresError::ConnectTimeout { .. }), "{error}");
    // Without `connect_timeout` the time limit for answers applies.
    tokio::time::pause();
    let (fake, config) = fake(Manner::SilentAfter(0), "connect_timeout=0").await;
    let error = ordinary(&config).await.err().unwrap();
    let expected = format!(
        "no answer from 127.0.0.1:{} while preparing the session within 70 s; check that the server responds",
        fake.port()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn unanswered_query_ends_the_session() {
    // The version, and the settings.
    let (_fake, config) = fake(Manner::SilentAfter(2), "").await;
    let session = ordinary(&config).await.unwrap();
    assert_eq!(session.server_version, 170_006);
    tokio::time::pause();
    let error = catalog::cluster(&session.client).await.err().unwrap();
    assert!(
        error
            .to_string()
            .contains("while identifying the cluster within 70 s"),
        "{error}"
    );
    assert!(error.is_retryable());
    session.ended().await;
    assert!(session.has_ended());
}

#[tokio::test]
async fn unanswered_replication_command_ends_its_connection() {
    let (_fake, config) = fake(Manner::SilentAfter(0), "").await;
    let mut connection = replication(&config).await.unwrap();
    tokio::time::pause();
    let error = connection.identify_system().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("while identifying the system within 70 s"),
        "{error}"
    );
    let error = connection.identify_system().await.unwrap_err();
    assert!(
        error.to_string().contains("an earlier command was not answered"),
        "{error}"
    );
    assert!(error.is_retryable());

    tokio::time::resume();
    let mut connection = replication(&config).await.unwrap();
    tokio::time::pause();
    let begun = connection.start_replication(
        "walcast_shop",
        "walcast_shop",
        walcast_pgoutput::Lsn::INVALID,
        170_006,
        Duration::ZERO,
    );
    let error = begun.await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("while starting the stream within 70 s"),
        "{error}"
    );
}

#[tokio::test]
async fn rejects_an_endless_answer() {
    let (fake, config) = fake(Manner::EndlessAnswer, "").await;
    let mut connection = replication(&config).await.unwrap();
    let error = connection.identify_system().await.unwrap_err();
    let expected = format!(
        "127.0.0.1:{} sent more than 1000 messages or 1048576 bytes while identifying the system; is this a Postgres server?",
        fake.port()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn limits_messages_before_a_session_is_ready() {
    let (error, _) = refused(Manner::HugeMessage, "").await;
    assert_eq!(
        error,
        "127.0.0.1 sent message 'E' of 2147483647 bytes before the login ended, where at most 30000 are allowed; \
         is this a Postgres server?"
    );
    for manner in [Manner::EndlessNotices, Manner::EndlessSettings] {
        let (error, _) = refused(manner, "").await;
        assert_eq!(
            error,
            "127.0.0.1 sent more than 1000 messages or 1048576 bytes before the login ended; is this a Postgres server?"
        );
    }
}

#[tokio::test]
async fn require_auth_holds_on_both_kinds_of_connections() {
    let (error, fake) = refused(Manner::Cleartext, "require_auth=scram-sha-256").await;
    assert!(
        error.contains("asks for password authentication, but require_auth=scram-sha-256"),
        "{error}"
    );
    assert!(!was_sent(&fake, PASSWORD.as_bytes()));
    let (error, fake) = refused(Manner::Md5, "require_auth=!md5,!password").await;
    assert!(error.contains("asks for md5 authentication"), "{error}");
    assert!(!was_sent(&fake, b"md5"));
    let (error, _) = refused(Manner::SilentAfter(0), "require_auth=scram-sha-256").await;
    assert!(
        error.contains("lets the role in without authentication"),
        "{error}"
    );
}

#[tokio::test]
async fn sends_a_cleartext_password_to_a_local_server() {
    let (fake, config) = fake(Manner::Cleartext, "connect_timeout=1").await;
    let error = ordinary(&config).await.err().unwrap();
    assert!(matches!(error, PostgresError::ConnectTimeout { .. }), "{error}");
    assert!(was_sent(&fake, PASSWORD.as_bytes()));
}

#[tokio::test]
async fn method_that_is_not_supported_is_not_retried() {
    let (_fake, config) = fake(Manner::Gss, "").await;
    for error in [
        ordinary(&config).await.err().unwrap(),
        replication(&config).await.err().unwrap(),
    ] {
        let text = error.to_string();
        assert!(text.contains("allow scram-sha-256"), "{text}");
        assert!(!error.is_retryable(), "{text}");
    }
}

/// Hashing takes seconds for a million iterations, and the server chooses their number: the library has a limit.
#[tokio::test]
async fn limits_the_iterations_of_scram() {
    for rounds in [100_001, u32::MAX] {
        let (fake, config) = fake(Manner::CostlySasl(rounds), "").await;
        for error in [
            ordinary(&config).await.err().unwrap(),
            replication(&config).await.err().unwrap(),
        ] {
            assert!(error.to_string().contains("iteration count"), "{error}");
            assert!(matches!(error, PostgresError::Scram { .. }), "{error}");
            assert!(!error.is_retryable());
        }
        // The client sends its proof only after hashing.
        assert!(!was_sent(&fake, b",p="));
    }
}

#[tokio::test]
async fn ends_an_endless_sasl_exchange() {
    let (fake, config) = fake(Manner::EndlessSasl, "").await;
    assert!(ordinary(&config).await.is_err());
    let error = replication(&config).await.err().unwrap();
    assert_eq!(error.to_string(), unexpected('R'));
    let proofs = |bytes: &[u8]| bytes.windows(3).filter(|window| window == b",p=").count();
    let met = fake.met();
    assert_eq!(met.len(), 2, "connections");
    assert!(met.iter().all(|met| proofs(&met.heard) <= 1));
}

/// Text of the error for a message that the protocol does not allow while authenticating.
fn unexpected(tag: char) -> String {
    format!("authenticating: unexpected message '{tag}'; is this a Postgres server?")
}

#[tokio::test]
async fn message_out_of_place_is_rejected() {
    let (_fake, config) = fake(Manner::OutOfPlace(b'c'), "").await;
    assert!(ordinary(&config).await.is_err());
    let error = replication(&config).await.err().unwrap();
    assert!(
        matches!(error, PostgresError::UnexpectedMessage { tag: b'c', .. }),
        "{error}"
    );
    assert_eq!(error.to_string(), unexpected('c'));
    assert!(!error.is_retryable());
}

/// A pooler executes the statements of one session in several sessions of the server: the lock is that of another one.
#[tokio::test]
async fn session_that_does_not_hold_the_lock_that_it_took_is_rejected() {
    let manner = Manner::Answering(&[
        ("pg_try_advisory_lock", &[Answer::Bool(true)]),
        ("pg_locks", &[Answer::Bool(false)]),
    ]);
    let (_fake, config) = fake(manner, "").await;
    let session = ordinary(&config).await.unwrap();
    let leading = Leadership::acquire(session, "shop", Duration::from_secs(60), &RoleState::default()).await;
    let error = leading.err().unwrap();
    assert!(matches!(error, PostgresError::PooledConnection { .. }), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn session_on_another_server_than_the_leader_is_rejected() {
    let manner = Manner::Answering(&[("pg_control_system", &[Answer::Text("7"), Answer::Bool(false)])]);
    let (_fake, config) = fake(manner, "").await;
    let session = ordinary(&config).await.unwrap();
    on_primary(&session, SystemIdentifier::new(7)).await.unwrap();
    let error = on_primary(&session, SystemIdentifier::new(8)).await.unwrap_err();
    let (seven, eight) = (SystemIdentifier::new(7), SystemIdentifier::new(8));
    assert!(
        matches!(error, PostgresError::DifferentServers { replication, ordinary } if (replication, ordinary) == (seven, eight)),
        "{error}"
    );
    assert!(!error.is_retryable());
}
