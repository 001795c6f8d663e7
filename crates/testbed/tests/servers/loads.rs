//! The loads: they write, keep their journal, and continue over a restart.

use std::time::Duration;

use walcast_testbed::{
    Load, LoadOptions, Postgres, PostgresOptions, Shop, StopMode, TpcB, journal, wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);

async fn wait_for_transactions(load: &Load, more: u64) {
    let target = load.progress().transactions + more;
    wait_until("transactions of the load", LIMIT, async || {
        Ok(load.progress().transactions >= target)
    })
    .await
    .unwrap();
}

fn unlimited() -> LoadOptions {
    LoadOptions {
        writes_per_second: None,
        ..LoadOptions::default()
    }
}

/// Rows that the journal's inserts and deletes leave over what was there before.
const JOURNAL_BALANCE: &str =
    "SELECT coalesce(sum(CASE op WHEN 'c' THEN 1 WHEN 'd' THEN -1 ELSE 0 END), 0)::bigint
    FROM walcast_journal.changes WHERE table_name = $1";

#[tokio::test]
async fn the_shop_continues_after_a_crash_and_its_journal_adds_up() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let load = Shop::create(&postgres)
        .await
        .unwrap()
        .run(&postgres, &unlimited());
    wait_for_transactions(&load, 200).await;
    postgres.restart(StopMode::Immediate).await.unwrap();
    wait_for_transactions(&load, 300).await;
    let summary = load.stop().await.unwrap();
    assert!(
        summary.reconnects >= 1 && summary.writes > summary.transactions / 2,
        "{summary:?}"
    );

    let client = postgres.client().await.unwrap();
    for (table, before) in [("customers", 100), ("orders", 0), ("items", 0), ("payments", 0)] {
        let count: i64 = client
            .query_one(&format!("SELECT count(*) FROM {table}"), &[])
            .await
            .unwrap()
            .get(0);
        let row = client
            .query_one(JOURNAL_BALANCE, &[&format!("public.{table}")])
            .await
            .unwrap();
        assert_eq!(count, before + row.get::<_, i64>(0), "{table}");
    }
    let entries = journal::read(&client).await.unwrap();
    assert!(
        entries.iter().any(|entry| entry.old_key.is_some()),
        "no altered key among {}",
        entries.len()
    );
    let note = |entry: &journal::JournalEntry| Some(entry.new.as_ref()?.get("notes")?.as_ref()?.len());
    assert!(
        entries.iter().filter_map(note).any(|bytes| bytes > 2500),
        "no wide value"
    );
    let moved = entries.iter().filter(|entry| entry.old_key.is_some()).count();
    assert_eq!(
        journal::changes(&client).await.unwrap(),
        u64::try_from(entries.len() + moved).unwrap()
    );
}

#[tokio::test]
async fn the_bank_keeps_its_books_balanced() {
    let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let load = TpcB::create(&postgres, 2)
        .await
        .unwrap()
        .run(&postgres, &unlimited());
    wait_for_transactions(&load, 200).await;
    let summary = load.stop().await.unwrap();
    let client = postgres.client().await.unwrap();
    let sums =
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
                       (SELECT count(*) FROM pgbench_history)";
    let row = client.query_one(sums, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(u64::try_from(row.get::<_, i64>(1)).unwrap(), summary.transactions);
    assert_eq!(journal::changes(&client).await.unwrap(), summary.writes);
}
