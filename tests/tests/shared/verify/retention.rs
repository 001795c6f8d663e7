//! Records that retention has removed: their rows are neither equal nor missing.

use std::collections::BTreeMap;

use walcast_testbed::remove_records;
use walcast_tests::{Instance, shared};

use super::{UNDECIDED, case, verify};

#[tokio::test]
async fn rows_whose_records_are_removed_cannot_be_compared() {
    let case = case("expired").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=20).await;
    case.await_ids(1..=20).await;
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for record in case.items().await {
        ends.insert(record.partition, record.offset + 1);
    }
    let brokers = shared().await.kafka().brokers();
    for (partition, end) in ends {
        remove_records(&brokers, "expired.public.items", partition, end)
            .await
            .unwrap();
    }
    assert!(case.ids().await.is_empty());
    case.sql("UPDATE items SET note = 'newer' WHERE id <= 5").await;
    case.await_ids(1..=5).await;

    let (finished, report) = verify(&case, &["--tables", "public.items"]).await;
    assert_eq!(finished.code, UNDECIDED, "{finished:#?}");
    let topic = &report["certificate"]["topics"][0];
    assert_eq!(topic["identical"], 5, "{report:#}");
    assert_eq!(topic["unverifiable"]["expired"], 15, "{report:#}");
    assert_eq!(topic["differences"]["missing"].as_u64(), None, "{report:#}");
    // Nothing is known to differ, and nothing is read again.
    let (finished, report) = verify(&case, &["--tables", "public.items", "--repair"]).await;
    assert_eq!(finished.code, UNDECIDED, "{finished:#?}");
    assert_eq!(report["repair"]["read"], 0, "{report:#}");
    instance.stop().await;
}
