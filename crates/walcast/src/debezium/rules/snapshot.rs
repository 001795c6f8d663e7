//! Snapshots: what was there before the slot.

use crate::debezium::rule::{Outcome, Rule, Value, depends, not_needed, not_yet};

const NO_SNAPSHOTS: &str = "walcast does not read snapshots yet; after a take-over none is needed";

pub(super) const RULES: &[Rule] = &[
    depends(
        "snapshot.mode",
        mode,
        "`initial` and `no_data` have nothing left to do after a take-over; the others are not there yet",
    )
    .default("initial"),
    not_yet("snapshot.mode.configuration.based.*", NO_SNAPSHOTS).default("false"),
    not_yet("snapshot.mode.custom.name", NO_SNAPSHOTS),
    not_yet("snapshot.isolation.mode", NO_SNAPSHOTS).default("serializable"),
    not_yet("snapshot.locking.mode", NO_SNAPSHOTS).default("none"),
    not_yet("snapshot.locking.mode.custom.name", NO_SNAPSHOTS),
    not_yet("snapshot.lock.timeout.ms", NO_SNAPSHOTS).default("10000"),
    not_yet("snapshot.query.mode", NO_SNAPSHOTS).default("select_all"),
    not_yet("snapshot.query.mode.custom.name", NO_SNAPSHOTS),
    not_yet("snapshot.select.statement.overrides", NO_SNAPSHOTS).default(""),
    not_yet("snapshot.select.statement.overrides.*", NO_SNAPSHOTS),
    not_yet("snapshot.include.collection.list", NO_SNAPSHOTS).default(""),
    not_yet("snapshot.fetch.size", NO_SNAPSHOTS).default("10240"),
    not_yet("snapshot.delay.ms", NO_SNAPSHOTS).default("0"),
    not_yet("streaming.delay.ms", NO_SNAPSHOTS).default("0"),
    not_yet("snapshot.tables.order.by.row.count", NO_SNAPSHOTS).default("disabled"),
    not_yet("snapshot.max.threads", NO_SNAPSHOTS).default("1"),
    not_yet("snapshot.max.threads.multiplier", NO_SNAPSHOTS).default("1"),
    not_yet("legacy.snapshot.max.threads", NO_SNAPSHOTS).default("false"),
    not_yet("snapshot.scan.all.columns.force", NO_SNAPSHOTS).default("false"),
    not_needed("query.fetch.size", "nothing is read by queries but the catalog"),
];

/// After a take-over a mode that reads once has nothing left to read; one that reads again has no counterpart.
fn mode(value: &Value<'_>) -> Outcome {
    match value.text {
        "initial" | "no_data" | "never" => Outcome::Nothing(
            "after a take-over nothing is left to be read; a first start begins with the changes after the slot",
        ),
        other => Outcome::Refused(format!("{other}: {NO_SNAPSHOTS}")),
    }
}
