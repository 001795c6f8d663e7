//! Dead letters are dealt with: their rows are read as they are now, and they are off the list with them and not before.

use serde_json::{Value, json};
use tokio::process::Child;
use walcast_testbed::{ConnectorConfig, Decoder, Payload, Postgres, PostgresOptions};
use walcast_tests::{Case, Finished, Instance, assert_reports, await_that, command, shared};

use super::{accept_schema, await_letters, header, keeping, records, refuse_schema, with_dead_letters};

/// Exit codes.
const DONE: i32 = 0;
const REFUSED: i32 = 1;
const FAILED: i32 = 5;
const SOME_LEFT: i32 = 6;

/// Runs `walcast dlq` to its end, which has to come with this code.
async fn dlq(case: &Case<'_>, code: i32, arguments: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["dlq"].iter().chain(arguments).copied().collect();
    let finished = case.command(&arguments).await;
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:#?}");
    finished
}

/// The same with its result in JSON.
async fn dlq_json(case: &Case<'_>, code: i32, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
    serde_json::from_str(&dlq(case, code, &arguments).await.stdout).unwrap()
}

/// The dead letters that are listed, in the order of the WAL: operation and id.
async fn listed(case: &Case<'_>) -> Vec<(String, String)> {
    let listed = dlq(case, DONE, &["list", "--json"]).await;
    let letters = listed.stdout.lines().map(|line| {
        let letter: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| letter[name].as_str().unwrap().to_owned();
        (text("operation"), text("id"))
    });
    letters.collect()
}

fn ids(letters: &Value) -> Vec<&str> {
    let letters = letters.as_array().unwrap().iter();
    letters.map(|letter| letter["id"].as_str().unwrap()).collect()
}

/// The records of a table's topic: operation, and the row as it is then, in the order of the topic.
async fn rows_in_topic(case: &Case<'_>, table: &str) -> Vec<(String, Value)> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let records = records(&format!("{}.public.{table}", case.name())).await;
    let records = decoder.decode_all(&records).await.unwrap();
    let rows = records.iter().filter_map(|record| match &record.payload {
        Payload::Tombstone => None,
        Payload::Change(change) => Some((change.op.clone(), record.to_json()["value"]["after"].clone())),
    });
    rows.collect()
}

/// The records of `keyed`: operation and note, and of a deleted row its name.
async fn keyed(case: &Case<'_>) -> Vec<String> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let records = records(&format!("{}.public.keyed", case.name())).await;
    let records = decoder.decode_all(&records).await.unwrap();
    let rows = records.iter().map(|record| match &record.payload {
        Payload::Tombstone => "tombstone".to_owned(),
        Payload::Change(change) if change.op == "d" => {
            format!("d {}", record.key.as_ref().unwrap()["name"].to_text().unwrap())
        }
        Payload::Change(change) => {
            let json = record.to_json();
            format!(
                "{} {}",
                change.op,
                json["value"]["after"]["note"].as_str().unwrap()
            )
        }
    });
    rows.collect()
}

/// A table whose keys need every kind of care in SQL.
const KEYED: &str = r"
    CREATE TYPE mood AS ENUM ('glad', 'it''s \ bad');
    CREATE TABLE keyed (
        name text, number uuid, amount numeric, at timestamptz, mood mood, days daterange, bits bytea,
        note text, PRIMARY KEY (name, number, amount, at, mood, days, bits)
    );
";

