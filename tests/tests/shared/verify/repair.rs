//! `walcast verify --repair`: the running connector delivers what differs, at its place in WAL order.

use serde_json::{Value, json};
use walcast_testbed::RawRecord;
use walcast_tests::{Instance, await_that};

use super::{
    DIFFERENT, IDENTICAL, Writer, case, foreign, named, plant, records, records_of, replaced, verify,
};

/// The text of the header that orders records.
fn id_of(record: &RawRecord) -> String {
    String::from_utf8(record.header("walcast.id").unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn rows_that_differ_are_read_again_and_extra_keys_are_deleted() {
    let case = case("repaired").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=50).await;
    case.sql("UPDATE items SET note = 'newer' WHERE id = 6; UPDATE items SET note = 'last' WHERE id = 50")
        .await;
    let writer = Writer::start(&case).await;
    await_that("the last update in Kafka", async || {
        records_of(&case, "50").await.len() == 2
    })
    .await;

    // A lost, an altered and a stale row, a key that no row has, and one that a row will have.
    let first = async |id: &str| records_of(&case, id).await.remove(0);
    plant(&RawRecord {
        value: None,
        ..foreign(&first("3").await)
    })
    .await;
    let original = first("5").await;
    let value = replaced(original.value.as_deref().unwrap(), b"note 5", b"nota 5");
    plant(&RawRecord {
        value: Some(value),
        ..foreign(&original)
    })
    .await;
    plant(&first("6").await).await;
    let original = first("7").await;
    let mut key = original.key.clone().unwrap();
    // Avro writes 7 as 14, and 63 as 126.
    assert_eq!(key.pop(), Some(14));
    key.push(126);
    plant(&RawRecord {
        key: Some(key),
        ..foreign(&original)
    })
    .await;

    let before = records_of(&case, "3").await.len();
    let (planned, report) = verify(&case, &["--repair", "--dry-run"]).await;
    assert_eq!(planned.code, DIFFERENT, "{planned:#?}");
    assert_eq!(report["repair"]["read"], 3, "{report:#}");
    assert_eq!(report["repair"]["deleted"], 1, "{report:#}");
    assert_eq!(report["after"], Value::Null);
    assert_eq!(records_of(&case, "3").await.len(), before);

    let (repaired, report) = verify(&case, &["--repair"]).await;
    assert_eq!(repaired.code, IDENTICAL, "{repaired:#?}");
    assert_eq!(report["repair"]["read"], 3, "{report:#}");
    assert_eq!(report["repair"]["deleted"], 1, "{report:#}");
    assert_eq!(report["repair"]["not_repaired"], json!([]));
    let after = &report["after"]["certificate"];
    assert_eq!(after["verdict"], "identical", "{report:#}");
    assert_eq!(after["is_recheck"], true);
    // Both comparisons are certified, one after the other.
    assert_eq!(after["previous"], report["certificate_sha256"]);

    for id in ["3", "5", "6"] {
        let last = records_of(&case, id).await.pop().unwrap();
        assert!(id_of(&last).ends_with(')'), "{id}: {last:?}");
    }
    let mut gone = records_of(&case, "63").await;
    gone.retain(|record| record.header("walcast.id").is_some());
    let of_repair: Vec<String> = gone.iter().map(id_of).collect();
    assert_eq!(of_repair.len(), 2, "{of_repair:?}");
    assert!(of_repair[0].ends_with("(gone,0)"), "{of_repair:?}");
    assert!(of_repair[1].ends_with("(gone,0.1)"), "{of_repair:?}");
    assert_eq!(gone[1].value, None);

    // The stale record is still there, before the row that was read.
    writer.stop().await;
    let (finished, report) = verify(&case, &[]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    assert_eq!(
        named(&report),
        [("out_of_order".to_owned(), json!(6))],
        "{report:#}"
    );
    let (nothing, report) = verify(&case, &["--repair"]).await;
    assert_eq!(nothing.code, IDENTICAL, "{nothing:#?}");
    assert_eq!(report["repair"]["read"], 0, "{report:#}");
    assert_eq!(report["after"], Value::Null);
    instance.stop().await;
}

#[tokio::test]
async fn rows_that_cannot_be_repaired_are_named_with_the_reason() {
    let case = case("unrepaired").await;
    case.sql(
        "CREATE TABLE log (line text); ALTER TABLE log REPLICA IDENTITY FULL; INSERT INTO log VALUES ('a');
         CREATE TABLE days (day date PRIMARY KEY, note text); INSERT INTO days VALUES ('2024-02-29', 'alpha'), ('2024-03-01', 'omega')",
    )
    .await;
    case.insert([1]).await;
    let mut instance = Instance::start(&case.config).await;
    await_that("the rows in Kafka", async || {
        records(&case, "log").await.len() == 1
            && records(&case, "days").await.len() == 2
            && records(&case, "items").await.len() == 1
    })
    .await;
    // A row twice, a key whose records do not have the text of Postgres, and a row with such a key that can be read.
    plant(&foreign(&records(&case, "log").await[0])).await;
    let days = records(&case, "days").await;
    case.sql("DELETE FROM days WHERE note = 'alpha'").await;
    await_that("the delete in Kafka", async || {
        records(&case, "days").await.len() == 4
    })
    .await;
    let of = |note: &[u8]| {
        let has_note = |record: &&RawRecord| {
            let value = record.value.as_deref().unwrap_or_default();
            value.windows(note.len()).any(|part| part == note)
        };
        days.iter().find(has_note).unwrap().clone()
    };
    plant(&foreign(&of(b"alpha"))).await;
    plant(&RawRecord {
        value: None,
        ..foreign(&of(b"omega"))
    })
    .await;

    // A key that no row has, of a record that names another table: its row may be there.
    let original = records(&case, "items").await.remove(0);
    let mut key = original.key.clone().unwrap();
    // Avro writes 1 as 2, and 63 as 126.
    assert_eq!(key.pop(), Some(2));
    key.push(126);
    let value = replaced(original.value.as_deref().unwrap(), b"items", b"other");
    plant(&RawRecord {
        key: Some(key),
        value: Some(value),
        ..foreign(&original)
    })
    .await;

    let (finished, report) = verify(&case, &["--repair"]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    assert_eq!(report["repair"]["read"], 1, "{report:#}");
    assert_eq!(report["repair"]["deleted"], 0, "{report:#}");
    assert_eq!(records_of(&case, "63").await.len(), 1);
    assert_eq!(
        report["after"]["certificate"]["verdict"], "identical",
        "{report:#}"
    );
    let not_repaired = report["repair"]["not_repaired"].as_array().unwrap();
    let mut reasons: Vec<(&str, &str)> = not_repaired
        .iter()
        .map(|one| (one["topic"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons.len(), 3, "{report:#}");
    assert_eq!(reasons[0].0, "unrepaired.public.days");
    assert!(reasons[0].1.contains("write a tombstone"), "{reasons:?}");
    assert_eq!(reasons[1].0, "unrepaired.public.items");
    assert!(reasons[1].1.contains("names another"), "{reasons:?}");
    assert_eq!(reasons[2].0, "unrepaired.public.log");
    assert!(reasons[2].1.contains("has no key"), "{reasons:?}");

    let printed = case
        .command(&["verify", "--repair", "--dry-run", "--tables", "public.log"])
        .await;
    assert_eq!(printed.code, DIFFERENT, "{printed:#?}");
    assert!(
        printed
            .stdout
            .contains("repair: 0 rows would be read again, 0 keys would be deleted"),
        "{printed:#?}"
    );
    assert!(
        printed
            .stdout
            .contains("  not repaired: unrepaired.public.log extra "),
        "{printed:#?}"
    );
    instance.stop().await;
}
