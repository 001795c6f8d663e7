//! Where continuing would lose, double or invent changes, the connector stops: with the halt's exit code, a message of its own
//! that names the positions and the remedy, and without writing anything. The remedies work as they are printed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Postgres, PostgresOptions};
use walcast_tests::{Case, assert_reports, await_that};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

#[tokio::test]
async fn a_slot_advanced_by_another_client_halts_and_the_gap_can_be_accepted() {
    let case = Case::new("advanced").await;
    case.deliver([1, 2]).await;
    let stored = case.position().await;
    case.insert([3]).await;
    let slot = case.slot();
    case.await_free_slot().await;
    let advance =
        format!("SELECT end_lsn FROM pg_replication_slot_advance('{slot}', pg_current_wal_flush_lsn())");
    let confirmed = case.text(&advance).await;

    let why = case.halts().await;
    let range = format!("changes in ({stored}, {confirmed}] were never delivered");
    assert_reports(&why, &["slot walcast_advanced", "another client", &range]);

    // Without saying that the gap is accepted, nothing moves.
    let refused = case.command(&["checkpoint", "set", &confirmed]).await;
    assert_reports(refused.error(1), &[&stored, &confirmed, "--accept-gap"]);
    case.follow(&why).await;
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 4], "3 lies in the gap");
}

#[tokio::test]
async fn a_dropped_slot_halts_and_reset_starts_over() {
    let case = Case::new("dropped").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.drop_slot().await;
    case.insert([2]).await;

    let why = case.halts().await;
    let range = format!("changes after {stored} are gone");
    assert_reports(&why, &["slot walcast_dropped does not exist", &range]);

    // There is no terminal to ask, so the answer is no.
    let unasked = case.command(&["checkpoint", "reset"]).await;
    assert_reports(unasked.error(1), &["nothing was changed", "--yes"]);
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 3], "2 was written without a slot");
}

#[tokio::test]
async fn a_slot_dropped_and_made_again_halts() {
    let case = Case::new("remade").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.drop_slot().await;
    case.insert([2]).await;
    let slot = case.slot();
    let make = format!("SELECT lsn FROM pg_create_logical_replication_slot('{slot}', 'pgoutput')");
    let made_at = case.text(&make).await;

    let why = case.halts().await;
    let range = format!("changes in ({stored}, {made_at}] were never delivered");
    assert_reports(&why, &["slot walcast_remade", "recreated", &range]);
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 3]);
}

/// The server removes log that the slot still needs, as `max_slot_wal_keep_size` allows.
async fn a_slot_invalidated_on(major: u16) {
    let options = PostgresOptions::major(major).with_setting("max_slot_wal_keep_size", "1MB");
    let postgres = Postgres::start(options).await.unwrap();
    let case = Case::on(&postgres, &format!("invalidated_{major}")).await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.insert([2]).await;
    let slot = case.slot();
    let status = format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}'");
    await_that("loss of the slot's log", async || {
        case.text("SELECT pg_switch_wal()").await;
        case.sql("CHECKPOINT").await;
        case.text(&status).await == "lost"
    })
    .await;

    let why = case.halts().await;
    let range = format!("changes after {stored} are gone");
    let drop = format!("SELECT pg_drop_replication_slot('{slot}')");
    let wanted = [
        "was invalidated (wal_removed)",
        &range,
        &drop,
        "raise max_slot_wal_keep_size",
    ];
    assert_reports(&why, &wanted);
    case.drop_slot().await;
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 3]);
}

#[tokio::test]
async fn a_slot_invalidated_by_max_slot_wal_keep_size_halts_on_17() {
    a_slot_invalidated_on(17).await;
}

#[tokio::test]
async fn a_slot_invalidated_by_max_slot_wal_keep_size_halts_on_16() {
    a_slot_invalidated_on(16).await;
}

#[tokio::test]
async fn a_slot_invalidated_by_max_slot_wal_keep_size_halts_on_14() {
    a_slot_invalidated_on(14).await;
}

#[tokio::test]
async fn a_checkpoint_of_another_cluster_halts() {
    let case = Case::new("cluster").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    let other = Postgres::start(PostgresOptions::default()).await.unwrap();
    let elsewhere = Case::on(&other, "cluster").await;
    elsewhere.insert([2]).await;

    let why = elsewhere.halts().await;
    let identifier = "SELECT system_identifier FROM pg_control_system()";
    let belongs = format!(
        "the checkpoint at {stored} belongs to cluster {}",
        case.text(identifier).await
    );
    let found = elsewhere.text(identifier).await;
    assert_reports(&why, &[&belongs, &found, "[postgres] url"]);
    assert!(!elsewhere.is_set_up().await, "the other cluster was changed");

    // Where the checkpoint belongs, it still holds.
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 3]);
}

