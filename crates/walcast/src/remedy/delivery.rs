//! Remedies for errors of the delivery crate.

mod halt;
mod rejection;

use std::error::Error;

use walcast_delivery::{
    DeliveryError, KeptAsDeadLetter, MissedChanges, NoRegistry, PartitionChange, PartitionChangeKind,
    SchemaNotFound, SignalError, StoredConditionError, TableQuarantined, shell,
};

use crate::remedy::mapper;

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    let of_session = error.downcast_ref().and_then(session);
    of_session
        .or_else(|| error.downcast_ref().and_then(halt::remedy))
        .or_else(|| error.downcast_ref().and_then(rejection::rewind))
        .or_else(|| error.downcast_ref().and_then(rejection::bookmark))
        .or_else(|| error.downcast_ref().and_then(rejection::import))
        .or_else(|| error.downcast_ref().and_then(rejection::snapshot))
        .or_else(|| error.downcast_ref().and_then(partitions))
        .or_else(|| error.downcast_ref().map(quarantined))
        .or_else(|| error.downcast_ref().map(schema_not_found))
        .or_else(|| logged(error).map(str::to_owned))
}

/// Remedy for a schema of delivered rows that a replay does not find.
fn schema_not_found(_: &SchemaNotFound) -> String {
    "replay the records of the topics: --source topics, under another name".to_owned()
}

/// Remedy for partitions that brought or removed rows without events.
fn partitions(change: &PartitionChange) -> Option<String> {
    let read = format!(
        "walcast snapshot start --tables {}",
        shell::quoted(&change.table.to_string())
    );
    match change.kind {
        PartitionChangeKind::AttachedUnread => Some(format!("read them with: {read}")),
        PartitionChangeKind::Detached | PartitionChangeKind::Dropped | PartitionChangeKind::Rewritten => {
            Some(format!(
                "if consumers must not keep such rows, delete the records of the topic (kafka-delete-records), and read the table again \
             with: {read}"
            ))
        }
        _ => None,
    }
}

/// Remedy for bytes that no server sends.
const DAMAGED: &str = "start again, which reads the same changes or rows once more; if the error comes again, connect without a pooler or \
                       proxy in between, and report it with the version of the server";

/// Remedy for a quarantined table. Its error has a remedy of its own, where there is one.
fn quarantined(quarantined: &TableQuarantined) -> String {
    format!(
        "when the cause is fixed, run: walcast table resume {}",
        shell::quoted(&quarantined.table.to_string())
    )
}

fn session(error: &DeliveryError) -> Option<String> {
    let (source, otherwise) = match error {
        DeliveryError::Decode { .. } | DeliveryError::OutOfOrder { .. } | DeliveryError::CopiedRow { .. } => {
            return Some(DAMAGED.to_owned());
        }
        DeliveryError::Map { source, .. } | DeliveryError::MapMessage { source, .. } => (
            source,
            "or keep changes of the table that cannot be delivered as dead letters: on_error in [[dead_letters.rules]]",
        ),
        DeliveryError::MapRow { source, .. } => (
            source,
            "correct the row or the settings, or leave the table out of [snapshot] tables, then start again: the snapshot resumes there",
        ),
        _ => return None,
    };
    Some(match mapper::remedy(&**source) {
        Some(of_mapping) => format!("{of_mapping}; {otherwise}"),
        None => otherwise.to_owned(),
    })
}

