//! Holder of the leadership lock: an instance of the connector, or a session that took it with nothing but `CONNECT`.

use std::time::Duration;

use tokio_postgres::Client;
use walcast_delivery::{ForeignHolder, Precondition, PreconditionOutcome, RoleState, Source};
use walcast_postgres::PostgresSource;
use walcast_testbed::{Postgres, PostgresOptions, connect, wait_until};

use crate::{LIMIT, config};

/// Lock key of the connector `shop`, which any client can compute: see `catalog/leadership.rs`.
const KEY: &str = "2002873443, -1471684439";

/// A session of this role, under this name.
async fn session(server: &Postgres, role: &str, application_name: &str) -> Client {
    let mut config = server.config();
    config.user(role).application_name(application_name);
    connect(&config).await.unwrap()
}

/// Precondition on the lock.
async fn checked(server: &Postgres, role: &str) -> Precondition {
    let found = walcast_postgres::preconditions(&config(&server.url_for(role, "x", "shop"))).await;
    let mut found = found.unwrap().into_iter();
    found.find(|one| one.name == "leadership lock").unwrap()
}

/// Stands by until the board shows the expected holder.
async fn stands_by(server: &Postgres, role: &str, wanted: impl Fn(Option<ForeignHolder>) -> bool) {
    let board = RoleState::default();
    let source = PostgresSource::new(config(&server.url_for(role, "x", "shop"))).unwrap();
    let mut source = source.reporting_to(board.clone());
    tokio::select! {
        led = source.acquire_leadership() => panic!("the source leads: {led:?}"),
        seen = wait_until("what the board shows", LIMIT, async || Ok(wanted(board.read().foreign_holder))) => seen.unwrap(),
    }
}

async fn server(major: u16) -> Postgres {
    let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
    let sql = "CREATE TABLE orders (id int PRIMARY KEY); CREATE ROLE clerk LOGIN; CREATE ROLE walcast LOGIN REPLICATION";
    server.execute(sql).await.unwrap();
    server
}

/// Tested on the oldest and the newest version, which hide different columns of a session from other roles.
#[tokio::test]
async fn distinguishes_instances_from_other_sessions() {
    for major in [12, 18] {
        let server = server(major).await;
        let free = checked(&server, "walcast").await;
        assert!(
            matches!(&free.outcome, PreconditionOutcome::Holds(found) if found == "is free"),
            "{free:?}"
        );
        // (role of the holder, application name, lock function) and whether it is an instance.
        for (role, application_name, function, is_instance) in [
            ("walcast", "walcast/shop", "pg_advisory_lock", true),
            ("walcast", "psql", "pg_advisory_lock", false),
            ("clerk", "walcast/shop", "pg_advisory_lock", false),
            ("postgres", "walcast/shop", "pg_advisory_lock", false),
            ("walcast", "walcast/shop", "pg_advisory_lock_shared", false),
        ] {
            let what = format!("{function} by {role} as {application_name} on {major}");
            let holder = session(&server, role, application_name).await;
            let lock = format!("SELECT pg_backend_pid(), {function}({KEY})::text");
            let pid: i32 = holder.query_one(&lock, &[]).await.unwrap().get(0);
            let found = checked(&server, "walcast").await;
            assert_eq!(found.is_met(), is_instance, "{what}: {found:?}");
            if let PreconditionOutcome::Failed { found: why, fix } = &found.outcome {
                let fix = fix.render(|_| "");
                assert!(
                    why.contains(&format!("process {pid} (role {role:?}")),
                    "{what}: {why}"
                );
                assert!(
                    fix.contains(&format!("SELECT pg_terminate_backend({pid})")),
                    "{what}: {fix}"
                );
            }
            stands_by(&server, "walcast", |shown| match &shown {
                None => is_instance,
                Some(shown) => {
                    assert!(!is_instance, "{what}: {shown}");
                    (shown.pid, shown.role.as_str()) == (Some(pid), role)
                }
            })
            .await;
            drop(holder);
            await_free(&server).await;
        }
    }
}

async fn await_free(server: &Postgres) {
    let client = server.client().await.unwrap();
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    wait_until("the end of the lock", LIMIT, async || {
        Ok(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn reports_a_lock_of_a_prepared_transaction_but_not_one_of_another_database() {
    let options = PostgresOptions::default().with_setting("max_prepared_transactions", "2");
    let server = Postgres::start(options).await.unwrap();
    server.create_database("other").await.unwrap();
    let elsewhere = server.client_of("other").await.unwrap();
    let lock = format!("SELECT pg_advisory_lock({KEY})");
    elsewhere.batch_execute(&lock).await.unwrap();
    assert!(checked(&server, "postgres").await.is_met());

    let sql = format!("BEGIN; SELECT pg_advisory_xact_lock({KEY}); PREPARE TRANSACTION 'forgotten'");
    server.execute(&sql).await.unwrap();
    let PreconditionOutcome::Failed { found: why, fix } = checked(&server, "postgres").await.outcome else {
        panic!("the lock is held");
    };
    let fix = fix.render(|_| "");
    assert!(why.contains("a prepared transaction"), "{why}");
    assert!(fix.contains("ROLLBACK PREPARED"), "{fix}");
}

#[tokio::test]
async fn acquires_leadership_when_the_foreign_session_has_ended() {
    let server = server(17).await;
    let foreign = session(&server, "clerk", "psql").await;
    let lock = format!("SELECT pg_backend_pid(), pg_advisory_lock({KEY})::text");
    let pid: i32 = foreign.query_one(&lock, &[]).await.unwrap().get(0);
    let board = RoleState::default();
    let source = PostgresSource::new(config(&server.url_for("walcast", "x", "shop"))).unwrap();
    let mut source = source.reporting_to(board.clone());
    let remedy = async {
        wait_until("the foreign session on the board", LIMIT, async || {
            Ok(board.read().foreign_holder.is_some())
        })
        .await
        .unwrap();
        let remedy = board.read().foreign_holder.unwrap().remedy();
        assert!(
            remedy.ends_with(&format!("SELECT pg_terminate_backend({pid})")),
            "{remedy}"
        );
        let (_, sql) = remedy.split_once("end it: ").unwrap();
        server.execute(sql).await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        led = tokio::time::timeout(Duration::from_secs(60), source.acquire_leadership()) => led.expect("the source still stands by").unwrap(),
        () = remedy => {}
    }
    assert_eq!(board.read().foreign_holder, None);
}
