//! Slot and publication.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, Flag, Text, Words};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const POSITION: &str = "a slot that does not match the checkpoint halts the connector with the range of WAL concerned; no mode validates or moves a position";
const CONFIRMED: &str = "the slot is confirmed after every committed checkpoint, also while idle";
const RETRIED: &str = "every transient error is retried, with the backoff of [retry]";

/// The default of walcast is the root. An existing publication keeps its own setting.
const PARTITIONS: &[(&str, &str)] = &[("false", "leaf"), ("true", "root")];

pub(super) const RULES: &[Rule] = &[
    depends(
        "plugin.name",
        plugin,
        "only `pgoutput` is supported; a slot of another plugin cannot be used",
    )
    .default("decoderbufs")
    .always(),
    becomes("slot.name", "postgres.slot", Text)
        .default("debezium")
        .always(),
    not_needed(
        "slot.drop.on.stop",
        "an operator drops a slot, never a stop: without its slot a connector loses changes",
    )
    .default("false"),
    becomes("slot.failover", "postgres.failover", Flag).default("false"),
    // Its option origin selects the changes that the server sends.
    not_yet("slot.stream.params", "the options of START_REPLICATION are fixed")
        .default("")
        .withholds(),
    not_needed("slot.max.retries", RETRIED),
    not_needed("slot.retry.delay.ms", RETRIED),
    not_needed(
        "create.slot.command.timeout",
        "the creation of a slot waits for running transactions, and can be interrupted",
    ),
    not_needed("slot.seek.to.known.offset.on.start", POSITION).default("false"),
    not_needed("offset.mismatch.strategy", POSITION).default("no_validation"),
    becomes("publication.name", "postgres.publication", Text)
        .default("dbz_publication")
        .always(),
    becomes(
        "publication.autocreate.mode",
        "postgres.auto_create",
        By(autocreate),
    )
    .default("all_tables"),
    becomes(
        "publish.via.partition.root",
        "postgres.partitions",
        Words(PARTITIONS),
    )
    .default("false")
    .always(),
    not_yet(
        "replica.identity.autoset.values",
        "tables are never altered: execute ALTER TABLE … REPLICA IDENTITY manually",
    )
    .default(""),
    not_needed("flush.lsn.source", CONFIRMED).default("true"),
    not_needed("lsn.flush.mode", CONFIRMED).default("connector"),
    not_needed(
        "lsn.flush.timeout.ms",
        "walcast does not wait for a confirmation, which is repeated with every status update",
    ),
    not_needed(
        "lsn.flush.timeout.action",
        "walcast does not wait for a confirmation, which is repeated with every status update",
    ),
    not_needed(
        "status.update.interval.ms",
        "status updates follow the server's own wal_sender_timeout",
    ),
    not_yet("xmin.fetch.interval.ms", "source.xmin stays null").default("0"),
    not_needed(
        "offset.activity.monitor.interval.ms",
        "/metrics has the lag and the position",
    ),
    not_needed("log.position.check.enable", POSITION),
];

/// Rejects a slot of another output plugin, which walcast cannot read.
fn plugin(value: &Value<'_>) -> Outcome {
    match value.text {
        "pgoutput" => Outcome::Nothing("pgoutput is the only plugin"),
        other => Outcome::Refused(format!(
            "the slot uses the output plugin {other}; walcast reads pgoutput, so it needs another slot and cannot use this one"
        )),
    }
}

fn autocreate(value: &Value<'_>) -> Outcome {
    match value.text {
        // Debezium creates its slot in every mode.
        "disabled" => Outcome::line(Setting::new("postgres.auto_create", "slot")),
        "all_tables" | "filtered" => Outcome::Nothing(
            "an existing publication is used unchanged; a missing one is created with exactly the captured tables",
        ),
        "no_tables" => {
            Outcome::Refused("a publication is created with the captured tables, or not at all".to_owned())
        }
        other => Outcome::Refused(format!("{other} is not a mode of Debezium 3.3")),
    }
}
