//! The whole way on each major version.

use walcast_delivery::{
    Catalog, ChangeStream, ChosenRows, Feedback, Opened, Snapshot, Snapshots, SourceWatch, Started, WalStatus,
};
use walcast_mapper::TableName;
use walcast_postgres::{PostgresSnapshot, PostgresSource};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{config, next_inserts, relation, start, wait_until_confirmed};

async fn whole_way(major: u16) {
    let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
    server
        .execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")
        .await
        .unwrap();
    let mut config = config(&server.url());
    config.logical_decoding_work_mem = Some("128MB".to_owned());
    let mut source = PostgresSource::new(config).unwrap();
    let Started {
        mut stream,
        feedback,
        mut catalog,
        mut watch,
        mut snapshots,
    } = start(&mut source).await;
    server
        .execute("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        .await
        .unwrap();
    let (inserted, end_lsn) = next_inserts(&mut stream).await;
    assert_eq!(inserted, ["1", "2"]);
    feedback.confirm(end_lsn);
    wait_until_confirmed(&server, end_lsn).await;

    let source_state = watch.inspect().await.unwrap();
    assert_eq!(source_state.server_version / 10_000, u32::from(major));
    assert_eq!(
        source_state.publication.unwrap().tables,
        [source_state.captured[0].name.clone()]
    );
    let slot = source_state.slot.unwrap();
    assert_eq!(slot.wal_status, (major >= 13).then_some(WalStatus::Reserved));
    assert_eq!(slot.invalidation_reason, None);
    let facts = catalog
        .table_metadata(&relation(source_state.captured[0].oid), None)
        .await
        .unwrap();
    assert_eq!(facts.key_columns, ["id"]);
    let rows = ["(0,1)\t1\ta\n", "(0,2)\t2\tb\n"];
    assert_eq!(read(&mut snapshots.take().await.unwrap()).await, rows);
    let read_only = PostgresSnapshot::read_only(crate::config(&server.url()));
    assert_eq!(read(&mut read_only.await.unwrap()).await, rows);
    stream.stop().await.unwrap();
    let found = walcast_postgres::preconditions(&crate::config(&server.url()))
        .await
        .unwrap();
    assert!(
        found.iter().all(walcast_delivery::Precondition::is_met),
        "{found:?}"
    );
}

/// The rows that are in the table, as they are copied.
async fn read(snapshot: &mut PostgresSnapshot) -> Vec<String> {
    let orders = TableName {
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
    };
    let Opened::Table(table) = snapshot
        .open(&orders, None, None, ChosenRows::Configured)
        .await
        .unwrap()
    else {
        panic!("the table is there");
    };
    assert_eq!(table.relation.columns.len(), 2);
    let mut lines = Vec::new();
    while let Some(rows) = snapshot.next().await.unwrap() {
        lines.extend(rows.lines);
    }
    let lines = String::from_utf8(lines).unwrap();
    lines.split_inclusive('\n').map(str::to_owned).collect()
}

macro_rules! whole_way_on {
    ($($name:ident $major:literal),+) => {
        $(
            #[tokio::test]
            async fn $name() {
                whole_way($major).await;
            }
        )+
    };
}

whole_way_on!(on_12 12, on_13 13, on_14 14, on_15 15, on_16 16, on_17 17, on_18 18);
