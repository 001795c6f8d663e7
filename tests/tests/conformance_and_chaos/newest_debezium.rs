//! The latest release of Debezium and walcast with its fields: the scenarios that share one pair of connectors, and replication
//! origins. `cargo xtask conformance --debezium 3.6` plays all scenarios.

use walcast_tests::conformance::{Release, failures, run_part};

#[tokio::test(flavor = "multi_thread")]
async fn walcast_writes_what_debezium_3_6_writes() {
    let outcomes = Box::pin(run_part(Release::V3_6)).await;
    let failed = failures(&outcomes);
    assert!(failed.is_empty(), "{failed}");
    let records: usize = outcomes.iter().map(|outcome| outcome.records).sum();
    eprintln!("{} scenarios, {records} records", outcomes.len());
}
