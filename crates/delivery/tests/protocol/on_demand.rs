//! Existing rows that are asked for while changes are streamed: what is answered is stored, and carried out once.

use std::time::Duration;

use walcast_delivery::{
    Marks, Selection, SnapshotAnswer, SnapshotCommand, SnapshotRefused, SnapshotUnanswered,
};
use walcast_mapper::TableName;

use crate::fakes::{Act, Change, NOTIFICATIONS, PostgresCall, TestFault, World, delete, insert, signal};
use crate::snapshots::{filled, note_slot, reads, verify_rows, write_more};

/// A connector that has streamed, over tables with rows; nothing was read of them.
async fn streaming() -> World {
    let mut world = filled();
    world.config.snapshot.mode = walcast_delivery::SnapshotMode::Never;
    deliver(&world).await;
    world
}

async fn deliver(world: &World) {
    let everything = async {
        world.everything_delivered().await;
        world.steps.until(|| is_read(world)).await;
    };
    world.run(everything).await.expect("the connector runs and stops");
    note_slot(world);
}

fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

fn start(pattern: &str, filter: Option<&str>) -> SnapshotCommand {
    SnapshotCommand::Start {
        tables: vec![Selection {
            tables: pattern.parse().expect("a pattern"),
            filter: filter.map(str::to_owned),
            letters: Vec::new(),
            former_keys: Vec::new(),
        }],
        marks: Marks::Incremental,
        id: None,
    }
}

/// Runs a connector that is asked once it streams, until all that was asked for is done.
async fn ask(world: &World, commands: &[SnapshotCommand]) -> Vec<Result<SnapshotAnswer, SnapshotUnanswered>> {
    ask_after(world, || {}, commands).await
}