const KEYED_ROWS: &str = r"
    INSERT INTO keyed SELECT name, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 12345678901234567890.50,
        '2026-07-01 12:00:00.123456+02', 'it''s \ bad', '[2026-01-01,2026-02-01)', '\x00ff5c27', note
    FROM (VALUES ('O''Brien', 'quote'), ('C:\new', 'backslash'), (E'a\nb\tc', 'space'), ('\''; DROP TABLE keyed; --', 'both'),
                 ('$$x$$ €', 'dollars'), ('', 'empty'), ('gone', 'gone'), ('deleted', 'deleted')) AS rows (name, note);
";

#[tokio::test]
async fn rows_of_dead_letters_are_delivered_as_they_are_now() {
    let mut case = keeping("dead_retry").await;
    let subject = "dead_retry.public.keyed-value";
    refuse_schema(subject).await;
    case.sql(KEYED).await;
    case.sql("CREATE TABLE keyless (price numeric(10, 2)); ALTER TABLE keyless REPLICA IDENTITY FULL")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(KEYED_ROWS).await;
    case.sql(
        "INSERT INTO prices VALUES (1, 'NaN'), (2, 1.00), (3, 'NaN'), (4, 'NaN');
         UPDATE prices SET price = 'NaN' WHERE id <= 2;
         DELETE FROM prices WHERE id = 4;
         UPDATE keyed SET note = note || ' again' WHERE name <> 'deleted';
         DELETE FROM keyed WHERE name = 'deleted';
         UPDATE keyed SET name = 'moved' WHERE name = 'gone';
         INSERT INTO keyless VALUES ('NaN')",
    )
    .await;
    // Of prices five, of keyed eight inserts, seven updates, a delete and a moved key, and one of a table without key.
    const LETTERS: usize = 5 + 17 + 1;
    await_letters(&case, LETTERS).await;
    let before = listed(&case).await;
    assert_eq!(before.len(), LETTERS);
    let inserts = before.iter().filter(|(operation, _)| operation == "insert");
    let inserts: Vec<&str> = inserts.map(|(_, id)| id.as_str()).collect();
    let (of_prices, keyless) = (inserts[8], inserts[11]);

    // No request is made.
    let dry = dlq_json(&case, SOME_LEFT, &["redeliver", "--dry-run"]).await;
    assert_eq!(dry["to_read"][0]["table"], "public.keyed");
    assert_eq!(dry["to_read"][0]["rows"], 9);
    assert_eq!(dry["to_read"][0]["dead_letters"].as_array().unwrap().len(), 17);
    assert_eq!(dry["to_read"][1]["table"], "public.prices");
    assert_eq!(dry["to_read"][1]["rows"], 4);
    assert_eq!(ids(&dry["remaining"]), [keyless]);
    let dry = dlq(
        &case,
        DONE,
        &["redeliver", "--dry-run", "--table", "public.prices"],
    )
    .await;
    assert_eq!(
        dry.stdout.trim(),
        "to be read  public.prices: 4 rows of 5 dead letters"
    );

    // A row that is not corrected fails again, and has a dead letter of its own.
    let again = dlq(&case, SOME_LEFT, &["redeliver", "--table", "public.prices"]).await;
    assert_reports(
        &again.stdout,
        &[
            "resolved  public.prices: 5 dead letters",
            "public.prices  mapping: column price",
            "5 dead letters resolved, 0 remaining; 3 rows failed again and have a new dead letter",
        ],
    );
    assert_eq!(listed(&case).await.len(), LETTERS - 5 + 3);
    let unknown = dlq(&case, REFUSED, &["redeliver", "--id", of_prices]).await;
    assert_reports(&unknown.stderr, &["no dead letter has the walcast.id", of_prices]);

    // Without a connector nothing happens.
    instance.stop().await;
    let away = dlq(&case, FAILED, &["redeliver"]).await;
    assert_reports(&away.stderr, &["no connector answers at"]);
    assert_eq!(listed(&case).await.len(), LETTERS - 5 + 3);

    // Corrected but for one row.
    accept_schema(subject).await;
    case.sql("UPDATE prices SET price = 1.50 WHERE id IN (1, 2)")
        .await;
    instance.start_again();
    instance.ready().await;
    let report = dlq_json(&case, SOME_LEFT, &["redeliver"]).await;
    assert_eq!(report["resolved"].as_array().unwrap().len(), 17 + 3, "{report:#}");
    assert_eq!(report["failed_again"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["failed_again"][0]["table"], "public.prices");
    assert_eq!(ids(&report["remaining"]), [keyless]);
    assert_reports(
        report["remaining"][0]["remedy"].as_str().unwrap(),
        &[
            "walcast snapshot start --tables 'public.keyless'",
            &format!("walcast dlq discard --id '{keyless}'"),
        ],
    );
    let failed = report["failed_again"][0]["id"].as_str().unwrap();
    let left: Vec<String> = listed(&case).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, [keyless, failed]);

    // Each row once, where it lies, and no other; then what those leave that are gone.
    let notes = ["quote", "backslash", "space", "both", "dollars", "empty", "gone"];
    let mut expected: Vec<String> = notes.iter().map(|note| format!("r {note} again")).collect();
    expected.extend(["d deleted", "tombstone", "d gone", "tombstone"].map(str::to_owned));
    assert_eq!(keyed(&case).await, expected);
    let prices = rows_in_topic(&case, "prices").await;
    let read: Vec<&Value> = prices
        .iter()
        .filter(|(operation, _)| operation == "r")
        .map(|(_, row)| &row["id"])
        .collect();
    assert_eq!(read, [&json!(1), &json!(2)]);

    // A table that is not captured any more.
    instance.stop().await;
    case.config = case.config.set("postgres.exclude", vec!["public.prices"]);
    instance = Instance::start(&case.config).await;
    let report = dlq_json(&case, SOME_LEFT, &["redeliver", "--id", failed]).await;
    assert_reports(
        report["remaining"][0]["reason"].as_str().unwrap(),
        &["public.prices is not a captured table"],
    );

    // What was dealt with by hand.
    let unknown = dlq(&case, REFUSED, &["discard", "--id", keyless, "--id", "0/0/0"]).await;
    assert_reports(&unknown.stderr, &["no dead letter has the walcast.id 0/0/0"]);
    let done = dlq(&case, DONE, &["discard", "--id", keyless]).await;
    assert_eq!(done.stdout.trim(), format!("resolved: {keyless}"));
    let done = dlq_json(
        &case,
        DONE,
        &["discard", "--table", "public.keyed", "--table", "*.pri*"],
    )
    .await;
    assert_eq!(done, json!({ "discarded": [failed] }));
    assert!(listed(&case).await.is_empty());
    let none = dlq(&case, DONE, &["redeliver"]).await;
    assert_eq!(none.stdout.trim(), "no dead letters were chosen");
    // One record for each letter, and one that takes it off.
    let topic = records("dead_retry.dead-letters").await;
    let (letters, taken_off): (Vec<_>, Vec<_>) = topic.iter().partition(|record| record.value.is_some());
    assert_eq!((letters.len(), taken_off.len()), (LETTERS + 4, LETTERS + 4));
    assert!(taken_off.iter().all(|record| record.key.is_some()));
    // A connector is not disturbed by what others write there.
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
}

/// A transaction that runs keeps every snapshot from being taken until it ends.
async fn hold_snapshots(case: &Case<'_>) -> tokio_postgres::Client {
    let client = case.client().await;
    client
        .batch_execute("BEGIN; SELECT txid_current()")
        .await
        .unwrap();
    client
}

/// Starts `walcast dlq redeliver` and waits until the connector has stored what it is asked for.
async fn start_retry(case: &Case<'_>, folder: &std::path::Path) -> Child {
    let path = write_config(&case.config, folder);
    let child = command(&["dlq", "redeliver"])
        .env("WALCAST_CONFIG", path)
        .env("XDG_RUNTIME_DIR", case.config.runtime_directory())
        .spawn()
        .unwrap();
    await_that("the request in the checkpoint", async || {
        case.checkpoint().await.get("snapshot").is_some()
    })
    .await;
    child
}

fn write_config(config: &ConnectorConfig, folder: &std::path::Path) -> std::path::PathBuf {
    config.write_to(folder).unwrap()
}

async fn ended(child: Child) -> Finished {
    child.wait_with_output().await.unwrap().into()
}

#[tokio::test]
async fn no_dead_letter_is_resolved_without_its_row_whichever_process_is_killed() {
    // No other test runs on this server: the transactions that are held would keep it from making its slot.
    let postgres = Box::pin(Postgres::start(PostgresOptions::default()))
        .await
        .unwrap();
    let case = with_dead_letters(Case::on(&postgres, "dead_retry_kill").await).await;
    let folder = tempfile::tempdir().unwrap();
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO prices VALUES (1, 'NaN'), (2, 'NaN')").await;
    await_letters(&case, 2).await;
    case.sql("UPDATE prices SET price = 1.00").await;

    // An operator stops the reading.
    let held = hold_snapshots(&case).await;
    let child = start_retry(&case, folder.path()).await;
    let stopped = case.command(&["snapshot", "stop"]).await;
    assert_eq!(stopped.code, Some(DONE), "{stopped:#?}");
    let finished = ended(child).await;
    assert_eq!(finished.code, Some(SOME_LEFT), "{finished:#?}");
    assert_reports(
        &finished.stdout,
        &[
            "the read of its row did not complete",
            "0 dead letters resolved, 2 remaining",
        ],
    );
    assert_eq!(listed(&case).await.len(), 2);

    // The command is killed: the connector continues, and the table is being read until it has.
    let mut child = start_retry(&case, folder.path()).await;
    child.kill().await.unwrap();
    let second = dlq(&case, SOME_LEFT, &["redeliver"]).await;
    assert_reports(
        &second.stdout,
        &["public.prices is being read already", "2 remaining"],
    );
    assert_eq!(listed(&case).await.len(), 2);
    // And so is the connector.
    instance.kill9();
    instance.start_again();
    instance.ready().await;
    assert_eq!(listed(&case).await.len(), 2);
    held.batch_execute("COMMIT").await.unwrap();
    await_that("the letters off the list", async || {
        listed(&case).await.is_empty()
    })
    .await;
    let read = rows_in_topic(&case, "prices").await;
    let read = read.iter().filter(|(operation, _)| operation == "r").count();
    assert_eq!(read, 2);

    // Only the connector is: the command waits for it, and takes none off that came meanwhile.
    case.sql("INSERT INTO prices VALUES (3, 'NaN')").await;
    await_letters(&case, 3).await;
    let held = hold_snapshots(&case).await;
    let child = start_retry(&case, folder.path()).await;
    case.sql("UPDATE prices SET price = 2.00 WHERE id = 3; INSERT INTO prices VALUES (4, 'NaN'); DELETE FROM prices WHERE id = 4")
        .await;
    await_letters(&case, 4).await;
    instance.kill9();
    instance.start_again();
    instance.ready().await;
    held.batch_execute("COMMIT").await.unwrap();
    let finished = ended(child).await;
    assert_eq!(finished.code, Some(DONE), "{finished:#?}");
    assert_eq!(
        finished.stdout.trim(),
        "resolved  public.prices: 1 dead letter\n1 dead letter resolved"
    );
    let left = listed(&case).await;
    assert_eq!(left.len(), 1, "{left:?}");
    // Its row is gone: that is as it is now.
    dlq(&case, DONE, &["redeliver", "--id", &left[0].1]).await;
    assert!(listed(&case).await.is_empty());

    // A request that was paused would wait for ever.
    case.sql("INSERT INTO prices VALUES (5, 'NaN')").await;
    await_letters(&case, 5).await;
    let held = hold_snapshots(&case).await;
    let started = case
        .command(&["snapshot", "start", "--tables", "public.items"])
        .await;
    assert_eq!(started.code, Some(DONE), "{started:#?}");
    case.command(&["snapshot", "pause"]).await;
    let paused = dlq(&case, REFUSED, &["redeliver"]).await;
    assert_reports(&paused.stderr, &["paused", "walcast snapshot resume"]);
    case.command(&["snapshot", "resume"]).await;
    held.batch_execute("COMMIT").await.unwrap();
    let topic = records("dead_retry_kill.dead-letters").await;
    let taken_off: Vec<String> = topic
        .iter()
        .filter(|record| record.value.is_none())
        .map(|record| header(record, "walcast.id"))
        .collect();
    assert_eq!(taken_off.len(), 4, "each once: {taken_off:?}");
    instance.stop().await;
}
