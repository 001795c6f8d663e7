//! The slot and the publication.

use crate::debezium::draft::Setting;
use crate::debezium::rule::Translate::{By, Flag, Text, Words};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, depends, not_needed, not_yet};

const POSITION: &str = "a slot that does not fit the checkpoint halts with the range of the log concerned; nothing is validated or moved by a mode";
const CONFIRMED: &str = "the slot is confirmed with every committed checkpoint, idle stretches included";
const RETRIED: &str = "every fault that time may heal is tried again, with the delays of [retry]";

/// Ours is the root by default. A publication that exists decides by itself.
const PARTITIONS: &[(&str, &str)] = &[("false", "leaf"), ("true", "root")];

pub(super) const RULES: &[Rule] = &[
    depends(
        "plugin.name",
        plugin,
        "only `pgoutput` is read; a slot of another plugin cannot be taken over",
    )
    .default("decoderbufs")
    .always(),
    becomes("slot.name", "postgres.slot", Text)
        .default("debezium")
        .always(),
    not_needed(
        "slot.drop.on.stop",
        "a slot is dropped by a person, never by a stop: without it changes are lost",
    )
    .default("false"),
    becomes("slot.failover", "postgres.failover", Flag).default("false"),
    not_yet("slot.stream.params", "the options of START_REPLICATION are fixed").default(""),
    not_needed("slot.max.retries", RETRIED),
    not_needed("slot.retry.delay.ms", RETRIED),
    not_needed(
        "create.slot.command.timeout",
        "the creation of a slot waits for the transactions under way, and can be interrupted",
    ),
    not_needed("slot.seek.to.known.offset.on.start", POSITION).default("false"),
    not_needed("offset.mismatch.strategy", POSITION).default("no_validation"),
    becomes("publication.name", "postgres.publication", Text)
        .default("dbz_publication")
        .always(),
    becomes("publication.autocreate.mode", "postgres.create", By(autocreate)).default("all_tables"),
    becomes(
        "publish.via.partition.root",
        "postgres.partitions",
        Words(PARTITIONS),
    )
    .default("false")
    .always(),
    not_yet(
        "replica.identity.autoset.values",
        "tables are never altered: ALTER TABLE … REPLICA IDENTITY by hand",
    )
    .default(""),
    not_needed("flush.lsn.source", CONFIRMED).default("true"),
    not_needed("lsn.flush.mode", CONFIRMED).default("connector"),
    not_needed(
        "lsn.flush.timeout.ms",
        "a confirmation is not waited for: it is repeated with every status update",
    ),
    not_needed(
        "lsn.flush.timeout.action",
        "a confirmation is not waited for: it is repeated with every status update",
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

/// Without pgoutput the slot is of no use here.
fn plugin(value: &Value<'_>) -> Outcome {
    match value.text {
        "pgoutput" => Outcome::Nothing("pgoutput is the only plugin"),
        other => Outcome::Refused(format!(
            "the slot decodes with {other}; walcast reads pgoutput, so it needs a slot of its own and cannot take this one over"
        )),
    }
}

fn autocreate(value: &Value<'_>) -> Outcome {
    match value.text {
        "disabled" => Outcome::line(Setting::new("postgres.create", false)),
        "all_tables" | "filtered" => Outcome::Nothing(
            "a publication that exists is used as it is; a missing one is created with exactly the captured tables",
        ),
        "no_tables" => {
            Outcome::Refused("a publication is created with the captured tables, or not at all".to_owned())
        }
        other => Outcome::Refused(format!("{other} is no mode of Debezium 3.3")),
    }
}
