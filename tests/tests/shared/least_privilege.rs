//! The documented rights are enough, and with them the whole cluster cannot be copied.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_testbed::{Auth, Postgres, PostgresOptions};
use walcast_tests::{Case, Instance, await_that};

/// The lines that docs/security.md recommends, without TLS: one for each role.
const RULES: [&str; 2] = [
    "host shop walcast 127.0.0.1/32 scram-sha-256",
    "host shop walcast_reader 127.0.0.1/32 scram-sha-256",
];
const PASSWORD: &str = "geheim";

/// A server that lets the roles in for one database, and no other role over TCP.
async fn server(database: &str) -> Postgres {
    let options = PostgresOptions {
        auth: Auth::Scram,
        access_rules: RULES.iter().map(|rule| rule.replace("shop", database)).collect(),
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let sql = format!("CREATE ROLE walcast LOGIN REPLICATION PASSWORD '{PASSWORD}'");
    server.execute(&sql).await.unwrap();
    server
}

/// A case whose connector is the role, which may do only what is granted now: what every role may by default is taken away.
async fn case<'a>(server: &'a Postgres, name: &str, grants: &str) -> Case<'a> {
    let mut case = Case::on(server, name).await;
    case.sql(&format!(
        "REVOKE ALL ON DATABASE {name} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         INSERT INTO items VALUES (1, 'before'), (2, 'before'); {grants}"
    ))
    .await;
    let url = server.url_for("walcast", PASSWORD, name);
    case.config = case.config.set("postgres.url", url);
    case
}

/// Every line of `check` is ok: nothing is missing, and nothing is too much.
async fn assert_checked(case: &Case<'_>) {
    let checked = case.command(&["check", "--json"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    let findings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
    let of_postgres = findings
        .iter()
        .filter(|finding| finding["name"].as_str().unwrap().starts_with("postgres"));
    for finding in of_postgres {
        assert_eq!(finding["warning"], false, "{finding}");
    }
    let physical = findings
        .iter()
        .find(|finding| finding["name"] == "postgres physical replication")
        .unwrap();
    assert_eq!(physical["detail"], "is rejected, as it should be");
}

/// Streams the wanted rows, in any order, and stops.
async fn assert_delivers(case: &Case<'_>, wanted: &[u32]) {
    let mut instance = Instance::start(&case.config).await;
    case.insert([3, 4]).await;
    await_that("the rows in Kafka", async || {
        instance.assert_running();
        let mut ids = case.ids().await;
        ids.sort_unstable();
        ids == wanted
    })
    .await;
    let status = instance.status().await;
    assert_eq!(status["reconnects"], 0, "{}", instance.log_end());
    instance.stop().await;
}

/// What a physical replication connection is answered: with the role's password, as `pg_basebackup` asks.
async fn physical(server: &Postgres) -> String {
    let parameters = "user\0walcast\0replication\0true\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap();
    let startup = [
        &length.to_be_bytes()[..],
        &196_608_u32.to_be_bytes(),
        parameters.as_bytes(),
    ];
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    stream.write_all(&startup.concat()).await.unwrap();
    // The server refuses before it asks for a password, and closes.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The publication is the owner's; the slot is made by the connector, for the rows that are there are read as of its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_connect_read_and_replicate_delivers_rows_and_changes() {
    let server = server("least").await;
    let mut case = case(
        &server,
        "least",
        "CREATE PUBLICATION walcast_least FOR TABLE items;
         GRANT CONNECT ON DATABASE least TO walcast; GRANT USAGE ON SCHEMA public TO walcast;
         GRANT SELECT ON items TO walcast",
    )
    .await;
    case.config = case
        .config
        .set("snapshot.mode", "initial")
        .set("postgres.auto_create", "slot");
    assert_checked(&case).await;
    assert_delivers(&case, &[1, 2, 3, 4]).await;
    let refused = physical(&server).await;
    assert!(
        refused.contains("no pg_hba.conf entry for replication connection"),
        "{refused}"
    );
}

/// Where no rows are read, the role needs no right on the tables at all: decoding does not ask for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_select_delivers_changes_of_a_slot_and_a_publication_that_are_the_owners() {
    let server = server("decoding").await;
    let mut case = case(
        &server,
        "decoding",
        "CREATE PUBLICATION walcast_decoding FOR TABLE items;
         GRANT CONNECT ON DATABASE decoding TO walcast; GRANT USAGE ON SCHEMA public TO walcast",
    )
    .await;
    let slot = "SELECT pg_create_logical_replication_slot('walcast_decoding', 'pgoutput')";
    case.sql(slot).await;
    case.config = case.config.set("postgres.auto_create", false);
    assert_checked(&case).await;
    assert_delivers(&case, &[3, 4]).await;
    assert!(
        !case
            .holds("SELECT has_table_privilege('walcast', 'items', 'select')")
            .await
    );

    // Another role reads rows, with the grants of docs/security.md.
    case.sql(&format!(
        "CREATE ROLE walcast_reader LOGIN PASSWORD '{PASSWORD}';
         GRANT CONNECT ON DATABASE decoding TO walcast_reader; GRANT USAGE ON SCHEMA public TO walcast_reader;
         GRANT SELECT ON items TO walcast_reader"
    ))
    .await;
    case.config = case
        .config
        .set("snapshot.user", "walcast_reader")
        .set("snapshot.password", PASSWORD);
    assert_checked(&case).await;
    let mut instance = Instance::start(&case.config).await;
    let requested = case.request_rows("public.items", "id < 3").await;
    assert_eq!(requested.code, Some(0), "{requested:#?}");
    case.await_ids([1, 2]).await;
    instance.stop().await;
}

/// With `create = true` and no publication, the role owns the tables and may create in the database.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_creates_publication_and_slot_by_itself() {
    let server = server("owner").await;
    let mut case = case(
        &server,
        "owner",
        "GRANT CONNECT, CREATE ON DATABASE owner TO walcast; GRANT USAGE ON SCHEMA public TO walcast;
         ALTER TABLE items OWNER TO walcast",
    )
    .await;
    case.config = case.config.set("snapshot.mode", "initial");
    assert_checked(&case).await;
    assert_delivers(&case, &[1, 2, 3, 4]).await;
}
