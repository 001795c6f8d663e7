//! The first start beside objects that exist already: slots and publications of an administrator, of another program and of an
//! interrupted start, and transactions that the creation of a slot waits for.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::{Postgres, PostgresOptions};
use walcast_tests::{Case, Instance, assert_reports, await_that};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// A case that reads existing rows.
async fn reading(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.config = case.config.set("snapshot.mode", "initial");
    case
}

/// Lines of `check` by their names.
async fn findings(case: &Case<'_>) -> Vec<Value> {
    let checked = case.command(&["check", "--json"]).await;
    serde_json::from_str(&checked.stdout).unwrap_or_else(|error| panic!("{error}: {checked:#?}"))
}

fn finding<'f>(findings: &'f [Value], name: &str) -> &'f Value {
    let mut found = findings.iter().filter(|finding| finding["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {findings:#?}"))
}

/// Runs the connector until it has read the existing rows, of which one is `existing`, and delivered one that is inserted meanwhile.
/// Where it has not made the slot, the snapshot may be taken after changes were delivered.
async fn read_and_deliver(case: &Case<'_>, existing: u32, inserted: u32) {
    let mut instance = Instance::start(&case.config).await;
    case.insert([inserted]).await;
    case.await_ids([existing, inserted]).await;
    await_that("the end of reading", async || {
        case.checkpoint().await["snapshot"].is_null()
    })
    .await;
    instance.stop().await;
}

/// Each record of `items` as `op` and id; a change of a row is no read.
async fn operations(case: &Case<'_>) -> Vec<String> {
    let ids = case.ids().await;
    let records = case.items().await;
    let reads = records.iter().map(|record| {
        let id = record.headers.iter().find(|(name, _)| name == "walcast.id");
        let id = id.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
        if id.ends_with(b")") { "r" } else { "c" }
    });
    reads.zip(ids).map(|(op, id)| format!("{op}{id}")).collect()
}

/// An administrator has made slot and publication: rows are read, and changes come from the slot's position on.
#[tokio::test]
async fn an_existing_slot_without_records_is_a_first_start() {
    let case = reading("adopted").await;
    let slot = case.slot();
    case.insert([1]).await;
    case.sql(&format!("CREATE PUBLICATION {slot} FOR TABLE items"))
        .await;
    case.text(&format!(
        "SELECT lsn FROM pg_create_logical_replication_slot('{slot}', 'pgoutput')"
    ))
    .await;
    case.insert([2]).await;
    let found = findings(&case).await;
    let position = finding(&found, "position");
    assert_eq!(position["ok"], true, "{position}");
    assert_reports(&position.to_string(), &["the position of slot walcast_adopted"]);
    assert_reports(
        &finding(&found, "rows of the first start").to_string(),
        &["existing rows of 1 tables are read first"],
    );

    read_and_deliver(&case, 1, 3).await;
    case.deliver([4]).await;
    let mut delivered = operations(&case).await;
    // A row that was inserted after the creation of the slot can come as its change and as a row that was read.
    let reads_of_later_rows = ["r2", "r3"];
    delivered.retain(|one| !reads_of_later_rows.contains(&one.as_str()));
    delivered.sort();
    assert_eq!(delivered, ["c2", "c3", "c4", "r1"]);
}

/// Another program streams from the slot: it is named, and is not disturbed.
#[tokio::test]
async fn a_slot_in_use_is_named_with_its_holder() {
    let case = Case::new("holder").await;
    let mut instance = Instance::start(&case.config).await;
    let config = case.config.second_instance().unwrap();
    let mut other = Case::existing(case.postgres, "holder", &config);
    other.config = other
        .config
        .set("name", "intruder")
        .set("kafka.topic_prefix", "intruder");
    let found = findings(&other).await;
    let position = finding(&found, "position");
    assert_eq!(
        (&position["ok"], &position["warning"]),
        (&Value::from(true), &Value::from(true))
    );
    let wanted = [
        "slot walcast_holder is in use by process",
        "walcast/holder",
        "127.0.0.1",
        "walcast migrate debezium-offset",
    ];
    let halted = other.run_to_end().await;
    let why = halted.error(HALTED);
    assert_reports(why, &wanted);
    instance.assert_running();
    instance.stop().await;
}

