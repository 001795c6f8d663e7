//! Conditions of snapshot requests: the SQL that each channel accepts, their size limit, and statements that the server rejects.

use walcast_delivery::{
    RequestChannel, SnapshotCommand, SnapshotProgress, SnapshotRejected, SnapshotUnanswered, SqlConditions,
    TableProgress,
};
use walcast_mapper::TableName;

use crate::fakes::{Act, PostgresCall, TestFault, World, signal};
use crate::on_demand::{ask, deliver, is_read, start, streaming};
use crate::snapshots::{reads, verify_rows, write_more};

const SQL: &str = "id = (select max(id) from public.accounts)";

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

/// Error text of a rejected request.
async fn rejection(world: &World, command: SnapshotCommand) -> String {
    let answers = ask(world, &[command]).await;
    answers[0]
        .as_ref()
        .expect_err("the request is rejected")
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn rejects_sql_over_http_unless_allowed() {
    let mut world = streaming().await;
    expect_test::expect!["the condition for public.accounts: at byte 5, a constant is expected instead of '('; conditions compare columns with constants (=, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT)"]
        .assert_eq(&rejection(&world, start("public.accounts", Some(SQL))).await);
    let answers = ask(&world, &[start("public.accounts", Some(SQL))]).await;
    assert!(
        matches!(
            answers[0],
            Err(SnapshotUnanswered::Rejected(SnapshotRejected::Condition {
                channel: RequestChannel::Http,
                ..
            }))
        ),
        "{answers:?}"
    );
    assert!(reads(&world).is_empty());
    let allowed = [RequestChannel::SignalTable, RequestChannel::SignalTopic];
    world.config.snapshot.sql_conditions = allowed.into_iter().collect();
    rejection(&world, start("public.accounts", Some(SQL))).await;
    world.config.snapshot.sql_conditions = [RequestChannel::Http].into_iter().collect();
    let answers = ask(&world, &[start("public.accounts", Some(SQL))]).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(!reads(&world).is_empty());
    let unbalanced = rejection(&world, start("public.accounts", Some("true) OR (true"))).await;
    expect_test::expect!["the condition for public.accounts: the parentheses do not match at byte 4"]
        .assert_eq(&unbalanced);
}

#[tokio::test(start_paused = true)]
async fn rejects_sql_in_signals_unless_allowed() {
    let execute = |filter: &str| {
        serde_json::json!({
            "data-collections": ["public.accounts"],
            "additional-conditions": [{"data-collection": "public.accounts", "filter": filter}],
        })
        .to_string()
    };
    for (allowed, is_executed) in [
        (SqlConditions::default(), false),
        ([RequestChannel::SignalTopic].into_iter().collect(), false),
        ([RequestChannel::SignalTable].into_iter().collect(), true),
    ] {
        let mut world = streaming().await;
        world.config.snapshot.signal_table = Some(table("signals"));
        world.config.snapshot.sql_conditions = allowed;
        world.postgres.add_signal_table();
        let signal = signal("execute-snapshot", &execute(SQL));
        world.postgres.commit([("signals", signal)]);
        deliver(&world).await;
        assert_eq!(!reads(&world).is_empty(), is_executed);
    }
}

#[tokio::test(start_paused = true)]
async fn rejects_oversized_requests_before_storing_them() {
    let world = streaming().await;
    let long = format!("name = '{}'", "x".repeat(16 * 1024));
    expect_test::expect![
        "the condition for public.accounts: the condition is 16393 bytes long; 16384 are allowed"
    ]
    .assert_eq(&rejection(&world, start("public.accounts", Some(&long))).await);
    let SnapshotCommand::Start {
        mut tables, marks, ..
    } = start("public.accounts", Some("id > 0"))
    else {
        unreachable!("the command is a start")
    };
    tables[0].dead_letters = (0..30_000).map(|number| format!("0/{number:08X}/0")).collect();
    let large = SnapshotCommand::Start {
        tables,
        marks,
        id: None,
    };
    let message = rejection(&world, large).await;
    assert!(
        message.starts_with("the request is too large: its conditions, dead letters and keys, together with"),
        "{message}"
    );
    let SnapshotCommand::Start { tables, marks, .. } = start("public.accounts", None) else {
        unreachable!("the command is a start")
    };
    let id = Some("x".repeat(2000));
    let message = rejection(&world, SnapshotCommand::Start { tables, marks, id }).await;
    assert!(
        message.starts_with("the request is too large: its id has 2000 bytes"),
        "{message}"
    );
    assert!(
        world
            .kafka
            .checkpoint()
            .expect("a checkpoint exists")
            .snapshot
            .is_none()
    );
}

/// Number of `call`s that a request with a condition makes while every one of them fails with `fault`.
async fn attempts(call: PostgresCall, fault: TestFault) -> usize {
    let world = streaming().await;
    world.postgres.edit(|server| {
        for number in 1..20 {
            server.script.at(call, number, Act::Fail(fault));
        }
    });
    let answers = ask(&world, &[start("public.accounts", Some("id > 0"))]).await;
    assert!(answers[0].is_ok());
    let streams = world.postgres.read(|server| server.starts.len());
    write_more(&world);
    deliver(&world).await;
    let streams_after = world.postgres.read(|server| server.starts.len());
    assert_eq!(streams_after - streams, 1, "only the second run starts a stream");
    world.postgres.read(|server| server.script.count(call))
}

#[tokio::test(start_paused = true)]
async fn cancels_request_whose_condition_is_rejected() {
    for call in [PostgresCall::OpenTable, PostgresCall::Copy] {
        let rejected = TestFault::rejected("cannot execute INSERT in a read-only transaction");
        assert_eq!(attempts(call, rejected).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_cancelled_condition_once() {
    for call in [PostgresCall::OpenTable, PostgresCall::Copy] {
        let cancelled = TestFault::cancelled("canceling statement due to statement timeout");
        assert_eq!(attempts(call, cancelled).await, 2);
    }
}

/// A condition that ends its own connection does so at each attempt.
#[tokio::test(start_paused = true)]
async fn cancels_condition_that_always_ends_its_connection() {
    for call in [PostgresCall::OpenTable, PostgresCall::Copy] {
        let ended = TestFault::interrupted("terminating connection due to administrator command");
        assert_eq!(attempts(call, ended).await, 5);
    }
}

/// Reading a large table takes hours: occasional failures do not cancel the request.
#[tokio::test(start_paused = true)]
async fn keeps_request_that_advances_between_failures() {
    let world = streaming().await;
    world.postgres.edit(|server| {
        let cancelled = TestFault::cancelled("canceling statement due to statement timeout");
        for number in [2, 4] {
            server.script.at(PostgresCall::Copy, number, Act::Fail(cancelled));
        }
    });
    let answers = ask(&world, &[start("public.accounts", Some("id > 0"))]).await;
    assert!(answers[0].is_ok());
    assert_eq!(reads(&world).len(), 6);
    let copies = world
        .postgres
        .read(|server| server.script.count(PostgresCall::Copy));
    assert!(
        copies > 4,
        "both failures are due, but only {copies} copies were started"
    );
}

/// A stored condition of an older version, or of a channel that no longer allows SQL, is not executed.
#[tokio::test(start_paused = true)]
async fn cancels_stored_sql_that_no_setting_allows() {
    let http: SqlConditions = [RequestChannel::Http].into_iter().collect();
    for (is_sql, channel, allowed, is_executed) in [
        (true, None, SqlConditions::default(), false),
        (false, None, http.clone(), false),
        (true, Some(RequestChannel::SignalTable), http.clone(), false),
        (true, Some(RequestChannel::Http), http.clone(), true),
        (true, None, http, true),
    ] {
        let mut world = streaming().await;
        world.config.snapshot.sql_conditions = allowed;
        let stored = TableProgress {
            filter: Some(SQL.to_owned()),
            filter_is_sql: is_sql,
            sql_channel: channel,
            asked: true,
            ..TableProgress::of(table("accounts"))
        };
        let mut checkpoint = world.kafka.checkpoint().expect("a checkpoint exists");
        let mut progress = SnapshotProgress::default();
        progress.tables.push(stored);
        checkpoint.snapshot = Some(progress);
        world.put_checkpoint(checkpoint);
        assert!(!is_read(&world));
        deliver(&world).await;
        assert!(is_read(&world));
        assert_eq!(!reads(&world).is_empty(), is_executed, "{channel:?}");
        write_more(&world);
        deliver(&world).await;
    }
}

/// A condition that an older version has stored may not be one any more.
#[tokio::test(start_paused = true)]
async fn cancels_stored_condition_that_is_none() {
    let world = streaming().await;
    let stored = TableProgress {
        filter: Some("id >".to_owned()),
        asked: true,
        ..TableProgress::of(table("accounts"))
    };
    let mut checkpoint = world.kafka.checkpoint().expect("a checkpoint exists");
    let mut progress = SnapshotProgress::default();
    progress.tables.push(stored);
    checkpoint.snapshot = Some(progress);
    world.put_checkpoint(checkpoint);
    deliver(&world).await;
    assert!(is_read(&world));
    assert!(reads(&world).is_empty());
    write_more(&world);
    deliver(&world).await;
}

/// A condition of the configuration is not a request: an invalid one ends the connector with its error.
#[tokio::test(start_paused = true)]
async fn ends_on_rejected_condition_of_the_configuration() {
    let mut world = crate::snapshots::filled();
    world.config.snapshot.mode = walcast_delivery::SnapshotMode::Initial;
    world.postgres.edit(|server| {
        let rejected = TestFault::rejected("division by zero");
        server.script.at(PostgresCall::Copy, 1, Act::Fail(rejected));
    });
    let error = world.run(std::future::pending::<()>()).await;
    assert!(
        error
            .expect_err("the connector fails")
            .to_string()
            .contains("division by zero")
    );
    deliver(&world).await;
    verify_rows(&world);
}
