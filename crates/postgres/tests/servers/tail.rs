//! Streams of a tail.

use walcast_delivery::Feedback;
use walcast_pgoutput::{Decoder, Frame, Message};
use walcast_postgres::PostgresError;
use walcast_postgres::tail::{self, Selection};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{LIMIT, connect};

const LEFT: &str =
    "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)";

async fn insert_seen(tail: &mut tail::Tail) -> bool {
    let mut decoder = Decoder::new();
    let reading = async {
        loop {
            for frame in tail.next_block().await.unwrap().frames() {
                if let Frame::XLogData { message, wal_end, .. } = frame.unwrap() {
                    tail.feedback().confirm(wal_end);
                    if matches!(decoder.decode(message).unwrap(), Message::Insert(_)) {
                        return true;
                    }
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap_or(false)
}

#[tokio::test]
async fn a_tail_leaves_nothing_behind() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    // What a tail that was killed has left.
    let sql = "CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION walcast_tail_999999999";
    server.execute(sql).await.unwrap();
    let selection = Selection::Tables(vec!["public.*".parse().unwrap()]);
    let mut tail = tail::open(&connect(&server.url()), selection).await.unwrap();
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    assert!(insert_seen(&mut tail).await);
    tail.close().await.unwrap();
    let client = server.client().await.unwrap();
    walcast_testbed::wait_until("the slot's end", LIMIT, async || {
        Ok(client.query_one(LEFT, &[]).await.unwrap().get::<_, i64>(0) == 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_tail_of_a_given_publication_leaves_it_alone() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION mine FOR ALL TABLES";
    server.execute(sql).await.unwrap();
    let selection = Selection::Publication("mine".to_owned());
    let mut tail = tail::open(&connect(&server.url()), selection).await.unwrap();
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    assert!(insert_seen(&mut tail).await);
    tail.close().await.unwrap();
    let sql = "SELECT count(*) FROM pg_publication WHERE pubname = 'mine'";
    assert_eq!(
        server
            .client()
            .await
            .unwrap()
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        1
    );
}

#[tokio::test]
async fn a_tail_that_cannot_begin_takes_its_publication_back() {
    let server = Postgres::start(PostgresOptions::default().with_setting("wal_level", "replica"))
        .await
        .unwrap();
    server
        .execute("CREATE TABLE orders (id int PRIMARY KEY)")
        .await
        .unwrap();
    let selection = Selection::Tables(vec!["public.*".parse().unwrap()]);
    let refused = tail::open(&connect(&server.url()), selection)
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("wal_level"), "{refused}");
    let left: i64 = server
        .client()
        .await
        .unwrap()
        .query_one(LEFT, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}

/// A role with REPLICATION alone streams an existing publication; without one, the error names it.
#[tokio::test]
async fn a_tail_needs_few_rights() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION mine FOR ALL TABLES; CREATE ROLE watcher LOGIN REPLICATION";
    server.execute(sql).await.unwrap();
    let database = &server.options().database;
    let url = server.url_for("watcher", "x", database);
    let tables = || Selection::Tables(vec!["public.*".parse().unwrap()]);
    let denied = tail::open(&connect(&url), tables()).await.err().unwrap();
    let PostgresError::MayNotPublish { publications, .. } = &denied else {
        panic!("{denied}");
    };
    assert_eq!(publications, &["mine"]);
    assert_eq!(
        denied.to_string(),
        format!(
            "permission denied for database {database} (SQLSTATE 42501): the role may not create a publication for these tables"
        )
    );

    let selection = Selection::Publication("mine".to_owned());
    let mut tail = tail::open(&connect(&url), selection).await.unwrap();
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    assert!(insert_seen(&mut tail).await);
    tail.close().await.unwrap();
}

/// Once a table without replica identity is published, its updates fail in the application.
#[tokio::test]
async fn a_tail_does_not_publish_tables_that_inherit() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let sql = "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1)";
    server.execute(sql).await.unwrap();
    let selection = Selection::Tables(vec!["public.*".parse().unwrap()]);
    let tail = tail::open(&connect(&server.url()), selection).await.unwrap();
    server.execute("UPDATE child SET id = 2").await.unwrap();
    tail.close().await.unwrap();
}
