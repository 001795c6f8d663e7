//! Existing rows requested while changes are streamed: an acknowledged request is stored, and executed once.

use std::time::Duration;

use walcast_delivery::{
    Selection, SnapshotAnswer, SnapshotCommand, SnapshotRejected, SnapshotType, SnapshotUnanswered,
};
use walcast_mapper::TableName;

use crate::fakes::{Act, Change, NOTIFICATIONS, PostgresCall, TestFault, World, delete, insert, signal};
use crate::snapshots::{filled, reads, record_slot_position, verify_rows, write_more};

/// A connector that has streamed from tables with rows without reading the rows.
pub(crate) async fn streaming() -> World {
    let mut world = filled();
    world.config.snapshot.mode = walcast_delivery::SnapshotMode::Never;
    deliver(&world).await;
    world
}

pub(crate) async fn deliver(world: &World) {
    let delivery = async {
        world.all_delivered().await;
        world.steps.until(|| is_read(world)).await;
    };
    world.run(delivery).await.expect("the connector runs and stops");
    record_slot_position(world);
}

pub(crate) fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

pub(crate) fn start(pattern: &str, filter: Option<&str>) -> SnapshotCommand {
    SnapshotCommand::Start {
        tables: vec![Selection {
            tables: pattern.parse().expect("a pattern"),
            filter: filter.map(str::to_owned),
            dead_letters: Vec::new(),
            former_keys: Vec::new(),
        }],
        marks: SnapshotType::Incremental,
        id: None,
    }
}

/// Runs a connector, sends it requests once it streams, and waits until they are finished.
pub(crate) async fn ask(
    world: &World,
    commands: &[SnapshotCommand],
) -> Vec<Result<SnapshotAnswer, SnapshotUnanswered>> {
    ask_after(world, || {}, commands).await
}

/// Like [`ask`], after another action.
pub(crate) async fn ask_after(
    world: &World,
    before: impl FnOnce(),
    commands: &[SnapshotCommand],
) -> Vec<Result<SnapshotAnswer, SnapshotUnanswered>> {
    let mut answers = Vec::new();
    let requests = async {
        let control = world.control();
        let streams = world.postgres.read(|server| server.starts.len());
        world
            .steps
            .until(|| world.postgres.read(|server| server.starts.len() > streams))
            .await;
        before();
        for command in commands {
            answers.push(control.ask(command.clone()).await);
        }
        world.steps.until(|| is_read(world)).await;
    };
    world.run(requests).await.expect("the connector runs and stops");
    answers
}

fn tables(answer: &Result<SnapshotAnswer, SnapshotUnanswered>) -> Vec<String> {
    answer.as_ref().expect("the request is accepted").tables.clone()
}

#[tokio::test(start_paused = true)]
async fn reads_rows_while_streaming() {
    let world = streaming().await;
    let answers = ask(
        &world,
        &[start("public.acc*", None), start("public.orders", None)],
    )
    .await;
    assert_eq!(tables(&answers[0]), ["public.accounts"]);
    write_more(&world);
    deliver(&world).await;
    verify_rows(&world);
    assert_eq!(reads(&world).len(), 8);
}

