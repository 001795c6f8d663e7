//! Tables that change while the connector is away: each row is written as its table was when the row was.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Decoder, Payload, RegistryGuard, read_topic};
use walcast_tests::{Case, Instance, assert_reports, await_that, http, shared};

/// Exit code of a connector that failed.
const HALTED: i32 = 3;

/// The rows that the creates and updates of a topic end with, in order; columns by name.
pub(crate) async fn rows(topic: &str) -> Vec<String> {
    let servers = shared().await;
    let mut decoder = Decoder::new(&servers.registry().url()).unwrap();
    let mut rows = Vec::new();
    for record in read_topic(&servers.kafka().brokers(), topic).await.unwrap() {
        let decoded = decoder.decode(&record).await.unwrap();
        if let Payload::Change(change) = &decoded.payload
            && change.after.is_some()
        {
            rows.push(decoded.to_json()["value"]["after"].to_string());
        }
    }
    rows
}

pub(crate) async fn await_rows(topic: &str, expected: &[&str]) {
    await_that(&format!("{} rows in {topic}", expected.len()), async || {
        rows(topic).await.len() >= expected.len()
    })
    .await;
    assert_eq!(rows(topic).await, expected);
}

#[tokio::test]
async fn rows_written_while_the_connector_was_away_have_the_schema_of_then() {
    let case = Case::new("lagging").await;
    case.deliver([1]).await;
    // Its rows come first, so that they do not go into the topic of the renamed table.
    case.sql(
        "INSERT INTO items VALUES (2, NULL);
         ALTER TABLE items ADD COLUMN extra int;
         INSERT INTO items VALUES (3, 'three', 33)",
    )
    .await;
    case.sql("ALTER TABLE items ALTER COLUMN extra TYPE bigint").await;
    case.sql("INSERT INTO items VALUES (4, 'four', 5000000000)").await;
    case.sql("ALTER TABLE items RENAME COLUMN note TO remark").await;
    case.sql("INSERT INTO items VALUES (5, 'five', 55)").await;
    case.sql("ALTER TABLE items DROP COLUMN extra").await;
    case.sql("INSERT INTO items VALUES (6, 'six')").await;
    case.sql(
        "BEGIN; INSERT INTO items VALUES (7, 'seven'); ALTER TABLE items ADD COLUMN mood text;
         INSERT INTO items VALUES (8, 'eight', 'fine'); ALTER TABLE items DROP COLUMN mood;
         INSERT INTO items VALUES (9, 'nine'); COMMIT",
    )
    .await;
    case.sql("DELETE FROM items WHERE remark IS NULL").await;
    case.sql("ALTER TABLE items ALTER COLUMN remark SET NOT NULL")
        .await;
    case.sql("ALTER TABLE items RENAME TO things").await;
    case.sql("INSERT INTO things VALUES (10, 'ten')").await;

    let mut instance = Instance::start(&case.config).await;
    await_rows("lagging.public.things", &[r#"{"id":10,"remark":"ten"}"#]).await;
    await_rows(
        "lagging.public.items",
        &[
            r#"{"id":1,"note":"note 1"}"#,
            r#"{"id":2,"note":null}"#,
            r#"{"extra":33,"id":3,"note":"three"}"#,
            r#"{"extra":5000000000,"id":4,"note":"four"}"#,
            r#"{"extra":55,"id":5,"remark":"five"}"#,
            r#"{"id":6,"remark":"six"}"#,
            r#"{"id":7,"remark":"seven"}"#,
            r#"{"id":8,"mood":"fine","remark":"eight"}"#,
            r#"{"id":9,"remark":"nine"}"#,
        ],
    )
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_table_created_later_is_captured_once_it_is_published() {
    let mut case = Case::new("later").await;
    // The connector adds the table itself when it looks between the statements.
    case.config = case.config.set("postgres.slot_check_interval", "1h");
    let mut instance = Instance::start(&case.config).await;
    case.sql("CREATE TABLE later (id int PRIMARY KEY)").await;
    case.sql("INSERT INTO later VALUES (1)").await;
    case.sql("ALTER PUBLICATION walcast_later ADD TABLE later").await;
    case.sql("INSERT INTO later VALUES (2)").await;
    await_rows("later.public.later", &[r#"{"id":2}"#]).await;
    instance.stop().await;
}

/// The subject of the values of `items`, from now on with the strictest common rule.
async fn be_strict(case: &Case<'_>) {
    let registry = shared().await.registry().url();
    let rule = format!("{registry}/config/{}.public.items-value", case.name());
    let set = http("PUT", &rule, r#"{"compatibility": "BACKWARD"}"#).await;
    assert_eq!(set.status, 200, "{set:?}");
}

#[tokio::test]
async fn a_schema_that_breaks_the_rule_names_the_column_to_blame() {
    let case = Case::new("to_blame").await;
    case.deliver([1]).await;
    be_strict(&case).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "ALTER TABLE items ADD COLUMN price int NOT NULL DEFAULT 0;
         ALTER TABLE items ALTER COLUMN price DROP DEFAULT;
         INSERT INTO items VALUES (2, 'two', 3)",
    )
    .await;
    assert_eq!(instance.exit_code().await, HALTED);
    let wanted = [
        "error: schema registry: subject to_blame.public.items-value: ",
        "incompatible with an earlier version",
        "field price of Value was added without a default",
        "on_incompatible",
    ];
    assert_reports(&instance.log(), &wanted);
    assert_eq!(case.ids().await, [1]);
}

#[tokio::test]
async fn a_schema_that_breaks_the_rule_can_move_to_another_topic() {
    let mut case = Case::new("moving").await;
    case.config = case.config.clone().set("registry.on_incompatible", "new_subject");
    case.deliver([1]).await;
    be_strict(&case).await;
    case.sql("INSERT INTO items VALUES (2, 'two')").await;
    case.sql(
        "ALTER TABLE items ADD COLUMN price int NOT NULL DEFAULT 0;
         ALTER TABLE items ALTER COLUMN price DROP DEFAULT",
    )
    .await;
    case.sql("INSERT INTO items VALUES (3, 'three', 3)").await;
    // The column that the old shape has not is NOT NULL and has no default: the old topic never takes this one.
    let mut log = String::new();
    for (id, moved) in [(4, 2), (5, 3)] {
        let mut instance = Instance::start(&case.config).await;
        case.sql(&format!("INSERT INTO items VALUES ({id}, 'more', {id})"))
            .await;
        await_that("rows in the second topic", async || {
            rows("moving.public.items.v2").await.len() >= moved
        })
        .await;
        instance.stop().await;
        log.push_str(&instance.log());
    }
    assert_eq!(case.ids().await, [1, 2]);
    assert!(!log.contains("on_incompatible"), "what is set is advised: {log}");
    let moved = rows("moving.public.items.v2").await;
    assert_eq!(moved.len(), 3, "{moved:?}");
    assert_eq!(moved[0], r#"{"id":3,"note":"three","price":3}"#);
}

/// A pipeline registers the schemas, and the connector may look them up only.
#[tokio::test]
async fn a_schema_that_may_not_be_registered_is_used_if_it_is_there_and_shown_if_not() {
    let mut case = Case::new("looked_up").await;
    case.deliver([1]).await;
    let guard = RegistryGuard::start(&shared().await.registry().url())
        .await
        .unwrap();
    let registering = case.config.clone();
    case.config = registering.clone().set("registry.url", guard.url());
    case.deliver([2]).await;

    let mut instance = Instance::start(&case.config).await;
    case.sql("ALTER TABLE items ADD COLUMN extra int; INSERT INTO items VALUES (3, 'three', 33)")
        .await;
    assert_eq!(instance.exit_code().await, HALTED);
    let wanted = [
        "error: schema registry: subject looked_up.public.items-value: ",
        "which denies registration (status 403): registering is not allowed; the schema is {\"",
        "\"name\":\"extra\"",
        "register the schema under that subject",
    ];
    assert_reports(&instance.log(), &wanted);
    assert_eq!(case.ids().await, [1, 2]);

    // The same with a registry that would allow it, and `check` finds it too.
    case.config = registering.clone().set("registry.auto_register", false);
    let checked = case.command(&["check"]).await;
    checked.error(1);
    let wanted = "the configuration disables registration; the schema is {";
    assert!(checked.stdout.contains(wanted), "{checked:#?}");
    case.config = registering;
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4]);
}
