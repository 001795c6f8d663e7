//! Snapshots without leadership: rows are read beside a running instance, and nothing is written to the server.

use walcast_delivery::{ChosenRows, Opened, Snapshot, SnapshotTable, Started};
use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Relation};
use walcast_postgres::{Environment, PostgresConfig, PostgresSnapshot, ReadingRole};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{LIMIT, config, next_inserts, source, start};

/// Role that may only read, whose transactions are read-only unless it says otherwise.
const READER: &str = "CREATE TABLE orders (id int PRIMARY KEY, note text);
                      CREATE ROLE auditor LOGIN;
                      ALTER ROLE auditor SET default_transaction_read_only = on;
                      GRANT SELECT ON orders TO auditor";

/// Settings with the reading role. The other role does not exist, so that a session of it would fail.
fn reading(server: &Postgres) -> PostgresConfig {
    let role = ReadingRole::new("auditor".to_owned(), None, None, &Environment::default());
    PostgresConfig {
        reading_role: Some(role),
        ..config(&server.url_for("absent", "", "shop"))
    }
}

fn public(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

fn orders() -> TableName {
    public("orders")
}

/// Table, and its rows as they are copied.
async fn read(snapshot: &mut PostgresSnapshot) -> (SnapshotTable, String) {
    read_table(snapshot, &orders()).await
}

async fn read_table(snapshot: &mut PostgresSnapshot, table: &TableName) -> (SnapshotTable, String) {
    let opened = snapshot.open(table, None, None, ChosenRows::Configured).await;
    let Opened::Table(table) = opened.unwrap() else {
        panic!("the table exists");
    };
    let mut lines = Vec::new();
    while let Some(rows) = snapshot.next().await.unwrap() {
        lines.extend(rows.lines);
    }
    (*table, String::from_utf8(lines).unwrap())
}

/// Number that a query returns.
async fn number(server: &Postgres, sql: &str) -> i64 {
    let client = server.client().await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn rows_are_read_beside_the_leader_and_nothing_is_written() {
    // Autovacuum writes too.
    let options = PostgresOptions::default().with_setting("autovacuum", "off");
    let server = Postgres::start(options).await.unwrap();
    server.execute(READER).await.unwrap();
    let mut source = source(&server.url());
    let Started { mut stream, .. } = start(&mut source).await;
    server
        .execute("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        .await
        .unwrap();
    let (_, before) = next_inserts(&mut stream).await;

    let next_xid = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
    let xid_before = number(&server, next_xid).await;
    let mut snapshot = PostgresSnapshot::read_only(reading(&server)).await.unwrap();
    let slots = "SELECT count(*) FROM pg_replication_slots";
    assert_eq!(number(&server, slots).await, 1, "the slot of the leader alone");
    assert_eq!(
        number(&server, next_xid).await,
        xid_before,
        "no transaction was given an id"
    );
    server
        .execute("INSERT INTO orders VALUES (3, 'c')")
        .await
        .unwrap();
    let (inserted, after) = next_inserts(&mut stream).await;
    assert_eq!(inserted, ["3"], "the leader is not disturbed");

    assert!(before <= snapshot.lsn() && snapshot.lsn() < after);
    let sizes = snapshot.sizes(&[orders()]).await.unwrap();
    assert!(sizes.contains_key(&orders()), "{sizes:?}");
    let (table, rows) = read(&mut snapshot).await;
    assert_eq!(rows, "(0,1)\t1\ta\n(0,2)\t2\tb\n");
    let columns = table.relation.columns.iter().map(|column| column.name.as_str());
    assert_eq!(columns.collect::<Vec<_>>(), ["id", "note"]);
    assert_eq!(table.facts.key_columns, ["id"]);
}

#[tokio::test]
async fn rows_are_read_from_the_standby_that_reads_rows() {
    let mut server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(READER).await.unwrap();
    server
        .execute("CREATE PUBLICATION walcast_shop FOR TABLE orders; INSERT INTO orders VALUES (1, 'a')")
        .await
        .unwrap();
    let standby = server.standby().await.unwrap();
    let config = PostgresConfig {
        reader: Some(reading(&standby).connect),
        ..reading(&server)
    };
    // A statement on the primary would fail: only the standby is used.
    server.stop(walcast_testbed::StopMode::Fast).await.unwrap();
    let mut snapshot = PostgresSnapshot::read_only(config).await.unwrap();
    assert!(snapshot.lsn().as_u64() > 0);
    assert_eq!(read(&mut snapshot).await.1, "(0,1)\t1\ta\n");
}

/// A reader needs no instance, and no slot that one has created.
#[tokio::test]
async fn table_that_is_altered_after_the_snapshot_is_reported() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(READER).await.unwrap();
    server
        .execute("CREATE PUBLICATION walcast_shop FOR TABLE orders")
        .await
        .unwrap();
    let mut snapshot = PostgresSnapshot::read_only(reading(&server)).await.unwrap();
    server.execute("TRUNCATE orders").await.unwrap();
    let opened = snapshot.open(&orders(), None, None, ChosenRows::Configured).await;
    assert!(matches!(opened.unwrap(), Opened::Altered));
}

const TWO_TABLES: &str = "CREATE TABLE orders (id int PRIMARY KEY, note text);
                          CREATE TABLE lines (id int PRIMARY KEY, note text);
                          INSERT INTO orders SELECT n, repeat('x', 200) FROM generate_series(1, 200000) n;
                          INSERT INTO lines SELECT n, 'y' FROM generate_series(1, 1000) n";

/// Statements that need a table alone wait no longer than the table is read, while the transaction of the snapshot continues.
#[tokio::test]
async fn locks_of_a_table_are_released_when_the_next_is_opened() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TWO_TABLES).await.unwrap();
    let mut snapshot = PostgresSnapshot::read_only(config(&server.url())).await.unwrap();
    let alter = "ALTER TABLE orders ADD COLUMN later int";
    let alter_at_once = format!("SET lock_timeout = '300ms'; {alter}");
    let (_, rows) = read(&mut snapshot).await;
    assert_eq!(rows.lines().count(), 200_000);
    assert!(
        server.execute(&alter_at_once).await.is_err(),
        "the table is locked"
    );
    let (_, rows) = read_table(&mut snapshot, &public("lines")).await;
    assert_eq!(rows.lines().count(), 1000);
    // The other sessions of the snapshot may still be giving it up.
    tokio::time::timeout(LIMIT, server.execute(alter))
        .await
        .expect("the table is still locked")
        .unwrap();
    let opened = snapshot.open(&orders(), None, None, ChosenRows::Configured).await;
    assert!(matches!(opened.unwrap(), Opened::Altered));
    let (_, rows) = read_table(&mut snapshot, &public("lines")).await;
    assert_eq!(rows.lines().count(), 1000);
}