#[tokio::test(start_paused = true)]
async fn acknowledged_request_survives_a_crash_at_any_step() {
    let mut steps = 0;
    loop {
        let world = streaming().await;
        let (mut was_answered, completed) = (false, {
            let run = async {
                let requests = async {
                    tokio::task::yield_now().await;
                    let answer = world.control().ask(start("*.*", None)).await;
                    (answer.is_ok(), world.steps.until(|| is_read(&world)).await).0
                };
                let answered = std::cell::Cell::new(false);
                world
                    .run(async { answered.set(requests.await) })
                    .await
                    .expect("the connector runs and stops");
                answered.get()
            };
            world.interrupt_after(steps, run).await
        });
        if let Some(answered) = completed {
            was_answered = answered;
        }
        write_more(&world);
        deliver(&world).await;
        if was_answered || !reads(&world).is_empty() {
            verify_rows(&world);
        }
        if completed.is_some() {
            assert!(steps > 20 && was_answered, "only {steps} steps");
            break;
        }
        steps += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn rejects_invalid_requests_entirely() {
    let world = streaming().await;
    let unpublish_orders = || {
        world.postgres.edit(|server| {
            let publication = server.publication.as_mut().expect("the publication exists");
            publication.tables.retain(|table| table.name != "orders");
        });
    };
    let answers = ask_after(
        &world,
        unpublish_orders,
        &[
            start("public.nothing", None),
            start("*.*", None),
            start("public.accounts", Some("wrong")),
            SnapshotCommand::Pause,
            SnapshotCommand::Stop { tables: Vec::new() },
        ],
    )
    .await;
    assert!(
        matches!(
            &answers[1],
            Err(SnapshotUnanswered::Rejected(SnapshotRejected::NotPublished { sql, .. }))
                if sql == r#"ALTER PUBLICATION "walcast_shop" ADD TABLE ONLY "public"."orders""#
        ),
        "{answers:?}"
    );
    let rejections: Vec<String> = answers
        .into_iter()
        .map(|answer| answer.expect_err("the request is rejected").to_string())
        .collect();
    expect_test::expect![[r#"
        public.nothing is not a captured table
        changes of public.orders are not published
        rows of public.accounts cannot be read: syntax error
        no existing rows are being read
        no existing rows are being read"#]]
    .assert_eq(&rejections.join("\n"));
    assert!(reads(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn pauses_resumes_and_stops_reading() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    let requests = async {
        tokio::task::yield_now().await;
        let control = world.control();
        let started = control.ask(start("*.*", None)).await;
        assert_eq!(tables(&started), ["public.accounts", "public.orders"]);
        world.steps.until(|| reads(&world).len() > 1).await;
        let again = control.ask(start("public.accounts", None)).await;
        let accounts = TableName {
            namespace: "public".to_owned(),
            name: "accounts".to_owned(),
        };
        assert_eq!(again, Err(SnapshotRejected::BeingRead { table: accounts }.into()));
        let paused = control
            .ask(SnapshotCommand::Pause)
            .await
            .expect("reading is paused");
        assert!(paused.paused);
        let read = reads(&world).len();
        world.postgres.commit([("accounts", insert(20))]);
        world.all_delivered().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            reads(&world).len(),
            read,
            "no row is read while changes are streamed"
        );
        control
            .ask(SnapshotCommand::Resume)
            .await
            .expect("reading resumes");
        world.steps.until(|| reads(&world).len() > read).await;
        let stop = |pattern: &str| SnapshotCommand::Stop {
            tables: vec![pattern.parse().expect("a pattern")],
        };
        assert_eq!(
            tables(&control.ask(stop("public.orders")).await),
            ["public.orders"]
        );
        assert_eq!(
            control
                .ask(stop("public.orders"))
                .await
                .map_err(|error| error.to_string()),
            Err("public.orders is not being read".to_owned())
        );
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(requests).await.expect("the connector runs and stops");
    // All rows of the first table, and none of the other.
    let read = reads(&world);
    assert!(read.iter().all(|id| id.starts_with("16400")), "{read:?}");
    assert_eq!(read.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn pause_survives_a_restart() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    let pausing = async {
        tokio::task::yield_now().await;
        let control = world.control();
        control.ask(start("*.*", None)).await.expect("the read starts");
        control
            .ask(SnapshotCommand::Pause)
            .await
            .expect("reading is paused");
    };
    world.run(pausing).await.expect("the connector runs and stops");
    let read = reads(&world).len();
    let waiting = tokio::time::sleep(Duration::from_secs(100));
    world.run(waiting).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), read);
    let answers = ask(&world, &[SnapshotCommand::Resume]).await;
    assert_eq!(tables(&answers[0]).len(), 2);
    verify_rows(&world);
}

#[tokio::test(start_paused = true)]
async fn failed_read_does_not_end_the_stream() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        let fault = Act::Fail(TestFault::about_rows("division by zero"));
        server.script.at(PostgresCall::Copy, 2, fault);
    });
    let answers = ask(&world, &[start("*.*", None)]).await;
    assert!(answers[0].is_ok());
    write_more(&world);
    deliver(&world).await;
    // Two rows of the first table were read before the error, and all rows of the other.
    let read = reads(&world);
    let of_orders = read.iter().filter(|id| id.starts_with("16410")).count();
    assert_eq!((read.len() - of_orders, of_orders), (1, 2), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn revoked_permission_does_not_end_the_stream() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        let fault = Act::Fail(TestFault::about_rows("permission denied"));
        server.script.at(PostgresCall::OpenTable, 2, fault);
    });
    let answers = ask(&world, &[start("*.*", None)]).await;
    assert!(answers[0].is_ok());
    write_more(&world);
    deliver(&world).await;
    let read = reads(&world);
    assert!(read.iter().all(|id| id.starts_with("16400")), "{read:?}");
    assert_eq!(read.len(), 6, "the last row of the first table is delivered");
}

/// Rows of a signal table arrive in the stream: each signal is executed once, wherever the connector stops.
#[tokio::test(start_paused = true)]
async fn executes_signals_of_a_table_once() {
    let mut steps = 0;
    loop {
        let mut world = streaming().await;
        world.config.snapshot.signal_table = Some(TableName {
            namespace: "public".to_owned(),
            name: "signals".to_owned(),
        });
        world.postgres.add_signal_table();
        let execute = r#"{"data-collections":["public.accounts","public\\.o.*"],"type":"incremental"}"#;
        world
            .postgres
            .commit([("signals", signal("execute-snapshot", execute))]);
        let was_interrupted = world.interrupt_after(steps, deliver(&world)).await.is_none();
        write_more(&world);
        deliver(&world).await;
        verify_rows(&world);
        // An order that is deleted after the interruption may have been read before it, and a new account is read after it.
        let rows = reads(&world).len();
        assert!(
            (8..=9).contains(&rows),
            "{rows} rows, interrupted after {steps} steps"
        );
        if !was_interrupted {
            assert!(steps > 30, "only {steps} steps");
            break;
        }
        steps += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn executes_signals_of_a_topic_once() {
    let world = streaming().await;
    let execute = br#"{"type":"execute-snapshot","data":{"data-collections":["public.orders"]}}"#;
    let signals = async {
        tokio::task::yield_now().await;
        let control = world.control();
        assert_eq!(
            control.signals_from(5).await,
            Ok(5),
            "earlier signals are skipped"
        );
        control
            .signal(5, b"{")
            .await
            .expect("an invalid signal is skipped");
        control.signal(6, execute).await.expect("the signal is stored");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(signals).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
    let again = async {
        tokio::task::yield_now().await;
        let control = world.control();
        assert_eq!(
            control.signals_from(9).await,
            Ok(7),
            "reading resumes after the last signal"
        );
        control.signal(6, execute).await.expect("the signal is known");
        control
            .signal(7, br#"{"type":"pause-snapshot"}"#)
            .await
            .expect("the rejection is logged");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(again).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
    verify_signals(&world);
}

fn verify_signals(world: &World) {
    let checkpoint = world.kafka.checkpoint().expect("the publication exists");
    assert_eq!(checkpoint.signals_read, Some(8));
}

/// Rows have different ctids in a new relfilenode: a rewritten table is read from its first row again.
#[tokio::test(start_paused = true)]
async fn table_rewritten_during_the_read_is_read_again() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.hold_max = Duration::from_secs(2);
    let rewriting = async {
        tokio::task::yield_now().await;
        world
            .control()
            .ask(start("public.accounts", None))
            .await
            .expect("the read starts");
        world.steps.until(|| reads(&world).len() > 2).await;
        world.postgres.edit(|server| {
            let table = server.table("accounts");
            table.file = walcast_pgoutput::Oid::new(99);
        });
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(rewriting).await.expect("the connector runs and stops");
    let read = reads(&world);
    let distinct: std::collections::BTreeSet<&String> = read.iter().collect();
    assert_eq!(distinct.len(), 6, "every row is read");
    assert!(read.len() > 6, "from the first on");
}

/// Stopping a read in a later hold must not underflow its row count.
#[tokio::test(start_paused = true)]
async fn read_can_be_stopped_in_a_later_hold() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.hold_max = Duration::from_secs(2);
    let stopping = async {
        tokio::task::yield_now().await;
        let control = world.control();
        let started = control.ask(start("public.accounts", None)).await;
        started.expect("the read starts");
        world.steps.until(|| reads(&world).len() > 2).await;
        let stopped = control.ask(SnapshotCommand::Stop { tables: Vec::new() }).await;
        stopped.expect("the read stops");
        assert!(is_read(&world));
    };
    world.run(stopping).await.expect("the connector runs and stops");
    assert!(reads(&world).len() < 6);
}

/// A row of the signal table counts as read only with its signal: if the signal cannot be executed now, the row is read again.
#[tokio::test(start_paused = true)]
async fn signal_in_a_row_survives_a_failing_catalog() {
    let mut world = streaming().await;
    world.config.snapshot.signal_table = Some(TableName {
        namespace: "public".to_owned(),
        name: "signals".to_owned(),
    });
    world.postgres.add_signal_table();
    let signals = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.postgres.edit(|server| {
            let fault = Act::Fail(TestFault::transient("connection lost"));
            server.script.at(PostgresCall::Inspect, 1, fault);
        });
        let execute = r#"{"data-collections":["public.orders"]}"#;
        world
            .postgres
            .commit([("signals", signal("execute-snapshot", execute))]);
        world.steps.until(|| !reads(&world).is_empty()).await;
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(signals).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
}

/// With notifications the last row of a table is sent when the table is read, so the checkpoint records the table as read even if
/// the next table fails.
#[tokio::test(start_paused = true)]
async fn completed_table_is_not_read_again_when_the_next_one_fails() {
    let mut world = filled();
    world.config.snapshot.mode = walcast_delivery::SnapshotMode::Initial;
    world.mapper.events.notification_topic = Some(NOTIFICATIONS.to_owned());
    let unmappable = Change::Insert(vec![Some("one".to_owned()), None]);
    // The first row of the second table.
    world.postgres.commit([
        ("orders", delete(1)),
        ("orders", delete(2)),
        ("orders", unmappable),
        ("orders", insert(3)),
    ]);
    let error = world.run_to_end().await;
    assert!(error.halts(), "{error}");
    let before = reads(&world);
    assert!(!before.is_empty());
    world.config.dead_letters.on_error = walcast_delivery::OnError::DeadLetter;
    deliver(&world).await;
    let read = reads(&world);
    let distinct: std::collections::BTreeSet<&String> = read.iter().collect();
    assert_eq!(distinct.len(), read.len(), "{before:?}, then {read:?}");
}
