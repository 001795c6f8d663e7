//! Every way to prove who we are, on both kinds of connection.

use walcast_delivery::{Source, SourceWatch};
use walcast_testbed::{Auth, Postgres, PostgresOptions};

use crate::{config, set_up, source, start};

/// What both connections say to a URL, or that they are through.
async fn attempt(url: &str) -> String {
    let mut source = source(url);
    match set_up(&mut source).await {
        Ok(_) => "connected".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn passwords_are_proved_by_scram_and_never_shown() {
    let options = PostgresOptions {
        auth: Auth::Scram,
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let sql =
        "CREATE ROLE walcast LOGIN REPLICATION PASSWORD 'geheim'; CREATE ROLE reader LOGIN PASSWORD 'geheim';
               GRANT CREATE ON DATABASE shop TO walcast, reader";
    server.execute(sql).await.unwrap();

    assert_eq!(
        attempt(&server.url_for("walcast", "geheim", "shop")).await,
        "connected"
    );
    let wrong = attempt(&server.url_for("walcast", "falsch", "shop")).await;
    assert!(
        wrong.contains("password authentication failed") && wrong.contains("28P01"),
        "{wrong}"
    );
    assert!(!wrong.contains("falsch"), "{wrong}");
    let none = attempt(&format!("postgres://walcast@127.0.0.1:{}/shop", server.port())).await;
    assert!(none.contains("wants a password for user \"walcast\""), "{none}");
    let database = attempt(&server.url_for("walcast", "geheim", "nowhere")).await;
    assert!(
        database.contains("database \"nowhere\" does not exist"),
        "{database}"
    );
    let role = attempt(&server.url_for("reader", "geheim", "shop")).await;
    assert!(role.contains("replication") && role.contains("42501"), "{role}");
    let binding = attempt(&format!(
        "{}?channel_binding=require",
        server.url_for("walcast", "geheim", "shop")
    ))
    .await;
    assert!(binding.contains("channel binding is required"), "{binding}");
}

#[tokio::test]
async fn old_servers_hash_passwords_with_md5() {
    let options = PostgresOptions {
        auth: Auth::Md5,
        ..PostgresOptions::default().with_setting("password_encryption", "md5")
    };
    let server = Postgres::start(options).await.unwrap();
    server
        .execute("CREATE ROLE walcast LOGIN SUPERUSER PASSWORD 'geheim'")
        .await
        .unwrap();
    assert_eq!(
        attempt(&server.url_for("walcast", "geheim", "shop")).await,
        "connected"
    );
    let wrong = attempt(&server.url_for("walcast", "falsch", "shop")).await;
    assert!(wrong.contains("password authentication failed"), "{wrong}");
}

#[tokio::test]
async fn a_password_file_is_read_each_time() {
    let options = PostgresOptions {
        auth: Auth::Scram,
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "wrong\n").unwrap();
    let mut config = config(&format!("postgres://postgres@127.0.0.1:{}/shop", server.port()));
    config.connect = config.connect.with_password_file(path.clone());
    let mut source = walcast_postgres::PostgresSource::new(config).unwrap();
    assert!(source.acquire_leadership().await.is_err());
    std::fs::write(&path, "postgres\n").unwrap();
    source.acquire_leadership().await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_is_a_folder() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let folder = server.socket_dir();
    let url = format!(
        "host={} port={} user=postgres dbname=shop",
        folder.display(),
        server.port()
    );
    let mut source = source(&url);
    let mut started = start(&mut source).await;
    assert!(
        started
            .watch
            .inspect()
            .await
            .unwrap()
            .slot
            .unwrap()
            .active_pid
            .is_some()
    );
}

#[tokio::test]
async fn does_not_retry_the_first_connection_to_an_address_without_a_server() {
    let error = source("postgres://a@127.0.0.1:1/shop")
        .acquire_leadership()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot connect to 127.0.0.1:1"),
        "{error}"
    );
    assert!(!error.is_retryable());
    let error = source("postgres://a@no-such-host.invalid/shop")
        .acquire_leadership()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("host \"no-such-host.invalid\" cannot be resolved"),
        "{error}"
    );
    assert!(!error.is_retryable());
}
