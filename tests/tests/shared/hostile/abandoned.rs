//! Requests that cannot be carried out (finding S3): each is abandoned by name, the stream continues, and the next start is as
//! any other. What the server says of them holds no values of rows (S14).

use serde_json::Value;
use walcast_tests::{Case, Instance, await_that};

async fn request(case: &Case<'_>, condition: &str) -> Option<i32> {
    case.request_rows("public.items", condition).await.code
}

/// How often a request whose rows could not be read was tried again.
fn retries(instance: &Instance) -> usize {
    let retry = "rows of a request cannot be read now";
    instance.log().matches(retry).count()
}

/// Requests rows by a condition that fails: after so many attempts the request is abandoned, with what is said of it, and a row that is
/// inserted then is delivered.
async fn assert_abandoned(
    case: &Case<'_>,
    instance: &mut Instance,
    (condition, said, attempts): (&str, &str, usize),
    id: u32,
) {
    let before = retries(instance);
    assert_eq!(
        request(case, condition).await,
        Some(0),
        "{condition}\n{}",
        instance.log_end()
    );
    await_that(said, async || instance.log().contains(said)).await;
    await_nothing_left(case).await;
    assert_eq!(retries(instance) - before + 1, attempts, "{condition}");
    case.insert([id]).await;
    case.await_ids([id]).await;
    instance.assert_running();
}

async fn await_nothing_left(case: &Case<'_>) {
    await_that("the end of the request", async || {
        case.checkpoint().await["snapshot"].is_null()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_fail_are_abandoned_and_the_stream_continues() {
    let mut case = Case::new("poison").await;
    case.sql(
        "INSERT INTO items SELECT n, 'v' || n || ' CARDNUMBER4711' FROM generate_series(1, 10) n;
         CREATE TABLE caught (id int);
         CREATE FUNCTION writes() RETURNS bool LANGUAGE sql VOLATILE AS 'INSERT INTO public.caught VALUES (1) RETURNING true'",
    )
    .await;
    case.config = case
        .config
        .set("snapshot.mode", "never")
        .set("snapshot.sql_conditions", vec!["http"])
        .set("postgres.tables", vec!["public.items"]);
    // Each by what the server says, however long it takes: a busy one may need longer than any short limit.
    let mut first = Instance::start(&case.config).await;
    for (failing, id) in [
        ("id = (select id from public.items)", "SQLSTATE 21000", 1),
        ("public.writes()", "SQLSTATE 25006", 1),
        ("note::int > 5", "SQLSTATE 22P02", 1),
        ("pg_terminate_backend(pg_backend_pid())", "SQLSTATE 57P01", 5),
    ]
    .into_iter()
    .zip(101..)
    {
        assert_abandoned(&case, &mut first, failing, id).await;
    }
    first.stop().await;
    case.config = case.config.set("snapshot.condition_timeout", "1s");
    let mut instance = Instance::start(&case.config).await;
    let sleeps = ("pg_sleep(3600) IS NOT NULL", "no row came within 1 s", 2);
    assert_abandoned(&case, &mut instance, sleeps, 105).await;
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active' \
                    AND pid <> pg_backend_pid()";
    await_that("the statement to be cancelled", async || {
        case.text(sleeping).await == "0"
    })
    .await;
    assert!(case.text("SELECT id FROM caught").await.is_empty());
    // Too large for a checkpoint: refused, and nothing is stored.
    let large = format!("note = '{}'", "x".repeat(20_000));
    assert_eq!(request(&case, &large).await, Some(1));
    assert!(case.checkpoint().await["snapshot"].is_null());

    instance.kill9();
    instance.start_again();
    instance.ready().await;
    case.insert([200]).await;
    case.await_ids([200]).await;
    instance.stop().await;
    for log in [first.log(), instance.log()] {
        assert!(
            !log.contains("CARDNUMBER4711"),
            "a value of a row is in the process log"
        );
    }
}

/// A stopped connector's requests are listed and dropped without it.
#[tokio::test(flavor = "multi_thread")]
async fn stored_requests_are_dropped_without_the_connector() {
    let mut case = Case::new("stored").await;
    case.sql("INSERT INTO items SELECT n, 'note' FROM generate_series(1, 1000) n")
        .await;
    case.config = case.config.set("snapshot.mode", "never");
    let mut instance = Instance::start(&case.config).await;
    assert_eq!(
        case.command(&["snapshot", "start", "--tables", "public.items"])
            .await
            .code,
        Some(0)
    );
    await_nothing_left(&case).await;
    // One row a second: it is still there when the process ends. A process that is killed may leave a Kafka transaction open, behind
    // which no command reads the checkpoint.
    instance.stop().await;
    case.config = case.config.set("snapshot.rows_per_second", 1);
    let mut instance = Instance::start(&case.config).await;
    assert_eq!(request(&case, "id > 3").await, Some(0));
    let running = case.command(&["checkpoint", "drop-requests"]).await;
    assert_eq!(running.code, Some(1), "{running:#?}");
    instance.stop().await;
    let listed = case.command(&["checkpoint", "requests", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["requests"][0]["table"], "public.items", "{listed}");
    assert_eq!(listed["requests"][0]["where"], "id > 3", "{listed}");
    let shown = case.command(&["checkpoint", "requests"]).await;
    assert!(shown.stdout.starts_with("public.items  "), "{shown:#?}");
    let other = case
        .command(&["checkpoint", "drop-requests", "--tables", "public.other"])
        .await;
    assert_eq!(
        other.stdout.trim(),
        "stored has no matching snapshot requests",
        "{other:#?}"
    );
    let dropped = case
        .command(&["checkpoint", "drop-requests", "--tables", "public.items"])
        .await;
    assert_eq!(
        dropped.stdout.trim(),
        "dropped the snapshot requests of public.items",
        "{dropped:#?}"
    );
    assert!(case.checkpoint().await["snapshot"].is_null());
    instance.start_again();
    instance.ready().await;
    case.insert([2000]).await;
    case.await_ids([2000]).await;
    instance.stop().await;
}