#[tokio::test]
async fn a_checkpoint_of_another_database_halts() {
    let mut case = Case::new("database").await;
    case.deliver([1]).await;
    let other = Case::new("other_database").await;
    let (home, away) = (case.config.clone(), url_of(&other));
    case.config = home.clone().set("postgres.url", away);
    let why = case.halts().await;
    let wanted = ["database \"database\"", "\"other_database\" is configured"];
    assert_reports(&why, &wanted);

    case.config = home;
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}

#[tokio::test]
async fn a_checkpoint_of_another_slot_halts() {
    let mut case = Case::new("slot").await;
    case.deliver([1]).await;
    case.config = case.config.clone().set("postgres.slot", "another_slot");
    let why = case.halts().await;
    assert_reports(&why, &["slot \"walcast_slot\"", "\"another_slot\" is configured"]);
    let made = "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'another_slot')";
    assert!(!case.holds(made).await);
}

#[tokio::test]
async fn a_dropped_publication_halts() {
    let case = Case::new("pub_dropped").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.sql("DROP PUBLICATION walcast_pub_dropped").await;
    case.insert([2]).await;
    let why = case.halts().await;
    let create = "CREATE PUBLICATION \"walcast_pub_dropped\" FOR TABLE ONLY \"public\".\"items\" \
                  WITH (publish_via_partition_root = true)";
    assert_reports(
        &why,
        &["publication walcast_pub_dropped does not exist", &stored, create],
    );
    case.sql(create).await;

    // What was written meanwhile cannot be decoded any more; each step is named, and a person takes it.
    let stuck = case.run_to_end().await;
    let advance = "SELECT pg_replication_slot_advance('walcast_pub_dropped', pg_current_wal_lsn())";
    assert_reports(stuck.error(HALTED), &["older than the publication", advance]);
    case.await_free_slot().await;
    case.text(advance).await;
    let gap = case.halts().await;
    case.follow(&gap).await;
    case.deliver([3]).await;
    assert_eq!(case.ids().await, [1, 3], "2 was written without a publication");
}

#[tokio::test]
async fn an_emptied_publication_halts() {
    let case = Case::new("pub_emptied").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.sql("ALTER PUBLICATION walcast_pub_emptied DROP TABLE items")
        .await;
    case.insert([2]).await;
    let why = case.halts().await;
    let add = "ALTER PUBLICATION \"walcast_pub_emptied\" ADD TABLE ONLY \"public\".\"items\"";
    assert_reports(&why, &["table public.items is captured but not in", &stored, add]);
    case.sql(add).await;
    case.deliver([3]).await;
    assert_eq!(
        case.ids().await,
        [1, 3],
        "2 was written while the table was not published"
    );
}

#[tokio::test]
async fn a_publication_that_lost_a_table_halts() {
    let case = Case::new("pub_lost").await;
    case.sql("CREATE TABLE second (id int PRIMARY KEY)").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    case.sql("ALTER PUBLICATION walcast_pub_lost DROP TABLE second")
        .await;
    let why = case.halts().await;
    let add = "ALTER PUBLICATION \"walcast_pub_lost\" ADD TABLE ONLY \"public\".\"second\"";
    assert_reports(
        &why,
        &["table public.second is captured but not in", &stored, add],
    );
}

#[tokio::test]
async fn a_publication_that_leaves_deletes_out_halts() {
    let case = Case::new("pub_partial").await;
    case.deliver([1]).await;
    case.sql("ALTER PUBLICATION walcast_pub_partial SET (publish = 'insert, update')")
        .await;
    let why = case.halts().await;
    let publish =
        "ALTER PUBLICATION \"walcast_pub_partial\" SET (publish = 'insert, update, delete, truncate')";
    assert_reports(&why, &["does not publish delete", publish]);
    case.sql(publish).await;
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}

