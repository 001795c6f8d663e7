//! The real Debezium and walcast on the same database: the same records, but for what is listed.

use walcast_tests::conformance::{Release, Scenario, failures, run, stale_document};

#[tokio::test(flavor = "multi_thread")]
async fn walcast_writes_what_debezium_writes() {
    let outcomes = Box::pin(run(Release::V3_3, None)).await;
    let failed = failures(&outcomes);
    assert!(failed.is_empty(), "{failed}");
    let records: usize = outcomes.iter().map(|outcome| outcome.records).sum();
    eprintln!("{} scenarios, {records} records", outcomes.len());
}

#[test]
fn the_document_lists_what_the_scenarios_expect() {
    assert_eq!(stale_document(&Scenario::all()), None);
}
