//! What the catalog is asked, and what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use walcast_delivery::{Catalog, Partitions, Persistence, Precondition, PreconditionOutcome, Source};
use walcast_mapper::pattern::TablePattern;
use walcast_mapper::{TableName, TypeKind};
use walcast_pgoutput::{Oid, Xid};
use walcast_postgres::PostgresSource;
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{config, relation, set_up, source};

fn shown(tables: &[walcast_delivery::CapturedTable]) -> Vec<String> {
    tables.iter().map(|table| table.name.to_string()).collect()
}

#[tokio::test]
async fn patterns_choose_the_same_tables_here_and_on_the_server() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let names = [
        "orders",
        "order_items",
        "orderXitems",
        "Mixed Case",
        "a%b",
        "a.b",
        "ü",
        "back\\slash",
    ];
    for name in names {
        server
            .execute(&format!("CREATE TABLE \"{name}\" (id int PRIMARY KEY)"))
            .await
            .unwrap();
    }
    for (patterns, exclude) in [
        (vec!["public.*"], vec![]),
        (vec!["public.order_*", "*.ü"], vec!["public.order_items"]),
        (
            vec!["public.\"Mixed Case\"", "public.\"a%b\"", "public.\"a.b\""],
            vec![],
        ),
        (
            vec!["public.MIXED*", "public.\"back\\slash\"", "nowhere.*"],
            vec![],
        ),
        (
            vec![r"/public\.(order.?items|MIXED CASE)/", "/.*%./", "/nowhere/"],
            vec!["/.*order_.*/"],
        ),
    ] {
        let parse = |texts: &[&str]| -> Vec<TablePattern> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mut config = config(&server.url());
        (config.tables, config.exclude) = (parse(&patterns), parse(&exclude));
        let mut expected: Vec<String> = names
            .iter()
            .map(|name| TableName {
                namespace: "public".to_owned(),
                name: (*name).to_owned(),
            })
            .filter(|table| config.captures(table))
            .map(|table| table.to_string())
            .collect();
        expected.sort();
        let mut source = PostgresSource::new(config).unwrap();
        source.acquire_leadership().await.unwrap();
        let source_state = source.inspect(None).await.unwrap();
        assert_eq!(shown(&source_state.captured), expected, "{patterns:?}");
        let nowhere = patterns.contains(&"nowhere.*");
        assert_eq!(
            source_state.unmatched_patterns.contains(&"nowhere.*".to_owned()),
            nowhere
        );
        drop(source);
        crate::streaming::wait_until_gone(&server).await;
    }
}

#[tokio::test]
async fn metadata_completes_the_wal() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
               CREATE DOMAIN positive AS int NOT NULL CHECK (value > 0); CREATE DOMAIN small AS positive;
               CREATE TABLE facts (b int, a int, mood mood[] DEFAULT '{ok}', small small, price numeric(10,2) NOT NULL DEFAULT 1.5,
                                   twice int GENERATED ALWAYS AS (a * 2) STORED, gone int, plain int[], PRIMARY KEY (a, b));
               ALTER TABLE facts DROP COLUMN gone;
               CREATE TABLE keyless (x int, y int NOT NULL, z int NOT NULL);
               CREATE UNIQUE INDEX a_null ON keyless (x); CREATE UNIQUE INDEX b_part ON keyless (y) WHERE z > 0;
               CREATE UNIQUE INDEX c_good ON keyless (z, y) INCLUDE (x)";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url());
    let (source_state, from) = set_up(&mut source).await.unwrap();
    let mut catalog = source.start(from).await.unwrap().catalog;
    let oids: BTreeMap<_, _> = source_state
        .captured
        .iter()
        .map(|table| (table.name.name.as_str(), table.oid))
        .collect();

    let facts = catalog
        .table_metadata(&relation(oids["facts"]), None)
        .await
        .unwrap();
    let columns: Vec<String> = facts
        .columns
        .iter()
        .map(|column| {
            let default = column.default_expression.as_deref().unwrap_or("-");
            format!(
                "{} {} {} {default}",
                column.name, column.not_null, column.generated
            )
        })
        .collect();
    let expected = [
        "b true false -",
        "a true false -",
        "mood false false '{ok}'::public.mood[]",
        "small true false -",
        "price true false 1.5",
        "twice false true -",
        "plain false false -",
    ];
    assert_eq!(columns, expected);
    assert_eq!(facts.key_columns, ["a", "b"]);
    let kinds: BTreeMap<_, _> = facts
        .types
        .values()
        .map(|one| (one.name.as_str(), &one.kind))
        .collect();
    assert_eq!(
        kinds.keys().copied().collect::<Vec<_>>(),
        ["_mood", "mood", "positive", "small"]
    );
    assert!(matches!(kinds["mood"], TypeKind::Enum { labels } if labels == &["sad", "meh", "ok"]));
    assert!(matches!(kinds["_mood"], TypeKind::Array { .. }));

    let keyless = catalog
        .table_metadata(&relation(oids["keyless"]), None)
        .await
        .unwrap();
    assert_eq!(keyless.key_columns, ["z", "y"]);
    let gone = catalog
        .table_metadata(&relation(Oid::new(4_000_000)), None)
        .await
        .unwrap();
    assert!(gone.columns.is_empty());
}