/// `auto_create = false`: `check --sql` prints everything at once, and after it the connector starts.
#[tokio::test]
async fn printed_statements_set_everything_up() {
    let mut case = reading("by_hand").await;
    case.sql(
        "CREATE ROLE by_hand LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         CREATE TABLE backup (id int, note text); INSERT INTO items VALUES (1, 'before')",
    )
    .await;
    let url = case.postgres.url_for("by_hand", "by_hand", "by_hand");
    case.config = case
        .config
        .set("postgres.url", url)
        .set("postgres.auto_create", false);

    let halted = case.run_to_end().await;
    let found = findings(&case).await;
    for name in [
        "postgres publication walcast_by_hand",
        "postgres slot walcast_by_hand",
    ] {
        let finding = finding(&found, name);
        assert_eq!(finding["ok"], false, "{finding}");
    }
    // A publication with the table that has no key would make the server reject the application's updates.
    let printed = finding(&found, "postgres publication walcast_by_hand").to_string();
    assert_reports(&printed, &["CREATE PUBLICATION"]);
    assert!(!printed.contains("backup"), "{printed}");
    let script = case.command(&["check", "--sql"]).await;
    assert_eq!(script.code, Some(0), "{script:#?}\n{halted:#?}");
    let statements: Vec<&str> = script
        .stdout
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    let expected = [
        "ALTER ROLE \"by_hand\" REPLICATION;",
        "GRANT USAGE ON SCHEMA public TO by_hand;",
        "GRANT SELECT ON public.items TO by_hand;",
        "CREATE PUBLICATION \"walcast_by_hand\" FOR TABLE ONLY \"public\".\"items\" WITH (publish_via_partition_root = true);",
        "SELECT pg_create_logical_replication_slot('walcast_by_hand', 'pgoutput', failover => true);",
    ];
    for statement in expected {
        assert!(
            statements.contains(&statement),
            "{statement} is not in {script:#?}"
        );
    }
    assert_reports(&script.stdout, &["table public.backup is left out"]);
    case.config = case.config.clone().set("postgres.auto_create", "slot");
    let without_slot = case.command(&["check", "--sql"]).await;
    let (publication, slot) = ("CREATE PUBLICATION", "pg_create_logical_replication_slot");
    assert_reports(&without_slot.stdout, &[publication]);
    assert!(!without_slot.stdout.contains(slot), "{without_slot:#?}");
    case.config = case.config.clone().set("postgres.auto_create", false);
    for statement in statements {
        case.text(statement).await;
    }

    let again = case.command(&["check", "--sql"]).await;
    assert_reports(&again.stdout, &["nothing is missing"]);
    case.sql("INSERT INTO backup VALUES (1, 'x'); UPDATE backup SET note = 'y'; DELETE FROM backup")
        .await;
    read_and_deliver(&case, 1, 2).await;
    let mut delivered = operations(&case).await;
    delivered.retain(|one| one != "r2");
    delivered.sort();
    assert_eq!(delivered, ["c2", "r1"]);
}

/// The creation of a slot waits for an orphaned prepared transaction: it is named everywhere, and a stop leaves nothing behind.
#[tokio::test]
async fn the_transaction_that_a_slot_waits_for_is_named() {
    let options = PostgresOptions::default().with_setting("max_prepared_transactions", "10");
    let server = Postgres::start(options).await.unwrap();
    let mut case = Case::on(&server, "orphaned").await;
    case.config = case.config.set("snapshot.mode", "initial");
    case.sql("BEGIN; INSERT INTO items VALUES (1, 'prepared'); PREPARE TRANSACTION 'orphan'")
        .await;
    let found = findings(&case).await;
    let running = finding(&found, "postgres running transactions");
    assert_reports(
        &running.to_string(),
        &[
            "orphan",
            "the creation of the slot waits for it",
            "ROLLBACK PREPARED 'orphan'",
        ],
    );

    let mut instance = Instance::spawn(&case.config);
    await_that("the transaction in /status", async || {
        let status = instance.try_status().await.unwrap_or_default();
        status["waits_for"].to_string().contains("orphan")
    })
    .await;
    // It is shown before it is logged.
    await_that("the transaction in the process log", async || {
        let log = instance.log();
        log.contains("creating the slot waits for prepared transaction")
            && log.contains("ROLLBACK PREPARED 'orphan'")
    })
    .await;
    let found = findings(&case).await;
    let slot = finding(&found, "postgres slot walcast_orphaned").to_string();
    assert_reports(&slot, &["is being created by process", "orphan"]);
    assert!(!slot.contains("drop"), "{slot}");

    instance.stop().await;
    // The walsender is terminated, and may need a moment: by itself it would wait for the transaction.
    let slots = "SELECT count(*) FROM pg_replication_slots";
    await_that("the end of the incomplete slot", async || {
        case.text(slots).await == "0"
    })
    .await;
    // A killed instance leaves its walsender behind, which the next one ends.
    instance.start_again();
    let is_creating = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_replication_slots s ON s.active_pid = l.pid WHERE NOT l.granted)";
    await_that("the creation", async || case.holds(is_creating).await).await;
    instance.kill9();
    instance.start_again();
    await_that("the next creation", async || {
        instance.assert_running();
        instance.log().contains("the creation of the slot is cancelled")
    })
    .await;
    case.sql("COMMIT PREPARED 'orphan'").await;
    instance.ready().await;
    case.insert([2]).await;
    case.await_ids([1, 2]).await;
    instance.stop().await;
    let mut delivered = case.ids().await;
    delivered.sort_unstable();
    assert_eq!(delivered, [1, 2]);
}

/// A cluster with another identifier that has the same slot, as `pg_upgrade` makes it: nothing comes again.
#[tokio::test]
async fn an_upgraded_cluster_continues_at_its_slot() {
    let (old, new) = tokio::join!(
        Postgres::start(PostgresOptions::major(17)),
        Postgres::start(PostgresOptions::major(18)),
    );
    let (old, new) = (old.unwrap(), new.unwrap());
    Case::on(&old, "upgraded").await.deliver([1]).await;
    let case = Case::on(&new, "upgraded").await;
    let slot = case.slot();
    case.insert([1]).await;
    case.sql(&format!("CREATE PUBLICATION {slot} FOR TABLE items"))
        .await;
    case.text(&format!(
        "SELECT lsn FROM pg_create_logical_replication_slot('{slot}', 'pgoutput')"
    ))
    .await;
    case.insert([2]).await;
    let why = case.halts().await;
    assert_reports(&why, &["belongs to cluster", "pg_upgrade", "--accept-cluster"]);
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 2, 3]);
}
