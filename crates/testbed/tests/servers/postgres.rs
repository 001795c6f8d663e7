//! Postgres: versions, stopping and killing, access, TLS.

use tokio_postgres::{Client, NoTls};
use walcast_testbed::{Auth, Password, Postgres, PostgresOptions, StopMode, TlsOptions};

async fn setting(client: &Client, name: &str) -> String {
    client
        .query_one(&format!("SHOW {name}"), &[])
        .await
        .unwrap()
        .get(0)
}

async fn answers(url: &str) -> Result<(), String> {
    let connected = tokio_postgres::connect(url, NoTls).await;
    connected
        .map(drop)
        .map_err(|error| error.as_db_error().map_or(error.to_string(), ToString::to_string))
}

#[tokio::test]
async fn oldest_and_newest_run_side_by_side_with_logical_wal() {
    let (oldest, newest) = tokio::try_join!(
        Postgres::start(PostgresOptions::major(12)),
        Postgres::start(PostgresOptions::major(18))
    )
    .unwrap();
    for (postgres, major) in [(&oldest, "12."), (&newest, "18.")] {
        let client = postgres.client().await.unwrap();
        assert!(setting(&client, "server_version").await.starts_with(major));
        assert_eq!(setting(&client, "wal_level").await, "logical");
        let slot = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')";
        client.batch_execute(slot).await.unwrap();
    }
    assert_ne!(oldest.port(), newest.port());
}

#[tokio::test]
async fn an_unknown_version_is_refused_with_those_there_are() {
    let error = Postgres::start(PostgresOptions::major(11))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "no testbed package for postgres 11: major versions 12 to 18"
    );
}

#[tokio::test]
async fn data_port_and_settings_survive_every_way_to_stop() {
    let options = PostgresOptions::default().with_setting("wal_level", "replica");
    let mut postgres = Postgres::start(options).await.unwrap();
    let port = postgres.port();
    postgres.execute("CREATE TABLE t (n int)").await.unwrap();
    postgres.set_setting("work_mem", "123kB").await.unwrap();

    for mode in [StopMode::Smart, StopMode::Fast, StopMode::Immediate] {
        postgres.execute("INSERT INTO t VALUES (1)").await.unwrap();
        postgres.restart(mode).await.unwrap();
    }
    postgres.execute("INSERT INTO t VALUES (1)").await.unwrap();
    postgres.kill().unwrap();
    assert!(answers(&postgres.url()).await.is_err());
    postgres.start_again().await.unwrap();

    let client = postgres.client().await.unwrap();
    let count: i64 = client
        .query_one("SELECT count(*) FROM t", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!((count, postgres.port()), (4, port));
    assert_eq!(setting(&client, "work_mem").await, "123kB");
    assert_eq!(setting(&client, "wal_level").await, "replica");
    assert!(
        postgres
            .log()
            .contains("database system is ready to accept connections")
    );
}

#[tokio::test]
async fn passwords_are_asked_for_by_the_chosen_method() {
    for auth in [Auth::Scram, Auth::Md5] {
        let password = Password::from("right");
        let postgres = Postgres::start(PostgresOptions {
            auth,
            password,
            ..PostgresOptions::default()
        })
        .await
        .unwrap();
        assert_eq!(answers(&postgres.url()).await, Ok(()));
        let wrong = answers(&postgres.url_for("postgres", "wrong", "shop"))
            .await
            .unwrap_err();
        assert!(wrong.contains("password authentication failed"), "{wrong}");

        let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'";
        let client = postgres.client().await.unwrap();
        let stored: String = client.query_one(stored, &[]).await.unwrap().get(0);
        assert_eq!(
            stored.starts_with("SCRAM-SHA-256"),
            auth == Auth::Scram,
            "{stored}"
        );
    }
}

#[tokio::test]
async fn required_tls_turns_plain_clients_away() {
    let tls = TlsOptions {
        required: true,
        ..TlsOptions::default()
    };
    let postgres = Postgres::start(PostgresOptions {
        tls: Some(tls),
        ..PostgresOptions::default()
    })
    .await
    .unwrap();
    let refused = answers(&postgres.url()).await.unwrap_err();
    assert!(refused.contains("no pg_hba.conf entry"), "{refused}");

    // The testbed itself comes in over the socket, and its server has a certificate that clients can check.
    let client = postgres.client().await.unwrap();
    assert_eq!(setting(&client, "ssl").await, "on");
    let files = postgres.tls().unwrap().issue_client("postgres").unwrap();
    assert!(files.certificate.exists() && files.key.exists() && postgres.tls().unwrap().ca().exists());
}
