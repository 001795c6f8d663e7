//! Snapshots of existing rows.

use crate::debezium::draft::Setting;
use crate::debezium::regex_list;
use crate::debezium::rule::Translate::{By, Number};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const BY_THE_SLOT: &str =
    "rows are read from the snapshot that a slot exports, which locks no writer out and misses no row";
const BY_HAND: &str = "write a condition for each table into [[snapshot.filters]]";
const NO_CLASS: &str = "a Java class cannot be loaded";
const BY_SETTING: &str = "[snapshot] mode selects the rows; parallelism and rows_per_second limit the speed";

pub(super) const RULES: &[Rule] = &[
    becomes("snapshot.mode", "snapshot.mode", By(mode))
        .default("initial")
        .withholds(),
    not_yet("snapshot.mode.configuration.based.*", BY_SETTING).default("false"),
    not_yet("snapshot.mode.custom.name", NO_CLASS),
    not_needed("snapshot.isolation.mode", BY_THE_SLOT),
    not_needed("snapshot.locking.mode", BY_THE_SLOT),
    not_yet("snapshot.locking.mode.custom.name", NO_CLASS),
    becomes(
        "snapshot.lock.timeout.ms",
        "snapshot.lock_timeout",
        By(lock_timeout),
    )
    .default("10000"),
    depends("snapshot.query.mode", query, "`select_all` is always used").default("select_all"),
    not_yet("snapshot.query.mode.custom.name", NO_CLASS),
    not_yet("snapshot.select.statement.overrides", BY_HAND)
        .default("")
        .withholds(),
    not_yet("snapshot.select.statement.overrides.*", BY_HAND).withholds(),
    becomes("snapshot.include.collection.list", "snapshot.tables", By(tables))
        .default("")
        .withholds(),
    not_needed(
        "snapshot.fetch.size",
        "rows are copied as a stream, bounded in bytes",
    ),
    not_yet("snapshot.delay.ms", BY_SETTING).default("0"),
    not_yet("streaming.delay.ms", BY_SETTING).default("0"),
    not_yet(
        "snapshot.tables.order.by.row.count",
        "tables are read in alphabetical order",
    )
    .default("disabled"),
    becomes("snapshot.max.threads", "snapshot.parallelism", Number).default("1"),
    not_needed(
        "snapshot.max.threads.multiplier",
        "ranges of a table have a fixed size",
    ),
    not_needed(
        "legacy.snapshot.max.threads",
        "ranges of a table have a fixed size",
    ),
    not_needed("snapshot.scan.all.columns.force", "only sent columns are read"),
    not_needed("query.fetch.size", "only the catalog is read by queries"),
];

/// Translates the snapshot mode.
fn mode(value: &Value<'_>) -> Outcome {
    let ours = match value.text {
        "initial" => "initial",
        "initial_only" => "initial_only",
        "always" => "always",
        "no_data" | "never" | "schema_only" => "never",
        "when_needed" => "when_needed",
        other => return Outcome::Refused(format!("{other}: {BY_SETTING}")),
    };
    Outcome::line(Setting::new("snapshot.mode", ours))
}

fn lock_timeout(value: &Value<'_>) -> Outcome {
    match value.text.trim().parse::<u64>() {
        Ok(millis) => {
            let seconds = millis.div_ceil(1000).max(1);
            Outcome::line(Setting::new("snapshot.lock_timeout", format!("{seconds}s")))
        }
        Err(_) => Outcome::Refused(format!("{} is not a number of milliseconds", value.text)),
    }
}

fn query(value: &Value<'_>) -> Outcome {
    match value.text {
        "select_all" => Outcome::Nothing("all sent columns are read"),
        other => Outcome::Refused(format!("{other}: {NO_CLASS}")),
    }
}

fn tables(value: &Value<'_>) -> Outcome {
    regex_list::all(value.text, regex_list::table).setting("snapshot.tables")
}
