//! Partitions of a captured table as the catalog shows them, on each version that publishes them as those of their table.

use walcast_delivery::{Partition, Persistence, Source, SourceState};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::source;

/// Partitions that were created as such, and others that were attached, also in the transaction that created them.
const PARTITIONS: [&str; 9] = [
    "CREATE TABLE events (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
    "CREATE TABLE created PARTITION OF events FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE attached (id int PRIMARY KEY, v text)",
    "ALTER TABLE events ATTACH PARTITION attached FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE below PARTITION OF events FOR VALUES FROM (20) TO (40) PARTITION BY RANGE (id)",
    "CREATE TABLE below_created PARTITION OF below FOR VALUES FROM (20) TO (30)",
    "CREATE TABLE together (id int NOT NULL, v text); INSERT INTO together VALUES (40, 'x');
     ALTER TABLE events ATTACH PARTITION together FOR VALUES FROM (40) TO (50)",
    "BEGIN; SAVEPOINT one; CREATE TABLE saved PARTITION OF events FOR VALUES FROM (50) TO (60); RELEASE one; COMMIT",
    "CREATE UNLOGGED TABLE unlogged PARTITION OF events FOR VALUES FROM (60) TO (70)",
];

/// Statements that update rows of the catalog, and freeze them.
const LATER: &str = "
GRANT SELECT ON created TO public; CREATE INDEX ON events (v); ALTER TABLE events ADD COLUMN w int DEFAULT 7;
ALTER TABLE created REPLICA IDENTITY FULL";
const FREEZE: [&str; 3] = [
    "VACUUM (FULL, FREEZE) pg_inherits",
    "VACUUM FREEZE pg_attribute",
    "VACUUM FREEZE pg_class",
];

fn partitions(source_state: &SourceState) -> Vec<Partition> {
    let events = source_state
        .captured
        .iter()
        .find(|table| table.name.name == "events");
    events.unwrap().partitions.clone().unwrap()
}

fn attached(source_state: &SourceState) -> Vec<String> {
    let mut attached = partitions(source_state);
    attached.retain(|one| !one.was_created_as_partition);
    attached.into_iter().map(|one| one.name.name).collect()
}

#[tokio::test]
async fn attached_partitions_differ_from_created_ones_on_each_version() {
    for major in 13..=18 {
        let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        for statement in PARTITIONS {
            server.execute(statement).await.unwrap();
        }
        let mut source = source(&server.url());
        source.acquire_leadership().await.unwrap();
        let before = source.inspect(None).await.unwrap();
        let mut names = attached(&before);
        names.sort();
        assert_eq!(names, ["attached", "together"], "{major}");
        let found = partitions(&before);
        let named = |name: &str| found.iter().find(|one| one.name.name == name).unwrap();
        assert_eq!(named("below_created").parent, named("below").oid);
        assert!(!named("below").is_leaf && named("below_created").is_leaf);
        assert_eq!(named("unlogged").persistence, Persistence::Unlogged);
        assert_eq!(named("created").file, named("created").oid);

        server.execute(LATER).await.unwrap();
        for statement in FREEZE {
            server.execute(statement).await.unwrap();
        }
        let after = source.inspect(None).await.unwrap();
        let place = |source_state: &SourceState| {
            let mut places: Vec<_> = partitions(source_state)
                .into_iter()
                .map(|one| (one.oid, one.attached_by, one.file))
                .collect();
            places.sort_by_key(|(oid, ..)| *oid);
            places
        };
        assert_eq!(place(&before), place(&after), "{major}");

        server.execute("TRUNCATE created").await.unwrap();
        server
            .execute("ALTER TABLE events DETACH PARTITION attached")
            .await
            .unwrap();
        let last = source.inspect(None).await.unwrap();
        let created = partitions(&last)
            .into_iter()
            .find(|one| one.name.name == "created");
        let created = created.unwrap();
        assert_ne!(created.file, created.oid);
        assert!(!partitions(&last).iter().any(|one| one.name.name == "attached"));
        assert!(last.tables.contains(&named("attached").oid), "a table of its own");
    }
}
