//! Tables that are renamed before their rows are read.

use walcast_testbed::read_topic;
use walcast_tests::{Instance, await_that, shared};

use super::{await_rows_read, case, raw, rebuilt, records, rows};

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_renamed_table_are_in_the_topic_of_its_new_name() {
    let case = case("rows_renamed").await;
    case.sql(
        "INSERT INTO items SELECT n, 'first' FROM generate_series(1, 10000) n;
         CREATE TABLE zz_named (id int PRIMARY KEY, note text);
         INSERT INTO zz_named VALUES (1, 'named'), (2, 'named');
         CREATE TABLE zz_left (id int PRIMARY KEY, note text);
         INSERT INTO zz_left VALUES (1, 'left');
         CREATE TABLE zz_right (id int PRIMARY KEY, note text);
         INSERT INTO zz_right VALUES (2, 'right'), (3, 'right');
         CREATE TABLE zz_moved (id int PRIMARY KEY, note text);
         INSERT INTO zz_moved VALUES (1, 'moved')",
    )
    .await;
    // The first table takes long enough for the request that pauses reading.
    let slow = case.config.clone().set("snapshot.rows_per_second", 100);
    let mut instance = Instance::start(&slow).await;
    await_that("the first rows", async || !raw(&case, "items").await.is_empty()).await;
    let paused = case.command(&["snapshot", "pause"]).await;
    assert_eq!(paused.code, Some(0), "{}", paused.stderr);
    // While changes are streamed, and while the connector is stopped.
    case.sql("ALTER TABLE zz_named RENAME TO zz_renamed; INSERT INTO zz_renamed VALUES (3, 'later')")
        .await;
    await_that("the change under the new name", async || {
        !raw(&case, "zz_renamed").await.is_empty()
    })
    .await;
    instance.stop().await;
    case.sql(
        "ALTER TABLE zz_left RENAME TO zz_between;
         ALTER TABLE zz_right RENAME TO zz_left;
         ALTER TABLE zz_between RENAME TO zz_right;
         CREATE SCHEMA archive;
         ALTER TABLE zz_moved SET SCHEMA archive",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    let resumed = case.command(&["snapshot", "resume"]).await;
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    await_rows_read(&case, &mut instance).await;
    for table in ["items", "zz_renamed", "zz_left", "zz_right"] {
        assert_eq!(
            rebuilt(&records(&case, table).await),
            rows(&case, table).await,
            "{table}\n{}",
            instance.log_end()
        );
    }
    for table in ["zz_named", "zz_moved"] {
        assert!(raw(&case, table).await.is_empty(), "{table}");
    }
    // Changes of a name that no pattern selects are not delivered, and neither are its rows.
    let brokers = shared().await.kafka().brokers();
    let archived = read_topic(&brokers, "rows_renamed.archive.zz_moved").await;
    assert!(archived.unwrap().is_empty());
    let log = instance.log();
    let left_out = log
        .lines()
        .find(|line| line.contains("a name that is not captured"));
    let left_out = left_out.unwrap_or_else(|| panic!("no line names the table that is left out: {log}"));
    assert!(
        left_out.contains("public.zz_moved") && left_out.contains("archive.zz_moved"),
        "{left_out}"
    );
    instance.stop().await;
}