/// The same; something else is done before.
async fn ask_after(
    world: &World,
    before: impl FnOnce(),
    commands: &[SnapshotCommand],
) -> Vec<Result<SnapshotAnswer, SnapshotUnanswered>> {
    let mut answers = Vec::new();
    let asking = async {
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
    world.run(asking).await.expect("the connector runs and stops");
    answers
}

fn tables(answer: &Result<SnapshotAnswer, SnapshotUnanswered>) -> Vec<String> {
    answer.as_ref().expect("it is carried out").tables.clone()
}

#[tokio::test(start_paused = true)]
async fn rows_are_read_while_changes_are_streamed() {
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
async fn what_was_answered_survives_a_crash_at_any_step() {
    let mut steps = 0;
    loop {
        let world = streaming().await;
        let (mut was_answered, was_cut_off) = (false, {
            let run = async {
                let asking = async {
                    tokio::task::yield_now().await;
                    let answer = world.control().ask(start("*.*", None)).await;
                    (answer.is_ok(), world.steps.until(|| is_read(&world)).await).0
                };
                let answered = std::cell::Cell::new(false);
                world
                    .run(async { answered.set(asking.await) })
                    .await
                    .expect("the connector runs and stops");
                answered.get()
            };
            world.cut_off_after(steps, run).await
        });
        if let Some(answered) = was_cut_off {
            was_answered = answered;
        }
        write_more(&world);
        deliver(&world).await;
        if was_answered || !reads(&world).is_empty() {
            verify_rows(&world);
        }
        if was_cut_off.is_some() {
            assert!(
                steps > 20 && was_answered,
                "there is more to be cut off than {steps} steps"
            );
            break;
        }
        steps += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_refused_whole() {
    let world = streaming().await;
    let take_out = || {
        world.postgres.edit(|server| {
            let publication = server.publication.as_mut().expect("there is one");
            publication.tables.retain(|table| table.name != "orders");
        });
    };
    let answers = ask_after(
        &world,
        take_out,
        &[
            start("public.nothing", None),
            start("*.*", None),
            start("public.accounts", Some("wrong")),
            SnapshotCommand::Pause,
            SnapshotCommand::Stop { tables: Vec::new() },
        ],
    )
    .await;
    let refused: Vec<String> = answers
        .into_iter()
        .map(|answer| answer.expect_err("it is refused").to_string())
        .collect();
    expect_test::expect![[r#"
        public.nothing is no captured table; [postgres] tables says which are
        changes of public.orders are not published; run: ALTER PUBLICATION "walcast_shop" ADD TABLE "public"."orders"
        rows of public.accounts cannot be read: syntax error
        no existing rows are being read
        no existing rows are being read"#]]
    .assert_eq(&refused.join("\n"));
    assert!(reads(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn reading_is_paused_resumed_and_stopped() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    let asking = async {
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
        assert_eq!(again, Err(SnapshotRefused::BeingRead { table: accounts }.into()));
        let paused = control.ask(SnapshotCommand::Pause).await.expect("it is paused");
        assert!(paused.paused);
        let read = reads(&world).len();
        world.postgres.commit([("accounts", insert(20))]);
        world.everything_delivered().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            reads(&world).len(),
            read,
            "nothing is read meanwhile, and changes are streamed"
        );
        control.ask(SnapshotCommand::Resume).await.expect("it goes on");
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
    world.run(asking).await.expect("the connector runs and stops");
    // The rows of the one, and none of the other.
    let read = reads(&world);
    assert!(read.iter().all(|id| id.starts_with("16400")), "{read:?}");
    assert_eq!(read.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_pause_survives_a_restart() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    let pausing = async {
        tokio::task::yield_now().await;
        let control = world.control();
        control.ask(start("*.*", None)).await.expect("it begins");
        control.ask(SnapshotCommand::Pause).await.expect("it is paused");
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
async fn rows_that_cannot_be_read_do_not_end_the_stream() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        let fault = Act::Fail(TestFault::about_rows("division by zero"));
        server.script.at(PostgresCall::Copy, 2, fault);
    });
    let answers = ask(&world, &[start("*.*", None)]).await;
    assert!(answers[0].is_ok());
    write_more(&world);
    deliver(&world).await;
    // Two rows of the first table were read before, and all of the other.
    let read = reads(&world);
    let of_orders = read.iter().filter(|id| id.starts_with("16410")).count();
    assert_eq!((read.len() - of_orders, of_orders), (1, 2), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_be_read_any_more_does_not_end_the_stream() {
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
    assert_eq!(
        read.len(),
        6,
        "the last row of the first table is not forgotten for it"
    );
}

/// Rows of a signal table come in the stream: each is carried out once, wherever the connector is cut off.
#[tokio::test(start_paused = true)]
async fn rows_of_a_signal_table_are_carried_out_once() {
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
        let was_cut_off = world.cut_off_after(steps, deliver(&world)).await.is_none();
        write_more(&world);
        deliver(&world).await;
        verify_rows(&world);
        assert_eq!(reads(&world).len(), 8, "cut off after {steps} steps");
        if !was_cut_off {
            assert!(steps > 30, "there is more to be cut off than {steps} steps");
            break;
        }
        steps += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn signals_of_a_topic_are_carried_out_once() {
    let world = streaming().await;
    let execute = br#"{"type":"execute-snapshot","data":{"data-collections":["public.orders"]}}"#;
    let signalling = async {
        tokio::task::yield_now().await;
        let control = world.control();
        assert_eq!(control.signals_from(5).await, Ok(5), "older ones do not count");
        control.signal(5, b"{").await.expect("it is passed over");
        control.signal(6, execute).await.expect("it is stored");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(signalling).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
    let again = async {
        tokio::task::yield_now().await;
        let control = world.control();
        assert_eq!(
            control.signals_from(9).await,
            Ok(7),
            "it goes on behind the last one"
        );
        control.signal(6, execute).await.expect("it is known");
        control
            .signal(7, br#"{"type":"pause-snapshot"}"#)
            .await
            .expect("it cannot be carried out, and is said");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(again).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
    verify_signals(&world);
}

fn verify_signals(world: &World) {
    let checkpoint = world.kafka.checkpoint().expect("there is one");
    assert_eq!(checkpoint.signals_read, Some(8));
}

/// In another file rows lie in other places: a table that was rewritten is read from its first row again.
#[tokio::test(start_paused = true)]
async fn a_table_that_is_rewritten_midway_is_read_again() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.window = Duration::from_secs(2);
    let rewriting = async {
        tokio::task::yield_now().await;
        world
            .control()
            .ask(start("public.accounts", None))
            .await
            .expect("it begins");
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

/// What is counted ends with what is read: a later window that is stopped has not read fewer rows than none.
#[tokio::test(start_paused = true)]
async fn reading_can_be_stopped_in_a_later_window() {
    let mut world = streaming().await;
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.window = Duration::from_secs(2);
    let stopping = async {
        tokio::task::yield_now().await;
        let control = world.control();
        let started = control.ask(start("public.accounts", None)).await;
        started.expect("it begins");
        world.steps.until(|| reads(&world).len() > 2).await;
        let stopped = control.ask(SnapshotCommand::Stop { tables: Vec::new() }).await;
        stopped.expect("it ends");
        assert!(is_read(&world));
    };
    world.run(stopping).await.expect("the connector runs and stops");
    assert!(reads(&world).len() < 6);
}

/// A row is not read without the signal in it: where that cannot be carried out now, the row is read again.
#[tokio::test(start_paused = true)]
async fn a_signal_in_a_row_survives_a_catalog_that_fails() {
    let mut world = streaming().await;
    world.config.snapshot.signal_table = Some(TableName {
        namespace: "public".to_owned(),
        name: "signals".to_owned(),
    });
    world.postgres.add_signal_table();
    let signalling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.postgres.edit(|server| {
            let fault = Act::Fail(TestFault::passing("connection lost"));
            server.script.at(PostgresCall::Survey, 1, fault);
        });
        let execute = r#"{"data-collections":["public.orders"]}"#;
        world
            .postgres
            .commit([("signals", signal("execute-snapshot", execute))]);
        world.steps.until(|| !reads(&world).is_empty()).await;
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(signalling).await.expect("the connector runs and stops");
    assert_eq!(reads(&world).len(), 2);
}

/// Where it is told that a table is read, its last row is sent at once: then that is noted too, whatever becomes of the next.
#[tokio::test(start_paused = true)]
async fn a_table_that_is_read_is_not_read_again_because_the_next_one_fails() {
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
    let error = world.run_to_its_end().await;
    assert!(error.halts(), "{error}");
    let before = reads(&world);
    assert!(!before.is_empty());
    world.config.dead_letters.on_error = walcast_delivery::OnError::DeadLetter;
    deliver(&world).await;
    let read = reads(&world);
    let distinct: std::collections::BTreeSet<&String> = read.iter().collect();
    assert_eq!(distinct.len(), read.len(), "{before:?}, then {read:?}");
}
