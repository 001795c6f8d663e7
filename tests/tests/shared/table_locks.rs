//! A table that the application locks for long, as `VACUUM FULL` and `ALTER TABLE` do: nothing that other tables need waits for it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Postgres, PostgresOptions, read_topic};
use walcast_tests::{Case, Instance, await_that, shared};

async fn deliver(case: &Case<'_>, id: u32) {
    case.insert([id]).await;
    case.await_ids([id]).await;
}

/// The versions differ in the functions of the catalog that lock a table.
#[tokio::test]
async fn a_locked_table_delays_no_other_table() {
    for major in [14, 17, 18] {
        let postgres = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        let name = format!("table_locks_{major}");
        let mut case = Case::on(&postgres, &name).await;
        case.config = case
            .config
            .set("postgres.slot_check_interval", "200ms")
            .set("snapshot.mode", "initial");
        case.sql("CREATE TABLE vacuumed (id int PRIMARY KEY, note text DEFAULT 'none'); INSERT INTO vacuumed VALUES (1)")
            .await;
        let mut instance = Instance::start(&case.config).await;
        deliver(&case, 1).await;
        // The changes of the locked table wait for their schema at the next start.
        case.sql("ALTER TABLE vacuumed ADD COLUMN later int DEFAULT 7; INSERT INTO vacuumed VALUES (2)")
            .await;

        let locking = case.client().await;
        let lock = "BEGIN; LOCK TABLE vacuumed IN ACCESS EXCLUSIVE MODE";
        locking.batch_execute(lock).await.unwrap();
        // Streaming, and its inspections.
        deliver(&case, 2).await;
        // A start.
        instance.stop().await;
        instance.start_again();
        instance.ready().await;
        deliver(&case, 3).await;
        // A table that comes is published.
        case.sql("CREATE TABLE arriving (id int PRIMARY KEY); INSERT INTO arriving VALUES (1)")
            .await;
        let published = "SELECT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = 'arriving'::regclass)";
        await_that("the publication of a table that comes", async || {
            case.holds(published).await
        })
        .await;
        deliver(&case, 4).await;
        let status = instance.status().await;
        assert_eq!(status["reconnects"], 0, "on {major}: {}", instance.log_end());
        // A snapshot waits for the transactions that run.
        locking.batch_execute("ROLLBACK").await.unwrap();
        for (table, records) in [("arriving", 1), ("vacuumed", 2)] {
            let topic = format!("{name}.public.{table}");
            await_that("the rows of the other tables", async || {
                let brokers = shared().await.kafka().brokers();
                let read = read_topic(&brokers, &topic).await;
                read.is_ok_and(|read| read.len() == records)
            })
            .await;
        }
        instance.stop().await;
    }
}
