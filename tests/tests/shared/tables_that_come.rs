//! Tables that appear beside the captured ones: one that cannot be published, that another role owns, that is locked or that
//! comes with its rows stops no other table, and no statement of the application fails.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::time::Duration;

use walcast_testbed::{Decoder, Postgres, PostgresOptions, read_topic};
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

/// Time within which a table is read, after which a test shows what the connector logged.
const LIMIT: Duration = Duration::from_secs(80);

/// Keys of the records of a topic, as JSON.
async fn keys(topic: &str) -> BTreeSet<String> {
    let servers = shared().await;
    let mut decoder = Decoder::new(&servers.registry().url()).unwrap();
    let mut keys = BTreeSet::new();
    for record in read_topic(&servers.kafka().brokers(), topic).await.unwrap() {
        let decoded = decoder.decode(&record).await.unwrap();
        keys.insert(decoded.to_json()["key"].to_string());
    }
    keys
}

async fn await_keys(topic: &str, count: usize) {
    await_that(&format!("{count} keys in {topic}"), async || {
        keys(topic).await.len() >= count
    })
    .await;
    assert_eq!(keys(topic).await.len(), count);
}

/// A case that looks for new tables often, and reads their rows.
async fn attentive(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    let config = case.config.set("postgres.slot_check_interval", "200ms");
    case.config = config.set("snapshot.mode", "initial");
    case
}

async fn findings(instance: &Instance) -> String {
    instance.status().await["publication_drift"].to_string()
}

/// Breaks the connection of the stream.
async fn reconnect(case: &Case<'_>) {
    let sql = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}'",
        case.slot()
    );
    case.sql(&sql).await;
}

/// A backup without key, an unlogged staging table: named, and nothing else.
#[tokio::test]
async fn tables_that_cannot_be_published_stop_nothing() {
    let case = attentive("backup").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.sql("CREATE TABLE items_backup AS SELECT * FROM items; CREATE UNLOGGED TABLE staging (id int PRIMARY KEY)")
        .await;
    await_that("the findings", async || {
        let found = findings(&instance).await;
        found.contains("items_backup") && found.contains("staging")
    })
    .await;
    let found = findings(&instance).await;
    assert_reports(
        &found,
        &[
            "table public.items_backup has no replica identity",
            "table public.staging is unlogged",
        ],
    );
    assert!(
        !found.contains("ADD TABLE"),
        "no statement that would harm: {found}"
    );
    reconnect(&case).await;
    case.insert([2]).await;
    case.await_ids([2]).await;
    instance.stop().await;
    instance.start_again();
    case.insert([3]).await;
    case.await_ids([3]).await;
    assert_eq!(case.ids().await, [1, 2, 3]);
    case.sql("UPDATE items_backup SET note = 'x'; DELETE FROM items_backup")
        .await;
    instance.stop().await;
}

/// A published table whose replica identity is gone: the server rejects its updates, so that no change is missing.
#[tokio::test]
async fn a_published_table_without_identity_is_streamed() {
    let case = Case::new("nothing").await;
    case.deliver([1]).await;
    case.sql("ALTER TABLE items REPLICA IDENTITY NOTHING").await;
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}

/// Keyless tables in a publication that exists: their inserts are delivered.
#[tokio::test]
async fn inserts_of_keyless_tables_in_an_existing_publication_are_delivered() {
    let case = Case::new("keyless").await;
    case.sql("CREATE TABLE audit (what text); CREATE PUBLICATION walcast_keyless FOR TABLE items, audit")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO audit VALUES ('a'), ('b')").await;
    let topic = "keyless.public.audit";
    let brokers = shared().await.kafka().brokers();
    await_that("the inserts", async || {
        read_topic(&brokers, topic).await.unwrap().len() == 2
    })
    .await;
    instance.stop().await;
}

