//! The stream and the way back.

use walcast_delivery::{ChangeStream, Feedback, Source, SourceWatch, Started};
use walcast_pgoutput::Frame;
use walcast_postgres::PostgresSource;
use walcast_testbed::{Postgres, PostgresOptions, wait_until};

use crate::{LIMIT, config, next_inserts, set_up, source, start, wait_until_confirmed};

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY, note text)";

/// Waits until no connection of ours is left on the server.
pub(crate) async fn wait_until_gone(server: &Postgres) {
    let client = server.client().await.unwrap();
    wait_until("end of our connections", LIMIT, async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'walcast/%'";
        Ok(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn only_confirmed_positions_advance_the_slot() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    let Started {
        mut stream,
        feedback,
        mut watch,
        ..
    } = start(&mut source).await;
    let before = watch
        .inspect()
        .await
        .unwrap()
        .slot
        .unwrap()
        .confirmed_flush_lsn
        .unwrap();

    server
        .execute("INSERT INTO orders VALUES (1), (2)")
        .await
        .unwrap();
    let (inserted, end_lsn) = next_inserts(&mut stream).await;
    assert_eq!(inserted.len(), 2);
    let unconfirmed = watch
        .inspect()
        .await
        .unwrap()
        .slot
        .unwrap()
        .confirmed_flush_lsn
        .unwrap();
    assert_eq!(unconfirmed, before, "received is not confirmed");

    feedback.confirm(end_lsn);
    wait_until_confirmed(&server, end_lsn).await;
    // A position that lies behind is not taken back.
    feedback.confirm(before);
    stream.stop().await.unwrap();
    let slot = watch.inspect().await.unwrap().slot.unwrap();
    assert_eq!(slot.confirmed_flush_lsn, Some(end_lsn));
    assert_eq!(slot.active_pid, None, "stop waits until the slot is free");
}

#[tokio::test]
async fn the_last_confirmation_is_sent_before_the_end_and_the_slot_can_be_used_at_once() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    for round in 1..=5 {
        let Started {
            mut stream,
            feedback,
            mut watch,
            ..
        } = start(&mut source).await;
        server
            .execute(&format!("INSERT INTO orders VALUES ({round})"))
            .await
            .unwrap();
        let (inserted, end_lsn) = next_inserts(&mut stream).await;
        assert_eq!(inserted.len(), 1, "round {round}");
        feedback.confirm(end_lsn);
        stream.stop().await.unwrap();
        let slot = watch.inspect().await.unwrap().slot.unwrap();
        assert_eq!(slot.confirmed_flush_lsn, Some(end_lsn), "round {round}");
    }
}

#[tokio::test]
async fn answers_the_server_while_no_frames_are_taken() {
    // Longer than a busy machine stands still.
    let options = PostgresOptions::default().with_setting("wal_sender_timeout", "8s");
    let server = Postgres::start(options).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut config = config(&server.url());
    config.queue_bytes = 64 * 1024;
    let mut source = PostgresSource::new(config).unwrap();
    let Started { mut stream, .. } = start(&mut source).await;
    // Far more than the queue and the sockets' buffers hold: the server blocks in the middle of it.
    let sql = "INSERT INTO orders SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 40000) i";
    server.execute(sql).await.unwrap();

    // Several timeouts pass by the server's own clock; each update shows there.
    let client = server.client().await.unwrap();
    let began = client.query_one("SELECT now()", &[]).await.unwrap();
    let began: std::time::SystemTime = began.get(0);
    wait_until("two timeouts", LIMIT, async || {
        let sql = "SELECT reply_time > $1::timestamptz + interval '18 s' FROM pg_stat_replication";
        let row = client.query_opt(sql, &[&began]).await.unwrap();
        Ok(row
            .expect("the server has dropped the connection")
            .get::<_, Option<bool>>(0)
            == Some(true))
    })
    .await
    .unwrap();

    let (inserted, _) = next_inserts(&mut stream).await;
    assert_eq!(inserted.len(), 40_000);
}

#[tokio::test]
async fn idle_stream_reports_the_end_of_wal() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    server.create_database("other").await.unwrap();
    let mut source = source(&server.url());
    let Started {
        mut stream, feedback, ..
    } = start(&mut source).await;
    let other = server.client_of("other").await.unwrap();
    other
        .batch_execute("CREATE TABLE busy AS SELECT generate_series(1, 1000)")
        .await
        .unwrap();
    let row = other
        .query_one("SELECT pg_current_wal_flush_lsn()::text", &[])
        .await
        .unwrap();
    let end: walcast_pgoutput::Lsn = row.get::<_, String>(0).parse().unwrap();

    let reading = async {
        loop {
            for frame in stream.next().await.unwrap().frames() {
                match frame.unwrap() {
                    Frame::Keepalive { wal_end, .. } if wal_end >= end => return wal_end,
                    _ => {}
                }
            }
        }
    };
    let wal_end = tokio::time::timeout(LIMIT, reading)
        .await
        .expect("no keepalive went that far");
    feedback.confirm(wal_end);
    wait_until_confirmed(&server, wal_end).await;
}

