//! One leads, the others stand by; one of several hosts is chosen.

use walcast_delivery::{Source, SourceWatch};
use walcast_testbed::{Postgres, PostgresOptions, wait_until};

use crate::{LIMIT, source, start};

#[tokio::test]
async fn a_standby_takes_over_when_the_leader_is_gone() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let mut leader = source(&server.url());
    leader.acquire_leadership().await.unwrap();
    // LeaderSession twice is leading.
    leader.acquire_leadership().await.unwrap();

    let mut standby = source(&server.url());
    let mut waiting = std::pin::pin!(standby.acquire_leadership());
    let client = server.client().await.unwrap();
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'walcast/shop'";
    tokio::select! {
        led = &mut waiting => panic!("two lead: {led:?}"),
        seen = wait_until("the standby", LIMIT, async || {
            Ok(client.query_one(connections, &[]).await.unwrap().get::<_, i64>(0) == 3)
        }) => seen.unwrap(),
    }
    drop(leader);
    tokio::time::timeout(LIMIT, waiting)
        .await
        .expect("the standby still waits")
        .unwrap();
}

/// A server that answers and has no connection left is waited for, also at a start.
#[tokio::test]
async fn a_server_without_a_free_connection_is_an_error_that_passes_by_itself() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE ROLE walcast LOGIN REPLICATION CONNECTION LIMIT 0";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url_for("walcast", "x", "shop"));
    let full = source.acquire_leadership().await.unwrap_err();
    assert!(
        full.to_string()
            .contains("too many connections for role \"walcast\" (SQLSTATE 53300)"),
        "{full}"
    );
    assert!(full.passes_by_itself() && full.is_retryable());
    server
        .execute("ALTER ROLE walcast CONNECTION LIMIT -1")
        .await
        .unwrap();
    source.acquire_leadership().await.unwrap();
}

#[tokio::test]
async fn a_leader_learns_that_its_connection_was_ended() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let mut source = source(&server.url());
    let mut started = start(&mut source).await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'";
    server.execute(sql).await.unwrap();
    let lost = tokio::time::timeout(LIMIT, started.watch.lost())
        .await
        .expect("the loss was not noticed");
    assert!(
        lost.to_string().contains("leadership of \"shop\" is lost"),
        "{lost}"
    );
    assert!(lost.is_retryable());
    drop(started);
    source.acquire_leadership().await.unwrap();
}

#[tokio::test]
async fn the_first_host_that_will_do_is_taken() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let reader = Postgres::start(PostgresOptions::default()).await.unwrap();
    reader
        .execute("ALTER DATABASE shop SET default_transaction_read_only = on")
        .await
        .unwrap();
    let hosts = |attributes: &str| {
        let (first, second) = (reader.port(), server.port());
        format!("postgres://postgres@127.0.0.1:1,127.0.0.1:{first},127.0.0.1:{second}/shop?{attributes}")
    };
    for (attributes, expected) in [
        ("", reader.port()),
        ("target_session_attrs=read-only", reader.port()),
        ("target_session_attrs=read-write", server.port()),
        ("target_session_attrs=primary", reader.port()),
        ("target_session_attrs=prefer-standby", reader.port()),
    ] {
        let server_of = if expected == server.port() {
            &server
        } else {
            &reader
        };
        let mut source = source(&hosts(attributes));
        source.acquire_leadership().await.unwrap();
        let client = server_of.client().await.unwrap();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'walcast/shop'";
        let found: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(found, 2, "{attributes}: one connection leads, one asks");
        drop(source);
        crate::streaming::wait_until_gone(server_of).await;
    }
    let error = source(&hosts("target_session_attrs=standby"))
        .acquire_leadership()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no server of"), "{error}");
    assert!(
        error.to_string().contains("is standby (target_session_attrs)"),
        "{error}"
    );
}