#[tokio::test]
async fn partitions_are_captured_as_they_will_be_sent() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id);
               CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
               CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); CREATE TABLE lone (x int)";
    server.execute(sql).await.unwrap();
    let mut source = source(&server.url());
    source.acquire_leadership().await.unwrap();
    let source_state = source.inspect(None).await.unwrap();
    assert_eq!(
        shown(&source_state.captured),
        ["public.events", "public.lone", "public.scratch"]
    );
    assert!(!source_state.captured[1].identifies_rows);
    assert_eq!(source_state.captured[2].persistence, Persistence::Unlogged);

    let events = [source_state.captured[0].name.clone()];
    source.create_publication(&events).await.unwrap();
    server
        .execute("CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20)")
        .await
        .unwrap();
    let source_state = source.inspect(None).await.unwrap();
    assert_eq!(source_state.publication.unwrap().tables, events);

    source.drop_publication().await.unwrap();
    server
        .execute("CREATE PUBLICATION walcast_shop FOR TABLE events")
        .await
        .unwrap();
    let source_state = source.inspect(None).await.unwrap();
    assert_eq!(
        shown(&source_state.captured),
        [
            "public.events_1",
            "public.events_2",
            "public.lone",
            "public.scratch"
        ]
    );
    let published: Vec<String> = source_state
        .publication
        .unwrap()
        .tables
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(published, ["public.events_1", "public.events_2"]);
}

fn failed(found: &[Precondition]) -> Vec<String> {
    found
        .iter()
        .filter_map(|one| match &one.outcome {
            PreconditionOutcome::Holds(_)
            | PreconditionOutcome::Advised { .. }
            | PreconditionOutcome::Warned { .. } => None,
            PreconditionOutcome::Failed { found, .. } => Some(format!("{}: {found}", one.name)),
            PreconditionOutcome::Error(error) => Some(format!("{}: {error}", one.name)),
        })
        .collect()
}

#[tokio::test]
async fn reports_each_missing_precondition() {
    let options = PostgresOptions::default().with_setting("wal_level", "replica");
    let server = Postgres::start(options).await.unwrap();
    let sql = "CREATE ROLE reader LOGIN; CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE lone (x int)";
    server.execute(sql).await.unwrap();
    let found = walcast_postgres::preconditions(&config(&server.url_for("reader", "x", "shop")))
        .await
        .unwrap();
    let expected = [
        "wal_level: wal_level is replica",
        "role: role reader may not replicate",
        "privilege to create the publication: role reader may not create in database shop",
        "publication walcast_shop: does not exist, and cannot be created by this role, which does not own public.orders",
    ];
    assert_eq!(failed(&found), expected);

    let found = walcast_postgres::preconditions(&config("postgres://a@127.0.0.1:1/x"))
        .await
        .unwrap();
    assert_eq!(failed(&found).len(), 1, "the rest depends on it");
}

#[tokio::test]
async fn checking_preconditions_creates_nothing() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server
        .execute("CREATE TABLE orders (id int PRIMARY KEY)")
        .await
        .unwrap();
    let found = walcast_postgres::preconditions(&config(&server.url()))
        .await
        .unwrap();
    assert_eq!(failed(&found), Vec::<String>::new());
    let warned = |found: &[Precondition]| {
        let found = found.iter().find(|found| found.name == "publication of a tail");
        found.map(|found| format!("{:?}", found.outcome))
    };
    assert_eq!(warned(&found), None);
    let sql = "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)";
    let left: i64 = server
        .client()
        .await
        .unwrap()
        .query_one(sql, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);

    // What a tail that was killed has left.
    let sql = "CREATE PUBLICATION walcast_tail_999999999";
    server.execute(sql).await.unwrap();
    let found = walcast_postgres::preconditions(&config(&server.url())).await;
    let warned = warned(&found.unwrap()).expect("the publication is found");
    let wanted = "run: DROP PUBLICATION \\\"walcast_tail_999999999\\\"";
    assert!(
        warned.starts_with("Warned") && warned.contains(wanted),
        "{warned}"
    );
}

/// A publication of leaves names their root, so that a partition that comes later is published.
#[tokio::test]
async fn leaves_are_published_through_their_root() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id);
               CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
               CREATE TABLE other (id int PRIMARY KEY)";
    server.execute(sql).await.unwrap();
    let mut config = config(&server.url());
    config.partitions = Partitions::Leaf;
    let mut source = PostgresSource::new(config).unwrap();
    set_up(&mut source).await.unwrap();
    let later = "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20)";
    server.execute(later).await.unwrap();
    let source_state = source.inspect(None).await.unwrap();
    let leaves = ["public.events_1", "public.events_2", "public.other"];
    assert_eq!(shown(&source_state.captured), leaves);
    let published = source_state.publication.unwrap().tables;
    let published: Vec<String> = published.iter().map(ToString::to_string).collect();
    assert_eq!(published, leaves);
}

/// A transaction that has not ended is awaited like one that was streamed and is not visible yet.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_read_once_a_transaction_is_visible() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let altering = server.client().await.unwrap();
    altering
        .batch_execute("CREATE TABLE altered (id int PRIMARY KEY)")
        .await
        .unwrap();
    let mut source = source(&server.url());
    let (source_state, from) = set_up(&mut source).await.unwrap();
    let mut catalog = source.start(from).await.unwrap().catalog;
    let begin = "BEGIN; ALTER TABLE altered ADD COLUMN price int NOT NULL DEFAULT 0";
    altering.batch_execute(begin).await.unwrap();
    let row = altering.query_one("SELECT txid_current()", &[]).await.unwrap();
    let xid = Xid::new(u32::try_from(row.get::<_, i64>(0)).unwrap());
    let oid = source_state.captured[0].oid;
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        altering.batch_execute("COMMIT").await.unwrap();
    };
    let altered = relation(oid);
    let before = catalog.table_metadata(&relation(oid), None).await.unwrap();
    let (after, ()) = tokio::join!(catalog.table_metadata(&altered, Some(xid)), commit);
    let columns = [before.columns.len(), after.unwrap().columns.len()];
    assert_eq!(columns, [1, 2]);
}
