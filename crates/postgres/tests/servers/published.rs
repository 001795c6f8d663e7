//! Tables of a publication, which are read from the catalog without locks: the same as the server's view lists.

use walcast_postgres::{PostgresConfig, inspect};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::config;

const TABLES: &str = "
    CREATE SCHEMA other;
    CREATE TABLE plain (id int PRIMARY KEY);
    CREATE TABLE other.elsewhere (id int PRIMARY KEY);
    CREATE UNLOGGED TABLE staging (id int PRIMARY KEY);
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child () INHERITS (parent);
    CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
    CREATE TABLE events_2_1 PARTITION OF events_2 FOR VALUES FROM (10) TO (20);
    CREATE TABLE other.events_2_2 PARTITION OF events_2 FOR VALUES FROM (20) TO (30);
    CREATE UNLOGGED TABLE events_3 PARTITION OF events FOR VALUES FROM (30) TO (40);
    CREATE VIEW shown AS SELECT * FROM plain;
    CREATE MATERIALIZED VIEW stored AS SELECT * FROM plain";

const PUBLICATIONS: [&str; 8] = [
    "FOR ALL TABLES",
    "FOR TABLE plain, events",
    "FOR TABLE events, events_2, events_1, other.elsewhere",
    "FOR TABLE events_2_1, other.events_2_2",
    "FOR TABLE parent",
    "FOR TABLES IN SCHEMA public",
    "FOR TABLES IN SCHEMA other, TABLE events_2",
    "",
];

#[tokio::test]
async fn tables_are_those_of_the_view_on_each_version_that_locks_them() {
    for major in 15..=18 {
        let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
        server.execute(TABLES).await.unwrap();
        let client = server.client().await.unwrap();
        let mut compared = 0;
        for (number, of) in PUBLICATIONS.iter().enumerate() {
            for via_root in [false, true] {
                let name = format!("publication_{number}_{via_root}");
                let create =
                    format!("CREATE PUBLICATION {name} {of} WITH (publish_via_partition_root = {via_root})");
                client.batch_execute(&create).await.unwrap();
                let view =
                    "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1";
                let listed = client.query(view, &[&name]).await.unwrap();
                let mut listed: Vec<String> = listed.iter().map(|row| row.get(0)).collect();
                listed.sort();
                let config = PostgresConfig {
                    publication: name.clone(),
                    ..config(&server.url())
                };
                let found = inspect(&config, None).await.unwrap().publication.unwrap();
                let mut tables: Vec<String> = found.tables.iter().map(ToString::to_string).collect();
                tables.sort();
                assert_eq!(tables, listed, "{create} on {major}");
                compared += listed.len();
            }
        }
        assert!(compared > 30, "{compared} tables on {major}");
    }
}