#[tokio::test]
async fn a_table_that_became_unlogged_halts() {
    let case = Case::new("unlogged").await;
    case.deliver([1]).await;
    let stored = case.position().await;
    // Postgres makes no published table unlogged, so it was taken out first.
    case.sql("ALTER PUBLICATION walcast_unlogged DROP TABLE items; ALTER TABLE items SET UNLOGGED")
        .await;
    let why = case.halts().await;
    let wanted = [
        "table public.items is unlogged",
        &stored,
        "ALTER TABLE \"public\".\"items\" SET LOGGED",
    ];
    assert_reports(&why, &wanted);
}

/// Records without a checkpoint: it is not known what they are of, and the message names both ways on.
#[tokio::test]
async fn a_slot_without_a_checkpoint_halts_and_can_be_taken_over() {
    let case = Case::new("unknown").await;
    case.deliver([1]).await;
    let reset = case.command(&["checkpoint", "reset", "--yes"]).await;
    assert_eq!(reset.code, Some(0), "{reset:#?}");
    let confirmed = case
        .text("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'walcast_unknown'")
        .await;
    case.insert([2]).await;

    let why = case.halts().await;
    let wanted = [
        "slot walcast_unknown exists, but no checkpoint does, and topic unknown.public.items holds records",
        "walcast migrate debezium-offset",
        "reads no existing rows",
        &confirmed,
    ];
    assert_reports(&why, &wanted);
    case.follow(&why).await;
    case.deliver([3]).await;
    assert_eq!(
        case.ids().await,
        [1, 2, 3],
        "nothing after the slot's position is left out or repeated"
    );
}

#[tokio::test]
async fn a_slot_of_another_plugin_halts() {
    let case = Case::new("plugin").await;
    case.text("SELECT pg_create_logical_replication_slot('walcast_plugin', 'test_decoding')")
        .await;
    let why = case.halts().await;
    let wanted = [
        "slot walcast_plugin cannot be used",
        "output plugin is not pgoutput",
        "drop it",
    ];
    assert_reports(&why, &wanted);
}

#[tokio::test]
async fn a_physical_slot_halts() {
    let case = Case::new("physical").await;
    case.text("SELECT pg_create_physical_replication_slot('walcast_physical', true)")
        .await;
    let why = case.halts().await;
    assert_reports(
        &why,
        &["slot walcast_physical cannot be used", "it is a physical slot"],
    );
}

#[tokio::test]
async fn a_slot_of_another_database_halts() {
    let (case, other) = (Case::new("not_here").await, Case::new("over_there").await);
    other
        .text("SELECT pg_create_logical_replication_slot('walcast_not_here', 'pgoutput')")
        .await;
    let why = case.halts().await;
    assert_reports(
        &why,
        &[
            "slot walcast_not_here cannot be used",
            "it belongs to another database",
        ],
    );
}

fn url_of(case: &Case<'_>) -> String {
    case.postgres.url_for("postgres", "postgres", case.name())
}

/// Such a slot sends prepared transactions before they are committed, which a session cannot read. The statements that the message
/// names keep its position.
#[tokio::test]
async fn a_slot_with_two_phase_halts_and_can_be_replaced() {
    let options = PostgresOptions::default().with_setting("max_prepared_transactions", "10");
    let postgres = Postgres::start(options).await.unwrap();
    let mut case = Case::on(&postgres, "two_phase").await;
    case.config = case.config.clone().set("postgres.auto_create", false);
    case.sql("CREATE PUBLICATION walcast_two_phase FOR TABLE items")
        .await;
    let create =
        "SELECT lsn FROM pg_create_logical_replication_slot('walcast_two_phase', 'pgoutput', false, true)";
    let created = case.text(create).await;
    let two_phase = "slot walcast_two_phase was created with two_phase";
    let refused = case.command(&["checkpoint", "set", &created]).await;
    assert_reports(refused.error(1), &[two_phase, "pg_copy_logical_replication_slot"]);
    let why = case.halts().await;
    assert_reports(&why, &[two_phase]);

    case.insert([1]).await;
    case.sql("BEGIN; INSERT INTO items VALUES (2, 'two'); PREPARE TRANSACTION 'g'")
        .await;
    case.insert([3]).await;
    let (_, replace) = why.split_once("streams from it: ").unwrap();
    case.sql(replace).await;
    case.sql("COMMIT PREPARED 'g'").await;
    let set = case.command(&["checkpoint", "set", &created]).await;
    assert_eq!(set.code, Some(0), "{set:#?}");
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 3, 2, 4]);
}