/// A table of another owner: warned of at each start, and captured once it may be.
#[tokio::test]
async fn a_table_of_another_owner_stops_nothing() {
    let mut case = attentive("owners").await;
    case.sql(
        "CREATE ROLE cap LOGIN REPLICATION PASSWORD 'cap'; CREATE ROLE app LOGIN;
         GRANT CREATE ON DATABASE owners TO cap; GRANT USAGE, CREATE ON SCHEMA public TO cap, app;
         ALTER TABLE items OWNER TO cap;
         ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO cap",
    )
    .await;
    let url = case.postgres.url_for("cap", "cap", "owners");
    case.config = case.config.clone().set("postgres.url", url);
    let mut instance = Instance::start(&case.config).await;
    case.sql("SET ROLE app; CREATE TABLE invoices (id int PRIMARY KEY); INSERT INTO invoices VALUES (1)")
        .await;
    await_that("the finding", async || {
        findings(&instance).await.contains("invoices")
    })
    .await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
    instance.start_again();
    case.insert([2]).await;
    case.await_ids([2]).await;
    reconnect(&case).await;
    case.insert([3]).await;
    case.await_ids([3]).await;
    assert_reports(&instance.log(), &["must be owner of table invoices"]);
    case.sql("ALTER PUBLICATION walcast_owners ADD TABLE invoices")
        .await;
    let captured = tokio::time::timeout(LIMIT, await_keys("owners.public.invoices", 1)).await;
    assert!(captured.is_ok(), "invoices is not read: {}", instance.log());
    instance.stop().await;
}

/// The rows of a table wait for the right to read them, which its owner did not grant with the publication.
#[tokio::test]
async fn rows_that_may_not_be_read_wait_for_the_right() {
    let mut case = attentive("denied").await;
    case.sql(
        "CREATE ROLE denied_cap LOGIN REPLICATION PASSWORD 'denied_cap'; CREATE ROLE denied_app LOGIN;
         GRANT CREATE ON DATABASE denied TO denied_cap;
         GRANT USAGE, CREATE ON SCHEMA public TO denied_cap, denied_app;
         ALTER TABLE items OWNER TO denied_cap",
    )
    .await;
    let url = case.postgres.url_for("denied_cap", "denied_cap", "denied");
    case.config = case.config.clone().set("postgres.url", url);
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "SET ROLE denied_app; CREATE TABLE invoices (id int PRIMARY KEY); INSERT INTO invoices VALUES (1)",
    )
    .await;
    // Both statements are named before one of them has been executed.
    let grant = "GRANT SELECT ON public.invoices TO denied_cap";
    await_that("the findings", async || {
        let found = findings(&instance).await;
        found.contains("ADD TABLE") && found.contains(grant)
    })
    .await;
    assert_reports(
        &instance.log(),
        &["rows of a captured table cannot be read yet", grant],
    );
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &["existing rows", grant, "ADD TABLE"]);
    case.sql("ALTER PUBLICATION walcast_denied ADD TABLE invoices")
        .await;
    await_that("the refusal", async || {
        instance
            .log()
            .matches("the server does not let the connector read the rows of a table")
            .count()
            > 1
    })
    .await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert!(findings(&instance).await.contains(grant));
    // Changes of the table arrive, so that the finding is not counted.
    await_that("no counted finding", async || {
        let metrics = instance.page("metrics").await;
        let mut counts = metrics
            .lines()
            .filter(|line| line.starts_with("walcast_publication_drift{"));
        counts.all(|line| line.ends_with(" 0"))
    })
    .await;
    assert!(findings(&instance).await.contains(grant));
    case.sql(grant).await;
    let read = tokio::time::timeout(LIMIT, await_keys("denied.public.invoices", 1)).await;
    assert!(read.is_ok(), "invoices is not read: {}", instance.log());
    await_that("no finding", async || findings(&instance).await == "[]").await;
    instance.stop().await;
}