/// A table that is not read to its end leaves its sessions to the next one.
#[tokio::test]
async fn tables_after_one_that_was_abandoned_are_read_completely() {
    for major in [13, 18] {
        let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        server.execute(TWO_TABLES).await.unwrap();
        let mut snapshot = PostgresSnapshot::read_only(config(&server.url())).await.unwrap();
        for _ in 0..3 {
            let opened = snapshot.open(&orders(), None, None, ChosenRows::Configured).await;
            assert!(matches!(opened.unwrap(), Opened::Table(_)));
            assert!(snapshot.next().await.unwrap().is_some());
            let (_, rows) = read_table(&mut snapshot, &public("lines")).await;
            assert_eq!(rows.lines().count(), 1000, "on {major}");
        }
        let (_, rows) = read(&mut snapshot).await;
        assert_eq!(rows.lines().count(), 200_000, "on {major}");
    }
}

/// A table that is locked for long keeps no other from being described and read.
#[tokio::test]
async fn a_locked_table_keeps_no_other_from_being_read() {
    for major in [13, 15, 16, 17, 18] {
        let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        server.execute(TWO_TABLES).await.unwrap();
        server
            .execute("CREATE PUBLICATION walcast_shop FOR TABLE orders, lines")
            .await
            .unwrap();
        let locking = server.client().await.unwrap();
        let lock = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
        locking.batch_execute(lock).await.unwrap();
        let config = PostgresConfig {
            snapshot_lock_timeout: std::time::Duration::from_millis(200),
            ..config(&server.url())
        };
        // Each statement that waited would end after the `lock_timeout` of its session.
        let state = walcast_postgres::inspect(&config, None).await.unwrap();
        assert_eq!(state.publication.unwrap().tables.len(), 2, "on {major}");
        let mut snapshot = PostgresSnapshot::read_only(config).await.unwrap();
        let opened = snapshot.open(&orders(), None, None, ChosenRows::Configured).await;
        assert!(matches!(opened.unwrap(), Opened::Altered), "on {major}");
        let (_, rows) = read_table(&mut snapshot, &public("lines")).await;
        assert_eq!(rows.lines().count(), 1000, "on {major}");
    }
}

/// A table is found by its OID under the name that it had at the position of the snapshot.
#[tokio::test]
async fn a_renamed_table_is_found_by_its_oid() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(READER).await.unwrap();
    server
        .execute(
            "CREATE PUBLICATION walcast_shop FOR TABLE orders; INSERT INTO orders VALUES (1, 'a');
             CREATE SCHEMA sales; GRANT USAGE ON SCHEMA sales TO auditor",
        )
        .await
        .unwrap();
    let oid = number(&server, "SELECT 'orders'::regclass::oid::int8").await;
    let oid = Some(Oid::new(u32::try_from(oid).unwrap()));
    server
        .execute(
            "ALTER TABLE orders SET SCHEMA sales; ALTER TABLE sales.orders RENAME TO bought;
             CREATE TABLE orders (id int PRIMARY KEY); GRANT SELECT ON orders TO auditor",
        )
        .await
        .unwrap();
    let mut snapshot = PostgresSnapshot::read_only(reading(&server)).await.unwrap();
    let opened = snapshot.open(&orders(), oid, None, ChosenRows::Configured).await;
    let Opened::Table(table) = opened.unwrap() else {
        panic!("the table exists under another name");
    };
    let Relation { namespace, name, .. } = &table.relation;
    assert_eq!((namespace.as_str(), name.as_str()), ("sales", "bought"));
    let rows = snapshot.next().await.unwrap().expect("the table has a row");
    assert_eq!(rows.lines, b"(0,1)\t1\ta\n");
    drop(snapshot);

    // A snapshot that was taken before shows a name that the table does not have any more.
    let mut snapshot = PostgresSnapshot::read_only(reading(&server)).await.unwrap();
    server
        .execute("ALTER TABLE sales.bought RENAME TO sold")
        .await
        .unwrap();
    let opened = snapshot.open(&orders(), oid, None, ChosenRows::Configured).await;
    assert!(matches!(opened.unwrap(), Opened::Altered));
    drop(snapshot);

    server.execute("DROP TABLE sales.sold").await.unwrap();
    let mut snapshot = PostgresSnapshot::read_only(reading(&server)).await.unwrap();
    let opened = snapshot.open(&orders(), oid, None, ChosenRows::Configured).await;
    assert!(matches!(opened.unwrap(), Opened::Missing));
}
