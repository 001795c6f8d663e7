//! Metrics of a connector under the names of Debezium, so that existing dashboards and alerts keep their data: the names of its
//! OpenTelemetry exporter, which its platform shows, and those that its rules for the JMX exporter make.
//!
//! The figures are read from the state when `/metrics` is read. A metric that has no equivalent is left out; docs/metrics.md names it.

mod family;
mod figures;

use std::fmt;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

use self::family::{Families, Family, Label, Number};
use self::figures::Figures;
use crate::connector_handle::ConnectorHandle;

/// The connector's type, as Debezium names it in its OpenTelemetry metrics.
const CONNECTOR_TYPE: &str = "postgresql";
/// The same in the domain of its JMX beans.
const PLUGIN: &str = "postgres";

/// Metrics of a connector under both kinds of names.
pub(super) fn series(connector: &ConnectorHandle) -> Result<String, fmt::Error> {
    let figures = Figures::of(connector)?;
    let identity = &connector.identity;
    let mut text = String::new();
    let labels = [
        ("service_name".into(), identity.name.clone().into()),
        ("debezium_connector_type".into(), CONNECTOR_TYPE.into()),
    ];
    let mut registry = Registry::with_labels(labels.into_iter());
    registry.register_collector(Box::new(Families(opentelemetry(&figures))));
    encode_registry(&mut text, &registry)?;
    let labels = [
        ("plugin".into(), PLUGIN.into()),
        ("name".into(), identity.topic_prefix.clone().into()),
        // Connectors of one process can have the same topic prefix, and Prometheus keeps one of several series with the same labels.
        ("connector".into(), identity.name.clone().into()),
    ];
    let mut registry = Registry::with_labels(labels.into_iter());
    registry.register_collector(Box::new(Families(jmx(&figures))));
    encode_registry(&mut text, &registry)?;
    Ok(text)
}

/// Metrics by the names of the OpenTelemetry exporter, as Prometheus stores them.
fn opentelemetry(figures: &Figures) -> Vec<Family> {
    const STREAMING: Label = ("debezium_context", "streaming");
    const SNAPSHOT: Label = ("debezium_context", "snapshot");
    let event =
        |context: Label, kind: &'static str, count| (vec![context, ("debezium_event_type", kind)], count);
    let mut families = vec![
        Family::counter(
            "debezium_event_count",
            "Change events",
            vec![
                event(STREAMING, "create", figures.created),
                event(STREAMING, "update", figures.updated),
                event(STREAMING, "delete", figures.deleted),
                event(SNAPSHOT, "create", figures.snapshot_rows),
            ],
        ),
        Family::counter(
            "debezium_event_erroneous_count",
            "Events that became dead letters",
            vec![(vec![STREAMING], figures.dead_letters)],
        ),
        Family::counter(
            "debezium_transaction_committed_count",
            "Transactions",
            vec![(vec![STREAMING], figures.transactions)],
        ),
        Family::gauge(
            "debezium_source_lag_seconds",
            "Lag behind the source",
            vec![(vec![STREAMING], Number::Real(figures.lag.as_secs_f64()))],
        ),
        Family::gauge(
            "debezium_connection_status",
            "Whether changes are streamed",
            states(
                STREAMING,
                "debezium_connection_state",
                ["connected", "disconnected"],
                figures.is_streaming,
            ),
        ),
        Family::gauge(
            "debezium_snapshot_table_count",
            "Tables whose rows are read",
            vec![(vec![SNAPSHOT], Number::of(figures.tables))],
        ),
        Family::gauge(
            "debezium_snapshot_table_remaining_count",
            "Tables whose rows are still to be read",
            vec![(vec![SNAPSHOT], Number::of(figures.tables_remaining))],
        ),
        Family::gauge(
            "debezium_snapshot_running",
            "Whether rows are to be read",
            states(
                SNAPSHOT,
                "debezium_snapshot_running_state",
                ["running", "not_running"],
                figures.is_reading(),
            ),
        ),
        Family::gauge(
            "debezium_snapshot_completed",
            "Whether all rows were read",
            states(
                SNAPSHOT,
                "debezium_snapshot_completed_state",
                ["completed", "not_completed"],
                figures.has_read(),
            ),
        ),
    ];
    if let Some(since) = figures.since_last {
        families.push(Family::gauge(
            "debezium_event_time_since_last_seconds",
            "Time since the last delivery of a transaction",
            vec![(vec![STREAMING], Number::Real(since.as_secs_f64()))],
        ));
    }
    families
}