/// A new table that is locked for long: the others continue, and it is captured once its lock is free.
#[tokio::test]
async fn a_locked_new_table_delays_no_other() {
    let case = attentive("locked").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    let locking = case.client().await;
    for statement in [
        "BEGIN; CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late VALUES (1, 'x')",
        // Created and locked at one moment, so that nothing publishes the table in between.
        "COMMIT AND CHAIN; LOCK TABLE late IN SHARE UPDATE EXCLUSIVE MODE",
    ] {
        locking.batch_execute(statement).await.unwrap();
    }
    await_that("the attempt", async || instance.log().contains("lock timeout")).await;
    case.sql("ALTER TABLE items ADD COLUMN w int").await;
    case.sql("INSERT INTO items VALUES (2, 'two', 2)").await;
    case.await_ids([2]).await;
    assert_eq!(instance.status().await["reconnects"], 0);
    locking.batch_execute("COMMIT").await.unwrap();
    instance.stop().await;
    instance.start_again();
    await_keys("locked.public.late", 1).await;
    instance.stop().await;
}

/// `FOR ALL TABLES`: a table that comes with its rows into the captured schema is read.
#[tokio::test]
async fn rows_of_a_table_that_moves_into_the_schema_are_read() {
    let case = attentive("moved_in").await;
    case.sql("CREATE SCHEMA staging; CREATE PUBLICATION walcast_moved_in FOR ALL TABLES")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("CREATE TABLE staging.prices (sku text PRIMARY KEY, cents int)")
        .await;
    case.sql("INSERT INTO staging.prices SELECT 's' || n, n FROM generate_series(1, 200) n")
        .await;
    case.sql("ALTER TABLE staging.prices SET SCHEMA public").await;
    case.sql("UPDATE prices SET cents = 0 WHERE sku = 's1'").await;
    case.sql("CREATE UNLOGGED TABLE bulk (id int PRIMARY KEY)").await;
    case.sql("INSERT INTO bulk SELECT n FROM generate_series(1, 100) n")
        .await;
    case.sql("ALTER TABLE bulk SET LOGGED").await;
    await_keys("moved_in.public.prices", 200).await;
    await_keys("moved_in.public.bulk", 100).await;
    instance.stop().await;
}

/// Tables that inherit from a captured one are not published with it.
#[tokio::test]
async fn tables_that_inherit_are_not_published() {
    let mut case = attentive("inheritance").await;
    case.config = case.config.clone().set(
        "postgres.tables",
        vec!["public.items", "public.vehicle", "public.ship"],
    );
    case.sql(
        "CREATE TABLE vehicle (id int PRIMARY KEY, name text); CREATE TABLE car (doors int) INHERITS (vehicle);
         INSERT INTO car VALUES (1, 'a', 4)",
    )
    .await;
    case.sql("CREATE TABLE ship (id int PRIMARY KEY)").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("UPDATE car SET doors = 5; DELETE FROM car").await;
    let published = "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'walcast_inheritance'";
    assert_eq!(case.text(published).await, "items,ship,vehicle");
    instance.stop().await;
}

/// PostgreSQL 18 rejects updates of a published table whose replica identity contains an unpublished generated column.
#[tokio::test]
async fn a_generated_column_in_the_identity_harms_no_update() {
    let postgres = Postgres::start(PostgresOptions::major(18)).await.unwrap();
    let mut case = Case::on(&postgres, "generated").await;
    case.config = case.config.set("postgres.slot_check_interval", "200ms");
    case.sql(
        "CREATE TABLE place (region text, name text, code text GENERATED ALWAYS AS (upper(name)) STORED, PRIMARY KEY (region, code));
         INSERT INTO place VALUES ('eu', 'rome');
         CREATE TABLE whole (a int, b int GENERATED ALWAYS AS (a * 2) STORED); ALTER TABLE whole REPLICA IDENTITY FULL;
         INSERT INTO whole VALUES (1)",
    )
    .await;
    let checked = case.command(&["check"]).await;
    assert_reports(
        &checked.stdout,
        &[
            "table public.place",
            "has a generated column in its replica identity",
        ],
    );
    let mut instance = Instance::start(&case.config).await;
    case.sql("UPDATE place SET name = 'roma'; DELETE FROM place; UPDATE whole SET a = 2; DELETE FROM whole")
        .await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    await_that("the finding", async || {
        findings(&instance).await.contains("contains a generated column")
    })
    .await;
    instance.stop().await;
}
