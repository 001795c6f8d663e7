use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use expect_test::expect;
use walcast_delivery::{ChangeLabels, DeadLetterLabels, SnapshotRequests, Status};

use super::series;
use crate::admin::exposition::exposition;
use crate::admin::tests::handle;
use crate::config::CompatibleMetrics;
use crate::connector_handle::ConnectorHandle;

/// Connector that streams, has delivered changes, and reads no rows.
fn streaming(compatible: &[CompatibleMetrics]) -> ConnectorHandle {
    let mut handle = handle("shop", &SnapshotRequests::new());
    handle.identity.topic_prefix = "shop-events".to_owned();
    handle.compatible = compatible.to_vec();
    handle.state.status.set(Status::Streaming);
    for (table, operation, count) in [
        ("public.orders", "insert", 5),
        ("public.items", "insert", 2),
        ("public.items", "update", 3),
        ("public.items", "delete", 1),
        ("public.items", "truncate", 1),
    ] {
        let labels = ChangeLabels {
            table: table.to_owned(),
            operation,
        };
        handle.metrics.changes.get_or_create(&labels).inc_by(count);
    }
    let labels = DeadLetterLabels {
        table: "public.items".to_owned(),
        reason: "size",
    };
    handle.metrics.dead_letters.get_or_create(&labels).inc_by(4);
    handle.metrics.transactions.inc_by(6);
    handle.metrics.snapshot_rows.inc_by(7);
    handle
}

/// Series, without the lines that describe them.
fn figures(text: &str) -> String {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series.map(|line| format!("{line}\n")).collect()
}

#[test]
fn figures_have_the_names_of_debezium() {
    let text = series(&streaming(&[CompatibleMetrics::Debezium])).unwrap();
    expect![[r#"
        debezium_event_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming",debezium_event_type="create"} 7
        debezium_event_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming",debezium_event_type="update"} 3
        debezium_event_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming",debezium_event_type="delete"} 1
        debezium_event_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot",debezium_event_type="create"} 7
        debezium_event_erroneous_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming"} 4
        debezium_transaction_committed_count_total{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming"} 6
        debezium_source_lag_seconds{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming"} 0.0
        debezium_connection_status{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming",debezium_connection_state="connected"} 1
        debezium_connection_status{service_name="shop",debezium_connector_type="postgresql",debezium_context="streaming",debezium_connection_state="disconnected"} 0
        debezium_snapshot_table_count{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot"} 0
        debezium_snapshot_table_remaining_count{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot"} 0
        debezium_snapshot_running{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot",debezium_snapshot_running_state="running"} 0
        debezium_snapshot_running{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot",debezium_snapshot_running_state="not_running"} 1
        debezium_snapshot_completed{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot",debezium_snapshot_completed_state="completed"} 0
        debezium_snapshot_completed{service_name="shop",debezium_connector_type="postgresql",debezium_context="snapshot",debezium_snapshot_completed_state="not_completed"} 1
        debezium_metrics_MilliSecondsBehindSource{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 0
        debezium_metrics_MilliSecondsSinceLastEvent{plugin="postgres",name="shop-events",connector="shop",context="streaming"} -1
        debezium_metrics_Connected{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 1
        debezium_metrics_TotalNumberOfEventsSeen{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 12
        debezium_metrics_TotalNumberOfEventsSeen{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 7
        debezium_metrics_TotalNumberOfCreateEventsSeen{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 7
        debezium_metrics_TotalNumberOfUpdateEventsSeen{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 3
        debezium_metrics_TotalNumberOfDeleteEventsSeen{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 1
        debezium_metrics_NumberOfErroneousEvents{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 4
        debezium_metrics_NumberOfCommittedTransactions{plugin="postgres",name="shop-events",connector="shop",context="streaming"} 6
        debezium_metrics_TotalTableCount{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 0
        debezium_metrics_RemainingTableCount{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 0
        debezium_metrics_SnapshotRunning{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 0
        debezium_metrics_SnapshotPaused{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 0
        debezium_metrics_SnapshotCompleted{plugin="postgres",name="shop-events",connector="shop",context="snapshot"} 0
    "#]].assert_eq(&figures(&text));
    assert!(
        text.contains("# TYPE debezium_event_count counter\n"),
        "a counter keeps its type:\n{text}"
    );
}

#[test]
fn debezium_names_are_exposed_only_where_they_are_configured() {
    let without = exposition([streaming(&[])].iter()).unwrap();
    assert!(!without.contains("debezium"), "{without}");
    let with = exposition([streaming(&[CompatibleMetrics::Debezium])].iter()).unwrap();
    assert!(
        with.contains("\nwalcast_streaming{connector=\"shop\"} 1\n"),
        "{with}"
    );
    assert!(with.contains("\ndebezium_metrics_Connected{"), "{with}");
    assert!(with.ends_with("# EOF\n"), "{with}");
}

/// The manual has a row for each metric that is exposed, and says `none` where there is no equivalent.
#[test]
fn the_manual_has_the_metrics_of_debezium() {
    let text = series(&streaming(&[CompatibleMetrics::Debezium])).unwrap();
    let descriptors = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut exposed: BTreeSet<String> = descriptors
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect();
    // Without a delivery it has no series.
    exposed.insert("debezium_event_time_since_last_seconds".to_owned());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let manual = fs::read_to_string(path).unwrap();
    let (_, section) = manual.split_once("\n## Names of Debezium\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut described = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", of_platform, of_jmx, here, ""] = cells.as_slice() else {
            panic!("not a row: {line}")
        };
        let names = [of_platform, of_jmx].into_iter().flat_map(|cell| cell.split('`'));
        let names: Vec<&str> = names.filter(|part| part.starts_with("debezium_")).collect();
        for name in names {
            match here.starts_with("none") {
                true => assert!(!exposed.contains(name), "{name} is exposed"),
                false => assert!(described.insert(name.to_owned()), "{name} is described twice"),
            }
        }
    }
    assert_eq!(described, exposed, "left in docs/metrics.md, right on /metrics");
}