/// Series of a yes or no that has a label with a value for each.
fn states(
    context: Label,
    label: &'static str,
    [yes, no]: [&'static str; 2],
    is_so: bool,
) -> Vec<(Vec<Label>, Number)> {
    vec![
        (vec![context, (label, yes)], Number::flag(is_so)),
        (vec![context, (label, no)], Number::flag(!is_so)),
    ]
}

/// Metrics by the names that Debezium's rules for the JMX exporter make of its beans.
fn jmx(figures: &Figures) -> Vec<Family> {
    const STREAMING: Label = ("context", "streaming");
    const SNAPSHOT: Label = ("context", "snapshot");
    let streaming = |value| vec![(vec![STREAMING], value)];
    let snapshot = |value| vec![(vec![SNAPSHOT], value)];
    // The bean has -1 before the first event.
    let since_last = figures.since_last.map_or(Number::Whole(-1), Number::millis);
    vec![
        Family::gauge(
            "debezium_metrics_MilliSecondsBehindSource",
            "Lag behind the source in milliseconds",
            streaming(Number::millis(figures.lag)),
        ),
        Family::gauge(
            "debezium_metrics_MilliSecondsSinceLastEvent",
            "Milliseconds since the last delivery of a transaction; -1 before the first",
            streaming(since_last),
        ),
        Family::gauge(
            "debezium_metrics_Connected",
            "1 while streaming",
            streaming(Number::flag(figures.is_streaming)),
        ),
        Family::gauge(
            "debezium_metrics_TotalNumberOfEventsSeen",
            "Change events",
            vec![
                (vec![STREAMING], Number::of(figures.changes())),
                (vec![SNAPSHOT], Number::of(figures.snapshot_rows)),
            ],
        ),
        Family::gauge(
            "debezium_metrics_TotalNumberOfCreateEventsSeen",
            "Inserted rows",
            streaming(Number::of(figures.created)),
        ),
        Family::gauge(
            "debezium_metrics_TotalNumberOfUpdateEventsSeen",
            "Updated rows",
            streaming(Number::of(figures.updated)),
        ),
        Family::gauge(
            "debezium_metrics_TotalNumberOfDeleteEventsSeen",
            "Deleted rows",
            streaming(Number::of(figures.deleted)),
        ),
        Family::gauge(
            "debezium_metrics_NumberOfErroneousEvents",
            "Events that became dead letters",
            streaming(Number::of(figures.dead_letters)),
        ),
        Family::gauge(
            "debezium_metrics_NumberOfCommittedTransactions",
            "Transactions",
            streaming(Number::of(figures.transactions)),
        ),
        Family::gauge(
            "debezium_metrics_TotalTableCount",
            "Tables whose rows are read",
            snapshot(Number::of(figures.tables)),
        ),
        Family::gauge(
            "debezium_metrics_RemainingTableCount",
            "Tables whose rows are still to be read",
            snapshot(Number::of(figures.tables_remaining)),
        ),
        Family::gauge(
            "debezium_metrics_SnapshotRunning",
            "1 while rows are to be read",
            snapshot(Number::flag(figures.is_reading())),
        ),
        Family::gauge(
            "debezium_metrics_SnapshotPaused",
            "1 while reading is paused",
            snapshot(Number::flag(figures.is_paused)),
        ),
        Family::gauge(
            "debezium_metrics_SnapshotCompleted",
            "1 if all rows were read",
            snapshot(Number::flag(figures.has_read())),
        ),
    ]
}

#[cfg(test)]
mod tests;