#[tokio::test]
async fn stream_ends_with_the_server_and_can_be_restarted() {
    let mut server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    let Started {
        mut stream,
        mut watch,
        ..
    } = start(&mut source).await;
    server
        .restart(walcast_testbed::StopMode::Immediate)
        .await
        .unwrap();
    let ended = tokio::time::timeout(LIMIT, async {
        loop {
            if let Err(error) = stream.next().await {
                return error;
            }
        }
    });
    let error = ended.await.expect("the stream did not end");
    assert!(error.is_retryable(), "{error}");
    let lost = tokio::time::timeout(LIMIT, watch.lost())
        .await
        .expect("leadership was not lost");
    assert!(lost.is_retryable(), "{lost}");

    server.execute("INSERT INTO orders VALUES (7)").await.unwrap();
    let Started { mut stream, .. } = start(&mut source).await;
    assert_eq!(next_inserts(&mut stream).await.0, ["7"]);
}

#[tokio::test]
async fn a_stream_that_is_dropped_frees_the_slot() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    let started = start(&mut source).await;
    drop(started);
    // The slot is waited for inside.
    let Started { stream, .. } = start(&mut source).await;
    stream.stop().await.unwrap();
}

/// A connector of another name, whose walsender this connector may not take for its own.
fn other(server: &Postgres) -> PostgresSource {
    let mut config = config(&server.url());
    config.name = "other".to_owned();
    PostgresSource::new(config).unwrap()
}

/// As after a restart under another role, while the server has not noticed that the former client is gone.
#[tokio::test]
async fn a_start_waits_for_a_session_that_is_not_its_own_as_long_as_the_server_does() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut other = other(&server);
    let held = start(&mut other).await;
    let mut source = source(&server.url());
    let (_, from) = set_up(&mut source).await.unwrap();
    let client = server.client().await.unwrap();
    let began = client.query_one("SELECT now()", &[]).await.unwrap();
    let began: std::time::SystemTime = began.get(0);
    let releasing = async {
        wait_until("longer than a connection takes to close", LIMIT, async || {
            let sql = "SELECT now() > $1::timestamptz + interval '12 s'";
            Ok(client.query_one(sql, &[&began]).await.unwrap().get::<_, bool>(0))
        })
        .await
        .unwrap();
        drop(held);
    };
    let (started, ()) = tokio::join!(source.start(from), releasing);
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    let mut stream = started.unwrap().stream;
    assert_eq!(next_inserts(&mut stream).await.0, ["1"]);
}

#[tokio::test]
async fn a_slot_that_stays_in_use_is_named_with_its_process() {
    // The server ends no session for its silence, and the wait is the shortest.
    let options = PostgresOptions::default().with_setting("wal_sender_timeout", "0");
    let server = Postgres::start(options).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut other = other(&server);
    let _held = start(&mut other).await;
    let client = server.client().await.unwrap();
    let holder = client
        .query_one("SELECT active_pid FROM pg_replication_slots", &[])
        .await
        .unwrap();
    let mut source = source(&server.url());
    let (_, from) = set_up(&mut source).await.unwrap();
    let error = source.start(from).await.err().expect("the slot was taken");
    let named = format!(
        "slot walcast_shop is in use by process {}",
        holder.get::<_, i32>(0)
    );
    assert!(error.to_string().starts_with(&named), "{error}");
    assert!(!error.to_string().contains(" after 0 s"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn stopping_in_the_middle_of_a_large_transaction_takes_seconds_at_most() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    let Started {
        mut stream,
        mut watch,
        ..
    } = start(&mut source).await;
    let sql = "INSERT INTO orders SELECT i, repeat('x', 500) FROM generate_series(1, 100000) i";
    server.execute(sql).await.unwrap();
    stream.next().await.unwrap();
    tokio::time::timeout(LIMIT, stream.stop())
        .await
        .expect("stop hangs")
        .unwrap();
    assert_eq!(watch.inspect().await.unwrap().slot.unwrap().active_pid, None);
}

#[tokio::test]
async fn a_publication_that_is_missing_ends_the_stream_with_the_servers_word() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server.execute(TABLE).await.unwrap();
    let mut source = source(&server.url());
    source.acquire_leadership().await.unwrap();
    let from = source.create_slot(false).await.unwrap().consistent_point;
    let mut stream = source.start(from).await.unwrap().stream;
    server.execute("INSERT INTO orders VALUES (1)").await.unwrap();
    let ended = tokio::time::timeout(LIMIT, async {
        loop {
            if let Err(error) = stream.next().await {
                return error;
            }
        }
    });
    let error = ended.await.expect("the stream continues");
    assert!(
        error
            .to_string()
            .contains("publication \"walcast_shop\" does not exist"),
        "{error}"
    );
    assert!(!error.is_retryable());
}
