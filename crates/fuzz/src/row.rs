//! A row of any text, in columns of any type, by any configuration of the mapper.
//!
//! An input is: twelve bytes that choose the configuration and what happened to the row ([`SETTINGS`]), then for each column
//! a byte for its type ([`TYPES`]), one of flags ([`flag`]), four for the type's modifier, and its text up to a zero.

mod input;
mod records;
mod settings;
mod types;

use std::sync::{Arc, LazyLock};

use walcast_mapper::dead_letter::{DeadLetter, DeadLetterReason, DeadLetterSource, UndeliverableEvent};
use walcast_mapper::{
    ChangeContext, MapError, MapperConfig, Ordinal, Plan, ReadContext, RecordBuffer, ReplicationOrigin,
    RowChange, RowId, SchemaId, SchemaIds, SnapshotMarker, TableMetadata,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Lsn, Oid, OldTuple, PgTimestamp, Relation, Tid, Tuple, Xid, encode};

use self::input::{Input, InputColumn};
use self::settings::{Happened, Settings};

pub use self::input::flag;
pub use self::types::ALL as TYPES;

/// How many bytes stand before the columns.
pub const SETTINGS: usize = 12;

/// No more than so many bytes are a dead letter.
const LETTER_BYTES_MAX: usize = 8_000;

/// A table as the WAL describes it, its entries in the catalog, and its mapping.
type Table<'a> = (&'a Relation, &'a TableMetadata, &'a MapperConfig);

/// Maps the row that `data` describes.
///
/// # Panics
/// A record is not readable to its end by an independent decoder of its schema, the same row makes other records when it is
/// mapped again, an error leaves something in the batch or says nothing, or the row of an error cannot be kept as a dead letter.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = Settings::take(&mut input);
    let columns = input.columns();
    let config = settings.config(&columns);
    let relation = input::relation(&columns, settings.identity);
    let facts = input::facts(&columns);
    match Plan::compile(&relation, &facts, &config) {
        Ok(mut plan) => {
            plan.bind(SchemaIds {
                key: Some(SchemaId::new(1)),
                value: Some(SchemaId::new(2)),
            });
            let table = (&relation, &facts, &config);
            check_row(&mut plan, table, settings.happened, &columns);
        }
        Err(error) => check_error(&error),
    }
}

fn check_row(plan: &mut Plan, table: Table<'_>, happened: Happened, columns: &[InputColumn<'_>]) {
    let new = encode::tuple(&columns.iter().map(InputColumn::value).collect::<Vec<_>>());
    let old = encode::tuple(&columns.iter().map(InputColumn::old_value).collect::<Vec<_>>());
    let key = encode::tuple(&columns.iter().map(InputColumn::key_value).collect::<Vec<_>>());
    let event = event(happened, tuple(&new), tuple(&old), tuple(&key));

    let mut batch = RecordBuffer::new();
    // Something that an error must leave alone.
    batch.push(&Arc::from("before"), Some(b"key"), None, []);
    let before = batch.len_bytes();
    match map(plan, event, &mut batch) {
        Ok(()) => {
            records::check(plan, table.2, batch.records().skip(1));
            let mut again = RecordBuffer::new();
            map(plan, event, &mut again).expect("the same row was mapped before");
            records::check_same(batch.records().skip(1), again.records());
        }
        Err(error) => {
            check_error(&error);
            assert_eq!(
                (batch.len_bytes(), batch.record_count()),
                (before, 1),
                "after {error}"
            );
            check_letter(table, event, &error);
        }
    }
}

fn check_error(error: &MapError) {
    assert!(!error.to_string().is_empty());
}

fn tuple(bytes: &[u8]) -> Tuple<'_> {
    Tuple::read(&mut Reader::new(bytes)).expect("it was encoded as one")
}

fn event<'a>(happened: Happened, new: Tuple<'a>, old: Tuple<'a>, key: Tuple<'a>) -> UndeliverableEvent<'a> {
    let change = match happened {
        Happened::Insert => RowChange::Insert { new: old },
        Happened::Update => RowChange::Update { old: None, new },
        Happened::UpdateOfKey => RowChange::Update {
            old: Some(OldTuple::Key(key)),
            new,
        },
        Happened::UpdateOfAll => RowChange::Update {
            old: Some(OldTuple::Full(old)),
            new,
        },
        Happened::DeleteByKey => RowChange::Delete {
            old: OldTuple::Key(key),
        },
        Happened::DeleteOfAll => RowChange::Delete {
            old: OldTuple::Full(old),
        },
        Happened::Read => return UndeliverableEvent::Read(old),
    };
    UndeliverableEvent::Change(change)
}

fn map(plan: &mut Plan, event: UndeliverableEvent<'_>, batch: &mut RecordBuffer) -> Result<(), MapError> {
    match event {
        UndeliverableEvent::Change(change) => plan.encode(&change, &change_context(), None, batch),
        UndeliverableEvent::Read(row) => plan.encode_read(row, &read_context(), batch),
        UndeliverableEvent::Truncate => plan.encode_truncate(0, &change_context(), None, batch),
    }
}

fn check_letter((relation, facts, config): Table<'_>, event: UndeliverableEvent<'_>, error: &MapError) {
    let source = match event {
        UndeliverableEvent::Read(_) => DeadLetterSource::Read(read_context()),
        UndeliverableEvent::Change(_) | UndeliverableEvent::Truncate => DeadLetterSource::Change {
            context: change_context(),
            part: 0,
        },
    };
    let letter = DeadLetter {
        relation,
        key_columns: &facts.key_columns,
        has_unsent_key_columns: !facts.unsent_key_columns.is_empty(),
        event,
        source,
        reason: DeadLetterReason::Mapping,
        error: &error.to_string(),
    };
    let mut batch = RecordBuffer::new();
    letter.write(
        &Arc::from("letters"),
        "walcast",
        config,
        LETTER_BYTES_MAX,
        &mut batch,
    );
    records::check_letter(&batch, LETTER_BYTES_MAX);
}

static ORIGIN: LazyLock<ReplicationOrigin> = LazyLock::new(|| ReplicationOrigin {
    name: "elsewhere".to_owned(),
    lsn: Lsn::new(0xABCD),
});

fn change_context() -> ChangeContext<'static> {
    ChangeContext {
        xid: Xid::new(4_000_000_000),
        commit_lsn: Lsn::new(0x16B_3748),
        commit_time: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        lsn: Lsn::new(0x16B_3700),
        ordinal: Ordinal::new(7),
        previous_commit_end: Some(Lsn::new(0x16B_3600)),
        origin: Some(&ORIGIN),
        transaction_context: None,
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    }
}

fn read_context() -> ReadContext {
    ReadContext {
        lsn: Lsn::new(0x16B_3700),
        fixed_at: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        marker: SnapshotMarker::First,
        row: RowId {
            table: Oid::new(16_384),
            tid: Tid::of_block(7),
        },
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    }
}