/// Remedy for a missing registry, or for a finding that is only logged.
fn logged(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<NoRegistry>() {
        return Some("set url in [registry], or key and value of [format] to \"json\" or \"json_schema\"");
    }
    if error.is::<MissedChanges>() {
        return Some("read the affected tables again with: walcast snapshot start --tables");
    }
    if error.is::<KeptAsDeadLetter>() {
        return Some("list all with: walcast dlq list");
    }
    match error.downcast_ref() {
        Some(SignalError::Shape(_) | SignalError::Data { .. } | SignalError::NoData { .. }) => {
            return Some("docs/snapshots.md shows the signals");
        }
        Some(SignalError::Pattern(_)) => {
            return Some("data-collections has regular expressions, as in Debezium");
        }
        _ => {}
    }
    match error.downcast_ref() {
        Some(StoredConditionError::SqlNotAllowed) => Some("the setting is [snapshot] sql_conditions"),
        Some(StoredConditionError::Invalid(_)) => {
            Some("request the rows again with: walcast snapshot start --tables")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use walcast_delivery::{
        DeliveryError, Halt, KeptAsDeadLetter, MissedChanges, PartitionChange, PartitionChangeKind,
        StoredConditionError,
    };
    use walcast_mapper::{MapError, TableName};
    use walcast_pgoutput::{Lsn, Tid};

    use crate::remedy::describe;

    fn items() -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: "items".to_owned(),
        }
    }

    fn check_row(source: MapError, expected: &Expect) {
        expected.assert_eq(&describe(&DeliveryError::MapRow {
            table: items(),
            row: Some(Tid { block: 0, offset: 7 }),
            lsn: Lsn::new(0x200),
            source: Box::new(source),
        }));
    }

    #[test]
    fn row_that_cannot_be_mapped_has_the_remedies_of_mapping_and_of_the_snapshot() {
        check_row(
            MapError::Value {
                table: items(),
                column: "price".to_owned(),
                wanted: "a decimal",
            },
            &expect![[
                r#"row (0,7) of public.items, as of 0/200, cannot be mapped: column price of public.items: the value cannot be written as a decimal; [types] has other forms of the values of a type: as_text for the text of the server, unwritable = "null" for null in a column that allows it; correct the row or the settings, or leave the table out of [snapshot] tables, then start again: the snapshot resumes there"#
            ]],
        );
        check_row(
            MapError::TooLarge {
                topic: "shop.public.items".to_owned(),
                bytes: 2_000_000,
                limit: 1_000_000,
            },
            &expect![
                "row (0,7) of public.items, as of 0/200, cannot be mapped: a record of 2000000 bytes for topic shop.public.items is larger than the 1000000 bytes that Kafka takes; raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) above it; correct the row or the settings, or leave the table out of [snapshot] tables, then start again: the snapshot resumes there"
            ],
        );
    }

    #[test]
    fn changes_of_partitions_name_the_command_that_reads_the_table() {
        let change = |kind| PartitionChange {
            kind,
            table: items(),
            partitions: vec![items()],
        };
        for (kind, expected) in [
            (
                PartitionChangeKind::AttachedAndRead,
                expect![[
                    r#"partition public.items of public.items came with rows that the WAL does not contain as rows of public.items (ATTACH PARTITION or SET LOGGED): the rows are read"#
                ]],
            ),
            (
                PartitionChangeKind::AttachedUnread,
                expect![[
                    r#"partition public.items of public.items came with rows that the WAL does not contain as rows of public.items (ATTACH PARTITION or SET LOGGED): the rows are not read, because the settings exclude it; read them with: walcast snapshot start --tables 'public.items'"#
                ]],
            ),
            (
                PartitionChangeKind::Detached,
                expect![[
                    r#"partition public.items was detached from public.items: Postgres publishes no delete, so the rows that left public.items stay in its topic, and later changes are those of another table; if consumers must not keep such rows, delete the records of the topic (kafka-delete-records), and read the table again with: walcast snapshot start --tables 'public.items'"#
                ]],
            ),
            (
                PartitionChangeKind::Dropped,
                expect![[
                    r#"partition public.items of public.items was dropped: Postgres publishes no delete, so the rows stay in the topic of public.items; if consumers must not keep such rows, delete the records of the topic (kafka-delete-records), and read the table again with: walcast snapshot start --tables 'public.items'"#
                ]],
            ),
            (
                PartitionChangeKind::Rewritten,
                expect![[
                    r#"partition public.items of public.items was truncated or rewritten: Postgres does not publish TRUNCATE of a partition, so rows that it removed stay in the topic of public.items; VACUUM FULL, CLUSTER and ALTER TABLE remove none; if consumers must not keep such rows, delete the records of the topic (kafka-delete-records), and read the table again with: walcast snapshot start --tables 'public.items'"#
                ]],
            ),
        ] {
            expected.assert_eq(&describe(&change(kind)));
        }
    }

    #[test]
    fn findings_of_the_process_log_name_the_commands() {
        let missed = MissedChanges(Halt::Unlogged { table: items() });
        expect!["table public.items is unlogged, so its changes are not in the WAL; read the affected tables again with: walcast snapshot start --tables"].assert_eq(&describe(&missed));
        let kept = KeptAsDeadLetter {
            error: "column price of public.items: the value cannot be written as a decimal".to_owned(),
        };
        expect!["column price of public.items: the value cannot be written as a decimal; list all with: walcast dlq list"].assert_eq(&describe(&kept));
        expect!["its condition is SQL, which the configuration does not allow; the setting is [snapshot] sql_conditions"].assert_eq(&describe(&StoredConditionError::SqlNotAllowed));
    }
}
